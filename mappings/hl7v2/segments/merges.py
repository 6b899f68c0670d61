"""MRG and pairs of PID: records that become one, change their number, are tied or told apart.

HL7 v2.5 §3.3.24 (A24 link), §3.3.37 (A37 unlink), §3.3.40 (A40 merge), §3.3.47 (A47 change of identifier); R4
Patient.link.  Nothing of a record is lost: each side gets a statement (:meth:`hub.fhir.draft.Draft.patch`) that
lies over what other messages say of it, so the order of arrival does not matter, and A37 takes it back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from hub.fhir.draft import Patch, Rank, resource_id
from hub.source.hl7v2 import Rep, Segment
from hub.source.identity import INS_SYSTEMS

from ...shape import Element
from ..context import Context
from ..datatypes import cx_identifier
from .pid import pid_identities

_STUB: Final = 1  # any message that describes the record knows more
REPLACED: Final = "replaced-by"  # one topic: of several statements where a record went, the newest holds


def mrg_replaced(c: Context, into: Element, mrgs: list[Segment]) -> None:
    """MRG-1: records merged into the patient of PID, or the number it had before (A40, A47)."""
    at = c.occurred()
    for x, old in _merged(c, into, mrgs):
        _stub(x, old, c)
        gone = {"reference": f"Patient/{resource_id('Patient', *old)}"}
        c.draft.patch(
            "Patient", old, REPLACED, sets={"active": False}, at=at,
            adds={"link": [{"other": {"reference": into["reference"]}, "type": "replaced-by"}]},
        )  # fmt: skip
        _state(c, into, f"replaces:{gone['reference']}", {"link": [{"other": gone, "type": "replaces"}]}, at)
        c.draft.key("patient", str(old[1]))


def _merged(c: Context, into: Element, mrgs: list[Segment]) -> Iterator[tuple[Rep, tuple[str, str]]]:
    for mrg in mrgs:
        for x in mrg.reps(1):
            value = x(1)
            if value is None:
                continue
            system = c.system(x)
            if system in INS_SYSTEMS:
                c.draft.warn(x.place(1), "an INS is never merged: the record goes by its local identifier", "ins-merge")
            elif into["reference"] == f"Patient/{resource_id('Patient', str(system), str(value))}":
                c.draft.warn(x.place(1), "a record cannot be merged into itself", "102")
            else:
                yield x, (str(system), str(value))


def pid_pair(c: Context, first: Element, *, tied: bool) -> None:
    """The second PID: the same person as the first (A24), or not (A37), which also takes a merge back.

    Without a second PID there is nothing to tie.
    """
    pids = c.message.segments(b"PID")
    if len(pids) < 2:
        c.draft.warn("PID[2]", "there is no second patient", "101")
        return
    known = pid_identities(pids[1], c).best
    if known is None:
        return
    at = c.occurred()
    other = {"reference": f"Patient/{resource_id('Patient', *known)}"}
    for me, him in ((first, other), (other, first)):
        link = {"link": [{"other": {"reference": him["reference"]}, "type": "seealso"}]}
        _state(c, me, f"seealso:{him['reference']}", link if tied else {}, at)
        if not tied:
            _state(c, me, REPLACED, {}, at)
            _state(c, me, f"replaces:{him['reference']}", {}, at)


def _state(c: Context, patient: Element, topic: str, adds: dict[str, list[Element]], at: int) -> None:
    """State ``adds`` of a patient known by reference."""
    made = Patch("Patient", patient["reference"].partition("/")[2], topic, {}, adds, Rank.FEED, at)
    c.draft.patches[made.ref, topic] = made


def _stub(x: Rep, old: tuple[str, str], c: Context) -> None:
    """The record that goes: its identifier leads to the one that stays, though nobody described it here."""
    known = cx_identifier(x, c, "old")
    if known:
        c.draft.add({"resourceType": "Patient", "identifier": [known]}, old, rank=_STUB)
