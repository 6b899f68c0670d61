"""Which patch it is, and the resource after it.

R4 §3.1.0.6: JSON Patch, XML Patch, FHIRPath Patch; a patch changes neither type nor id, and its result meets the same
rules as an update.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pybase64

from hub.errors import InvalidError
from hub.fhir import jsontext
from hub.fhir.jsontext import Json
from hub.services.documents import editing
from hub.services.resources import fhirpatch, jsonpatch, rules

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
FORMATS = (JSON_PATCH, XML_PATCH, "application/fhir+json", "application/fhir+xml")


@dataclass(frozen=True, slots=True)
class Patched:
    """``run`` makes of the stored JSON of a resource the new one."""

    run: Callable[[bytes], bytes]


def by_json(patch: bytes) -> Patched:
    """A JSON Patch."""
    return Patched(lambda stored: jsonpatch.apply(stored, patch))


def by_xml(patch: bytes) -> Patched:
    """An XML Patch."""

    def run(stored: bytes) -> bytes:
        from hub.services.resources import xmlpatch  # not before somebody sends one

        return xmlpatch.apply(stored, patch)

    return Patched(run)


def by_parameters(given: Json) -> Patched:
    """A FHIRPath Patch.

    :raises InvalidError: when the resource is no Parameters.
    """
    if given.value.get("resourceType") != "Parameters":
        cure = f"send Parameters with operations, or a JSON Patch as {JSON_PATCH}"
        raise InvalidError("this is no patch", where="resourceType", cure=cure, code="invalid")
    return Patched(lambda stored: fhirpatch.apply(stored, jsontext.exact(given.text)))


def of_binary(binary: dict[str, Any]) -> bytes:
    """The JSON Patch in the Binary that carries it inside a Bundle (R4 §3.1.0.6).

    :raises InvalidError: when it is none.
    """
    if binary.get("contentType") != JSON_PATCH:
        raise InvalidError("is no patch", where="Binary.contentType", cure=f"it carries {JSON_PATCH}", code="value")
    try:
        return pybase64.b64decode(binary.get("data", ""), validate=True)
    except (ValueError, TypeError):
        raise InvalidError("is no base64", where="Binary.data", cure="encode it (RFC 4648 §4)", code="value") from None


def after(patch: Patched, stored: bytes, kind: str, fid: str) -> Json:
    """The resource after a patch, checked.

    :raises InvalidError: when it is no resource of this type and id any more, or breaks the rules of R4;
        UnsupportedError: when a shared document is changed otherwise than it may.
    """
    made = jsontext.read(patch.run(stored))
    if kind == "DocumentReference":
        editing.check(orjson.loads(stored), made.value)
    rules.check(made.value, kind, fid)
    return made
