"""Provenance.signature: signatures of FHIR resources.

FHIR R4 §2.36 (Signature), §6.3 (Provenance), http://hl7.org/fhir/R4/json.html#canonical: canonical JSON has no
white space and its properties in the order of the alphabet; ``#static`` leaves out meta and narrative.  What is
signed is a DSG document (``application/signature+xml``) over the canonical JSON of each target.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, Final

import orjson

from hub.security.certificates import PERSONS, STRUCTURES
from hub.services.signing.dsg import verify_dsg
from hub.services.signing.examination import Examination, Given, Signed
from hub.services.signing.gate import refuse, unsigned
from hub.services.signing.names import MAX_SIGNATURE
from hub.services.signing.verdict import RefusedError

FORMAT: Final = "application/signature+xml"
STATIC: Final = "application/fhir+json;canonicalization=http://hl7.org/fhir/canonicalization/json#static"
_PLAIN: Final = STATIC.removesuffix("#static")
# System of an identifier -> what stands before its value in PS_IdNat or Struct_IdNat.
_SYSTEMS: Final = {f"urn:oid:{PERSONS}": "", f"urn:oid:{STRUCTURES}": "", "https://rpps.esante.gouv.fr": "8"}
_NOT_STATIC: Final = ("meta", "text")


class _Number(str):
    """A number as it was written: 1.50 is not 1.5 (R4 §2.24.0.1, decimal)."""

    __slots__ = ()


def canonical_json(resource: Mapping[str, Any] | bytes, form: str = STATIC) -> bytes:
    """The canonical JSON of a resource; of octets, with each number as it stands there.

    :raises RefusedError: for a form that is not taken, or what is no resource.
    """
    if form not in (STATIC, _PLAIN, "", "application/fhir+json"):
        raise refuse("target-format", "the canonical form of the target is not taken", "algorithms")
    left_out = () if form == _PLAIN else _NOT_STATIC
    read = read_json(resource) if isinstance(resource, bytes) else resource
    if not isinstance(read, Mapping):
        raise refuse("not-json", "a target is no resource")
    if read.get("resourceType") == "Binary" and isinstance(read.get("data"), str):
        return _octets(read["data"], "Binary.data")  # a document is signed octet for octet
    return write_json({k: v for k, v in read.items() if k not in left_out})


def read_json(octets: bytes) -> Any:
    """JSON with its numbers as they were written, and each property once: readers differ on which of two counts.

    :raises RefusedError: for what is no such JSON.
    """
    try:
        return json.loads(octets, parse_float=_Number, parse_int=_Number, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise refuse("not-json", "it is no JSON, or a property stands there twice") from None


def write_json(value: Any) -> bytes:
    """What :func:`read_json` read, in its canonical form."""
    if isinstance(value, Mapping):
        return b"{" + b",".join(orjson.dumps(k) + b":" + write_json(value[k]) for k in sorted(value)) + b"}"
    if isinstance(value, list):
        return b"[" + b",".join(map(write_json, value)) + b"]"
    return value.encode() if isinstance(value, _Number) else orjson.dumps(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError
    return made


def _octets(text: str, name: str) -> bytes:
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except (binascii.Error, ValueError):
        raise refuse("base64", f"{name} is no base64") from None


def verify_provenance(
    provenance: Mapping[str, Any], targets: Mapping[str, Mapping[str, Any] | bytes], given: Given
) -> Signed:
    """Verify the one signature of a Provenance.

    :param targets: resources that it is of, by the reference that it has for each.
    """
    try:
        data, documents, names = _read(provenance, targets)
    except RefusedError as refusal:
        failed = refusal

        def work(exam: Examination) -> None:
            del exam
            raise failed

        return Examination("provenance", given).run(work)
    return verify_dsg(data, documents, Given(given.trust, given.at, {**names, **given.names}, given.seen))


def _read(
    provenance: Mapping[str, Any], targets: Mapping[str, Mapping[str, Any] | bytes]
) -> tuple[bytes, dict[str, bytes], dict[str, str]]:
    """(signature, canonical documents by reference, who is said to have signed)."""
    signatures = provenance.get("signature")
    if not signatures:
        raise unsigned()
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise refuse("signature-count", "a Provenance has one signature")
    (one,) = signatures
    if one.get("sigFormat", FORMAT) != FORMAT:
        raise refuse("signature-format", f"the signature is not {FORMAT}")
    data = one.get("data")
    if not isinstance(data, str) or len(data) > MAX_SIGNATURE * 2:
        raise refuse("base64", "Signature.data is no base64")
    octets = _octets(data, "Signature.data")
    listed = provenance.get("target")
    references = (
        [t.get("reference") if isinstance(t, dict) else None for t in listed] if isinstance(listed, list) else []
    )
    texts = [r for r in references if isinstance(r, str)]
    if not texts or len(texts) != len(references) or len(set(texts)) != len(texts):
        raise refuse("targets", "Provenance.target is a list of references, each once")
    if set(texts) != set(targets):
        raise refuse("manifest-coverage", "a target of the Provenance is not there", "integrity")
    form = one.get("targetFormat", "")
    return octets, {r: canonical_json(targets[r], form) for r in texts}, _said(one.get("who"))


def _said(who: Any) -> dict[str, str]:
    """Signature.who, when it is identified by a national identifier."""
    identifier = who.get("identifier") if isinstance(who, dict) else None
    if isinstance(identifier, dict) and identifier.get("system") in _SYSTEMS:
        return {"Signature.who": _SYSTEMS[identifier["system"]] + str(identifier.get("value"))}
    return {}


def signature_element(dsg: bytes, when: str, who: Mapping[str, Any], purpose: tuple[str, str]) -> dict[str, Any]:
    """A Signature of FHIR that holds a DSG document.

    :param when: a FHIR instant.
    :param purpose: code and display of ASTM E1762.
    """
    return {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": purpose[0], "display": purpose[1]}],
        "when": when, "who": dict(who), "targetFormat": STATIC, "sigFormat": FORMAT,
        "data": base64.b64encode(dsg).decode(),
    }  # fmt: skip
