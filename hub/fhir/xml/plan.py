"""How each structure of R4 is written in XML and in JSON, looked up by JSON name and by XML name.

R4 §2.6.1 (xml.html) and §2.6.2 (json.html): an element is an XML element with its value in ``value``; ``id``
of an element and ``url`` of an extension are attributes; a resource inside another is wrapped by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from operator import attrgetter
from typing import Final, Literal

from hub.errors import InvalidError
from hub.fhir import structures

FHIR: Final = "http://hl7.org/fhir"
XHTML: Final = "http://www.w3.org/1999/xhtml"
MAX_OCTETS: Final = 128 * 1024 * 1024
MAX_DEPTH: Final = 100  # elements inside each other; each may be two levels of JSON, and orjson stops at 254

Kind = Literal["text", "boolean", "whole", "decimal", "xhtml", "attribute", "part", "resource", "type", "root"]
_KINDS: dict[str, Kind] = {
    "boolean": "boolean", "decimal": "decimal", "xhtml": "xhtml",
    **dict.fromkeys(("integer", "positiveInt", "unsignedInt"), "whole"),
}  # fmt: skip
PRIMITIVE: Final = frozenset({"text", "boolean", "whole", "decimal"})


class Spec:
    """One element of a structure, in one of its forms.

    :ivar key: JSON name; of what stands beside a primitive, the name without its ``_``.
    :ivar beside: True for ``_birthDate``, what stands beside a primitive.
    :ivar rank: its place in the structure.
    """

    __slots__ = ("beside", "key", "kind", "many", "rank", "structure", "under")

    def __init__(self, key: str, kind: Kind, structure: str, many: bool, rank: int, beside: bool = False) -> None:
        self.key, self.kind, self.structure, self.many, self.rank, self.beside = (
            key,
            kind,
            structure,
            many,
            rank,
            beside,
        )
        self.under = "_" + key


by_rank = attrgetter("rank")


class Plan:
    """One structure.

    :ivar keys: JSON name -> Spec; ``tags``: expanded XML name (``namespace name``) -> Spec.
    :ivar url: whether it has its ``url`` as attribute (an extension).
    """

    __slots__ = ("keys", "name", "tags", "url")

    def __init__(self, name: str, keys: Mapping[str, Spec]) -> None:
        self.name, self.keys, self.url = name, keys, name == "Extension"
        self.tags = {
            f"{XHTML if s.kind == 'xhtml' else FHIR} {s.key}": s
            for s in keys.values()
            if not s.beside and s.kind not in ("attribute", "type")
        }


@cache
def plan(structure: str) -> Plan:
    """The plan of a structure, made at its first use."""
    keys: dict[str, Spec] = {}
    resource = structures.is_resource(structure)
    if resource:
        keys["resourceType"] = Spec("resourceType", "type", "", False, -1)
    for rank, element in enumerate(structures.elements(structure)):
        for key, name in element.forms():
            kind = _kind(structure, resource, key, name)
            keys[key] = Spec(key, kind, name, element.many, rank)
            if kind in PRIMITIVE:
                keys["_" + key] = Spec(key, kind, name, element.many, rank, beside=True)
    return Plan(structure, keys)


def _kind(structure: str, resource: bool, key: str, name: str) -> Kind:
    if (key == "id" and not resource) or (key == "url" and structure == "Extension"):
        return "attribute"
    if name in structures.PRIMITIVES:
        return _KINDS.get(name, "text")
    return "resource" if structures.is_resource(name) else "part"


@cache
def roots() -> dict[str, Spec]:
    """Expanded XML name -> Spec of each resource that can be made."""
    return {f"{FHIR} {name}": Spec(name, "root", name, False, 0) for name in structures.resource_types()}


def resource_plan(name: object) -> Plan:
    """The plan of a resource.

    :raises InvalidError: when R4 has no such resource.
    """
    if not isinstance(name, str) or name not in structures.resource_types():
        raise InvalidError(
            "not a resource of R4", where="resourceType", cure="name one, such as Patient", code="structure"
        )
    return plan(name)
