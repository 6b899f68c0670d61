"""A FHIR message to be sent as HL7 v2: its header, and the resources by reference.

R4 §2.4 (messaging): a Bundle of type ``message`` whose first resource is a MessageHeader; its event is a trigger of
HL7 v2 table 0003 (``A01``, ``T02``, ``R01``, ``Z01``), or ``ACK``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, Final

from hub.errors import MappingError
from hub.fhir.draft import Site

from ...shape import URI_SYSTEM, Element

EVENTS: Final = "http://terminology.hl7.org/CodeSystem/v2-0003"
_MOST: Final = 1000  # resources of one message


class Bundle:
    """Resources by reference, in their order.

    :raises MappingError: without a MessageHeader that says the event, and beyond the bound.
    """

    def __init__(self, resource: Element, site: Site) -> None:
        if resource.get("resourceType") != "Bundle":
            raise _unfit("it is no Bundle", "resourceType", "post a Bundle of type message")
        entries = resource.get("entry")
        entries = [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
        if len(entries) > _MOST:
            raise _unfit(f"more than {_MOST} resources", "Bundle.entry", "send one message for one patient")
        self.known: dict[str, Element] = {}
        self.ordered: list[Element] = []
        for entry in entries:
            made = entry.get("resource")
            if not isinstance(made, dict):
                continue
            self.ordered.append(made)
            for name in (entry.get("fullUrl"), f"{made.get('resourceType')}/{made.get('id')}"):
                if isinstance(name, str):
                    self.known[name] = made
        self.site = site
        self.header = header = next(self.all("MessageHeader"), {})
        # MSH-3 to MSH-6: what the header says, else what the site says
        self.application = text(header, "source", "name") or site.get("application", "ONCOHUB")
        self.facility = text(header, "sender", "display") or site.get("facility")
        self.receiver = text(header, "destination", 0, "name") or site.get("receiving_application")
        self.receiving_facility = text(header, "destination", 0, "receiver", "display") or site.get(
            "receiving_facility"
        )
        self.event = str(at(self.header, "eventCoding", "code") or "")[:16]
        if not self.event:
            raise _unfit("it does not say its event", "MessageHeader.eventCoding.code", f"give a code of {EVENTS}")
        self.names = {
            str(text(org, "identifier", 0, "value")): text(org, "name") for org in self.all("Organization")
            if text(org, "identifier", 0, "system") == URI_SYSTEM
        }  # fmt: skip
        self.timestamp = str(resource.get("timestamp") or "")
        number = at(resource, "identifier", "value") or resource.get("id") or self.header.get("id") or ""
        self.control_id = _short(str(number))
        if not number:
            raise _unfit("it has no number", "Bundle.identifier.value", "give each message its own")

    def all(self, kind: str) -> Iterator[Element]:
        return (r for r in self.ordered if r.get("resourceType") == kind)

    def one(self, kind: str) -> Element:
        """The first resource of a type.

        :raises MappingError: when there is none.
        """
        found = next(self.all(kind), None)
        if found is None:
            raise _unfit(f"{self.event} needs a {kind}", "Bundle.entry", f"add the {kind}")
        return found

    def resolve(self, reference: object, near: Element | None = None) -> Element | None:
        """What a Reference points to: in the Bundle, or contained in ``near``."""
        if not isinstance(reference, dict):
            return None
        name = reference.get("reference")
        if not isinstance(name, str):
            return None
        if name.startswith("#") and near is not None:
            return next((c for c in items(near, "contained") if c.get("id") == name[1:]), None)
        return self.known.get(name)


def at(node: Any, *path: str | int) -> Any:
    """What stands at ``path``; None when a step is missing or is no such thing."""
    for step in path:
        if isinstance(step, int):
            node = node[step] if isinstance(node, list) and len(node) > step else None
        else:
            node = node.get(step) if isinstance(node, dict) else None
        if node is None:
            return None
    return node


def text(node: Any, *path: str | int) -> str | None:
    """The text at ``path``; numbers and booleans as JSON writes them."""
    found = at(node, *path)
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float | Decimal):
        return str(found)
    return found if isinstance(found, str) and found else None


def items(node: Any, *path: str | int) -> list[Element]:
    """The objects of the list at ``path``."""
    found = at(node, *path)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def extension(node: Any, url_end: str) -> Element | None:
    """The first extension whose URL ends so."""
    return next((e for e in items(node, "extension") if str(e.get("url", "")).endswith(url_end)), None)


def codes(concepts: Iterable[Element]) -> Iterator[Element]:
    """The codings of CodeableConcepts."""
    return (coding for concept in concepts for coding in items(concept, "coding"))


def _short(number: str) -> str:
    """MSH-10 has 20 characters (v2.5 §2.15.9.10): a longer number becomes its digest, the same each time."""
    if len(number) <= 20 and number.isprintable():
        return number
    return hashlib.blake2b(number.encode("utf-8", "replace"), digest_size=10).hexdigest()


def _unfit(what: str, where: str, cure: str) -> MappingError:
    return MappingError(f"no message can be made of it: {what}", where=where, cure=cure, code="101")
