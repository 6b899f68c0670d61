"""``hub map``: coverage, lineage and bundle of one document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import hub
from hub.fhir.validate import validate
from hub.paths import room

BOARD = str(room("channels") / "cda-documents" / "tests" / "messages" / "tumour-board.xml")


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(hub, ["map", *arguments], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value or 0), done.output


def test_coverage_lists_what_became_nothing_and_the_share() -> None:
    """Both lists, the counts and the share; 0 when nothing is lost."""
    status, text = run("coverage", BOARD)
    assert status == 0
    assert "left out (" in text
    assert "lost (0)" in text
    assert text.splitlines()[-1].endswith("100.0% of what is not left out; 100.0% in coded entries")


def test_coverage_for_programs() -> None:
    """JSON with the same."""
    status, text = run("coverage", BOARD, "--format", "json", "--all")
    told = json.loads(text)
    assert (status, told["share"], told["counts"]["lost"]) == (0, 1.0, 0)
    assert {p["state"] for p in told["places"]} == {"mapped", "decides", "left out"}
    assert len(told["places"]) == sum(told["counts"].values())


def test_what_is_lost_is_an_exit_status() -> None:
    """1, so that a script may hold a sender to it."""
    status, text = run("coverage", BOARD, "--mapping", "cda.documents.header")
    assert status == 1
    assert "observation/value/@code" in text


def test_lineage_of_an_element() -> None:
    """FHIR element to XPath."""
    status, text = run("lineage", BOARD, "--element", "Condition.stage", "--format", "json")
    told = json.loads(text)
    assert status == 0
    assert all(".stage[" in t["element"] for t in told)
    assert any(t["xpath"].endswith("qualifier[1]/value/@code") for t in told)
    assert all(t["xpath"].startswith("/ClinicalDocument/component/structuredBody/") for t in told)


@pytest.mark.parametrize("element", ["Condition.stage[0].summary", "Condition.stage.summary"])
def test_lineage_with_and_without_the_number(element: str) -> None:
    """``stage`` means every stage."""
    assert "summary.coding[0].code < " in run("lineage", BOARD, "--element", element)[1]


@pytest.mark.parametrize(
    ("xpath", "element"),
    [
        ("recordTarget/patientRole/id[1]/@extension", ".identifier[0].value"),
        ("/ClinicalDocument/recordTarget/patientRole/patient/birthTime/@value", ".birthDate"),
        ("targetSiteCode/@code", ".code.coding[0].code"),
        ("observation/value/@value", ".valueBoolean"),
    ],
)
def test_lineage_of_a_place(xpath: str, element: str) -> None:
    """XPath to FHIR elements; booleans too."""
    status, text = run("lineage", BOARD, "--xpath", xpath)
    assert status == 0
    assert any(line.partition(" < ")[0].endswith(element) for line in text.splitlines())


def test_lineage_of_nothing() -> None:
    """1 and a hint."""
    status, text = run("lineage", BOARD, "--element", "Patient.photo")
    assert (status, "hub map coverage" in text) == (1, True)


def test_one_resource_by_its_id() -> None:
    """``Condition/6aea.code`` names one of several."""
    path = run("lineage", BOARD, "--element", "Condition.code")[1].partition(" < ")[0]
    name = path.partition(".")[0]
    assert run("lineage", BOARD, "--element", f"{name}.code")[0] == 0


def test_the_bundles() -> None:
    """document: the Composition first, every reference resolves; transaction: a PUT each (R4 §3.3, §3.2.0.11)."""
    document = json.loads(run("bundle", BOARD, "--base", "https://hub.example/fhir/")[1])
    assert validate(document) == []
    assert document["entry"][0]["resource"]["resourceType"] == "Composition"
    assert document["identifier"]["value"] == "FRCP-2026-031.2"
    urls = {e["fullUrl"] for e in document["entry"]}
    assert all(url.startswith("https://hub.example/fhir/") for url in urls)
    composition = document["entry"][0]["resource"]
    entries = [x["reference"] for s in composition["section"] for x in s.get("entry", ())]
    assert {f"https://hub.example/fhir/{x}" for x in entries} <= urls
    transaction = json.loads(run("bundle", BOARD, "--type", "transaction")[1])
    assert validate(transaction) == []
    assert {e["request"]["method"] for e in transaction["entry"]} == {"PUT"}
    binary = next(e["resource"] for e in transaction["entry"] if e["resource"]["resourceType"] == "Binary")
    assert binary["data"]


def test_what_cannot_be_mapped_is_told(tmp_path: Path) -> None:
    """Where, what, what to do; no mapping of another format."""
    from hub.errors import ConfigError, MappingError, ParseError

    bad = tmp_path / "bad.xml"
    bad.write_text("<a/>", encoding="utf-8")
    with pytest.raises(ParseError):
        run("coverage", str(bad))
    with pytest.raises(ConfigError):
        run("coverage", BOARD, "--mapping", "hl7v2.messages.adt")
    bare = tmp_path / "bare.xml"
    bare.write_text(
        '<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2"/><recordTarget><patientRole><id root="1.3" '
        'extension="P"/><patient><name><family>N</family></name></patient></patientRole></recordTarget>'
        "</ClinicalDocument>",
        encoding="utf-8",
    )
    with pytest.raises(MappingError, match="Composition"):
        run("bundle", str(bare))
    assert "warning" in run("coverage", str(bare))[1]
