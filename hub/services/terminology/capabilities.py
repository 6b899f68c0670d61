"""TerminologyCapabilities: what the hub answers about codes.

R4 §TerminologyCapabilities (http://hl7.org/fhir/R4/terminologycapabilities.html), made of what is known.
"""

from __future__ import annotations

from typing import Any

from hub import __version__
from hub.fhir.terminology import Catalogue, CodeSystem
from hub.services.terminology.asked import HUB

_EXPANSION = (
    ("filter", "words in the display, or the beginning of the code; accents and case aside"),
    ("offset", "how many codes to pass over"),
    ("count", "how many codes to show at most"),
    ("displayLanguage", "fr (default) or en"),
    ("includeDesignations", "all names of a code"),
)


def capabilities(*, date: str, publisher: str, url: str, known: Catalogue = HUB) -> dict[str, Any]:
    """The TerminologyCapabilities of this hub.

    :param date: when what it says changed last; ``url``: base of the FHIR API.
    """
    return {
        "resourceType": "TerminologyCapabilities",
        "status": "active",
        "date": date,
        "publisher": publisher,
        "kind": "instance",
        "software": {"name": "OncoHub", "version": __version__},
        "implementation": {"description": "Terminology of the FHIR R4 API of OncoHub", "url": url},
        "lockedDate": False,
        "codeSystem": [_system(system) for _, system in sorted(known.systems.items())],
        "expansion": {
            "hierarchical": False,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name, "documentation": text} for name, text in _EXPANSION],
            "textFilter": "Every word has to be in a display of the code, or to begin the code.",
        },
        "codeSearch": "explicit",
        "validateCode": {"translations": True},
        "translation": {"needsMap": False},
    }


def _system(system: CodeSystem) -> dict[str, Any]:
    made: dict[str, Any] = {"uri": system.url}
    if system.version:
        made["version"] = [{"code": system.version, "isDefault": True, "language": ["fr", "en"]}]
    return {**made, "subsumption": system.hierarchical}
