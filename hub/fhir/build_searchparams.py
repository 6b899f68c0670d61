"""Writes ``searchparams.csv`` out of the SearchParameter and element tables of FHIR R4 (4.0.1).

R4 §3.1.3 defines every search parameter by a FHIRPath expression.  All but a handful are plain paths;
here each becomes the path, the kind of value found at its end and, where the expression narrows it
(``where(resolve() is Patient)``, ``where(system='email')``), the one type or system meant.  What is left
out is what the hub does not search by: numbers, quantities, composites, positions and phonetics.

Run as ``python -m hub.fhir.build_searchparams SEARCH_PARAMETERS_CSV ELEMENTS_CSV``.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TYPES = set(
    """
Account AllergyIntolerance Appointment AuditEvent CarePlan CareTeam Communication Composition Condition
Consent Coverage Device DiagnosticReport DocumentManifest DocumentReference Encounter Endpoint
EpisodeOfCare Flag Group HealthcareService ImagingStudy List Location MessageHeader Observation
Organization Patient Practitioner PractitionerRole Procedure Provenance QuestionnaireResponse
RelatedPerson Schedule ServiceRequest Slot Specimen Task
""".split()  # noqa: SIM905 - a list literal would take forty lines
)

COLUMNS = ("type", "name", "kind", "path", "shape", "only", "targets", "definition")

# kind of parameter -> FHIR type of the element -> shape of the value that is indexed
SHAPES: dict[str, dict[str, str]] = {
    "token": {
        **dict.fromkeys(("code", "string", "id", "uri", "canonical", "oid"), "code"),
        "boolean": "boolean", "Identifier": "identifier", "Coding": "coding",
        "CodeableConcept": "concept", "ContactPoint": "contact",
    },
    "string": {
        **dict.fromkeys(("string", "markdown"), "string"), "HumanName": "name", "Address": "address",
    },
    "date": {**dict.fromkeys(("date", "dateTime", "instant"), "date"), "Period": "period"},
    "reference": {"Reference": "reference", **dict.fromkeys(("canonical", "uri", "url"), "uri")},
    "uri": dict.fromkeys(("uri", "url", "canonical", "oid"), "code"),
}  # fmt: skip

SKIP = {"phonetic", "_id", "_lastUpdated", "_source"}  # no phonetic index; the others are the store's own
# Patient.deceased is a question (exists and is not false), not a path: R4 §8.1.5.
BY_HAND = (
    ("Patient", "deceased", "token", "deceasedBoolean", "boolean", "", "", "Patient-deceased"),
    ("Patient", "deceased", "token", "deceasedDateTime", "exists", "", "", "Patient-deceased"),
)

_PLAIN = re.compile(r"(?P<path>[A-Z]\w*(?:\.\w+)+)")
_CAST = re.compile(r"\((?P<path>[\w.]+) as (?P<cast>\w+)\)(?P<rest>(?:\.\w+)*)|(?P<path2>[\w.]+)\.as\((?P<cast2>\w+)\)")
_TYPED = re.compile(r"(?P<path>[\w.]+)\.where\(resolve\(\) is (?P<only>\w+)\)")
_SYSTEM = re.compile(r"(?P<path>[\w.]+)\.where\(system='(?P<only>\w+)'\)")


class Elements:
    """The element table: which FHIR types stand at a path."""

    def __init__(self, file: Path) -> None:
        with file.open(encoding="utf-8", newline="") as lines:
            self._types = {row["path"]: row["types"].split("|") for row in csv.DictReader(lines)}

    def leaves(self, path: str) -> Iterator[tuple[str, str]]:
        """(JSON path without the resource type, FHIR type) for each thing ``path`` may hold."""
        first, *names = path.split(".")
        yield from self._below(first, names, ())

    def _below(self, at: str, names: list[str], done: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if not names:
            return
        name, rest = names[0], names[1:]
        choice = f"{at}.{name}[x]"
        if choice in self._types:
            found = [(f"{name}{t[0].upper()}{t[1:]}", t) for t in self._types[choice]]
        else:
            found = [(name, t) for t in self._types[f"{at}.{name}"]]
        for key, kind in found:
            if not rest:
                yield ".".join((*done, key)), kind
            else:
                below = f"{at}.{name}" if kind in ("BackboneElement", "Element") else kind
                yield from self._below(below, rest, (*done, key))


def read(expression: str) -> tuple[str, str, str, str] | None:
    """(path, cast, path below the cast, only) of one alternative, or None when it is no simple path."""
    text = expression.strip()
    if m := _PLAIN.fullmatch(text):
        return m["path"], "", "", ""
    if m := _CAST.fullmatch(text):
        return m["path"] or m["path2"], m["cast"] or m["cast2"], (m["rest"] or "").lstrip("."), ""
    if m := _TYPED.fullmatch(text) or _SYSTEM.fullmatch(text):
        return m["path"], "", "", m["only"]
    return None


def rows(parameters: Path, elements: Elements) -> Iterator[tuple[str, ...]]:
    """The rows of ``searchparams.csv``; those of type ``Resource`` go for every type."""
    yield from BY_HAND
    with parameters.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            kind, base, name = row["type"], row["base"], row["code"]
            if base not in TYPES | {"Resource"} or kind not in SHAPES or name in SKIP:
                continue
            end = row["url"].removeprefix("http://hl7.org/fhir/SearchParameter/")
            for part in row["expression"].split(" | "):
                made = read(part)
                if made is None or made[0].partition(".")[0] != base:
                    continue
                path, cast, below, only = made
                for leaf, fhir_type in elements.leaves(path):
                    if cast and fhir_type != cast:
                        continue
                    key = f"{leaf}.{below}" if below else leaf
                    shape = SHAPES[kind].get("string" if below else fhir_type)
                    if shape:
                        yield base, name, kind, key, shape, only, _targets(kind, only, row["target"]), end


def _targets(kind: str, only: str, targets: str) -> str:
    """Types a reference may point to; '' stands for any."""
    if kind != "reference" or targets.count("|") > 20:
        return ""
    return only or targets


def main(parameters: str, elements: str) -> None:
    """Rewrite the table beside this module."""
    made = sorted(set(rows(Path(parameters), Elements(Path(elements)))))
    with (Path(__file__).parent / "searchparams.csv").open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(made)


if __name__ == "__main__":
    main(*sys.argv[1:])
