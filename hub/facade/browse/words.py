"""The words of the pages, in French and English, and what of each resource type is shown first.

``terms.csv`` has one row for a word of FHIR (a type, an element, a search parameter, a code) or of the
pages; ``columns.csv`` the elements of the columns and the search parameters that stand open, ``*`` for types
without a row of their own.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from pathlib import Path

from hub.fhir.search import Param, params

HERE = Path(__file__).parent
LANGUAGES = ("fr", "en")
COMMON = (
    "Patient", "Encounter", "DocumentReference", "Observation", "DiagnosticReport", "Condition", "Procedure",
    "MedicationRequest", "ServiceRequest", "AllergyIntolerance", "ImagingStudy", "Practitioner",
)  # fmt: skip
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@cache
def terms(language: str) -> dict[str, str]:
    """Word -> how it is said."""
    with (HERE / "terms.csv").open(encoding="utf-8", newline="") as lines:
        return {row["word"]: row[language] for row in csv.DictReader(lines)}


def say(word: str, language: str) -> str:
    """A word of FHIR or of the pages; one that is not in the table says itself, by its parts."""
    known = terms(language).get(word)
    if known is not None:
        return known
    parts = _CAMEL.sub(" ", word).replace("-", " ").replace("_", " ").strip()
    return parts[:1].upper() + parts[1:].lower()


@cache
def _shown() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    with (HERE / "columns.csv").open(encoding="utf-8", newline="") as lines:
        return {r["type"]: (tuple(r["columns"].split()), tuple(r["first"].split())) for r in csv.DictReader(lines)}


def columns(kind: str) -> tuple[str, ...]:
    """Paths of the elements that a person looks at first."""
    return _shown().get(kind, _shown()["*"])[0]


def fields(kind: str) -> tuple[list[Param], list[Param]]:
    """(search parameters that stand open, all others) of a type."""
    there = params(kind)
    first = [n for n in _shown().get(kind, _shown()["*"])[1] if n in there]
    return [there[n] for n in first], [p for n, p in there.items() if n not in first and p.kind != "composite"]
