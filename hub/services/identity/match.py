"""Finds the patients of the store that may be the one asked for.

R4 §8.1.20.1 (Patient/$match), IHE PDQm 3.1 ITI-119.  A patient that was merged is told as the one that took its
place.  When patients of different INS fit equally well, none of them is certain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import orjson
from sqlalchemy import Connection

from hub.fhir.search import exact, fold, interval, params
from hub.services.identity import links
from hub.services.identity.grade import CERTAIN, NOT, PROBABLE, Grade, grade
from hub.services.identity.traits import Identity, identity, other_ins
from hub.store.query import Criterion, Query, Restriction, Test, Text, Token, When
from hub.store.search import search

MOST = 100  # candidates of one search


class Found(NamedTuple):
    """A patient, and how sure it is."""

    ref: str
    content: bytes
    grade: Grade


@dataclass(frozen=True, slots=True)
class Matches:
    """The patients found, the surest first; ``whole`` is false when there were too many to look at."""

    found: tuple[Found, ...]
    whole: bool


def match(conn: Connection, patient: dict[str, Any], visible: Restriction | None = None) -> Matches:
    """The patients that may be the one described.

    :param patient: a Patient that keeps the base rules of R4; it need not be complete.
    """
    asked, whole = identity(patient), True
    best: dict[str, Found] = {}
    candidates: dict[str, bytes] = {}
    for query in queries(patient):
        rows = search(conn, query, MOST, None, visible)
        whole = whole and len(rows) < MOST
        candidates |= {row.ref: row.content for row in rows}
    for ref, content in candidates.items():
        known = orjson.loads(content)
        made = grade(asked, identity(known))
        if made.grade == NOT:
            continue
        stays = links.survivor(links.same(conn, ref), ref) if links.linked(known, ("replaced-by",)) else ref
        there = best.get(stays)
        if there is None or there.grade.score < made.score:
            best[stays] = Found(stays, content if stays == ref else links.octets(conn, stays), made)
    return Matches(tuple(sorted(_doubted(list(best.values())), key=_order)), whole)


def _order(one: Found) -> tuple[bool, float, int, str]:
    ways = ("ins", "number", "traits", "")
    return one.grade.grade != CERTAIN, -one.grade.score, ways.index(one.grade.by), one.ref


def _doubted(found: list[Found]) -> Iterator[Found]:
    """Nobody is certain when somebody else, who is another person, is as well."""
    certain: dict[str, Identity] = {f.ref: identity(orjson.loads(f.content)) for f in found if f.grade.grade == CERTAIN}
    for one in found:
        me = certain.get(one.ref)
        if me is not None and one.grade.by != "ins" and any(other_ins(me, o) for o in certain.values()):
            reasons = ("another patient, of another INS, fits as well",)
            yield one._replace(grade=replace(one.grade, grade=PROBABLE, score=0.95, reasons=reasons, by=""))
        else:
            yield one


def queries(patient: dict[str, Any]) -> list[Query]:
    """The searches that find all who may be the one described; nothing when too little is said."""
    names = [n for n in patient.get("name", ()) if isinstance(n, dict)]
    family = _texts("family", [n["family"] for n in names if n.get("family")])
    given = _texts("given", [n["given"][0] for n in names if n.get("given") and n["given"][0]])
    born = Criterion((When(params("Patient")["birthdate"].ids, "eq", *interval(patient["birthDate"])),)) \
        if patient.get("birthDate") else None  # fmt: skip
    numbers: list[Test] = [
        Token(params("Patient")["identifier"].ids, (exact(i["value"]),), exact(i["system"]), rare=True)
        for i in patient.get("identifier", ())
        if i.get("system") and i.get("value")
    ]
    made: list[tuple[Criterion, ...]] = [(Criterion(tuple(numbers)),)] if numbers else []
    if born is not None:
        made += [(born, one) for one in (family, given) if one is not None]
    if family is not None and given is not None:
        made.append((family, given))
    return [Query(("Patient",), criteria) for criteria in made]


def _texts(name: str, values: list[str]) -> Criterion | None:
    return Criterion(tuple(Text(params("Patient")[name].ids, fold(v)) for v in values[:10])) if values else None
