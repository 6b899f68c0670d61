"""XDS metadata to FHIR and back; the mail that brings a document (IHE MHD 4.2, référentiel MSSanté n° 2)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hub.mappings.cda.document import map_document
from hub.mappings.xdm import forms
from hub.mappings.xdm.metadata import Sender, entry, submission
from hub.mappings.xdm.pdf import pdf

from hub.errors import MappingError
from hub.fhir.draft import Draft, Site
from hub.fhir.validate import validate
from hub.source import cda, ebrim, mail, mime, xdm
from hub.source.ebrim import DOCUMENT, Code
from tests.source import archives
from tests.source.archives import CDA, INS, OTHER, PDF, archive, bounced, of_other, pdf_entry

from .run import edited, issues, mapped, only, refs, sample

REPORT = (Path(__file__).parents[2] / "channels/rcp-report-by-mail/tests/messages/tumour-board.xml").read_bytes()
SITE = {"from": "rcp@chb.mssante.fr", "source": "1.2.250.1.999.1", "name": "CH de la Baie", "to": ["b@x.mssante.fr"]}
SENDER = Sender("1.2.250.1.999.1", "CH", ("03", "Hospitalisation"), {})


def letter(body=REPORT, **more):
    """The mail made of a document, and its draft."""
    draft = mapped("cda.documents.mssante", body, SITE | more)
    (made,) = draft.entries.values()
    return made.octets, draft


def told(octets):
    return mail.read(octets)


def test_each_document_becomes_what_its_model_says():
    """The mapping of a CDA does not depend on how it came; the List and nothing else is added."""
    alone, packed = Draft(), mapped("xdm.documents.archive", archive())
    map_document(cda.parse(CDA), alone, Site({}))
    assert {r: e.resource for r, e in packed.entries.items() if e.type != "List"} == {
        r: e.resource for r, e in alone.entries.items()
    }
    assert [i["item"]["reference"] for i in only(packed, "List")["entry"]] == refs(packed, "DocumentReference")


def test_the_submission_is_a_list():
    """MHD §3.65.4.1.2.2: identifiers, code, designation, source id, time (UTC), subject."""
    made = only(mapped("xdm.documents.archive", archive()), "List")
    assert [i["value"] for i in made["identifier"]] == [
        "urn:oid:1.2.250.1.999.7.40.1", "urn:uuid:00000000-0000-4000-8000-000000000009",
    ]  # fmt: skip
    assert made["code"]["coding"][0]["code"] == "submissionset"
    assert made["extension"][1]["valueIdentifier"] == {"value": "urn:oid:1.2.250.1.999.7"}
    assert made["date"] == "2026-02-18T16:00:00+00:00"
    assert made["subject"]["reference"].startswith("Patient/")


def test_a_pdf_becomes_a_document_by_its_metadata():
    """MHD: every attribute of the entry; the patient is that of the CDA beside it."""
    draft = mapped("xdm.documents.archive", archive((archives.entry(), CDA), (pdf_entry(), PDF)))
    one = next(
        e.resource for e in draft.entries.values()
        if e.type == "DocumentReference" and e.resource["content"][0]["attachment"]["contentType"] == "application/pdf"
    )  # fmt: skip
    assert one["masterIdentifier"] == {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.7.41.2"}
    assert one["type"]["coding"][0] == {
        "system": "http://loinc.org", "code": "11526-1", "display": "CR d'anatomie et cytologie pathologiques",
    }  # fmt: skip
    assert one["category"][0]["coding"][0]["system"].endswith("TRE-A03-ClasseDocument")
    assert one["author"][0]["identifier"]["value"] == "899900000042"
    assert one["context"]["practiceSetting"]["coding"][0]["code"] == "ETABLISSEMENT"
    assert one["date"] == "2026-02-18T15:15:00+00:00"
    # What the CDA says of the patient stays: an archive that names a person in passing undoes nothing.
    assert len(refs(draft, "Patient")) == 2
    assert one["subject"]["reference"] in draft.entries
    assert "address" in draft.entries[one["subject"]["reference"]].resource


def test_a_patient_known_by_an_establishment_alone():
    """Without an INS the identifier of the establishment is what the person is known by."""
    e = pdf_entry(number=1)
    e = replace(e, identifiers={**e.identifiers, DOCUMENT["patientId"]: archives.cx("P1", "1.2.250.1.999.7", "PI")})
    draft = mapped("xdm.documents.archive", archive((e, PDF), metadata=ebrim.Metadata(None, (e,))))
    assert only(draft, "Patient")["identifier"][0] == {
        "use": "usual", "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "PI"}]},
        "system": "urn:oid:1.2.250.1.999.7", "value": "P1",
    }  # fmt: skip


@pytest.mark.parametrize("missing", ["patientId", "uniqueId"])
def test_a_pdf_that_is_of_nobody_is_held(missing):
    """Nothing says whose it is, or what it is."""
    e = pdf_entry(number=1)
    e = replace(e, identifiers={k: v for k, v in e.identifiers.items() if k != DOCUMENT[missing]})
    with pytest.raises(MappingError, match=missing):
        mapped("xdm.documents.archive", archive((e, PDF), metadata=ebrim.Metadata(None, (e,))))


def test_two_patients_are_never_mixed():
    """One archive is about one patient: two CDA, a CDA and metadata of another, a set of another."""
    other = of_other()
    theirs = archives.entry(other, 2, unique="1.2.250.1.999.7.1^ACP-2026-00418", ins=OTHER)
    mixed = {
        "two documents": archive((archives.entry(), CDA), (theirs, other)),
        "entry": archive((archives.entry(ins=OTHER), CDA)),
        "set": archive(metadata=archives.submission(archives.entry(), ins=OTHER)),
        "pdf": archive((archives.entry(), CDA), (pdf_entry(ins=OTHER), PDF)),
    }
    for octets in mixed.values():
        with pytest.raises(MappingError) as e:
            mapped("xdm.documents.archive", octets)
        assert e.value.code == "904"
        assert INS not in str(e.value)


@pytest.mark.parametrize(("edit", "where"), [({"code": "11502-2"}, "typeCode"), ({"unique": "1.2.3"}, "uniqueId")])
def test_metadata_of_another_document_hold_the_archive(edit, where):
    """typeCode and uniqueId are those of the CDA."""
    with pytest.raises(MappingError) as e:
        mapped("xdm.documents.archive", archive((archives.entry(**edit), CDA)))
    assert e.value.where == f"SUBSET01/document[1]: {where}"


def test_masks_and_withdrawal_come_from_the_metadata():
    """TRE_A07 codes among the confidentiality codes; action D."""
    e = archives.entry()
    mask = Code(DOCUMENT["confidentiality"], "MASQUE_PS", "1.2.250.1.213.1.1.4.13", "Masqué")
    e = replace(e, codes=(*e.codes, mask), slots={**e.slots, "action": ("D",)})
    made = only(mapped("xdm.documents.archive", archive((e, CDA))), "DocumentReference")
    assert made["status"] == "entered-in-error"
    assert [c["code"] for s in made["securityLabel"] for c in s["coding"]] == ["N", "MASQUE_PS"]


def test_a_submission_without_identity_is_told():
    """No List, and a warning."""
    draft = mapped("xdm.documents.archive", archive(metadata=archives.submission(archives.entry(), unique="")))
    assert refs(draft, "List") == []
    assert ("warning", "XDSSubmissionSet.uniqueId") in issues(draft)
    empty = mapped("xdm.documents.archive", archives.zipped([(f"{archives.FOLDER}/METADATA.XML", b"<x/>")]))
    assert issues(empty) == [("warning", "IHE_XDM")]


def test_a_mail_keeps_its_words_its_pdf_and_its_thread():
    """A Communication known by the Message-ID, answering those before it."""
    octets = archives.mail(archive(), In_Reply_To="<before@x>")
    draft = mapped("mail.messages.mssante", octets)
    made = only(draft, "Communication")
    assert made["identifier"][0]["value"] == "labo-417@essais.mssante.fr"
    assert made["inResponseTo"][0]["identifier"]["value"] == "before@x"
    assert made["sent"] == "2026-02-18T17:05:00+01:00"
    assert made["payload"][0]["contentString"].startswith("Bonjour,\n")
    kept = draft.entries[made["payload"][1]["contentAttachment"]["url"]]
    assert (kept.octets, kept.resource["contentType"]) == (PDF, "application/pdf")
    assert [a["reference"].partition("/")[0] for a in made["about"]] == ["DocumentReference", "List"]


def test_a_code_that_is_not_that_of_the_document_is_told():
    """ECO.2.4.1."""
    draft = mapped("mail.messages.mssante", archives.mail(archive(), X_MSS_CODECDA="11502-2"))
    assert ("warning", "X-MSS-CODECDA") in issues(draft)


def test_a_date_that_is_none_is_left_out():
    """RFC 5322 §3.3; -0000 is a time whose zone nobody knows."""
    for value, sent in (("yesterday", None), ("Wed, 18 Feb 2026 17:05:00 -0000", "2026-02-18T17:05:00+00:00")):
        made = only(mapped("mail.messages.mssante", archives.mail(archive(), Date=value)), "Communication")
        assert made.get("sent") == sent


def test_a_report_of_failure_is_held_with_its_keys():
    """A person must see it; the Message-ID of what was sent is a key, so both are found together."""
    draft = mapped("mail.messages.mssante", bounced())
    assert issues(draft) == [("error", "Status")]
    assert ("mail", "sent-1@chu.mssante.fr") in draft.keys
    assert issues(mapped("mail.messages.mssante", bounced("delivered", "2.0.0"))) == []


def test_a_mail_without_an_archive_is_not_mapped():
    """A channel that accepts everything still says why."""
    with pytest.raises(MappingError, match="no archive"):
        mapped("mail.messages.mssante", archives.mail(None, subject="x"))


@pytest.mark.parametrize("octets", [
    archives.mail(archive((archives.entry(), CDA), (pdf_entry(), PDF))),
    archives.mail(archive((pdf_entry(number=1), PDF))),
    bounced(),
], ids=["documents", "pdf", "report"])  # fmt: skip
def test_everything_made_is_valid_r4(octets):
    """By fhir.resources, an independent oracle."""
    for ref, e in mapped("mail.messages.mssante", octets).entries.items():
        assert (ref, []) == (ref, validate({**e.resource, "id": e.id}))


def test_origins_change_no_value_and_are_there():
    """Lineage of what only metadata say."""
    octets = archive((pdf_entry(number=1), PDF))
    plain, traced = mapped("xdm.documents.archive", octets), mapped("xdm.documents.archive", octets, origins=True)
    assert {r: e.resource for r, e in plain.entries.items()} == {r: e.resource for r, e in traced.entries.items()}
    made = only(traced, "DocumentReference")
    assert made["type"]["coding"][0]["code"].origin == "ExtrinsicObject[1]/type"
    assert made["author"][0]["identifier"]["value"].origin == "ExtrinsicObject[1]/author/authorPerson"


# The way out.


def test_the_mail_follows_the_national_rules():
    """ECO.2.1.3 subject, ECO.2.4 headers, ECO.2.1.1 attachments, one request for a receipt."""
    octets, draft = letter()
    root = mime.read(octets)
    assert (
        root.header("Subject") == "XDM/1.0/DDM+FRCP Réseau Onco-Baie / 3C de la Baie / Sein KERVADEC ODILE 14/06/1958"
    )
    assert root.addresses("To") == ["helene.cadoret-vigne@cabinet.mssante.fr", "b@x.mssante.fr"]
    assert (root.header("X-MSS-CODECDA"), root.header("X-MSS-INS")) == ("34794-8", "O")
    assert root.header("Disposition-Notification-To") == "rcp@chb.mssante.fr"
    names = [p.filename for p in root.walk() if p.filename]
    assert names == ["IHE_XDM.zip", "20261112_FRCP_Reseau_Onco_Baie_3C_de_la_Baie_Sein_KERVADEC_ODILE.pdf"]
    assert "Veuillez trouver ci-joint" in told(octets).body.text()
    assert ("mail", root.header("Message-ID").strip("<>")) in draft.keys
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert octets.isascii()


def test_the_options_of_the_mail():
    """No receipt, a software number, other domains, an address as text."""
    octets, _ = letter(receipt=False, software="DEV1", to="c@autre.fr", domains=["autre.fr"])
    root = mime.read(octets)
    assert root.addresses("To") == ["c@autre.fr"]
    assert root.header("X-MSS-NIL") == "DEV1"
    assert root.header("Disposition-Notification-To") == ""


def test_the_same_document_is_the_same_mail():
    """No clock, no chance: sent twice it is seen to be one; another sender is another mail."""
    assert letter()[0] == letter()[0]
    ids = {mime.read(letter(**more)[0]).header("Message-ID") for more in ({}, {"from": "x@chb.mssante.fr"})}
    assert len(ids) == 2


def test_what_is_sent_can_be_taken_in():
    """Round trip: the archive is read, and its documents become what the CDA alone becomes."""
    octets, _ = letter()
    draft = mapped("mail.messages.mssante", octets)
    assert issues(draft) == issues(mapped("cda.documents.any", REPORT))
    assert told(octets).archive.documents[0].octets == REPORT
    assert refs(draft, "DocumentReference") == refs(mapped("cda.documents.any", REPORT), "DocumentReference")


def test_a_later_version_answers_in_the_thread_of_the_earlier():
    """ECO.2.2: relatedDocument RPLC."""
    report = sample("report.xml")
    earlier = edited(report, ("CR-77.2", "CR-77.1"), ('typeCode="RPLC"', 'typeCode="APND"'))
    first, second = (mime.read(letter(body)[0]) for body in (earlier, report))
    assert second.header("In-Reply-To") == first.header("Message-ID")
    assert second.header("References") == first.header("Message-ID")


def test_the_files_of_the_archive_are_those_of_xdm():
    """ITI-32: entry page, README, 8.3 names; the page links to the documents and is well-formed."""
    (zip_part,) = [p for p in mime.read(letter()[0]).walk() if p.filename == "IHE_XDM.zip"]
    opened = xdm._Archive(zip_part.octets())
    assert opened.names == [
        "INDEX.HTM", "README.TXT", "IHE_XDM/SUBSET01/METADATA.XML", "IHE_XDM/SUBSET01/DOC00001.XML",
    ]  # fmt: skip
    assert b'href="IHE_XDM/SUBSET01/DOC00001.XML"' in opened.octets("INDEX.HTM")
    assert b"DOC00001.XML" in opened.octets("README.TXT")


def test_a_document_that_is_a_pdf_is_its_own_pdf():
    """Level 1: the nonXMLBody, octet for octet."""
    from hub.testing.samples import as_file

    body = as_file(REPORT, b"%PDF-1.7 le vrai")
    (part,) = told(letter(body)[0]).files
    assert part.octets() == b"%PDF-1.7 le vrai"


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"from": ""}, "with.from"),
        ({"from": "no address"}, "with.from"),
        ({"source": ""}, "with.source"),
        ({"source": "x"}, "with.source"),
        ({"to": [], "domains": ["elsewhere.fr"]}, "informationRecipient"),
    ],
)
def test_what_a_channel_must_say(more, where):
    """The place of the setting."""
    with pytest.raises(MappingError) as e:
        letter(**more)
    assert e.value.where.startswith(where)


def test_what_metadata_need_is_named_and_may_be_given():
    """Strict on writing; the place of care and the practice setting have defaults."""
    bare = re.sub(rb"(?s)  <componentOf>.*?</componentOf>\n", b"", REPORT)
    with pytest.raises(MappingError, match="healthCareFacility") as e:
        letter(bare)
    assert e.value.code == "101"
    octets, _ = letter(bare, facility="SA01")
    assert told(octets).archive.documents[0].meta.code("facility").code == "SA01"


def test_a_masked_document_is_not_sent():
    """Masked to professionals: not by mail to them."""
    masked = REPORT.replace(
        b'code="N" codeSystem="2.16.840.1.113883.5.25"', b'code="MASQUE_PS" codeSystem="1.2.250.1.213.1.1.4.13"'
    )
    with pytest.raises(MappingError, match="masked"):
        letter(masked)


def test_a_title_cannot_begin_a_header():
    """T73: header injection."""
    evil = REPORT.replace(b"<title>", b"<title>x&#13;&#10;Bcc: y@evil.fr&#10;")
    assert mime.read(letter(evil)[0]).addresses("Bcc") == []


def resources():
    draft = Draft()
    reference = map_document(cda.parse(REPORT), draft, Site({}), entries=False)["reference"]
    return draft.entries[
        reference
    ].resource, lambda name: draft.entries[name].resource if name in draft.entries else None


def test_metadata_say_what_the_document_reference_says():
    """XDS forms: XCN, XON, CX, UTC times, OIDs of code systems."""
    document, find = resources()
    made = entry(document, REPORT, "DOC00001.XML", find, SENDER)
    assert made.slot("creationTime") == "20261112161500"
    assert made.identifier("patientId") == "258064410932138^^^&1.2.250.1.213.1.4.10&ISO^NH"
    assert made.slot("sourcePatientId") == "70441058^^^&2.16.840.1.113883.19.44.1&ISO^PI"
    assert made.slots["sourcePatientInfo"][:1] == ("PID-5|KERVADEC^ODILE^ODILE JEANNE MARIE^^^^L",)
    assert "PID-11|^^^^^^BDL^^44109" in made.slots["sourcePatientInfo"]
    author = made.code("author").slots
    assert author["authorPerson"] == ("899700044102^BRIVAEL^Solenn^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",)
    assert author["authorInstitution"] == (
        "Centre hospitalier de la Baie^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1449990019",
    )
    kinds = {n: (made.code(n).code, made.code(n).system) for n in ("type", "class", "format", "confidentiality")}
    assert kinds == {
        "type": ("34794-8", "2.16.840.1.113883.6.1"), "class": ("10", "1.2.250.1.213.1.1.4.1"),
        "format": ("urn:asip:ci-sis:frcp:2011", "1.2.250.1.213.1.1.4.2.282"),
        "confidentiality": ("N", "2.16.840.1.113883.5.25"),
    }  # fmt: skip
    assert submission([made], "x", SENDER).submission.identifier("uniqueId").startswith("2.25.")


@pytest.mark.parametrize(
    ("xcn", "made"),
    [
        ("^NOM^Prénom", {"type": "Practitioner", "display": "Prénom NOM"}),
        (
            "s1^Logiciel^M1^^^^^^&1.2.3&ISO^U^^^EI",
            {"type": "Device", "identifier": {"system": "urn:oid:1.2.3", "value": "s1"}, "display": "M1 Logiciel"},
        ),
        ("", None),
    ],
)  # fmt: skip
def test_persons_of_metadata(xcn, made):
    """XCN; a type U is a device."""
    assert forms.xcn_person(xcn) == made


def test_structures_and_times_of_metadata():
    """XON with and without an identifier; DTM to FHIR and back, partial ones too."""
    assert forms.xon_organization("Nom") == {"type": "Organization", "display": "Nom"}
    assert forms.xon_organization("") is None
    assert forms.xon_of({"resourceType": "Organization", "name": "A^B"}) == "A B"
    assert forms.xcn_of({"resourceType": "Practitioner"}) == ""
    assert forms.xcn_of({"resourceType": "Practitioner", "name": [{"family": "N"}]}) == "^N"
    for value in ("2026", "202602", "20260218", "20260218151500"):
        assert forms.dtm_of(forms.dtm(value)) == value
    assert (forms.dtm(""), forms.dtm_of(None), forms.oid_of("urn:x"), forms.cx_of({"value": "1"})) == (None, "", "", "")


def test_a_narrative_of_any_shape_is_set_in_type():
    """Tables wider and longer than a page, lists, nesting, characters the font lacks."""
    cell = "long " * 3000
    div = (
        f'<div xmlns="http://www.w3.org/1999/xhtml">a<p>β → <b>x</b><br/>y</p>tail'
        f"<ul><li>1</li></ul><ol><li>2</li></ol>"
        f"<table><tr><th>h</th></tr><tr><td>{cell}</td><td>z</td></tr></table><table/><p/></div>"
    )
    sections = [{"title": "S", "text": {"div": div}, "section": [{"title": "T"}]}]
    made = pdf("Titre <b>", [("Patient", "A & B")], sections)
    assert made.startswith(b"%PDF")
    assert made == pdf("Titre <b>", [("Patient", "A & B")], sections)
    many = [{"text": {"div": f'<div xmlns="http://www.w3.org/1999/xhtml">{"<p>x</p>" * 3000}</div>'}}]
    assert pdf("x", [], many).startswith(b"%PDF")
