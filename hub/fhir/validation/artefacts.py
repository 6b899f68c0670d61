"""The conformance artefacts that come with the hub, found by canonical: profiles, value sets, code systems.

R4 §5.1, §4.8, §4.9.  They lie in the room ``profiles`` as JSON and are read when the first of them is asked
for.  What the hub defines itself has its canonicals under :data:`BASE`; a site that publishes them under its
own address sets ``canonical_base``, and they are read as if they had been written so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import orjson

from hub.paths import room

BASE = "https://hub.example.org/fhir"
CORE = "http://hl7.org/fhir/StructureDefinition/"
Artefact = Mapping[str, Any]


@cache
def index(base: str = BASE) -> dict[str, Artefact]:
    """Canonical -> artefact, with ``base`` for the canonicals of the hub."""
    found: dict[str, Artefact] = {}
    for file in sorted(room("profiles").glob("*/*.json")):
        text = file.read_bytes()
        made = orjson.loads(text.replace(BASE.encode(), base.encode()) if base != BASE else text)
        if "url" in made:
            found[made["url"]] = made
    return found


def artefact(canonical: str, base: str = BASE) -> Artefact | None:
    """The artefact of a canonical, whatever version it names; None when the hub has none."""
    return index(base).get(canonical.partition("|")[0])


@cache
def own(base: str = BASE) -> dict[str, str]:
    """Type of resource -> the profile that resources of this type follow when they name none.

    A type with several profiles has one only when a profile says so of itself, by not narrowing ``code``,
    ``type`` or ``category``: that is the table ``defaults.json`` of the room.
    """
    file = room("profiles") / "defaults.json"
    return {kind: f"{base}/StructureDefinition/{name}" for kind, name in orjson.loads(file.read_bytes()).items()}


def profiles(base: str = BASE) -> Iterator[Artefact]:
    """Every StructureDefinition of the room."""
    return (made for made in index(base).values() if made["resourceType"] == "StructureDefinition")
