"""Which patients are one by a merge: what ``Patient.link`` says.

R4 §8.1.4 (Patient.link): ``replaced-by`` stands at the one that is no longer used, ``replaces`` at the one that
took its place; ``refer`` and ``seealso`` merge nothing.  Either side alone is enough.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
from sqlalchemy import CompoundSelect, Connection, bindparam, false, select

from hub.fhir.search import params
from hub.store.criteria import MAX_VALUES
from hub.store.searchsql import numbered
from hub.store.tables import idx_ref, resource

MERGES = ("replaced-by", "replaces")
MOST = 200  # patients that one can be

_PLAIN = re.compile(r"(Patient/)?([A-Za-z0-9\-.]{1,64})", re.ASCII)
PATIENTS = ("patient", "subject", "patient:Patient", "subject:Patient")  # parameters that name one

_MANY: Any = bindparam("many", expanding=True)


def fetch(conn: Connection, refs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Those of the patients that are there."""
    r = resource.c
    found = conn.execute(
        select(r.ref, r.content).where(r.ref.in_(_MANY), r.deleted == false(), r.version > 0), {"many": list(refs)}
    )
    return {ref: orjson.loads(bytes(content)) for ref, content in found}


def octets(conn: Connection, ref: str) -> bytes:
    """The JSON of a resource that is there, as stored."""
    return bytes(conn.execute(select(resource.c.content).where(resource.c.ref == ref)).scalar_one())


def linked(patient: dict[str, Any], kinds: Iterable[str] = MERGES) -> list[str]:
    """References to the patients that a patient is linked with, of some kinds of link."""
    return [
        ref
        for link in patient.get("link", ())
        if link.get("type") in kinds and (ref := link.get("other", {}).get("reference", "")).startswith("Patient/")
    ]


def same(conn: Connection, ref: str) -> dict[str, dict[str, Any]]:
    """All patients that were merged with one, in any number of steps, and itself; by reference.

    At most ``MOST``; nothing when there is no such patient.
    """
    known = fetch(conn, [ref])
    fresh = list(known)
    while fresh and len(known) < MOST:
        found = fetch(conn, {to for one in fresh for to in linked(known[one])} - known.keys())
        found |= {r: p for r, p in _pointing(conn, fresh).items() if set(linked(p)) & set(fresh)}
        fresh = [one for one in found if one not in known]
        known |= found
    return known


def survivor(patients: dict[str, dict[str, Any]], ref: str) -> str:
    """The one among patients that are the same which is still used, seen from ``ref``."""
    after = {one: linked(p, ("replaced-by",)) for one, p in patients.items()}
    for one, patient in patients.items():
        for old in linked(patient, ("replaces",)):
            after.setdefault(old, []).append(one)
    seen = {ref}
    while (following := next((to for to in after.get(ref, ()) if to in patients and to not in seen), None)) is not None:
        seen.add(following)
        ref = following
    return ref


def _pointing(conn: Connection, refs: Iterable[str]) -> dict[str, dict[str, Any]]:
    t, r = idx_ref.c, resource.c
    rids = select(t.rid).where(numbered(idx_ref, params("Patient")["link"].ids), t.target.in_(_MANY)).limit(MOST)
    found = conn.execute(
        select(r.ref, r.content).where(r.rid.in_(rids), r.deleted == false(), r.type == "Patient"),
        {"many": list(refs)},
    )
    return {ref: orjson.loads(bytes(content)) for ref, content in found}


def widened(conn: Connection, pairs: Sequence[tuple[str, str]], base: str) -> list[tuple[str, str]]:
    """The parameters of a search, with all identities that are one in the place of each patient.

    :param base: URL of this server.
    """
    meant = [(n, v, _patients(n, v, base) if n in PATIENTS else {}) for n, v in pairs]
    refs = {ref for _, _, found in meant for ref in found.values()}
    # More than that is refused by who reads the search.
    tied = _tied(conn, refs) if 0 < len(refs) <= MAX_VALUES else set()
    others = {ref: [one for one in sorted(same(conn, ref)) if one != ref] for ref in tied}
    return [(name, _with(name, value, found, others)) for name, value, found in meant]


def everybody(conn: Connection, refs: Sequence[str]) -> list[str]:
    """References of some patients, and of those they were merged with."""
    tied = {ref for at in range(0, len(refs), MAX_VALUES) for ref in _tied(conn, refs[at : at + MAX_VALUES])}
    return list(dict.fromkeys([*refs, *(one for ref in sorted(tied) for one in sorted(same(conn, ref)))]))


def _patients(name: str, value: str, base: str) -> dict[str, str]:
    """The values that name a patient here -> its reference."""
    found = {one: _PLAIN.fullmatch(one.removeprefix(f"{base}/")) for one in value.split(",")}
    bare = name != "subject"  # which may be of another type
    return {one: f"Patient/{m[2]}" for one, m in found.items() if m and (bare or m[1])}


def _with(name: str, value: str, found: dict[str, str], others: dict[str, list[str]]) -> str:
    more = [one for ref in found.values() for one in others.get(ref, ())]
    if not more:
        return value
    typed = name.endswith(":Patient")
    return ",".join(dict.fromkeys([*value.split(","), *(one.partition("/")[2] if typed else one for one in more)]))


def _tied(conn: Connection, refs: Iterable[str]) -> set[str]:
    """Those of the patients that have or are the end of any link: mostly none, and then nothing has to be read."""
    return {row[0] for row in conn.execute(_ties(), {"many": list(refs)})}


@cache
def _ties() -> CompoundSelect[Any]:
    t, r = idx_ref.c, resource.c
    link = numbered(idx_ref, params("Patient")["link"].ids)
    ends = select(t.target).where(link, t.target.in_(_MANY))
    return ends.union_all(select(r.ref).join_from(resource, idx_ref, r.rid == t.rid).where(link, r.ref.in_(_MANY)))
