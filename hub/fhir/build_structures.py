"""Writes ``structures.csv``: the elements of every data type and resource of R4 (4.0.1), in their order.

Three sources.  Names, order, types and cardinality: the classes of fhir.resources 6.2, the last release that
is R4 4.0.1; they are read as text, never imported.  Over them, for the types it holds, the element table of
R4.  What belongs to a summary (``isSummary``) stands in that table; for other types it is taken from the
R4B classes of the installed fhir.resources, where type and element are the same in both.

Run as ``python -m hub.fhir.build_structures FOLDER_OF_FHIR_RESOURCES_6_2 ELEMENTS_CSV``.
"""

from __future__ import annotations

import ast
import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
SKIP = {
    "fhirabstractmodel",
    "fhirresourcemodel",
    "fhirtypes",
    "fhirtypesvalidators",
    "fhirprimitiveextension",
    "__init__",
}
PRIMITIVES = {
    "Base64Binary", "Boolean", "Canonical", "Code", "Date", "DateTime", "Decimal", "Id", "Instant", "Integer",
    "Markdown", "Oid", "PositiveInt", "String", "Time", "UnsignedInt", "Uri", "Url", "Uuid", "Xhtml",
}  # fmt: skip


@dataclass(frozen=True)
class Element:
    """One element; ``types`` are FHIR types or, for a part of its own, a structure."""

    name: str
    types: tuple[str, ...]
    least: int = 0
    many: bool = False
    summary: bool = False
    choice: bool = False

    def __str__(self) -> str:
        mark = {(0, False): "?", (1, False): "!", (0, True): "*", (1, True): "+"}[self.least, self.many]
        return f"{self.name}{'[x]' if self.choice else ''}{mark}{'^' if self.summary else ''}:{'|'.join(self.types)}"


@dataclass
class Made:
    """One structure while it is put together."""

    name: str
    base: str
    order: list[str] = field(default_factory=list)
    fields: dict[str, tuple[Element, str]] = field(default_factory=dict)  # alias -> element, name of its choice


def classes(folder: Path) -> Iterator[Made]:
    """The classes of one release, read out of its source."""
    for file in sorted(folder.glob("*.py")):
        if file.stem in SKIP:
            continue
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                base = node.bases[0]
                made = Made(node.name, base.attr if isinstance(base, ast.Attribute) else "")
                if made.base.startswith("FHIR"):  # a class of the package, none of R4
                    made.base = ""
                for part in node.body:
                    if isinstance(part, ast.AnnAssign) and isinstance(part.value, ast.Call):
                        _field(made, part, part.value)
                    elif isinstance(part, ast.FunctionDef) and part.name == "elements_sequence":
                        made.order = next(
                            ast.literal_eval(n.value) for n in part.body if isinstance(n, ast.Return) and n.value
                        )
                yield made


def _field(made: Made, part: ast.AnnAssign, call: ast.Call) -> None:
    options = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
    if "__ext" in ast.unparse(part.target) or not options.get("element_property"):
        return
    text = ast.unparse(part.annotation)
    alias, choice = str(options["alias"]), str(options.get("one_of_many", ""))
    needed = isinstance(call.args[0], ast.Constant) and call.args[0].value is ...
    needed = needed or bool(options.get("element_required") or options.get("one_of_many_required"))
    name = text.rpartition("fhirtypes.")[2].partition("]")[0].partition(",")[0]
    kind = name[0].lower() + name[1:] if name in PRIMITIVES else name.removesuffix("Type").replace("bool", "boolean")
    made.fields[alias] = Element(alias, (kind,), int(needed), "List[" in text), choice


def elements(made: Made) -> list[Element]:
    """Its elements in order, the forms of a choice as one."""
    found = []
    for choice, aliases in groupby(made.order, key=lambda a: made.fields[a][1] or a if a in made.fields else a):
        forms = [made.fields[a][0] for a in aliases if a in made.fields]
        if not forms:
            continue
        first = forms[0]
        if made.fields[first.name][1]:
            kinds = tuple(form.types[0] for form in forms)
            first = Element(choice, kinds, max(f.least for f in forms), choice=True)
        found.append(first)
    return found


class Facts:
    """The element table of R4, and the summary flags of R4B for what it does not hold."""

    def __init__(self, file: Path) -> None:
        with file.open(encoding="utf-8", newline="") as lines:
            self.rows = {row["path"]: row for row in csv.DictReader(lines)}
        self.paths = {self._structure(path): path for path in self.rows}

    @staticmethod
    def _structure(path: str) -> str:
        """The name of the class for a path: ``Bundle.entry`` is BundleEntry."""
        return "".join(part[0].upper() + part[1:] for part in path.split("."))

    def apply(self, structure: str, element: Element, abstract: str) -> Element:
        """The element with what the table, or R4B, says about it."""
        at = self.paths.get(structure)
        name = f"{element.name}[x]" if element.choice else element.name
        row = self.rows.get(f"{at}.{name}") or self.rows.get(f"{abstract}.{name}") if at else None
        if row is None:
            return replace(element, summary=_summary(structure, element))
        kinds = tuple(t for t in row["types"].split("|") if t and not t.startswith("System."))
        if kinds and kinds[0] in ("BackboneElement", "Element"):
            kinds = ()  # a part of its own: the class name says more
        return replace(
            element,
            types=kinds or element.types,
            least=int(row["min"]),
            many=row["max"] != "1",
            summary=bool(row["summary"]),
        )


def _summary(structure: str, element: Element) -> bool:
    """Whether R4B has the element in the summary of the same structure."""
    for module in (structure[:n].lower() for n in range(len(structure), 2, -1)):
        try:
            model = getattr(import_module(f"fhir.resources.R4B.{module}"), structure)
        except (ImportError, AttributeError):
            continue
        names = model.summary_elements_sequence()
        return any(name == element.name or (element.choice and name.startswith(element.name)) for name in names)
    return False


def main(folder: str, table: str) -> None:
    """Rewrite the table beside this module."""
    facts = Facts(Path(table))
    with (HERE / "structures.csv").open("w", encoding="utf-8", newline="") as out:
        out.write("# R4 4.0.1: name[x], ? 0..1, ! 1..1, * 0..n, + 1..n, ^ in the summary, :types\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("structure", "base", "elements"))
        for made in sorted(classes(Path(folder)), key=lambda m: m.name):
            listed = [facts.apply(made.name, e, made.base) for e in elements(made)]
            writer.writerow((made.name, made.base, " ".join(map(str, listed))))


if __name__ == "__main__":
    main(*sys.argv[1:])
