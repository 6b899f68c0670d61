"""What the store holds that bears on documents that are provided: patients, targets, and what came before.

IHE ITI TF-2 §3.42.4.1.3 (a replaced document is deprecated, with what was appended to it and transformed from
it; what is deprecated cannot be replaced; a uniqueId comes back only with the same octets), MHD 4.2.3
§3.65.4.1.3.  Everything is refused with 422: the Bundle is good, but not here and now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

import orjson
from sqlalchemy import Connection, false, select

from hub.errors import UnprocessableError
from hub.services.documents import content, guide
from hub.services.documents.links import Links, patient_of
from hub.services.documents.provided import Provided, kind_of, value
from hub.services.resources.bundles import Part
from hub.store.criteria import Reader
from hub.store.search import search
from hub.store.tables import resource as table

_FOLLOW = ("appends", "transforms")
MOST = 1000  # documents that one Bundle may supersede


@dataclass(slots=True)
class Standing:
    """What follows from what is stored.

    :ivar there: number of an entry -> reference of the resource that it is already.
    :ivar superseded: references of the documents that the Bundle supersedes.
    :ivar patched: those of them that it patches itself.
    """

    there: dict[int, str] = field(default_factory=dict)
    superseded: list[str] = field(default_factory=list)
    patched: set[str] = field(default_factory=set)


def standing(conn: Connection, given: Provided, base: str) -> Standing:
    """What is stored of what a Bundle speaks of.

    :raises UnprocessableError: (422) for what cannot be done with what is stored.
    """
    made = Standing()
    parts = [p for p in (given.submission, *given.folders, *given.documents) if p is not None]
    wanted = {(part.where, path, ref) for part in parts for path, ref in given.links.stored(value(part))}
    known = _contents(conn, {ref for _, _, ref in wanted})
    patient = patient_of(value(given.documents[0]), given.links) if given.documents else ""
    for where, path, ref in sorted(wanted):
        if ref not in known:
            raise _refused("is neither in the Bundle nor on this server", f"{where}.resource.{path}", "not-found")
        other = patient_of(known[ref], given.links)
        if path.startswith("entry") and patient and other and other != patient:
            what = "is about another patient (XDSPatientIdDoesNotMatch)"
            raise _refused(what, f"{where}.resource.{path}", "conflict")
    for part in given.folders:
        _changed(conn, part)
    for part in given.documents:
        found = _same(conn, part, given, base)
        if found is not None:
            made.there[part.number] = found["ref"]
            url = next(guide.values(found, "content.attachment.url"), "")
            made.there[given.contents[part.number].number] = given.links.local(str(url)) or found["ref"]
    if given.submission is not None:
        _submitted(conn, given, given.submission, base, made)
    replaced = [ref for part in given.documents if part.number not in made.there
                for ref in _related(conn, part, given.links, base)]  # fmt: skip
    if len(replaced) != len(set(replaced)):
        raise _refused("two documents replace the same one", "Bundle.entry", "conflict")
    made.superseded = _with_followers(conn, replaced, base)
    for part in given.updates:
        ref = _target(conn, part, base)
        if ref in made.superseded:
            made.patched.add(ref)
        elif made.there and _contents(conn, [ref]).get(ref, {}).get("status") == guide.SUPERSEDED:
            made.there[part.number] = ref  # it was, when the documents came first
        else:
            what = "only a document that the Bundle replaces is superseded by it"
            raise _refused(what, f"{part.where}.request.url", "conflict")
    return made


def _refused(what: str, where: str, code: str) -> UnprocessableError:
    return UnprocessableError(what, where=where, cure="see what is stored, and send the Bundle again", code=code)


def _contents(conn: Connection, refs: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Reference -> resource, of those that are there."""
    t, listed = table.c, sorted(refs)
    found: dict[str, dict[str, Any]] = {}
    for at in range(0, len(listed), 500):
        some = select(t.ref, t.content).where(t.ref.in_(listed[at : at + 500]), t.deleted == false(), t.version > 0)
        found |= {row.ref: orjson.loads(row.content) for row in conn.execute(some)}
    return found


def _changed(conn: Connection, part: Part) -> None:
    """A folder that is written by PUT is a folder that is there, of the same patient."""
    if part.method != "PUT" or not part.fid:
        return
    stored = _contents(conn, [f"List/{part.fid}"]).get(f"List/{part.fid}")
    if stored is not None and (kind_of(stored) != "folder" or stored.get("subject") != value(part).get("subject")):
        raise _refused("is another List than this folder", f"{part.where}.request.url", "conflict")


def identified(conn: Connection, kind: str, identifier: Any, base: str) -> list[dict[str, Any]]:
    """The resources of a type that have an identifier, each with its ``ref``; at most two."""
    if not isinstance(identifier, Mapping):
        return []  # refused as soon as it is written
    system, number = identifier.get("system"), identifier.get("value")
    if not isinstance(number, str) or not number:
        return []
    text = f"{_plain(system)}|{_plain(number)}" if isinstance(system, str) and system else _plain(number)
    return _found(conn, kind, [("identifier", text)], base, 2)


def _found(conn: Connection, kind: str, pairs: list[tuple[str, str]], base: str, most: int) -> list[dict[str, Any]]:
    rows = search(conn, Reader(base).query((kind,), pairs), most)
    return [{**orjson.loads(row.content), "ref": row.ref} for row in rows]


def _plain(text: str) -> str:
    """A value as it is written in a search (R4 §3.1.1.4.14)."""
    for mark in "\\,|$":
        text = text.replace(mark, "\\" + mark)
    return text


def _same(conn: Connection, part: Part, given: Provided, base: str) -> dict[str, Any] | None:
    """The document that was sent before under the same uniqueId.

    :raises UnprocessableError: when it has other octets, or another patient.
    """
    resource = value(part)
    found = identified(conn, "DocumentReference", resource.get("masterIdentifier") or {}, base)
    if not found:
        return None
    where = f"{part.where}.resource.masterIdentifier"
    before, after = patient_of(found[0], given.links), patient_of(resource, given.links)
    if before and after and before != after and given.links.part(after) is None:
        raise _refused("is the uniqueId of a document of another patient", where, "duplicate")
    if len(found) > 1 or not _equal(conn, found[0], given.contents[part.number], given.links):
        raise _refused("is the uniqueId of another document (XDSNonIdenticalHash)", where, "duplicate")
    return found[0]


def _equal(conn: Connection, stored: Mapping[str, Any], held: Part, links: Links) -> bool:
    """Whether a stored DocumentReference has the document that is sent; a FHIR document is told by its identifier."""
    ref = links.local(str(next(guide.values(stored, "content.attachment.url"), "")))
    row = conn.execute(select(table.c.octets, table.c.content).where(table.c.ref == ref)).first()
    if row is None:
        return False
    if held.kind == "Bundle":
        before = orjson.loads(row.content)
        return all(before.get(name) == value(held).get(name) for name in ("identifier", "timestamp"))
    sent = content.decoded(value(held).get("data")) or b""
    return row.octets is not None and bytes(row.octets) == sha256(sent).digest()


def unique(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The uniqueId among the identifiers of a List: the usual one, else the first that is no entryUUID."""
    listed = [i for i in guide.values(resource, "identifier") if isinstance(i, dict)]
    return next((i for i in listed if i.get("use") == "usual"),
                next((i for i in listed if i.get("use") != "official"), {}))  # fmt: skip


def _submitted(conn: Connection, given: Provided, submission: Part, base: str, made: Standing) -> None:
    """A SubmissionSet comes back only when the whole of it does: then it is the one that is there."""
    found = identified(conn, "List", unique(value(submission)), base)
    if found:
        if len(found) > 1 or not all(p.number in made.there for p in given.documents):
            where = f"{submission.where}.resource.identifier"
            raise _refused(
                "is the uniqueId of another SubmissionSet (XDSDuplicateUniqueIdInRegistry)", where, "duplicate"
            )
        made.there[submission.number] = found[0]["ref"]
    for part in given.folders:
        same = identified(conn, "List", unique(value(part)), base) if part.method == "POST" else []
        if same and not found:
            where = f"{part.where}.resource.identifier"
            raise _refused("there is such a folder already: send PUT to change it", where, "duplicate")
        if same:
            made.there[part.number] = same[0]["ref"]


def _related(conn: Connection, part: Part, links: Links, base: str) -> list[str]:
    """References of what a document replaces; its other relations are judged as well."""
    replaced = []
    patient = patient_of(value(part), links)
    for number, relation in enumerate(guide.values(value(part), "relatesTo")):
        where = f"{part.where}.resource.relatesTo[{number}].target"
        target = next(guide.values(relation, "target"), None)
        target = target if isinstance(target, dict) else {}  # refused as soon as it is written
        text = str(target.get("reference") or "")
        if links.part(text) is not None:
            continue
        found = _pointed(conn, text, target, links, base)
        if len(found) != 1:
            what = "there is no such document" if not found else "several documents fit"
            raise _refused(what, where, "not-found" if not found else "multiple-matches")
        (old,) = found
        other = patient_of(old, links)
        if patient and other and patient != other and links.part(patient) is None:
            raise _refused("is a document of another patient (XDSPatientIdDoesNotMatch)", where, "conflict")
        if old.get("status") != "current":
            raise _refused("is not current any more (XDSRegistryDeprecatedDocumentError)", where, "conflict")
        if relation.get("code") == "replaces":
            replaced.append(old["ref"])
    return replaced


def _pointed(conn: Connection, text: str, target: Mapping[str, Any], links: Links, base: str) -> list[dict[str, Any]]:
    """The stored document that a reference means: by its id, by a condition, or by its identifier."""
    if ref := links.local(text):
        return [{**one, "ref": ref} for ref, one in _contents(conn, [ref]).items()]
    if text.startswith("DocumentReference?"):
        return _of_url(conn, text, base)
    known = target.get("identifier")
    return identified(conn, "DocumentReference", known, base) if isinstance(known, dict) else []


def _of_url(conn: Connection, url: str, base: str) -> list[dict[str, Any]]:
    return _found(conn, "DocumentReference", parse_qsl(url.partition("?")[2], keep_blank_values=True), base, 2)


def _target(conn: Connection, part: Part, base: str) -> str:
    """The document that a patch of the Bundle is for."""
    if part.fid:
        return f"DocumentReference/{part.fid}"
    found = _of_url(conn, part.url, base) if part.criteria else []
    return found[0]["ref"] if len(found) == 1 else ""


def _with_followers(conn: Connection, refs: list[str], base: str) -> list[str]:
    """Documents that are replaced, with what was appended to them or transformed from them."""
    made = list(refs)
    for ref in made:  # grows while it is walked
        for one in _found(conn, "DocumentReference", [("relatesto", ref), ("status", "current")], base, MOST):
            relations = [r for r in guide.values(one, "relatesTo") if isinstance(r, dict)]
            follows = any(
                r.get("code") in _FOLLOW and next(guide.values(r, "target.reference"), "") == ref for r in relations
            )
            if follows and one["ref"] not in made:
                made.append(one["ref"])
        if len(made) > MOST:
            raise _refused(f"more than {MOST} documents would be superseded", "Bundle.entry", "too-costly")
    return made
