"""Code tables: CSV files with source, target, display, equivalence, reference.

Their columns are those of a FHIR ConceptMap element (R4 ConceptMap.group.element); lines that start with
``#`` say where the table comes from.  The source ``*`` is what an unknown code becomes.
"""

from __future__ import annotations

import csv
from functools import cache
from typing import NamedTuple

from hub.fhir.draft import Draft
from hub.paths import room

from .shape import keep


class Row(NamedTuple):
    """One line of a table."""

    source: str
    target: str
    display: str
    equivalence: str
    reference: str


class Table:
    """One code table; call it with a code to translate it."""

    __slots__ = ("name", "rows")

    def __init__(self, name: str, rows: dict[str, Row]) -> None:
        self.name, self.rows = name, rows

    def __call__(self, code: str | None, draft: Draft | None = None, where: str = "") -> str | None:
        """The target of ``code``, keeping its origin; None for no code and for an unknown one.

        :param draft: receives a warning when the code is unknown; nothing passes in silence.
        """
        if code is None:
            return None
        row = self.rows.get(code)
        if row is None:
            if draft is not None:
                draft.warn(where, f"code not in table {self.name}", "unknown-code")
            row = self.rows.get("*")
            if row is None:
                return None
        return keep(row.target, code) if row.target else None

    def coding(self, system: str, code: str | None) -> dict[str, str] | None:
        """The Coding of the target of ``code`` in ``system``, with its display; None when there is none."""
        row = self.rows.get(code) if code is not None else None
        if row is None or code is None or not row.target:
            return None
        made = {"system": system, "code": keep(row.target, code)}
        if row.display:
            made["display"] = row.display
        return made


@cache
def table(name: str) -> Table:
    """The table ``mappings/tables/<name>.csv``.

    :raises LookupError: when there is none.
    """
    path = room("mappings") / "tables" / f"{name}.csv"
    if not path.is_file():
        raise LookupError(f"no code table {name!r}: mappings/tables/{name}.csv does not exist")
    with path.open(encoding="utf-8", newline="") as file:
        lines = (line for line in file if not line.startswith("#"))
        rows = [Row(**{k: (v or "") for k, v in row.items()}) for row in csv.DictReader(lines)]
    return Table(name, {row.source: row for row in rows})
