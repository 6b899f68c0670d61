"""The code systems and value sets that come with the hub as tables: those of the CI-SIS and of R4.

Sources: see ``build.py``, and the head of each table.  Read at the first question, never at start.  LOINC,
SNOMED CT, ICD, ICD-O, NCIt, ATC, DICOM and UCUM belong to their owners; here is only what the value sets of
the ANS cite.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from types import MappingProxyType

from hub.fhir.terminology.model import CodeSystem, Coding, Concept, ValueSet

HERE = Path(__file__).parent


def read(name: str) -> list[list[str]]:
    """Rows of a table of this package, without its comments and its head."""
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(line for line in file if not line.startswith("#")))[1:]


@cache
def systems() -> dict[str, CodeSystem]:
    """Canonical URL -> code system."""
    concepts: dict[str, dict[str, Concept]] = {}
    for key, code, fr, en, also in read("concepts.csv"):
        concepts.setdefault(key, {})[code] = Concept(code, fr, en, tuple(also.split("|")) if also else ())
    urls = {row[1]: row[0] for row in read("systems.csv")}
    for url, code, fr in read("french.csv"):
        known = concepts[urls[url]]
        known[code] = known[code]._replace(fr=fr)
    cuts = {url: tuple(map(int, lengths.split())) for url, lengths, _ in read("hierarchies.csv")}
    return {
        url: CodeSystem(
            url,
            name,
            MappingProxyType(concepts.get(key, {})),
            content == "complete",
            oid=oid,
            lengths=cuts.get(url, ()),
        )
        for key, url, oid, name, content in read("systems.csv")
    }


@cache
def _rows() -> dict[str, list[str]]:
    """URL, ``urn:oid:`` and name of a value set -> its row."""
    found: dict[str, list[str]] = {}
    for row in read("valuesets.csv"):
        found[row[0]] = row
        if row[2]:
            found[f"urn:oid:{row[2]}"] = row
    return found


@cache
def _keys() -> dict[str, str]:
    return {row[0]: row[1] for row in read("systems.csv")}


@cache
def names() -> dict[str, str]:
    """URL and ``urn:oid:`` of each code system -> its URL; the codes are not read for this."""
    rows = read("systems.csv")
    return {**{f"urn:oid:{oid}": url for _, url, oid, *_ in rows if oid}, **{row[1]: row[1] for row in rows}}


def value_set_urls() -> list[str]:
    """Canonical URLs of all value sets of the tables."""
    return sorted({row[0] for row in _rows().values()})


def value_set(url: str) -> ValueSet | None:
    """The value set with a canonical URL, or ``urn:oid:`` of it."""
    row = _rows().get(url)
    if row is None:
        return None
    canonical, name, oid, members = row
    keys = _keys()
    codings: dict[tuple[str, str], Coding] = {}
    for part in members.split(";"):
        key, _, codes = part.partition(":")
        for code in codes.split(" "):
            codings[keys[key], code] = Coding(keys[key], code)
    return ValueSet(canonical, name, MappingProxyType(codings), oid=oid)
