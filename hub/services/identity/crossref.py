"""Which identifiers other domains have for the patient that one domain knows by a number.

IHE PIXm 3.0 ITI-83 (https://profiles.ihe.net/ITI/PIXm/ITI-83.html).  Two identities are one when they were
merged, or are certainly one by a qualified INS on both sides or by the five strict traits; else they are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from hub.errors import ForbiddenError, InvalidError, NotFoundError
from hub.fhir.search import exact, params
from hub.services.identity import links
from hub.services.identity.grade import CERTAIN
from hub.services.identity.match import match
from hub.services.identity.traits import identity
from hub.store.query import Criterion, Query, Restriction, Token
from hub.store.search import search

_FEW = 20  # patients that have one identifier


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a patient: identifiers (system, value), and references to the records."""

    identifiers: tuple[tuple[str, str], ...]
    records: tuple[str, ...]


def cross(conn: Connection, system: str, value: str, targets: Sequence[str] = (),
          visible: Restriction | None = None) -> Known:  # fmt: skip
    """The other identifiers of the patient that ``system`` knows as ``value``.

    :param targets: only those of these systems, which may be none; () for all.
    :raises InvalidError: when nobody has an identifier of the system; NotFoundError: when nobody has this one;
        ForbiddenError: when a target is unknown.  Each with the words that ITI-83 gives it.
    """
    start = [row.ref for row in search(conn, _holders(system, value), _FEW, None, visible)]
    if not start and not _domain(conn, system, visible):
        raise InvalidError("sourceIdentifier Assigning Authority not found", code="code-invalid",
                           where="http.sourceIdentifier", cure="send a system that patients have here")  # fmt: skip
    if not start:
        raise NotFoundError("sourceIdentifier Patient Identifier not found", where="http.sourceIdentifier",
                            cure="search for the patient")  # fmt: skip
    for target in targets:
        if not _domain(conn, target, visible):
            raise ForbiddenError("targetSystem not found", code="code-invalid", where="http.targetSystem",
                                 cure="send a system that patients have here")  # fmt: skip
    known = one_person(conn, start, visible)
    held = {ref: [p for p in _identifiers(patient) if not targets or p[0] in targets] for ref, patient in known.items()}
    found = dict.fromkeys(pair for pairs in held.values() for pair in pairs if pair != (system, value))
    return Known(tuple(found), tuple(ref for ref, pairs in held.items() if pairs or not targets))


def one_person(conn: Connection, refs: Sequence[str], visible: Restriction | None = None) -> dict[str, dict[str, Any]]:
    """All records of the person that some are of, by reference."""
    known = {r: p for ref in refs for r, p in links.same(conn, ref).items()}
    for patient in list(known.values()):
        me = identity(patient)
        for other in match(conn, patient, visible).found:
            if other.grade.grade == CERTAIN and (other.grade.by != "ins" or me.qualified):
                known |= links.same(conn, other.ref)
    return known


def holders(conn: Connection, system: str, value: str) -> list[str]:
    """References of the patients that have an identifier; a few at most."""
    return [row.ref for row in search(conn, _holders(system, value), _FEW)]


def _holders(system: str, value: str) -> Query:
    test = Token(params("Patient")["identifier"].ids, (exact(value),), exact(system), rare=True)
    return Query(("Patient",), (Criterion((test,)),))


def _domain(conn: Connection, system: str, visible: Restriction | None) -> bool:
    """Whether any patient has an identifier of the system."""
    test = Token(params("Patient")["identifier"].ids, (), exact(system))
    return bool(search(conn, Query(("Patient",), (Criterion((test,)),)), 1, None, visible))


def _identifiers(patient: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (i["system"], i["value"])
        for i in patient.get("identifier", ())
        if i.get("system") and i.get("value") and i.get("use") != "old"
    ]
