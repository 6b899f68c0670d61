"""Provide Document Bundle, as it was sent: which entry is what, and what is wrong with it by itself.

IHE MHD 4.2.3 §3.65.4.1 (ITI-65); ANS PDSm 3.1.1, pdsm-comprehensive-provide-document-bundle.  Nothing here
looks into a store; what is wrong is told all at once, each thing with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.fhir.draft import Issue
from hub.services.documents import content, guide
from hub.services.documents.links import Links, patient_of, references
from hub.services.resources.bundles import Part
from hub.services.resources.rules import FindingsError

# What may stand in the Bundle (its slices are closed), and how it is written.
_METHODS = {
    "List": ("POST", "PUT"), "DocumentReference": ("POST",), "Binary": ("POST",), "Bundle": ("POST",),
    "Patient": ("POST", "PUT"), "Parameters": ("PATCH",),
}  # fmt: skip
_RELATIONS = ("replaces", "transforms", "signs", "appends")
_URI = "urn:ietf:rfc:3986"
_URN = re.compile(
    r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*)){1,63}(?:\^[!-~]{1,128})?|urn:uuid:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    re.ASCII,
)

Resource = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Provided:
    """The parts of a Bundle that was found in order; ``contents`` holds the Binary (or document Bundle) of each
    document, by number of the DocumentReference.  Without a SubmissionSet only in ITI-105.
    """

    level: str
    submission: Part | None
    folders: tuple[Part, ...]
    documents: tuple[Part, ...]
    updates: tuple[Part, ...]
    contents: Mapping[int, Part]
    links: Links


def asked(bundle: Resource) -> bool:
    """Whether a Bundle says, by its profile, that it provides documents."""
    return bool(guide.named(bundle))


def value(part: Part) -> dict[str, Any]:
    """The resource of an entry."""
    return part.json.value if part.json is not None else {}


def read(bundle: Resource, parts: Sequence[Part], base: str) -> Provided:
    """The parts of a Bundle that provides documents.

    :param base: URL of this server.
    :raises FindingsError: (400) with each thing that the guide forbids.
    """
    level = guide.level(bundle, "bundle")
    found: list[Issue] = []
    if not level:
        cure = "this is no profile of ITI-65 that the hub knows; see supportedProfile in the CapabilityStatement"
        found.append(Issue("error", "Bundle.meta.profile", cure, "value"))
    found += guide.broken(bundle, "bundle", level or "m", "Bundle")
    _tell(found)
    found += [issue for part in parts for issue in _entry(part)]
    _tell(found)
    of: dict[str, list[Part]] = {"submission": [], "folder": [], "document": [], "update": [], "other": []}
    for part in parts:
        kind = kind_of(value(part))
        if not kind:
            what = f"code says neither submissionset nor folder of {guide.LIST_TYPES}"
            found.append(Issue("error", f"{part.where}.resource.code", what, "code-invalid"))
        of.setdefault(kind, []).append(part)
    if len(of["submission"]) != 1:
        what = f"there is one SubmissionSet in a Bundle, not {len(of['submission'])} (MHD §3.65.4.1.2)"
        found.append(Issue("error", "Bundle.entry", what, "required" if not of["submission"] else "structure"))
    found += [Issue("error", f"{p.where}.request.method", "a SubmissionSet is created: POST", "value")
              for p in of["submission"] if p.method != "POST"]  # fmt: skip
    patients = [p for p in parts if p.kind == "Patient"]
    found += [Issue("error", p.where, "there is one Patient at most in a Bundle", "structure") for p in patients[1:]]
    links = Links(parts, base)
    found += links.twice
    for kind in ("submission", "folder", "document"):
        for part in of[kind]:
            found += _resource(part, kind, level, links)
    _tell(found)
    (submission,) = of["submission"]
    found += _listed(submission, of["folder"], of["document"], links)
    found += _same_patient(submission, [*of["folder"], *of["document"]], links)
    found += [issue for part in of["update"] for issue in _update(part)]
    held = [p for p in parts if p.kind in ("Binary", "Bundle")]
    contents, wrong = content.matched(of["document"], held, links)
    found += wrong
    _tell(found)
    return Provided(level, submission, tuple(of["folder"]), tuple(of["document"]), tuple(of["update"]), contents, links)


def _tell(found: list[Issue]) -> None:
    if found:
        raise FindingsError(found)


def kind_of(resource: Resource) -> str:
    """submission, folder, document, update or other; '' for a List that is neither of the first two."""
    kind = resource.get("resourceType")
    if kind != "List":
        return {"DocumentReference": "document", "Parameters": "update"}.get(str(kind), "other")
    codings = [c for c in guide.values(resource, "code.coding") if isinstance(c, dict)]
    codes = [c.get("code") for c in codings if c.get("system") == guide.LIST_TYPES]
    return {"submissionset": "submission", "folder": "folder"}.get(str(codes[0]), "") if len(codes) == 1 else ""


def _entry(part: Part) -> Iterator[Issue]:
    """An entry of the closed set, written as it may be."""
    kind = value(part).get("resourceType")
    methods = _METHODS.get(str(kind))
    if methods is None:
        known = ", ".join(sorted(_METHODS))
        yield Issue("error", f"{part.where}.resource", f"an ITI-65 Bundle holds {known}", "not-supported")
        return
    of = "DocumentReference" if kind == "Parameters" else kind
    if part.method not in methods:
        yield Issue("error", f"{part.where}.request.method", f"a {kind} is sent with {' or '.join(methods)}", "value")
    elif part.kind != of:
        yield Issue("error", f"{part.where}.request.url", f"begins with {of} for a {kind}", "value")
    elif kind == "Bundle" and value(part).get("type") != "document":
        yield Issue("error", f"{part.where}.resource.type", "only a FHIR document is a document", "value")
    if kind in ("DocumentReference", "Binary", "Bundle") and not part.full_url:
        yield Issue("error", f"{part.where}.fullUrl", "without it nothing can refer to the entry", "required")


def _resource(part: Part, kind: str, level: str, links: Links) -> Iterator[Issue]:
    where, resource = f"{part.where}.resource", value(part)
    yield from guide.misnamed(resource, kind, level, where)
    yield from guide.broken(resource, kind, level, where)
    for path, one in _identifiers(resource):
        yield from identified(one, f"{where}.{path}")
    for path, text in references(resource):
        if (wrong := links.wrong(text, resource)) is not None:
            yield Issue("error", f"{where}.{path}", wrong, "not-found")
    yield from related(resource, where, part, links)


def related(resource: Resource, where: str, part: Part | None, links: Links) -> Iterator[Issue]:
    """What is wrong with the relations of a document, as far as it tells itself."""
    for number, relation in enumerate(guide.values(resource, "relatesTo")):
        here = f"{where}.relatesTo[{number}]"
        if not isinstance(relation, dict) or relation.get("code") not in _RELATIONS:
            yield Issue("error", f"{here}.code", f"is one of {', '.join(_RELATIONS)}", "value")
            continue
        target = links.part(_text(relation, "target"))
        if target is not None and (target is part or relation["code"] == "replaces"):
            what = "a document replaces one that was there before, not one of its own Bundle"
            yield Issue("error", f"{here}.target", what, "invalid")


def _identifiers(resource: Resource) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ("masterIdentifier", "identifier"):
        given = resource.get(name)
        several = isinstance(given, list)
        for number, one in enumerate(given if isinstance(given, list) else [given]):
            if isinstance(one, dict):
                yield f"{name}[{number}]" if several else name, one
    for one in guide.values(resource, "extension[url=ihe-sourceId].valueIdentifier"):
        if isinstance(one, dict):
            yield "extension", one


def identified(identifier: Resource, where: str) -> Iterator[Issue]:
    """What is wrong with an identifier of something that is exchanged: it has a value, and a URI is one."""
    text = identifier.get("value")
    if not isinstance(text, str) or not text:
        yield Issue("error", f"{where}.value", "an identifier without a value identifies nothing", "required")
    elif identifier.get("system") == _URI and text.startswith(("urn:oid:", "urn:uuid:")) and not _URN.fullmatch(text):
        yield Issue("error", f"{where}.value", "is no OID and no UUID as a URI", "value")


def _listed(submission: Part, folders: list[Part], documents: list[Part], links: Links) -> Iterator[Issue]:
    """The SubmissionSet lists every folder and document of the Bundle, folders list documents."""
    members = {id(p) for p in _members(submission, links)}
    for part in (*documents, *folders):
        if id(part) not in members:
            what = "the SubmissionSet does not list it: add an entry to the List (MHD §3.65.4.1.2.1)"
            yield Issue("error", part.where, what, "incomplete")
    for part, allowed in ((submission, ("document", "folder")), *((f, ("document",)) for f in folders)):
        for number, entry in enumerate(guide.values(value(part), "entry")):
            here = f"{part.where}.resource.entry[{number}]"
            if _kind_at(_text(entry, "item"), links) not in allowed:
                yield Issue("error", f"{here}.item", f"lists {' and '.join(allowed)}s only", "value")
            elif isinstance(entry, dict) and entry.get("deleted") is True:
                yield Issue("error", f"{here}.deleted", "nothing is taken out here", "value")


def _kind_at(text: str, links: Links) -> str:
    """What a reference points to, as :func:`kind_of` calls it; of what is stored its type tells."""
    target = links.part(text)
    if target is not None:
        return kind_of(value(target))
    return {"DocumentReference": "document", "List": "folder"}.get(links.local(text).partition("/")[0], "")


def _members(part: Part, links: Links) -> Iterator[Part]:
    for entry in guide.values(value(part), "entry"):
        target = links.part(_text(entry, "item"))
        if target is not None:
            yield target


def _text(item: Any, name: str) -> str:
    """The literal reference in an element, or ''."""
    below = item.get(name) if isinstance(item, dict) else None
    found = below.get("reference") if isinstance(below, dict) else None
    return found if isinstance(found, str) else ""


def _same_patient(submission: Part, others: list[Part], links: Links) -> Iterator[Issue]:
    """All that is sent together is about one patient (ITI TF-3 §4.2.1.3, XDSPatientIdDoesNotMatch)."""
    one = patient_of(value(submission), links)
    for part in others:
        other = patient_of(value(part), links)
        one = one or other
        if other and other != one:
            what = "is another patient than that of the other entries (XDSPatientIdDoesNotMatch)"
            yield Issue("error", f"{part.where}.resource.subject", what, "conflict")


def _update(part: Part) -> Iterator[Issue]:
    """The one patch that ITI-65 has: the document is superseded (IHE.MHD.Patch.Parameters)."""
    parameters = value(part).get("parameter")
    said = [_operation(p) for p in parameters] if isinstance(parameters, list) else []
    if said != [("replace", "status", guide.SUPERSEDED)]:
        what = "the patch of an ITI-65 Bundle replaces DocumentReference.status by superseded, and nothing else"
        yield Issue("error", f"{part.where}.resource.parameter", what, "not-supported")


def _operation(parameter: Any) -> tuple[str, ...]:
    listed = parameter.get("part") if isinstance(parameter, dict) else None
    if not isinstance(listed, list) or parameter.get("name") != "operation":
        return ()
    by = {str(p.get("name")): next((v for k, v in p.items() if k.startswith("value")), "")
          for p in listed if isinstance(p, dict)}  # fmt: skip
    path = str(by.get("path")).removeprefix("DocumentReference.")
    return str(by.get("type")), path, str(by.get("value"))
