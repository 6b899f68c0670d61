"""Writes ``params.csv`` and ``unsupported.csv`` out of the SearchParameter and element tables of FHIR R4.

R4 §3.1.3 (4.0.1) defines every search parameter by a FHIRPath expression.  Here each becomes the paths it
comes down to, the kind of value found at their ends and, where the expression narrows it
(``where(resolve() is Patient)``, ``where(system='email')``), the one type or system meant.  Of the types
that the element table does not have, the shape of a value is told when it is indexed (``any-...``).

Run as ``python -m hub.fhir.search.build SEARCH_PARAMETERS_CSV ELEMENTS_CSV``.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from hub.fhir.search.paths import Way, compile_path

HERE = Path(__file__).parent
COLUMNS = ("type", "name", "kind", "path", "shape", "only", "targets", "definition")
UNSUPPORTED = ("type", "name", "kind", "expression", "reason")
DEFINITIONS = "http://hl7.org/fhir/SearchParameter/"

# kind of parameter -> FHIR type of the element -> shapes of the values that are indexed, with the path to them
SHAPES: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {
    "token": {
        **dict.fromkeys(("code", "string", "id", "uri", "canonical", "oid", "url"), (("", "code"),)),
        "boolean": (("", "boolean"),), "Identifier": (("", "identifier"),), "Coding": (("", "coding"),),
        "CodeableConcept": (("", "concept"),), "ContactPoint": (("", "contact"),),
    },
    "string": {
        **dict.fromkeys(("string", "markdown"), (("", "string"),)),
        "HumanName": tuple((p, "string") for p in ("family", "given", "prefix", "suffix", "text")),
        "Address": tuple(
            (p, "string") for p in ("line", "city", "district", "state", "postalCode", "country", "text")
        ),
        "CodeableConcept": (("text", "string"),),
    },
    "date": {
        **dict.fromkeys(("date", "dateTime", "instant"), (("", "date"),)),
        "Period": (("", "period"),), "Timing": (("", "timing"),),
    },
    "reference": {
        "Reference": (("", "reference"),), **dict.fromkeys(("canonical", "uri", "url"), (("", "canonical"),)),
    },
    "uri": dict.fromkeys(("uri", "url", "canonical", "oid"), (("", "code"),)),
    "quantity": {
        **dict.fromkeys(("Quantity", "Age", "Duration", "Count", "Distance"), (("", "quantity"),)),
        "Range": (("", "range"),), "SampledData": (("", "sampled"),), "Money": (("", "money"),),
    },
    "number": dict.fromkeys(("decimal", "integer", "positiveInt", "unsignedInt"), (("", "number"),)),
}  # fmt: skip

OWN = {"_id", "_lastUpdated", "_source"}  # columns and rows of the store itself
ELSEWHERE = {"_text", "_content"}  # no index: the texts are looked at (hub.store.search)
# Patient.deceased is a question (exists and is not false), not a path: R4 §8.1.5.
BY_HAND = (
    ("Patient", "deceased", "token", "deceasedBoolean", "boolean", "", "", "Patient-deceased"),
    ("Patient", "deceased", "token", "deceasedDateTime", "exists", "", "", "Patient-deceased"),
    ("Location", "near", "special", "position", "position", "", "", "Location-near"),
)
WHY_NOT = {
    "phonetic": "R4 names no algorithm, so no client could rely on the answer",
    "_query": "the hub has no named queries",
    "Bundle.composition": "the first entry of a Bundle is content, no reference; search the document's own resources",
    "Bundle.message": "the first entry of a Bundle is content, no reference; search the message's own resources",
}


Row = tuple[str, ...]


class Elements:
    """The element table: which FHIR types stand at a path."""

    def __init__(self, file: Path) -> None:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        self._types = {row["path"]: row["types"].split("|") for row in rows}
        self._same = {row["path"]: row["content_reference"] for row in rows if row.get("content_reference")}

    def knows(self, kind: str) -> bool:
        return kind in self._types

    def leaves(self, kind: str, names: list[str]) -> Iterator[tuple[str, str]]:
        """(JSON path, FHIR type) for each thing the path may hold; ``name:Type`` picks of a choice."""
        yield from self._below(kind, names, ())

    def _below(self, at: str, names: list[str], done: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        if not names:
            return
        (name, _, cast), rest = names[0].partition(":"), names[1:]
        choice = f"{at}.{name}[x]"
        if choice in self._types:
            found = [(f"{name}{t[0].upper()}{t[1:]}", t) for t in self._types[choice] if cast in ("", t)]
        else:
            found = [(name, t) for t in self._types.get(f"{at}.{name}", ()) if cast in ("", t)]
        for key, kind in found:
            if not rest:
                yield ".".join((*done, key)), kind
            else:
                below = f"{at}.{name}" if kind in ("BackboneElement", "Element", "") else kind
                below = self._same.get(below, below).lstrip("#")
                yield from self._below(below, rest, (*done, key))


def plain(way: Way) -> tuple[list[str], str] | None:
    """The names of a way (with ``:Type`` where a cast picks one) and what it is narrowed to; None when it
    needs more than a table of paths can say."""
    names: list[str] = []
    only = ""
    for step in way.steps:
        if only and step.does != "child":
            return None
        if step.does == "child" and not only:
            names.append(step.name)
        elif step.does == "as" and names:
            names[-1] += f":{step.name}"
        elif step.does == "resolve" or (step.does == "where" and step.name == "system"):
            only = step.name if step.does == "resolve" else step.value
        elif step.does == "where" and names:
            names[-1] += f"[{step.name}={step.value}]"
        else:
            return None
    return (names, only) if names else None


def rows_of(base: str, name: str, kind: str, expression: str, targets: str, end: str,
            elements: Elements) -> Iterator[Row]:  # fmt: skip
    """The rows of one parameter of one type."""
    for way in compile_path(expression):
        made = plain(way)
        if made is None or way.type not in (base, "Resource", "DomainResource"):
            continue
        names, only = made
        meant = _targets(kind, only, targets)
        if not elements.knows(way.type):
            path = ".".join(n if ":" not in n else _chosen(n) for n in names)
            shape = "reference" if kind == "reference" and only else "contact" if only else f"any-{kind}"
            yield base, name, kind, path, shape, only, meant, end
            continue
        for leaf, fhir_type in elements.leaves(way.type, names):
            for below, shape in SHAPES[kind].get(fhir_type, ()):
                yield base, name, kind, f"{leaf}.{below}" if below else leaf, shape, only, meant, end


def _chosen(name: str) -> str:
    """``value:Quantity`` is ``valueQuantity`` in JSON."""
    plain_name, _, cast = name.partition(":")
    return plain_name + cast[0].upper() + cast[1:]


def _targets(kind: str, only: str, targets: str) -> str:
    """Types a reference may point to; '' stands for any."""
    if kind != "reference" or targets.count("|") > 20:
        return ""
    return only or targets


def tables(parameters: Iterable[dict[str, str]], elements: Elements) -> tuple[list[Row], list[Row]]:
    """(rows of ``params.csv``, rows of ``unsupported.csv``)."""
    done: set[Row] = set(BY_HAND)
    not_done: set[Row] = set()
    known = [dict(row) for row in parameters]
    named = {(row["base"], row["code"]) for row in known}
    for row in [*known, *_shared(known, named)]:
        base, name, kind, expression = row["base"], row["code"], row["type"], row["expression"]
        if name in OWN | ELSEWHERE or kind == "composite" or (base, name) in {r[:2] for r in BY_HAND}:
            continue
        why = WHY_NOT.get(name) or WHY_NOT.get(f"{base}.{name}", "")
        end = row["url"].removeprefix(DEFINITIONS)
        made = [] if why else list(rows_of(base, name, kind, expression, row["target"], end, elements))
        done.update(made)
        if not made:
            not_done.add((base, name, kind, expression, why or "no element of R4 lies there"))
    return sorted(done), sorted(not_done)


def _shared(known: list[dict[str, str]], named: set[tuple[str, str]]) -> Iterator[dict[str, str]]:
    """Parameters of types that only the expression of a shared parameter names (MedicationDispense.code)."""
    for row in known:
        if row["type"] in ("composite", "special") or not row["expression"]:
            continue
        try:
            ways = compile_path(row["expression"])
        except ValueError:
            continue
        for kind in {w.type for w in ways} - {"Resource", "DomainResource"}:
            if (kind, row["code"]) not in named:
                named.add((kind, row["code"]))
                yield row | {"base": kind}


def read(*files: Path) -> list[dict[str, str]]:
    """The rows of SearchParameter tables."""
    found: list[dict[str, str]] = []
    for file in files:
        with file.open(encoding="utf-8", newline="") as lines:
            found += csv.DictReader(lines)
    return found


def main(parameters: str, elements: str, into: Path = HERE) -> None:
    """Rewrite the tables beside this module."""
    made = tables(read(Path(parameters), HERE / "others.csv"), Elements(Path(elements)))
    for name, columns, rows in zip(("params", "unsupported"), (COLUMNS, UNSUPPORTED), made, strict=True):
        with (into / f"{name}.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
