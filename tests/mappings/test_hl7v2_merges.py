"""A40, A47, A24, A37: records that become one, change their number, are tied or told apart.

HL7 v2.5 §3.3; R4 Patient.link.
"""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.fhir.draft import Draft, resource_id
from hub.store import Store, resources
from hub.store.resources import Saying

from .run import INS, IPP, adt, edited, issues, refs, sample

A01, A40 = sample("a01.hl7"), sample("a40.hl7")
INS_IN_PID = "~255064900799907^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS^^20250110"
OLD = ("urn:oid:1.2.250.1.999.7", "P0999")
NEW_REF, OLD_REF = (f"Patient/{resource_id('Patient', *who)}" for who in (INS, OLD))
GONE = {"active": False, "link": [{"other": {"reference": NEW_REF}, "type": "replaced-by"}]}
NUMBER = "P1001^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI" + INS_IN_PID


def named(who: str, name: str = "DURAND") -> bytes:
    """An A28 of a person known by an IPP alone."""
    return edited(A01, ("ADT^A01^ADT_A01", "ADT^A28^ADT_A05"), (NUMBER, who + "^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI"),
                  ("LEFÈVRE^ODETTE^ODETTE JEANNE^^MME^^L~MARTIN^ODETTE^^^^^D", f"{name}^ODETTE^^^^^L"))  # fmt: skip


@pytest.mark.parametrize("event", ["A40^ADT_A39", "A47^ADT_A30"])
def test_a_merge_states_both_sides(event: str) -> None:
    """MRG-1 goes: inactive and replaced-by; PID stays: replaces.  Nothing else of either is touched."""
    draft = adt(edited(A40, ("A40^ADT_A39", event)))
    gone, stays = draft.patches[OLD_REF, "replaced-by"], draft.patches[NEW_REF, f"replaces:{OLD_REF}"]
    assert ({**gone.sets, **gone.adds}, stays.sets) == (GONE, {})
    assert stays.adds == {"link": [{"other": {"reference": OLD_REF}, "type": "replaces"}]}
    assert gone.at == stays.at == 1776672000_000000  # EVN-2, 20260420100000 in Paris
    assert draft.keys == [("patient", "P0999")]
    assert draft.entries[OLD_REF].rank == 1


def test_an_ins_is_never_merged_and_a_record_not_into_itself() -> None:
    """An INS is that of a person everywhere; each is told."""
    draft = adt(edited(A40, (INS_IN_PID, ""), ("MRG|P0999", "MRG|~1^^^A&1.2.250.1.213.1.4.8&ISO^INS~P1001")))
    assert issues(draft) == [("warning", "MRG-1[2].1"), ("warning", "MRG-1[3].1")]
    assert ([f"Patient/{resource_id('Patient', *IPP)}"], {}) == (refs(draft, "Patient"), draft.patches)


def test_each_patient_of_a_merge_has_its_own_records() -> None:
    """ADT_A39 repeats PID and MRG."""
    more = b"PID|2||P7^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI||A^B^^^^^L\rMRG|P8^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI\r"
    draft = adt(A40 + (b"" if A40.endswith(b"\r") else b"\r") + more)
    second = f"Patient/{resource_id('Patient', OLD[0], 'P7')}"
    assert [p.adds["link"][0]["other"]["reference"] for (_, t), p in draft.patches.items() if t == "replaced-by"] == [
        NEW_REF, second,
    ]  # fmt: skip
    assert issues(adt(edited(A40, ("\rMRG|", "\rZRG|")))) == []


@pytest.mark.parametrize("event", ["A24", "A37"])
def test_two_patients_are_tied_and_told_apart(event: str) -> None:
    """A24: seealso on both; A37 takes that back, and a merge of the two."""
    second = "\rPID|2||P0999^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI||A^B^^^^^L"
    draft = adt(
        edited(A40, ("A40^ADT_A39", f"{event}^ADT_{event}"), ("\rMRG|P0999^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI", second))
    )
    links = {ref: p.adds.get("link") for (ref, topic), p in draft.patches.items() if topic.startswith("seealso:")}
    if event == "A24":
        assert links[NEW_REF] == [{"other": {"reference": OLD_REF}, "type": "seealso"}]
        assert links[OLD_REF] == [{"other": {"reference": NEW_REF}, "type": "seealso"}]
    else:
        assert {k for k, p in draft.patches.items() if not p.adds and not p.sets} >= {
            (NEW_REF, f"seealso:{OLD_REF}"), (OLD_REF, "replaced-by"), (NEW_REF, f"replaces:{OLD_REF}"),
        }  # fmt: skip
    assert OLD_REF not in refs(draft, "Patient")  # a pair describes nobody but the first


def test_a_pair_needs_two() -> None:
    """The message is kept, with a warning."""
    assert issues(adt(edited(A40, ("A40^ADT_A39", "A24^ADT_A24")))) == [("warning", "PID[2]")]


def apply(store: Store, message: int, draft: Draft) -> None:
    writes: list[Any] = [resources.prepare(e, message, "urn:m") for e in draft.entries.values()]
    writes += [Saying(p, message, "urn:m") for p in draft.patches.values()]
    take_id = store.ids.take
    store.write(lambda tx: resources.apply(tx, writes, 1_776_000_000_000_000 + message, take_id))


def seen(store: Store, ref: str) -> dict[str, Any]:
    with store.looking() as tx:
        (row,) = tx.rows("SELECT content FROM resource WHERE ref = ?", (ref,))
    made = orjson.loads(bytes(row[0]))
    return {k: made.get(k) for k in ("active", "link", "name")}


def test_a_merge_gives_the_same_in_any_order_of_arrival(store: Store) -> None:
    """The two descriptions and the merge, in each of their six orders: one outcome, no name lost."""
    bodies = [named("P0999"), A01, A40]
    expected = None
    for order in itertools.permutations(range(3)):
        for message, which in enumerate(order, 1):
            # each order tells of people of its own
            number = "".join(map(str, order)).encode()
            body = (
                bodies[which]
                .replace(b"P0999", b"Q" + number)
                .replace(b"255064900799907", b"2550649007" + number + b"07")
            )
            apply(store, message, adt(body))
        old = f"Patient/{resource_id('Patient', OLD[0], 'Q' + number.decode())}"
        found = seen(store, old)
        assert (found["active"], found["name"][0]["family"], [x["type"] for x in found["link"]]) == (
            False, "DURAND", ["replaced-by"],
        )  # fmt: skip
        new = f"Patient/{resource_id('Patient', INS[0], '2550649007' + number.decode() + '07')}"
        mine = seen(store, new)
        assert (mine["active"], [x["type"] for x in mine["link"]]) == (True, ["replaces"])
        expected = expected or mine["name"]
        assert mine["name"] == expected


def test_a_merge_is_taken_back(store: Store) -> None:
    """A37 after A40: both are what they were, also when the A37 overtakes the A40 on its way."""
    second = "\rPID|2||P0999^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI||A^B^^^^^L"
    undo = edited(A40, ("A40^ADT_A39", "A37^ADT_A37"), ("EVN||20260420100000", "EVN||20260421100000"),
                  ("\rMRG|P0999^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI", second))  # fmt: skip
    for message, body in enumerate((named("P0999"), A01, undo, A40), 1):
        apply(store, message, adt(body))
    assert seen(store, OLD_REF)["active"] is True
    assert (seen(store, OLD_REF)["link"], seen(store, NEW_REF)["link"]) == (None, None)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.permutations(["P1", "P2", "P3", "merge12", "merge23"]), st.integers(0, 10**9))
def test_a_chain_of_merges_gives_the_same_in_any_order(sqlite_store: Store, order: list[str], salt: int) -> None:
    """P1 into P2, P2 into P3: every record leads one step on, whatever came first."""

    def number(name: str) -> str:
        return f"{name}-{salt}"

    for message, what in enumerate(order, 1):
        if what.startswith("merge"):
            into, gone = number(f"P{what[6]}"), number(f"P{what[5]}")
            body = edited(A40, (NUMBER, f"{into}^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI"), ("MRG|P0999", f"MRG|{gone}"))
        else:
            body = named(number(what), what)
        apply(sqlite_store, message, adt(body))
    ref = {n: f"Patient/{resource_id('Patient', OLD[0], number(n))}" for n in ("P1", "P2", "P3")}
    links = {
        n: sorted((x["type"], x["other"]["reference"]) for x in seen(sqlite_store, r)["link"]) for n, r in ref.items()
    }
    assert links == {
        "P1": [("replaced-by", ref["P2"])], "P2": sorted([("replaced-by", ref["P3"]), ("replaces", ref["P1"])]),
        "P3": [("replaces", ref["P2"])],
    }  # fmt: skip
    assert [seen(sqlite_store, ref[n])["active"] for n in ("P1", "P2", "P3")] == [False, False, True]
