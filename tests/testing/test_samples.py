"""The samples are what they claim to be: well formed, by the rules of their volets, of one patient throughout."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from lxml import etree

from hub.channel.model import load_channel
from hub.engine import pipeline
from hub.paths import room
from hub.settings import Settings
from hub.source.hl7v2 import READER
from hub.source.hl7v2_validate import validate
from hub.store.tables import State
from hub.testing import samples

FOLDER = room("testing") / "samples"
MESSAGES = sorted(path.name for path in FOLDER.glob("*.er7"))
DOCUMENTS = sorted(path.name for path in FOLDER.glob("*.xml"))
CARRIED = {"mdm-t02-tumour-board.er7": "cda-tumour-board.xml", "oru-r01-biology.er7": "cda-biology.xml"}
NS = {"h": "urn:hl7-org:v3"}


def whole(name: str) -> bytes:
    message = samples.read(name)
    return samples.carrying(message, samples.read(CARRIED[name])) if name in CARRIED else message


def header(name: str) -> etree._Element:
    return etree.fromstring(samples.read(name))


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_ends_its_segments_with_cr(name: str) -> None:
    """HL7 v2.5 §2.6: CR and nothing else ends a segment, the last one too."""
    octets = samples.read(name)

    assert b"\n" not in octets
    assert octets.endswith(b"\r")


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_has_the_structure_of_its_type(name: str) -> None:
    """HL7 v2.5 and v2.6 message structures, as hl7apy knows them; PRT came with v2.7 and is left out."""
    lines = [line for line in whole(name).split(b"\r") if not line.startswith(b"PRT")]

    assert [issue for issue in validate(b"\r".join(lines)) if issue.severity == "error"] == []


@pytest.mark.parametrize("name", [name for name in MESSAGES if "broken" not in name])
def test_the_shipped_channel_makes_resources_of_a_message(name: str, tmp_path: Path) -> None:
    """What `hub demo` sends is done, not held."""
    spec = load_channel(room("channels") / "hospital-hl7v2", Settings.load(tmp_path))

    made = pipeline.run(spec, whole(name))

    assert (made.state, made.error) == (State.DONE, None)
    assert made.draft is not None
    assert [i for i in made.draft.issues if i.severity == "error"] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_shipped_channel_makes_resources_of_a_document(name: str, tmp_path: Path) -> None:
    """Each document is mapped without an error, and its Binary is the document."""
    spec = load_channel(room("channels") / "cda-documents", Settings.load(tmp_path))

    made = pipeline.run(spec, samples.read(name))

    assert (made.state, made.error) == (State.DONE, None)
    assert made.draft is not None
    assert samples.read(name) in [entry.octets for entry in made.draft.entries.values()]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_has_what_the_minimal_structure_asks_for(name: str) -> None:
    """CI-SIS, structuration minimale: cardinalities of the header."""
    root = header(name)
    once = (
        "realmCode", "typeId", "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode", "setId",
        "versionNumber", "recordTarget", "custodian", "legalAuthenticator", "componentOf", "component",
    )  # fmt: skip

    assert {tag: len(root.findall(f"h:{tag}", NS)) for tag in once} == dict.fromkeys(once, 1)
    templates = {found.get("root") for found in root.findall("h:templateId", NS)}
    assert {"2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1"} < templates
    assert root.find("h:realmCode", NS).get("code") == "FR"
    assert re.fullmatch(r"\d{14}[+-]\d{4}", root.find("h:effectiveTime", NS).get("value"))
    first = root.find("h:documentationOf/h:serviceEvent", NS)
    assert first is not None
    assert len(first.findall("h:performer", NS)) == len(first.findall("h:effectiveTime", NS)) == 1
    assert first.find("h:performer//h:standardIndustryClassCode", NS) is not None
    assert root.find("h:componentOf//h:healthCareFacility/h:code", NS) is not None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_patient_has_the_traits_that_go_with_an_ins(name: str) -> None:
    """RNIV: birth name, first and all birth given names, birth date, sex, INSEE code of the birth place."""
    role = header(name).find("h:recordTarget/h:patientRole", NS)
    assert role is not None
    patient = role.find("h:patient", NS)
    assert patient is not None

    assert role.find("h:id[@root='1.2.250.1.213.1.4.10']", NS) is not None
    assert patient.find("h:name/h:family[@qualifier='BR']", NS) is not None
    assert patient.find("h:name/h:given[@qualifier='BR']", NS) is not None
    assert [given for given in patient.findall("h:name/h:given", NS) if given.get("qualifier") is None]
    assert re.fullmatch(r"\d{8}", patient.find("h:birthTime", NS).get("value"))
    assert re.fullmatch(r"\d{5}", patient.findtext("h:birthplace//h:county", namespaces=NS))


def test_an_ins_has_the_right_key() -> None:
    """Référentiel INS: the key is 97 minus the rest of the first 13 digits by 97."""
    every = {samples.INS, samples.ins_of(0), samples.ins_of(44), samples.ins_of(999_999)}
    every |= set(re.findall(rb'1\.2\.250\.1\.213\.1\.4\.10" extension="(\d+)"', b"".join(map(samples.read, DOCUMENTS))))

    assert {ins: int(ins[13:]) for ins in every} == {ins: 97 - int(ins[:13]) % 97 for ins in every}
    assert {len(ins) for ins in every} == {15}


def test_a_message_can_be_told_anew() -> None:
    """Another control id, another patient, another document: nothing else changes."""
    admission = samples.read("adt-a01-admission.er7")

    renamed = samples.of_patient(samples.with_control_id(admission, b"X1"), 7)

    envelope = READER.peek(renamed)
    assert envelope.control_id == "X1"
    assert samples.ins_of(7).decode() in envelope.order_key
    assert samples.INS not in renamed
    assert samples.PI not in renamed
    assert len(renamed.split(b"|")) == len(admission.split(b"|"))
    document = samples.renumbered(samples.read("cda-imaging.xml"), b"N7")
    root = etree.fromstring(document)
    assert [root.find(f"h:{tag}", NS).get("extension") for tag in ("id", "setId")] == ["N7.1", "N7"]


@pytest.mark.parametrize("name", ["cda-tumour-board.xml", "cda-consultation.xml"])
def test_a_document_can_grow(name: str) -> None:
    """Its size is what was asked for, give or take a row, and it is as well formed as before."""
    document = samples.grown(samples.read(name), 100_000)

    assert 99_500 < len(document) < 101_000
    anchors = set(re.findall(rb'ID="(ligne-\d+)"', document))
    assert anchors == set(re.findall(rb'reference value="#(ligne-\d+)"', document))
    assert etree.fromstring(document).tag == "{urn:hl7-org:v3}ClinicalDocument"


def test_a_document_without_body_cannot_grow() -> None:
    """There is no place to put anything."""
    with pytest.raises(ValueError, match="cannot grow"):
        samples.grown(b"<ClinicalDocument/>", 1000)


def test_a_document_can_be_told_as_a_file() -> None:
    """IHE XDS-SD: three templates, a PDF in base64 as the body."""
    root = etree.fromstring(samples.as_file(samples.read("cda-tumour-board.xml"), b"%PDF-1.7\n"))

    assert len(root.findall("h:templateId", NS)) == 3
    assert root.findtext("h:component/h:nonXMLBody/h:text", namespaces=NS) == "JVBERi0xLjcK"
    assert root.find("h:component/h:structuredBody", NS) is None
