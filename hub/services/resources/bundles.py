"""Bundles that are sent to be carried out: their entries, the order of a transaction, and its links.

R4 §3.1.0.11 (http://hl7.org/fhir/R4/http.html#transaction): DELETE first, then POST, PUT and PATCH, GET last; no
resource twice; links to entries follow them to their ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import orjson

from hub.errors import InvalidError, TooLargeError
from hub.fhir import jsontext
from hub.fhir.jsontext import Json

MAX_ENTRIES = 10_000
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ORDER = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}

# Names of the elements of type uri, url, oid and uuid, and Reference.reference (R4 element definitions): what a
# transaction links by. Canonicals, identifiers' values and strings of other names are left alone (§3.1.0.11.2).
_LINKS = (
    b"address|authority|endpoint|eventUri|implicitRules|instantiatesUri|issuer|jurisdiction|location|moduleUri|policy"
    b"|protocol|reference|source|sourceUri|system|target|targetUri|uri|url|valueOid|valueUri|valueUrl|valueUuid"
)
_STRING = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_LINK = re.compile(rb'"(' + _LINKS + rb')":(' + _STRING + rb")", re.DOTALL)
_LIST = re.compile(rb'"(policy|instantiatesUri)":\[(' + _STRING + rb"(?:," + _STRING + rb")*)\]", re.DOTALL)
_DIV = re.compile(rb'"div":(' + _STRING + rb")", re.DOTALL)
_ANCHOR = re.compile(r"""(\b(?:href|src)\s*=\s*)(["'])(.*?)\2""", re.DOTALL)
_CONDITION = re.compile(r"[A-Z][A-Za-z]+\?.+", re.DOTALL)
_PLACE = re.compile(r"(.+/)?([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Part:
    """One entry.

    :ivar url: as given, relative to the base; ``kind``, ``fid`` and ``criteria`` are what it comes to.
    :ivar json: the resource as it is written, or None.
    """

    number: int
    method: str
    url: str
    kind: str
    fid: str
    criteria: str
    full_url: str
    json: Json | None
    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    if_none_exist: str | None = None

    @property
    def where(self) -> str:
        return f"Bundle.entry[{self.number}]"


def read(bundle: Json, base: str) -> tuple[str, list[Part]]:
    """(batch or transaction, its entries).

    :raises InvalidError: for another Bundle, or an entry that does not say what is to be done.
    """
    kind = bundle.value.get("type")
    if bundle.value.get("resourceType") != "Bundle" or kind not in ("batch", "transaction"):
        cure = "send a Bundle of type batch or transaction; resources go to the URL of their type"
        raise InvalidError("nothing that is carried out here", where="Bundle.type", cure=cure, code="invalid")
    listed = bundle.value.get("entry", [])
    if not isinstance(listed, list):
        raise InvalidError("is no list", where="Bundle.entry", cure="send a list of entries", code="structure")
    if len(listed) > MAX_ENTRIES:
        raise TooLargeError(f"more than {MAX_ENTRIES} entries", where="Bundle.entry", cure="send several Bundles")
    texts = jsontext.items(jsontext.members(bundle.text)["entry"]) if listed else []
    return str(kind), [_part(n, text, base) for n, text in enumerate(texts)]


def _part(number: int, text: bytes, base: str) -> Part:
    where = f"Bundle.entry[{number}]"
    value = orjson.loads(text)
    asked = value.get("request") if isinstance(value, dict) else None
    if not isinstance(asked, dict):
        raise InvalidError("there is no request", where=f"{where}.request", cure="say method and url", code="required")
    method, url = asked.get("method"), asked.get("url")
    if method not in METHODS:
        cure = f"take one of {', '.join(METHODS)}"
        raise InvalidError("there is no such method", where=f"{where}.request.method", cure=cure, code="code-invalid")
    if not isinstance(url, str):
        raise InvalidError("there is no url", where=f"{where}.request.url", cure="write Patient/1", code="required")
    for name in ("ifMatch", "ifNoneMatch", "ifModifiedSince", "ifNoneExist"):
        if not isinstance(asked.get(name, ""), str):
            raise InvalidError("is no string", where=f"{where}.request.{name}", cure="write one", code="structure")
    resource = value.get("resource")
    if (resource is not None) != (method in ("POST", "PUT", "PATCH")) and not (method == "POST" and "$" in url):
        what = "there is no resource" if resource is None else f"a {method} takes no resource"
        raise InvalidError(what, where=f"{where}.resource", cure="see R4 §3.1.0.11", code="structure")
    if resource is not None and not isinstance(resource, dict):
        raise InvalidError("is no resource", where=f"{where}.resource", cure="send an object", code="structure")
    url = url.removeprefix(base).lstrip("/")
    path, _, criteria = url.partition("?")
    steps = unquote(path).split("/")
    given = None if resource is None else Json(resource, jsontext.members(text)["resource"])
    full = value.get("fullUrl", "")
    return Part(
        number, method, url, steps[0], steps[1] if len(steps) > 1 else "", criteria,
        full if isinstance(full, str) else "", given,
        asked.get("ifMatch", ""), asked.get("ifNoneMatch", ""), asked.get("ifModifiedSince", ""),
        asked.get("ifNoneExist"),
    )  # fmt: skip


def ordered(parts: Iterable[Part]) -> list[Part]:
    """In the order in which a transaction is carried out (R4 §3.1.0.11.2)."""
    return sorted(parts, key=lambda part: _ORDER[part.method])


def once(refs: Iterable[tuple[str, Part]]) -> None:
    """See that no resource is written by two entries.

    :raises InvalidError: naming the second.
    """
    seen: dict[str, Part] = {}
    for ref, part in refs:
        if ref in seen:
            what = f"the resource is written by entry {seen[ref].number} already"
            raise InvalidError(what, where=part.where, cure="write each resource once", code="duplicate")
        seen[ref] = part


def targets(parts: Iterable[tuple[Part, str]]) -> dict[str, str]:
    """Full URL -> reference, of entries and the references they come to; also ``Type/id`` of what gets another id."""
    made: dict[str, str] = {}
    for part, ref in parts:
        if part.full_url:
            made[part.full_url] = ref
            place = _PLACE.fullmatch(part.full_url)
            if place is not None and part.method == "POST":
                made.setdefault(f"{place[2]}/{place[3]}", ref)
    return made


def conditions(text: bytes) -> set[str]:
    """The references by condition (``Patient?identifier=…``) in a resource."""
    if b"?" not in text:
        return set()
    values = (_text(match[2]) for match in _LINK.finditer(text) if match[1] == b"reference")
    return {value for value in values if _CONDITION.fullmatch(value)}


def relink(text: bytes, to: Mapping[str, str]) -> bytes:
    """The resource with its links to other entries, also those of its narrative, made references."""

    def found(value: str) -> str | None:
        hash_at = value.find("#")
        if hash_at > 0 and value[:hash_at] in to:
            return to[value[:hash_at]] + value[hash_at:]
        return to.get(value)

    def one(match: re.Match[bytes]) -> bytes:
        new = found(_text(match[2]))
        return match[0] if new is None else b'"%b":%b' % (match[1], orjson.dumps(new))

    def several(match: re.Match[bytes]) -> bytes:
        values = orjson.loads(b"[" + match[2] + b"]")
        return b'"%b":%b' % (match[1], orjson.dumps([found(v) or v for v in values]))

    def narrative(match: re.Match[bytes]) -> bytes:
        div = _text(match[1])
        new = _ANCHOR.sub(lambda m: f"{m[1]}{m[2]}{found(m[3]) or m[3]}{m[2]}", div)
        return match[0] if new == div else b'"div":' + orjson.dumps(new)

    if not to:
        return text
    return _DIV.sub(narrative, _LIST.sub(several, _LINK.sub(one, text)))


def _text(token: bytes) -> str:
    value: str = orjson.loads(token)
    return value


def resolved(texts: Iterable[bytes], find: Callable[[str], str]) -> dict[str, str]:
    """Condition -> reference, of all references by condition in some resources."""
    return {condition: find(condition) for text in texts for condition in sorted(conditions(text))}
