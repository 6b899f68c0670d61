"""What a resource must be to be stored through the API.

R4 §3.1.0.4, §3.1.0.8: a resource that breaks the base rules of FHIR is refused with 400 and an issue for
each thing that is wrong; the id of an update is that of its URL.
"""

from __future__ import annotations

import binascii
import re
from typing import Any

import orjson
import pybase64

from hub.errors import InvalidError
from hub.fhir.canonical import split_text
from hub.fhir.draft import Entry, Issue, Rank
from hub.fhir.jsontext import Json
from hub.store import changes
from hub.store.handle import Store
from hub.store.resources import Write

API = "urn:oncohub:api"  # meta.source of what has none of its own
_OURS = "urn:oncohub:"
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)


class FindingsError(InvalidError):
    """Several things are wrong with a resource.

    :ivar findings: each with its place.
    """

    def __init__(self, findings: list[Issue]) -> None:
        first = findings[0]
        super().__init__(first.what, where=first.where, code=first.code)
        self.findings = findings


def findings(resource: dict[str, Any]) -> list[Issue]:
    """What the base rules of R4 say about a resource; ``error`` ones forbid it."""
    from hub.fhir.validation import validate

    return validate(resource)


def check(resource: dict[str, Any], kind: str, fid: str | None = None) -> None:
    """See that a resource can be stored as one of type ``kind``.

    :param fid: of the URL; None when the store gives it.
    :raises InvalidError: for another type or id; :class:`FindingsError` for what breaks the rules of R4.
    """
    given = resource.get("resourceType")
    if given != kind:
        what = f"resourceType is {given[:64]!r}" if isinstance(given, str) else "there is no resourceType"
        raise InvalidError(what, where="resourceType", cure=f"this URL takes a {kind}", code="invalid")
    if fid is not None and resource.get("id") != fid:
        what = "the id is not that of the URL" if "id" in resource else "there is no id"
        raise InvalidError(what, where=f"{kind}.id", cure=f"write the id of the URL: {fid}", code="invalid")
    found = [one for one in findings(resource) if one.severity in ("error", "fatal")]
    if found:
        raise FindingsError(found)


def writing(store: Store, given: Json, kind: str, fid: str, *, octets: bytes | None = None) -> Write:
    """The write of a resource that was checked.

    :param octets: of a Binary; default: its ``data``, which is not kept in the resource.
    :raises InvalidError: when ``data`` is no base64.
    """
    resource = given.value
    if kind == "Subscription":
        from hub.services import subscriptions  # which few ever send

        given = subscriptions.taken(store.settings, given)
        resource = given.value
    if kind == "Binary" and octets is None:
        given, octets = _apart(given)
        resource = given.value
    rest, own, _ = split_text(given)
    entry = Entry(kind, fid, resource, Rank.PERSON, octets=octets)
    source = (resource.get("meta") or {}).get("source")
    if not isinstance(source, str) or source.startswith(_OURS):  # ours says which message wrote a version
        source = API
    return changes.decided(store, entry, orjson.dumps(source)[1:-1].decode(), rest, own)


def _apart(given: Json) -> tuple[Json, bytes]:
    resource = dict(given.value)
    data = resource.pop("data", "")
    try:
        octets = pybase64.b64decode(data, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise InvalidError("is no base64", where="Binary.data", cure="encode it (RFC 4648 §4)", code="value") from None
    return Json(resource, orjson.dumps(resource)), octets


def settled(resource: dict[str, Any], found: str) -> str:
    """The id that a conditional update writes to, of the resource given and the reference found (R4 §3.1.0.4.3);
    '' when the store is to give one.

    :raises InvalidError: when the id given is not that of the one that fits.
    """
    fid = resource.get("id", "")
    there = found.partition("/")[2]
    if fid and there and fid != there:
        raise InvalidError(
            "the id is not that of the resource that fits", where=f"{resource['resourceType']}.id",
            cure="leave the id out, or ask for the resource of that id", code="invalid",
        )  # fmt: skip
    if fid and not good_id(fid):
        raise InvalidError("is no id", where=f"{resource['resourceType']}.id", cure="see R4 §2.24.0.1", code="value")
    return there or fid


def good_id(fid: str) -> bool:
    """Whether it can be the id of a resource (R4 §2.24.0.1)."""
    return _ID.fullmatch(fid) is not None
