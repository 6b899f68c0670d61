"""The invariants, written as Python, against their published expressions run by fhirpathpy.

FHIR R4 (4.0.1) definitions; where the table of facts is not at hand the comparison is left out.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub.fhir.validation.build import RENAMED
from hub.fhir.validation.fhirpath import predicate
from hub.fhir.validation.rules import RULES
from hub.fhir.validation.tables import elements

from .documents import SOUND
from .test_cases import TABLE, made

FACTS = Path(__file__).parents[4] / "shared" / "data" / "r4" / "elements.csv"
# Where ours says another thing, with the reason.
DIFFERENT = {
    "ppc-2": "published with a system that does not exist", "ppc-3": "the same", "ppc-4": "the same",
    "ppc-5": "the same", "con-3": "compares a concept with a text, and so never fails",
    "ele-1": "checked of every object", "age-1": "%ucum is not known to fhirpathpy", "cnt-3": "the same",
    "dis-1": "the same", "drt-1": "the same", "trd-3": "not checked", "rng-2": "fhirpathpy compares no quantities",
    "per-1": "fhirpathpy compares these dates as texts", "tsk-1": "the same",
    **dict.fromkeys(("que-0", "vsd-0", "nsd-0", "spd-0", "cmd-0", "csd-0", "cpb-0", "opd-0", "sdf-0"),
                    "a name that is missing is no wrong name"),
}  # fmt: skip


def published() -> dict[str, tuple[str, str]]:
    """Key -> (path, expression)."""
    found: dict[str, tuple[str, str]] = {}
    with FACTS.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            parts = re.split(r"; (?=[a-z]+-\w+:[ew]:)", row["constraints"])
            for key, expression in ((p.partition(":")[0], p.split(":", 2)[2]) for p in parts if p.count(":") > 1):
                found.setdefault(RENAMED.get((row["path"], key), key), (row["path"], expression))
    return found


def objects(value: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(path in the definition, object) of a resource and of the parts and data types in it."""
    yield path, value
    rows = elements(path.partition(".")[0]).get(path)
    for row in rows[1] if rows else ():
        stem, several = row.name.removesuffix("[x]"), row.name.endswith("[x]")
        for name, below in value.items():
            kinds = [t for t in row.types if name == (f"{stem}{t[:1].upper()}{t[1:]}" if several else stem)]
            for one in below if isinstance(below, list) else [below]:
                if kinds and isinstance(one, dict):
                    yield row.path, one
                    inner = row.path if kinds[0] in ("BackboneElement", "Element") else kinds[0].removeprefix("#")
                    if inner not in ("Resource", "Reference", "OperationOutcome"):
                        yield from objects(one, inner)


@pytest.mark.skipif(not FACTS.exists(), reason="the table of facts of R4 is not here")
def test_rules_say_what_is_published() -> None:
    """Each rule, of each object of the sound resources and of the cases, holds where its expression does."""
    everything = SOUND + [made(kind, change) for _, kind, change, _ in TABLE["cases"] if kind in TABLE["bases"]]
    compared: set[str] = set()
    wrong = []
    for key, (path, expression) in published().items():
        if key not in RULES or key in DIFFERENT:
            continue
        run = predicate(expression.replace("hasValue()", "exists()"))  # fhirpathpy has no hasValue
        for resource in everything:
            for at, value in objects(resource, resource["resourceType"]):
                if at == path and value:
                    compared.add(key)
                    if run(value, path, resource) != RULES[key].holds(value):
                        wrong.append((key, value))
    assert wrong == [], sorted({key for key, _ in wrong})
    assert len(compared) >= 40
