"""Writes ``elements.csv`` and ``codes.csv`` out of the element and code tables of FHIR R4 (4.0.1).

R4 §2.0 (data types), §1.0 (resources): each row is one element with its cardinality, its types, the
types a reference may point to, its required value set and the keys of its invariants.  What R4 says of
every element alike (id, extension, ele-1, ext-1, dom-*) is code, not rows.  Resource types that the
tables of facts leave out are taken from fhir.resources R4B, as far as R4 and R4B agree on them.

Run as ``python -m hub.fhir.validation.build ELEMENTS_CSV REQUIRED_CODES_CSV``.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hub.fhir.outcome import ISSUE_TYPES
from hub.fhir.validation.rules import RULES

HERE = Path(__file__).parent
COLUMNS = ("path", "min", "max", "types", "targets", "codes", "rules")
# Two invariants of R4 share one key.
RENAMED = {("Task", "inv-1"): "tsk-1", ("Parameters.parameter", "inv-1"): "par-1"}
ABSTRACT = {"MetadataResource", "DomainResource", "Resource", "Element", "BackboneElement"}
# Value sets of codes that no list holds: their grammar is checked instead (RFC 6838, ISO 4217).
GRAMMARS = {"mimetypes", "currencies"}
# R4B changed these (4.3.0 change log): what it says of them is not what R4 says.
CHANGED = {
    "ActivityDefinition", "Citation", "ClinicalUseDefinition", "Evidence", "EvidenceReport", "EvidenceVariable",
    "Ingredient", "ManufacturedItemDefinition", "AdministrableProductDefinition", "NutritionProduct",
    "MedicinalProductDefinition", "PackagedProductDefinition", "PlanDefinition", "RegulatedAuthorization",
    "ResearchDefinition", "ResearchElementDefinition", "SubscriptionStatus", "SubscriptionTopic",
    "SubstanceDefinition", "DeviceDefinition", "Library", "EventDefinition",
}  # fmt: skip
# Value sets of types that the tables of facts leave out: R4 §OperationOutcome.
BY_HAND = {
    "OperationOutcome.issue.severity": ("issue-severity", {"fatal", "error", "warning", "information"}),
    "OperationOutcome.issue.code": ("issue-type", ISSUE_TYPES),
}
Row = tuple[str, str, str, str, str, str, str]


def published(elements: Path, known: set[str]) -> Iterator[Row]:
    """The rows of the table of facts; ``known`` are the value sets whose codes are listed."""
    with elements.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            path, types = row["path"], row["types"]
            if path.partition(".")[0] in ABSTRACT or path.endswith((".extension", ".modifierExtension")):
                continue
            if path[0].islower():  # a primitive: hub.fhir.validation.primitives
                continue
            keys = re.findall(r"(?:^|; )([a-z]+-\w+):[ew]:", row["constraints"])
            rules = " ".join(RENAMED.get((path, k), k) for k in keys if (path, k) in RENAMED or k in RULES)
            if "." not in path:
                yield path, row["min"], row["max"], "", "", "", rules
                continue
            if path.endswith(".id"):
                continue
            codes = row["binding"].partition("|")[0].rpartition("/")[2] if row["binding_strength"] == "required" else ""
            if codes not in known | GRAMMARS:
                codes = ""
            yield (
                path, row["min"], row["max"], types or row["content_reference"], row["targets"], codes, rules,
            )  # fmt: skip


def derived(types: Iterable[str]) -> Iterator[Row]:
    """The rows of types that only R4B of fhir.resources describes; those it does not know are left out."""
    from fhir.resources.R4B import get_fhir_model_class

    for kind in types:
        try:
            model = get_fhir_model_class(kind)
        except (KeyError, ValueError):
            continue
        rows = [(kind, "0", "*", "", "", "", ""), *_below(model, kind, kind, {})]
        if not any({"CodeableReference", "RatioRange"} & set(row[3].split("|")) for row in rows):  # types of R4B
            yield from rows


def _below(model: Any, path: str, root: str, seen: dict[str, str]) -> Iterator[Row]:
    """The elements of one class; ``seen`` are the classes above and beside it, which it may refer to."""
    from fhir.resources.R4B import get_fhir_model_class

    groups: dict[str, list[str]] = {}
    fields = [(f, f.json_schema_extra or {}, str(f.annotation)) for f in model.model_fields.values()]
    for _, extra, said in fields:
        groups.setdefault(extra.get("one_of_many", ""), []).append(_type_of(said))
    for field, extra, said in fields:
        name, kind, group = field.alias, _type_of(said), extra.get("one_of_many")
        if not extra.get("element_property") or name in ("id", "extension", "modifierExtension"):
            continue
        if group:
            if kind == groups[group][0]:
                needed = "1" if extra.get("one_of_many_required") else "0"
                every = [(e.get("enum_reference_types"), e) for _, e, _ in fields if e.get("one_of_many") == group]
                targets = next((_targets(e) for found, e in every if found), "")
                yield f"{path}.{group}[x]", needed, "1", "|".join(groups[group]), targets, "", ""
            continue
        needed = "1" if extra.get("element_required") or not re.search("Optional|None", said) else "0"
        most = "*" if re.search(r"\b[Ll]ist\[", said) else "1"
        part = kind.startswith(root) and kind not in _RESOURCES
        if not part:
            codes = BY_HAND.get(f"{path}.{name}", ("",))[0]
            yield f"{path}.{name}", needed, most, kind, _targets(extra), codes, ""
        elif kind in seen:
            yield f"{path}.{name}", needed, most, f"#{seen[kind]}", "", "", ""
        else:
            seen[kind] = f"{path}.{name}"
            yield f"{path}.{name}", needed, most, "BackboneElement", "", "", ""
            yield from _below(get_fhir_model_class(kind), f"{path}.{name}", root, seen)


_RESOURCES: set[str] = set()


def _targets(extra: dict[str, Any]) -> str:
    found = extra.get("enum_reference_types") or []
    return "" if "Resource" in found else "|".join(found)


def _type_of(annotation: str) -> str:
    found = re.search(r"Annotated\[[\w.]+, (\w+)\(", annotation) or re.search(r"abc\.(\w+?)Type\b", annotation)
    name = found[1] if found else "boolean" if "bool" in annotation else "url" if "Url" in annotation else "string"
    name = {"EncodedBytes": "base64Binary", "UuidVersion": "uuid"}.get(name, name)
    primitive = name[0].lower() + name[1:]
    return primitive if primitive in _PRIMITIVES else name


_PRIMITIVES = set(
    """base64Binary boolean canonical code date dateTime decimal id instant integer markdown oid positiveInt
    string time unsignedInt uri url uuid""".split()  # noqa: SIM905 - a list would take eighteen lines
)


def main(elements: str, required: str) -> None:
    """Rewrite the two tables beside this module."""
    with Path(required).open(encoding="utf-8", newline="") as lines:
        codes = [(r["valueset"].rpartition("/")[2], r["system"], r["code"]) for r in csv.DictReader(lines)]
    for name, listed in BY_HAND.values():
        codes += [(name, f"http://hl7.org/fhir/{name}", code) for code in sorted(listed)]
    rows = list(published(Path(elements), {c[0] for c in codes}))
    _RESOURCES.update(c[2] for c in codes if c[0] == "resource-types")
    done = {r[0] for r in rows}
    rows += derived(sorted(_RESOURCES - done - CHANGED - ABSTRACT))
    _write("elements.csv", COLUMNS, rows)
    kept = {r[5] for r in rows} | {"resource-types"}
    _write("codes.csv", ("valueset", "system", "code"), [c for c in codes if c[0] in kept])


def _write(name: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    with (HERE / name).open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
