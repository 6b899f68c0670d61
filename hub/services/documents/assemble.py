"""A Composition with all it refers to, as one FHIR document.

R4 §3.3.1 (http://hl7.org/fhir/R4/documents.html): the Composition comes first; what it refers to is in the Bundle, and
what that refers to as well.  The same versions give the same document: its identifier and timestamp follow from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import uuid5

import orjson

from hub import clock
from hub.errors import TooLargeError, UnprocessableError
from hub.fhir.draft import NAMESPACE
from hub.services.documents.links import Links, references

MOST: Final = 2000  # resources of one document


class Held(NamedTuple):
    """A resource as it is stored: its JSON, version and time (microseconds)."""

    text: bytes
    version: int
    updated: int


def assemble(composition: str, find: Callable[[list[str]], dict[str, Held]], base: str) -> tuple[str, bytes]:
    """(id, JSON) of the document Bundle of a Composition.

    :param composition: its reference, of a resource that ``find`` finds.
    :param find: the resources of some references, of those that are there.
    :raises UnprocessableError: when something that the Composition refers to is not there; TooLargeError: beyond
        ``MOST`` resources.
    """
    links = Links((), base)
    held: dict[str, Held] = find([composition])
    level = [composition]
    while level:
        wanted: dict[str, str] = {}
        for ref in level:
            for path, text in references(orjson.loads(held[ref].text)):
                target = links.local(text)
                if target and target not in held:
                    wanted.setdefault(target, path)
        if len(held) + len(wanted) > MOST:
            raise TooLargeError(f"the document has more than {MOST} resources", cure="search for its parts")
        found = find(list(wanted))
        missing = [path for target, path in wanted.items() if target not in found]
        if missing and level == [composition]:
            raise UnprocessableError(
                "it refers to what is not there, so it is no document yet", where=f"Composition.{missing[0]}",
                cure="send that resource, or take the reference out",
            )  # fmt: skip
        held |= found
        level = list(found)
    return _bundle(held, base)


def _bundle(held: dict[str, Held], base: str) -> tuple[str, bytes]:
    name = str(uuid5(NAMESPACE, "\n".join(f"{ref}/{one.version}" for ref, one in held.items())))
    made: dict[str, Any] = {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{name}"},
        "type": "document",
        "timestamp": clock.iso(max(one.updated for one in held.values())),
        "entry": [{"fullUrl": f"{base}/{ref}", "resource": orjson.Fragment(one.text)} for ref, one in held.items()],
    }
    return name, orjson.dumps(made)
