"""Each content rule lets sound documents pass and notices one change (``mutations.csv``).

ANS CI-SIS, volets CANCER-FRCP, CANCER-D2LM-FIDD and IMG-CR-IMG; structuration minimale; HL7 CDA R2.
"""

from __future__ import annotations

import copy
import csv
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from hub.errors import ParseError
from hub.paths import room
from hub.source import cda_validate
from hub.source.cda_validate import Finding, expanded, validate
from tests.conftest import SHARED

SAMPLES = room("channels") / "cda-documents" / "tests" / "messages"
BASES = {
    "frcp": "tumour-board.xml", "fidd": "deferred-work-up.xml", "img": "imaging-report.xml", "n1": "imaging-pdf.xml",
}  # fmt: skip
NAMESPACES = {"c": "urn:hl7-org:v3", "ps3-20": "urn:dicom-org:ps3-20"}
with Path(__file__).with_name("mutations.csv").open(encoding="utf-8", newline="") as rows:
    MUTATIONS = list(csv.reader(rows))[1:]


@cache
def base(name: str) -> bytes:
    body = (SAMPLES / BASES[name]).read_bytes()
    if name == "img":  # what this sample leaves out
        root = etree.fromstring(body)
        [section] = found(root, ".//c:section[{S~205}]")
        if not found(section, "c:text"):
            section.insert(section.index(found(section, "c:title")[0]) + 1, section.makeelement("{urn:hl7-org:v3}text"))
        body = etree.tostring(root)
    return body


def found(node: etree._Element, path: str) -> list[etree._Element]:
    return node.xpath(expanded(path), namespaces=NAMESPACES)


def changed(body: bytes, changes: str) -> bytes:
    """``path => remove | copy | first | tag=x | text=x | @a=x | -@a`` on every node, several joined by `` ;; ``."""
    root = etree.fromstring(body)
    for change in changes.split(" ;; "):
        path, _, action = change.partition(" => ")
        nodes = found(root, path)
        assert nodes, f"nothing is at {path}"
        for node in nodes:
            apply(node, action)
    return etree.tostring(root)


def apply(node: etree._Element, action: str) -> None:
    name, _, value = action.partition("=")
    parent = node.getparent()
    if name.startswith("-@"):
        node.attrib.pop(name[2:], None)
    elif name.startswith("@"):
        node.set(name[1:], value)
    elif name == "text":
        for child in list(node):
            node.remove(child)
        node.text = value
    elif name == "tag":
        node.tag = "{urn:hl7-org:v3}" + value
    elif name == "copy":
        node.addnext(copy.deepcopy(node))
    elif name == "first":
        parent.insert(0, node)
    else:
        assert name == "remove"
        parent.remove(node)


def codes(body: bytes) -> Counter[str]:
    return Counter(f.code for f in validate(body))


@cache
def of_base(name: str) -> Counter[str]:
    return codes(base(name))


def errors(body: bytes) -> list[Finding]:
    return [f for f in validate(body) if f.severity == "error"]


@pytest.mark.parametrize(("rule", "name", "change"), MUTATIONS, ids=[m[0] for m in MUTATIONS])
def test_a_rule_notices_what_breaks_it(rule: str, name: str, change: str) -> None:
    """The rule is silent before the change and speaks after it (source: the row of the rule)."""
    assert of_base(name)[rule] == 0 or rule == "HDR-70"  # three sections of that sample have no title
    assert codes(changed(base(name), change))[rule] > of_base(name)[rule]


def test_every_rule_has_a_mutation() -> None:
    """No rule that nobody has seen fail."""
    written = {
        row[0] for table in {name for _, name in cda_validate.table("models")} for row in cda_validate.table(table)
    }
    assert written
    assert written == {m[0] for m in MUTATIONS if not m[0].startswith("CDA-")}


@pytest.mark.parametrize("name", BASES)
def test_sound_documents_pass(name: str) -> None:
    """Our own samples of each model: no error."""
    assert errors(base(name)) == []


def test_every_row_is_whole() -> None:
    """Six cells a rule, ids once, severities that are known, and a source."""
    seen = set()
    for table in {name for _, name in cda_validate.table("models")}:
        for row in cda_validate.table(table):
            code, severity, *rest = row
            assert len(row) == 6
            assert all(rest)
            assert severity in ("error", "warning")
            assert code not in seen
            seen.add(code)


DRAFT = ".//{o:GEN-065}/c:value => @code=385651009"
UNKNOWN = " ;; ".join(
    f".//{{o:{code}}}/c:value => {action}"
    for code in ("21905-5", "21906-3", "21907-1", "63921-1", "MED-245", "ORG-125")
    for action in ("-@code", "-@codeSystem", "-@value", "@nullFlavor=UNK")
)
NO_GP = (
    "c:participant[@typeCode='INF']/c:associatedEntity => @nullFlavor=NA ;; "
    "c:participant[@typeCode='INF']/c:associatedEntity/* => remove"
)
MINIMAL = (
    "c:informant => remove ;; c:dataEnterer => remove ;; c:authenticator => remove ;; c:relatedDocument => remove ;; "
    ".//c:section[{S~2} or {S~176} or {S~111} or {S~118} or {S~26} or {S~34} or {S~67} or {S~150}] => remove"
)


@pytest.mark.parametrize("change", [DRAFT, UNKNOWN, NO_GP, MINIMAL], ids=["draft", "unknown", "no-gp", "minimal"])
def test_a_board_may_say_less(change: str) -> None:
    """CANCER-FRCP: drafts, values that are unknown (nullFlavor), no GP, and only what is required."""
    assert errors(changed(base("frcp"), change)) == []


@pytest.mark.parametrize("file", sorted(SHARED.glob("data/cda/*.xml")), ids=lambda f: f.name)
def test_the_published_examples_pass(file: Path) -> None:
    """What the ANS publishes as sound has no error, whatever its model; it has texts without anchor."""
    assert errors(file.read_bytes()) == []


def test_where_it_is_and_what_is_expected() -> None:
    """Line, path, rule, expectation and source."""
    body = base("fidd").replace(b'code="MED-132"', b'code="MED-048"')
    [one] = [f for f in validate(body) if f.code == "FIDD-32"]
    assert body.splitlines()[one.line - 1].strip().startswith(b"<observation")
    assert one.where.endswith("/observation")
    assert (one.severity, "MED-129" in one.what, one.source) == ("error", True, "JDV_Classification_ACR_CISIS")


def test_a_document_in_a_style_sheet_is_checked_too() -> None:
    """Auto-presentable: the ClinicalDocument inside, with the lines of the file."""
    body = base("fidd").replace(b'<?xml version="1.0" encoding="UTF-8"?>\n', b"")
    sheet = b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">\n%b</xsl:stylesheet>'
    assert errors(sheet % body) == []
    assert "FIDD-40" in codes(sheet % changed(body, ".//{o:GEN-007} => remove"))


def test_of_other_models_the_header_is_checked() -> None:
    """A model without rules of its own: header and order."""
    body = (SAMPLES / "care-programme.xml").read_bytes()
    assert errors(body) == []
    assert "HDR-17" in codes(changed(body, "c:recordTarget/c:patientRole/c:id[1] => remove"))


def test_too_many_elements_are_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is bounded before any rule runs."""
    monkeypatch.setattr(cda_validate, "MAX_ELEMENTS", 10)
    [one] = validate(base("n1"))
    assert (one.code, one.severity, "at most 10" in one.what) == ("CDA-SIZE", "error", True)


def test_findings_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that is wrong everywhere: no place is looked for that nobody is told (each costs its siblings)."""
    told: list[object] = []
    monkeypatch.setattr(cda_validate, "path_of", lambda element: told.append(element) or "")
    body = base("n1").replace(b"</ClinicalDocument>", b"<wrong/>" * 2000 + b"</ClinicalDocument>")
    assert len(validate(body)) == len(told) == cda_validate.MAX_FINDINGS


@pytest.mark.parametrize("body", [b"", b"<a/>", b"<ClinicalDocument", b'<!DOCTYPE a><ClinicalDocument xmlns="x"/>'])
def test_what_is_no_document_is_an_error(body: bytes) -> None:
    """Never anything but ParseError."""
    with pytest.raises(ParseError):
        validate(body)


def test_an_empty_document_breaks_rules_and_nothing_else() -> None:
    """ClinicalDocument alone."""
    assert {"HDR-01", "HDR-15", "HDR-65"} <= codes(b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>').keys()
