"""Merges two records of one patient, and takes a merge back: nothing of either is lost.

R4 §8.1.4 (Patient.link); IHE PIXm ITI-104; RNIV: two establishments' records become one only by a qualified INS
or the five strict traits, those of one establishment by the decision of its identity desk.  A merge is two
statements over the records (:mod:`hub.store.statements`), the same as an ADT A40 makes; so either takes back
what the other said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hub import clock
from hub.errors import HubError, NotFoundError, UnprocessableError
from hub.fhir.draft import Patch, Rank
from hub.services.identity import links
from hub.services.identity.grade import CERTAIN, Grade, grade
from hub.services.identity.traits import identity, other_ins
from hub.source.identity import INS_SYSTEMS
from hub.store.handle import Store
from hub.store.resources import Saying, apply
from hub.store.writer import Tx

SOURCE = "urn:oncohub:api"  # meta.source
REPLACED = "replaced-by"  # topics of the statements, those of a merge by HL7 v2 (hub.mappings)
REPLACES = "replaces:"


@dataclass(frozen=True, slots=True)
class Pair:
    """The record that goes (``source``) and the one that stays; references."""

    source: str
    target: str


def merge(store: Store, pair: Pair, *, preview: bool = False) -> bool:
    """Merge a record into another; whether that is new.

    :param preview: see whether it may be, and change nothing.
    :raises NotFoundError: when one is not there; UnprocessableError: when it must not be.
    """
    take_id = store.ids.take  # before the writer works: the first use asks it for the number of this process

    def write(tx: Tx) -> bool:
        _alone(tx)
        there = _both(tx, pair)
        if pair.target in links.linked(there[pair.source], (REPLACED,)):
            return False
        _may(tx, pair, there)
        _say(tx, _statements(pair, take_back=False), take_id)
        return True

    if preview:
        with store.looking() as tx:
            there = _both(tx, pair)
            if pair.target in links.linked(there[pair.source], (REPLACED,)):
                return False
            _may(tx, pair, there)
        return True
    return store.write(write)


def unmerge(store: Store, pair: Pair) -> None:
    """Take a merge back: both records are as if it had never been.

    :raises NotFoundError: when one is not there; UnprocessableError: when they are not merged, or when the link
        is no statement but was written into a record.
    """
    take_id = store.ids.take  # before the writer works: the first use asks it for the number of this process

    def write(tx: Tx) -> bool:
        _alone(tx)
        if not _merged(_both(tx, pair), pair):
            raise UnprocessableError("these two are not merged", where="http.source-patient", cure="see Patient.link")
        _say(tx, _statements(pair, take_back=True), take_id)
        if _merged(_both(tx, pair), pair):
            raise UnprocessableError(
                "the link was written into the record, or follows from the INS", where="http.source-patient",
                cure="correct the record itself by an update, or the identity at its source",
            )  # fmt: skip
        return True

    store.write(write)


def _alone(tx: Tx) -> None:
    """One merge at a time: two at once could make a ring."""
    if tx.backend == "postgresql":
        tx.raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' merge', 0))")


def _both(tx: Tx, pair: Pair) -> dict[str, dict[str, Any]]:
    there = links.fetch(tx.conn, [pair.source, pair.target])
    for name, ref in (("source-patient", pair.source), ("target-patient", pair.target)):
        if ref not in there:
            raise NotFoundError("there is no such patient", where=f"http.{name}", cure="search for it")
    return there


def _merged(there: dict[str, dict[str, Any]], pair: Pair) -> bool:
    return pair.target in links.linked(there[pair.source], (REPLACED,)) or pair.source in links.linked(
        there[pair.target], ("replaces",)
    )


def _may(tx: Tx, pair: Pair, there: dict[str, dict[str, Any]]) -> None:
    if pair.source == pair.target:
        raise _refused("a record cannot be merged into itself", "target-patient", "name the other one")
    for name, ref in (("source-patient", pair.source), ("target-patient", pair.target)):
        if links.survivor(links.same(tx.conn, ref), ref) != ref:
            raise _refused("this one was merged into another already", name, "name the one that stays: see its link")
    refusal = doubt(there[pair.source], there[pair.target])
    if refusal:
        raise _refused(refusal, "source-patient", "see who they are, and correct or qualify the identities first")


def _refused(what: str, name: str, cure: str) -> HubError:
    return UnprocessableError(what, where=f"http.{name}", cure=cure, code="business-rule")


def doubt(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Why two records must not become one; '' when they may."""
    a, b = identity(one), identity(other)
    if other_ins(a, b) and a.qualified and b.qualified:
        return "their qualified INS differ: these are two persons"
    if _establishments(one) & _establishments(other):
        return ""
    made: Grade = grade(a, b)
    if made.grade == CERTAIN and (made.by != "ins" or (a.qualified and b.qualified)):
        return ""
    reasons = "; ".join(made.reasons or ("the INS is not qualified on both sides",))
    return f"neither a qualified INS nor the five strict traits say that they are one: {reasons}"


def _establishments(patient: dict[str, Any]) -> set[str]:
    """The systems of the patient's local numbers (v2-0203 PI), also of former ones."""
    return {
        i["system"]
        for i in patient.get("identifier", ())
        if i.get("system") and i["system"] not in INS_SYSTEMS
        and any(c.get("code") == "PI" for c in i.get("type", {}).get("coding", ()))
    }  # fmt: skip


def _statements(pair: Pair, *, take_back: bool) -> list[Patch]:
    def made(ref: str, topic: str, sets: dict[str, Any], other: str, kind: str) -> Patch:
        adds = {"link": [{"other": {"reference": other}, "type": kind}]}
        fid = ref.partition("/")[2]
        return Patch("Patient", fid, topic, {} if take_back else sets, {} if take_back else adds, Rank.PERSON)

    return [
        made(pair.source, REPLACED, {"active": False}, pair.target, "replaced-by"),
        made(pair.target, f"{REPLACES}{pair.source}", {}, pair.source, "replaces"),
    ]


def _say(tx: Tx, patches: list[Patch], take_id: Callable[[], int]) -> None:
    number = take_id()
    apply(tx, [Saying(patch, number, SOURCE) for patch in patches], clock.now(), take_id)
