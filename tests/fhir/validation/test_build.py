"""The tables of R4: made by a script out of the definitions, the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.fhir.validation import build
from hub.fhir.validation.rules import RULES
from hub.fhir.validation.tables import HERE, codes, elements, has_table, resource_types

FACTS = Path(__file__).parents[4] / "shared" / "data" / "r4"
ELEMENTS = """\
path,min,max,types,targets,binding_strength,binding,summary,modifier,content_reference,constraints
Element,0,*,,,,,,,,ele-1:e:x
string.value,0,1,System.String,,,,,,,
Flag,0,*,,,,,,,,dom-2:e:contained.contained.empty(); sev-1:e:name.empty()
Flag.id,0,1,System.String,,,,,,,
Flag.extension,0,*,Extension,,,,,,,
Flag.status,1,1,code,,required,http://hl7.org/fhir/ValueSet/flag-status|4.0.1,,,,
Flag.language,0,1,code,,preferred,http://hl7.org/fhir/ValueSet/languages,,,,
Flag.subject,1,1,Reference,Patient|Group,,,,,,
Flag.same,0,*,,,,,,,#Flag.subject,
Task,0,*,,,,,,,,inv-1:e:x
"""


def test_rows_of_the_definitions(tmp_path: Path) -> None:
    """Own elements only; required value sets that are listed; rules that the hub checks, by keys that are unique."""
    file = tmp_path / "elements.csv"
    file.write_text(ELEMENTS)
    assert list(build.published(file, {"flag-status"})) == [
        ("Flag", "0", "*", "", "", "", "sev-1"),
        ("Flag.status", "1", "1", "code", "", "flag-status", ""),
        ("Flag.language", "0", "1", "code", "", "", ""),
        ("Flag.subject", "1", "1", "Reference", "Patient|Group", "", ""),
        ("Flag.same", "0", "*", "#Flag.subject", "", "", ""),
        ("Task", "0", "*", "", "", "", "tsk-1"),
    ]


def test_rows_of_the_types_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the classes of fhir.resources: parts, choices, targets, what holds itself; not what R4B has added."""
    monkeypatch.setattr(build, "_RESOURCES", {"Goal", "RequestGroup", "Nothing"})
    rows = {row[0]: row[1:5] for row in build.derived(["Goal", "RequestGroup", "Nothing"])}
    assert rows["Goal.subject"] == ("1", "1", "Reference", "Patient|Group|Organization")
    assert rows["Goal.start[x]"] == ("0", "1", "CodeableConcept|date", "")
    assert rows["Goal.target"] == ("0", "*", "BackboneElement", "")
    assert rows["RequestGroup.action.action"] == ("0", "*", "#RequestGroup.action", "")
    assert not [path for path in rows if path.startswith("Nothing")]


@pytest.mark.skipif(not FACTS.exists(), reason="the tables of facts of R4 are not here")
def test_the_tables_are_what_the_script_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has edited them."""
    monkeypatch.setattr(build, "HERE", tmp_path)
    build.main(str(FACTS / "elements.csv"), str(FACTS / "required-codes.csv"))
    for name in ("elements.csv", "codes.csv"):
        assert (tmp_path / name).read_text("utf-8") == (HERE / name).read_text("utf-8")


def test_the_tables_hold_together() -> None:
    """Every type, part, value set and rule that is named exists."""
    tables = [kind for kind in resource_types() if has_table(kind)]
    assert len(tables) > 110
    used = set()
    for kind in [*tables, "Extension", "Timing", "Dosage", "ElementDefinition", "HumanName", "DataRequirement"]:
        for row, below in elements(kind).values():
            used |= set(row.rules)
            assert not row.codes or row.codes in codes() or row.codes in build.GRAMMARS
            for one in below:
                for name in one.types:
                    shared = name.removeprefix("#")
                    assert name != shared or name[0].islower() or has_table(name) or name in build.ABSTRACT or \
                        name in ("System.String", "xhtml"), one  # fmt: skip
                    assert name == shared or shared in elements(kind)
    assert used <= RULES.keys()
