"""FHIR R4 JSON: what the hub learns of a message or a resource before it answers.

R4 §2.6.2 (JSON), §2.4 (messaging).  The type of a message is that of its event in HL7 v2 (``ADT^A01``), of anything
else the type of the resource; its number is that of the Bundle; its patient is the first one in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import orjson

from hub.errors import ParseError
from hub.source.reader import Envelope, Reader

MAX_OCTETS: Final = 64 * 1024 * 1024
_KEY: Final = 199  # longest key the store holds
_DECIMAL: Final = re.compile(rb"[:\[,]\s*-?\d+(\.\d*0|\.?\d*[eE][+-]?\d+|\.\d{16,})\s*[,}\]]")
_EXACT: Final = json.JSONDecoder(parse_float=Decimal)
_FAMILIES: Final = {"A": "ADT", "T": "MDM", "R": "ORU", "Z": "ZAM"}


def parse(body: bytes, origins: bool = False) -> dict[str, Any]:  # noqa: ARG001 - the signature of a Reader
    """The resource as JSON objects.

    :raises ParseError: with line and column, for what is no JSON object, too deep (orjson stops at 1,024) or too big.
    """
    if len(body) > MAX_OCTETS:
        raise ParseError(f"more than {MAX_OCTETS} octets of JSON", where="1:1", cure="send it without the bulk")
    try:
        made = orjson.loads(body)
        if _DECIMAL.search(body):  # R4 §2.24.0.1: 5.270 is another decimal than 5.27
            made = _EXACT.decode(body.decode())
    except orjson.JSONDecodeError as e:
        raise ParseError("no JSON", where=f"{e.lineno}:{e.colno}", cure="send FHIR R4 as JSON", code="102") from None
    if not isinstance(made, dict) or not isinstance(made.get("resourceType"), str):
        raise ParseError("no FHIR resource", where="resourceType", cure="send a resource of FHIR R4", code="102")
    return made


def peek(body: bytes) -> Envelope:
    """Read the head.

    :raises ParseError: see :func:`parse`.
    """
    resource = parse(body)
    resources = list(_resources(resource))
    header = next((r for r in resources if r.get("resourceType") == "MessageHeader"), {})
    event = _text(header, "eventCoding", "code")
    family = "ZAM" if event in ("Z01", "Z02", "Z03") else "ADT" if event[:1] == "Z" else _FAMILIES.get(event[:1], "")
    kind = "ACK" if event == "ACK" else f"{family}^{event}" if family else event or str(resource["resourceType"])
    keys = dict.fromkeys(_keys(resources))
    patient = next((value for kind, value in keys if kind == "patient"), "")
    source = f"{_text(header, 'source', 'name')}|{_text(header, 'sender', 'display')}"
    return Envelope(
        type=kind[:64],
        control_id=(_text(resource, "identifier", "value") or _text(resource, "id"))[:_KEY],
        sender=source[:_KEY] if header else "",
        establishment=_text(header, "sender", "display")[:_KEY],
        document=next((_text(r, "type", "coding", "code") for r in resources
                       if r.get("resourceType") == "DocumentReference"), "")[:64],
        order_key=patient,
        keys=tuple(keys),
        parsed=resource,
    )  # fmt: skip


def _resources(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    entries = resource.get("entry")
    if resource.get("resourceType") != "Bundle" or not isinstance(entries, list):
        yield resource
        return
    for entry in entries[:1000]:
        made = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(made, dict):
            yield made


_KINDS: Final = {"Patient": "patient", "Encounter": "visit", "ServiceRequest": "order"}


def _keys(resources: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for resource in resources:
        kind = _KINDS.get(str(resource.get("resourceType")))
        known = resource.get("identifier")
        for one in known[:32] if kind and isinstance(known, list) else ():
            if value := _text(one, "value"):
                yield str(kind), value[:_KEY]
        if resource.get("resourceType") == "DocumentReference" and (
            value := _text(resource, "masterIdentifier", "value")
        ):
            yield "document", value[:_KEY]


def _text(node: Any, *path: str) -> str:
    for step in path:
        node = node[0] if isinstance(node, list) and node else node
        node = node.get(step) if isinstance(node, dict) else None
    return node if isinstance(node, str) else ""


def check(body: bytes, envelope: Envelope) -> None:
    """What was read in full needs no more."""


READER: Reader = Reader("fhir", "application/fhir+json", peek, parse, check)
