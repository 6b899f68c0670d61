"""IMG-CR-IMG, IMG-DA-IMG 2024.01 and imaging reports that are a PDF (DICOM PS3.20; ANS volets d'imagerie)."""

from __future__ import annotations

from typing import Any

import pytest

from hub.fhir.draft import resource_id

from .cda_run import ANY, MESSAGES, all_of, coded, codes, entry, one, section
from .run import mapped, only

REPORT = (MESSAGES / "imaging-report.xml").read_bytes()
REQUEST = (MESSAGES / "imaging-request.xml").read_bytes()
N1 = (MESSAGES / "imaging-pdf.xml").read_bytes()
DRAFT, ASKED = mapped(ANY, REPORT), mapped(ANY, REQUEST)
UID = "2.25.31878020270551"
CR, DA = "1.2.250.1.213.1.1.1.45", "1.2.250.1.213.1.1.1.47"


def study(number: int) -> dict[str, Any]:
    return DRAFT.entries[
        f"ImagingStudy/{resource_id('ImagingStudy', 'urn:dicom:uid', f'urn:oid:{UID}.{number}')}"
    ].resource


def refs(kind: str) -> list[dict[str, str]]:
    return [{"reference": r} for r in DRAFT.entries if r.startswith(f"{kind}/")]


def test_the_report() -> None:
    """RAD; the two studies; its conclusion in lines; the PDF; the doses are its results."""
    made = only(DRAFT, "DiagnosticReport")
    assert (codes(made["category"][0]), made["status"], made["imagingStudy"]) == (
        ["RAD"], "final", refs("ImagingStudy"),
    )  # fmt: skip
    assert made["conclusion"] == "Nodule suspect du lobe supérieur droit. Pas de fixation à distance."
    assert codes(made["code"]) == ["18748-4", "24627-2", "44136-0"]
    assert [codes(DRAFT.entries[r["reference"]].resource["code"])[0] for r in made["result"]] == [
        "364320009", "364320009", "113813", "113813",
    ]  # fmt: skip
    assert made["presentedForm"][0]["contentType"] == "application/pdf"
    assert only(DRAFT, "Composition")["relatesTo"][0]["code"] == "replaces"


def test_a_study() -> None:
    """Known by its UID over all documents; modality and accession of the header, series of the catalogue."""
    made = study(1)
    assert made["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{UID}.1"}
    assert [x["code"] for x in made["modality"]] == ["CT"]
    assert [x["code"] for x in study(2)["modality"]] == ["PT", "CT"]
    assert [made["basedOn"][0]["identifier"]["value"], study(2)["basedOn"][0]["identifier"]["value"]] == [
        "ACN-501", "ACN-502",
    ]  # fmt: skip
    assert codes(made["procedureCode"][0]) == ["24627-2", "ZBQH001"]
    assert codes(made["reasonCode"][0]) == ["Z12.2"]
    [series] = made["series"]
    assert (series["uid"], series["modality"]["code"], series["started"]) == (
        f"{UID}.1.1", "CT", "2026-05-12T10:31:00+02:00",
    )  # fmt: skip
    assert [i["uid"] for i in series["instance"]] == [f"{UID}.1.1.1", f"{UID}.1.1.2"]
    assert series["instance"][0]["sopClass"]["code"] == "urn:oid:1.2.840.10008.5.1.4.1.1.2"


def test_where_the_images_are() -> None:
    """One Endpoint an address (WADO-URI), however many instances."""
    made = only(DRAFT, "Endpoint")
    assert (made["address"], made["connectionType"]["code"]) == ("https://images.exemple.fr/wado", "dicom-wado-uri")
    assert study(1)["series"][0]["endpoint"] == study(2)["series"][0]["endpoint"] == refs("Endpoint")


def test_what_belongs_to_an_act() -> None:
    """Contrast medium, exposure, dose and radiopharmaceutical are part of the technique of their own act."""
    first, _, second, _ = refs("Procedure")
    assert (study(1)["procedureReference"], study(2)["procedureReference"]) == (first, second)
    contrast, tracer = all_of(DRAFT, "MedicationAdministration")
    assert (contrast["partOf"], tracer["partOf"]) == ([first], [second])
    assert [r["partOf"] for r in coded(DRAFT, "Observation", "113813")] == [[first], [second]]
    assert [r["partOf"] for r in coded(DRAFT, "Procedure", "121290")] == [[first], [second]]


def test_what_was_given() -> None:
    """E~151: product with its batch, route, dose (a lone low is the dose); E~173 without a status is given."""
    contrast, tracer = all_of(DRAFT, "MedicationAdministration")
    product = DRAFT.entries[contrast["medicationReference"]["reference"]].resource
    assert (codes(product["code"]), product["batch"]) == (["V08AB11"], {"lotNumber": "L26-114"})
    assert (contrast["dosage"]["dose"]["value"], contrast["dosage"]["dose"]["unit"]) == (90, "mL")
    assert codes(contrast["dosage"]["route"]) == ["20045000"]
    assert contrast["effectivePeriod"]["start"] == "2026-05-12T10:25:00+02:00"
    assert (tracer["status"], tracer["dosage"]["dose"]["code"]) == ("completed", "MBq")


def test_exposure() -> None:
    """113813 in mGy.cm, of a region; who authorised the exposure."""
    dose = coded(DRAFT, "Observation", "113813")[0]
    assert (dose["valueQuantity"]["value"], dose["valueQuantity"]["code"], codes(dose["bodySite"])) == (
        640.5, "mGy.cm", ["51185008"],
    )  # fmt: skip
    exposed = coded(DRAFT, "Procedure", "121290")[0]
    [told] = [x for x in exposed["extension"] if "participant" in x["url"]]
    assert [x["valueReference"]["display"] for x in told["extension"] if x["url"] == "party"] == ["Solenn QUEMENER"]


def test_history_is_no_result() -> None:
    """S~213 tells what was known of the patient before."""
    results = [r["reference"] for r in only(DRAFT, "DiagnosticReport")["result"]]
    history = [e["reference"] for e in section(DRAFT, "11329-0")["entry"]]
    assert len(history) == 3
    assert not set(results) & set(history)


def test_the_device_and_the_information() -> None:
    """E~20: EMDN and the UDI; 99622-3: what the patient was told."""
    used = only(DRAFT, "DeviceUseStatement")
    injector = DRAFT.entries[used["device"]["reference"]].resource
    assert (codes(injector["type"]), injector["identifier"][0]["value"][:6]) == (["Z11039014"], "(01)03")
    told = only(DRAFT, "Communication")
    assert (codes(told["topic"]), told["payload"]) == (
        ["99622-3"], [{"contentString": "Boire abondamment pendant 24 heures."}],
    )  # fmt: skip


def test_accessions_that_cannot_be_told_apart() -> None:
    """Two accession numbers, one study by its UID: the report has them, the study none."""
    draft = mapped(ANY, REPORT.replace(f'<id root="{UID}.2"/>'.encode(), b"", 1))  # of the header
    found = [r for r in all_of(draft, "ImagingStudy") if "basedOn" in r]
    assert found == []
    assert len(only(draft, "DiagnosticReport")["basedOn"]) == 4


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        ("application/pdf", None), ("text/plain", b"mots"), ("text/rtf", b"{\\rtf1 mots}"), ("image/jpeg", b"\xff\xd8"),
        ("image/tiff", b"II*\0"),
    ],
)  # fmt: skip
def test_a_document_of_level_1(kind: str, octets: bytes | None) -> None:
    """The file is a Binary of its own, in the Composition; the study and its accession come from the header."""
    import base64

    body = N1
    if octets is not None:
        start = body.index(b'representation="B64">') + 21
        body = body[:start] + base64.b64encode(octets) + body[body.index(b"</text>", start) :]
        body = body.replace(b'mediaType="application/pdf"', f'mediaType="{kind}"'.encode())
    draft = mapped(ANY, body)
    [entry_] = only(draft, "Composition")["section"][0]["entry"]
    binary = draft.entries[entry_["reference"]]
    assert binary.resource["contentType"] == kind
    assert octets in (None, binary.octets)
    made = only(draft, "ImagingStudy")
    assert (made["basedOn"][0]["identifier"]["value"], made["modality"][0]["code"]) == ("ACN-503", "CT")
    formats = {c["attachment"]["contentType"]: c.get("format", {}) for c in only(draft, "DocumentReference")["content"]}
    assert list(formats) == ["text/xml"]
    if kind == "application/pdf":
        assert formats["text/xml"]["code"] == "urn:ihe:iti:xds-sd:pdf:2008"


def test_a_text_that_is_no_base64() -> None:
    """N1 of plain text: the text itself."""
    body = N1[: N1.index(b"<text mediaType")] + b'<text mediaType="text/plain">Rien de suspect</text>'
    body += N1[N1.index(b"</nonXMLBody>") :]
    draft = mapped(ANY, body)
    assert b"Rien de suspect" in [e.octets for e in draft.entries.values()]


NO_SERIES = '<entryRelationship><act><id root="2.25.1.1"/></act></entryRelationship>'
NO_INSTANCE = (
    '<entryRelationship><act><id root="2.25.1.1"/><code code="113015"><qualifier><name code="121139"/>'
    '<value code="MR"/></qualifier></code><entryRelationship><observation/></entryRelationship></act>'
    "</entryRelationship>"
)
SERIES = '<act moodCode="EVN"><templateId root="1.2.250.1.213.1.1.3.155"/>{}<code code="113014"/>{}</act>'


@pytest.mark.parametrize(
    "xml",
    [
        SERIES.format("", ""),
        SERIES.format('<id root="F2D9BDE5-EA18-4147-868C-6D657E937BCA"/>', ""),
        SERIES.format('<id root="2.25.1"/>', NO_SERIES),
        SERIES.format('<id root="2.25.1"/>', NO_INSTANCE),
    ],
)
def test_what_has_no_uid_or_modality_is_told(xml: str) -> None:
    """PS3.5 §9.1: no UID, no study; R4: no series without a modality.  It stays in the document."""
    draft = entry(xml, CR)
    assert [i.code for i in draft.issues] == ["no-uid"]
    assert all("instance" not in x for r in all_of(draft, "ImagingStudy") for x in r.get("series", ()))


def test_wado_rs() -> None:
    """The address of WADO-RS is what stands before /studies/."""
    xml = SERIES.format(
        '<id root="2.25.1"/>',
        '<entryRelationship><act><id root="2.25.1.1"/><code code="113015"><qualifier><name code="121139"/>'
        '<value code="MR"/></qualifier></code><entryRelationship><observation classCode="DGIMG"><id root="2.25.1.1.1"/>'
        '<code code="1.2.840.10008.5.1.4.1.1.4"/><text><reference value="https://h/dicom/studies/2.25.1"/></text>'
        "</observation></entryRelationship></act></entryRelationship>",
    )
    made = only(entry(xml, CR), "Endpoint")
    assert (made["address"], made["connectionType"]["code"]) == ("https://h/dicom", "dicom-wado-rs")


def test_a_request() -> None:
    """E~27.3: modality, sites with their side, priority, what supports it; the header says the rest for all."""
    first, second, third = all_of(ASKED, "ServiceRequest")
    assert [codes(r["code"]) for r in (first, second, third)] == [["MG"], ["MED-1128"], ["PT"]]
    assert {r["intent"] for r in (first, second, third)} == {"order"}
    assert {r["requisition"]["value"] for r in (first, second, third)} == {"D-9"}
    assert codes(second["bodySite"][0]["extension"][0]["valueCodeableConcept"]) == ["7771000"]
    assert {r["priority"] for r in (first, second, third)} == {"urgent"}
    assert codes(first["reasonCode"][0]) == ["Z12.3"]
    assert first["requester"]["display"] == "DR Azenor LE BRIS"
    assert [len(r["supportingInfo"]) for r in (first, second, third)] == [3, 4, 4]
    function = ASKED.entries[third["supportingInfo"][0]["reference"]].resource
    assert codes(function["code"]) == ["MED-1133"]
    assert first["note"][0]["text"] == "Deux incidences"


def test_a_request_that_asks_for_nothing() -> None:
    """Without a code nothing is asked; what stands inside is kept all the same."""
    draft = entry(
        '<observation classCode="OBS" moodCode="INT"><templateId root="1.2.250.1.213.1.1.3.27.3"/></observation>', DA
    )
    assert all_of(draft, "ServiceRequest") == []


def test_the_patient_was_informed() -> None:
    """MED-1130 is an answer, 99622-3 what was said, from when to when."""
    assert one(ASKED, "Observation", "MED-1130")["valueBoolean"] is True
    told = only(ASKED, "Communication")
    assert (told["sent"], told["received"]) == ("2026-05-04T09:00:00+02:00", "2026-05-04T09:30:00+02:00")


def test_what_was_not_done_is_no_technique() -> None:
    """A technique that is asked for is told as an issue; one without a code says nothing."""
    body = '<procedure classCode="PROC" moodCode="{}"><templateId root="1.2.250.1.213.1.1.3.153"/>{}</procedure>'
    draft = entry(body.format("INT", '<code code="A"/>'), CR)
    assert ([i.code for i in draft.issues], all_of(draft, "Procedure")) == (["mood"], [])
    assert all_of(entry(body.format("EVN", ""), CR), "Procedure") == []


def test_a_product_in_place_of_a_place() -> None:
    """A reference of an instance that leads nowhere makes no Endpoint."""
    text = '<text mediaType="application/dicom"><reference value="#x"/></text>'
    xml = SERIES.format('<id root="2.25.1"/>', NO_INSTANCE.replace(
        "<observation/>",
        f'<observation><id root="2.25.1.1.1"/><code code="1.2.840.10008.5.1.4.1.1.4"/>{text}</observation>',
    ))  # fmt: skip
    assert all_of(entry(xml, CR), "Endpoint") == []


def test_information_without_words() -> None:
    """99622-3 that says nothing was told to nobody."""
    body = '<observation classCode="OBS" moodCode="EVN"><code code="99622-3"/></observation>'
    assert all_of(entry(body, CR), "Communication") == []
