"""Which Patient a person is: the rule that makes ADT, MDM and CDA of one person meet.

RNIV and référentiel INS v2: only a qualified INS identifies a person across establishments.  So the id
of a Patient comes from it when there is one, else from the first identifier an establishment gave (PI).
One identity at a time: views under other identifiers are never merged, they point to the qualified one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hub.fhir.draft import Draft, Rank, Resource
from hub.source.identity import INS_SYSTEMS, ins_key_holds

from .identifiers import ins_identifier
from .shape import V2_0203, Element, identifier

QUALIFIED: Final = "qualified"  # topic of the statement that a view is known by its INS


@dataclass(slots=True)
class Identities:
    """The identifiers of one person, told apart.

    :ivar ins: (system, value) of the qualified INS, or None.
    :ivar local: those of establishments (PI), in the order of the source.
    :ivar all: as FHIR Identifiers, INS first.
    :ivar doubted: an INS was there that is not qualified.
    """

    ins: tuple[str, str] | None = None
    local: list[tuple[str, str]] = field(default_factory=list)
    all: list[Element] = field(default_factory=list)
    doubted: bool = False

    def add_ins(self, draft: Draft, where: str, system: str, value: str) -> None:
        """Note a qualified INS; of several the first is the person's, the others are old ones."""
        made = ins_identifier(system, INS_SYSTEMS[system], value)
        if self.ins is None:
            self.ins = (system, value)
            self.all.insert(0, made)
        else:
            made["use"] = "old"
            self.all.append(made)
        if not ins_key_holds(value):
            draft.warn(where, "the key of the INS does not match its number", "ins-key")

    @property
    def best(self) -> tuple[str, str] | None:
        return self.ins or (self.local[0] if self.local else None)


def add_patient(draft: Draft, patient: Resource, known: Identities, rank: Rank, at: int = 0) -> Element:
    """Add the Patient under its best identity; views under the local ones then point to it.

    What the identity feed says of a view is a statement that lasts (topic ``qualified``), taken back when it says
    that the INS is qualified no more; a document only says it over what is there.  The caller has made sure that
    there is an identity.

    :param at: when the feed says it, microseconds.
    """
    best = known.best
    if best is None:
        raise ValueError("a patient without an identity")
    reference = draft.add(patient, best, rank=rank)
    if rank >= Rank.FEED:
        for view in known.local:
            if known.ins is not None:
                link = {"other": dict(reference), "type": "replaced-by"}
                draft.patch("Patient", view, QUALIFIED, sets={"active": False}, adds={"link": [link]}, at=at)
            elif known.doubted:
                draft.patch("Patient", view, QUALIFIED, at=at)
    elif known.ins is not None:
        for system, value in known.local:
            old = {
                "resourceType": "Patient",
                "identifier": [identifier(system, value, V2_0203, "PI", "old")],
                "active": False,
                "link": [{"other": dict(reference), "type": "replaced-by"}],
            }
            draft.add(old, (system, value), rank=rank, only_if_exists=True)
    return reference
