"""Archives and mails as senders make them, right and wrong."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP
from io import BytesIO
from pathlib import Path

from hub.source import ebrim
from hub.source.ebrim import DOCUMENT, HAS_MEMBER, SUBMISSION, Association, Code, Metadata, RegistryObject

CDA = (Path(__file__).parents[2] / "channels/cda-documents/tests/messages/pathology.xml").read_bytes()
INS, OTHER = "258079912304871", "255064900799907"
PDF = b"%PDF-1.4 fictif"
FOLDER = "IHE_XDM/SUBSET01"


def cx(value=INS, oid="1.2.250.1.213.1.4.10", kind="NH"):
    return f"{value}^^^&{oid}&ISO^{kind}"


def entry(
    octets=CDA, number=1, mime="text/xml", unique="1.2.250.1.999.7.1^ACP-2026-00417", code="11526-1", ins=INS, **slots
):
    """The metadata of a document; ``slots`` take the place of the right ones, None leaves one out."""
    told = {
        "creationTime": "20260218151500", "languageCode": "fr-FR", "sourcePatientId": cx(ins),
        "legalAuthenticator": "899900000042^TESTEUR^Paul^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
        "serviceStartTime": "20260215230000", "hash": hashlib.sha1(octets).hexdigest(), "size": str(len(octets)),
        "URI": f"DOC0000{number}.{'PDF' if 'pdf' in mime else 'XML'}",
    } | slots  # fmt: skip
    kept = {k: (v,) for k, v in told.items() if v is not None}
    kept["sourcePatientInfo"] = ("PID-5|ECHANTILLON^ODILE^ODILE MARGUERITE^^^^L", "PID-7|19580714", "PID-8|F")
    person = {
        "authorPerson": ("899900000042^TESTEUR^Paul^^^^^^&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",),
        "authorInstitution": ("Laboratoire des Essais^^^^^&1.2.250.1.71.4.2.2&ISO^IDNST^^^1010000024",),
    }
    codes = [
        Code(DOCUMENT["author"], slots=person), Code(DOCUMENT["class"], "10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
        Code(DOCUMENT["confidentiality"], "N", "2.16.840.1.113883.5.25", "Normal"),
        Code(DOCUMENT["facility"], "SA05", "1.2.250.1.71.4.2.4", "CLCC"),
        Code(DOCUMENT["practice"], "ETABLISSEMENT", "1.2.250.1.213.1.1.4.9", "Etablissement de santé"),
        Code(DOCUMENT["type"], code, "2.16.840.1.113883.6.1", "CR d'anatomie et cytologie pathologiques"),
    ]  # fmt: skip
    return RegistryObject(
        f"urn:uuid:0000000{number}-0000-4000-8000-000000000001", DOCUMENT, mime, f"Document {number}", "", kept,
        tuple(codes), {DOCUMENT["patientId"]: cx(ins), DOCUMENT["uniqueId"]: unique},
    )  # fmt: skip


def submission(*entries, ins=INS, unique="1.2.250.1.999.7.40.1", **slots):
    told = {"submissionTime": ("20260218160000",)} | slots
    identifiers = {
        SUBMISSION["patientId"]: cx(ins), SUBMISSION["sourceId"]: "1.2.250.1.999.7", SUBMISSION["uniqueId"]: unique,
    }  # fmt: skip
    codes = (Code(SUBMISSION["contentType"], "03", "1.2.250.1.213.2.2", "Hospitalisation"),)
    made = RegistryObject(
        "urn:uuid:00000000-0000-4000-8000-000000000009", SUBMISSION, "", "Envoi", "", told, codes, identifiers
    )
    return Metadata(made, entries, tuple(Association(HAS_MEMBER, made.id, e.id) for e in entries))


def pdf_entry(number=2, **more):
    return entry(PDF, number, "application/pdf", f"1.2.250.1.999.7.41.{number}", **more)


def zipped(files):
    """Any zip, with names as they are given: (name or ZipInfo, octets)."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, octets in files:
            archive.writestr(name, octets)
    return target.getvalue()


def archive(*documents, metadata=None, more=()):
    """IHE_XDM.zip of (entry, octets); one CDA without a word."""
    documents = documents or ((entry(), CDA),)
    told = metadata or submission(*(e for e, _ in documents))
    files = [(f"{FOLDER}/METADATA.XML", ebrim.write(told))]
    files += [(f"{FOLDER}/{e.slot('URI')}", octets) for e, octets in documents]
    return zipped([("INDEX.HTM", b"<html/>"), ("README.TXT", b"Lisez-moi"), *files, *more])


def of_other(octets=CDA):
    """The document of another patient, another document."""
    return octets.replace(INS.encode(), OTHER.encode()).replace(b"IPP-0042617", b"IPP-1").replace(b"-00417", b"-00418")


def with_slot(one, **slots):
    return replace(one, slots={**one.slots, **{k: (v,) for k, v in slots.items()}})


def mail(
    content=None,
    pdf=PDF,
    subject="XDM/1.0/DDM+Compte rendu ECHANTILLON ODILE 14/07/1958",
    name="IHE_XDM.zip",
    **headers,
):
    """A mail of MSSanté."""
    made = EmailMessage(policy=SMTP)
    told = {
        "From": "labo@essais.mssante.fr", "To": "hub@chu.mssante.fr", "Date": "Wed, 18 Feb 2026 17:05:00 +0100",
        "Message-ID": "<labo-417@essais.mssante.fr>", "Disposition-Notification-To": "labo@essais.mssante.fr",
        "X-MSS-CODECDA": "11526-1", "X-MSS-INS": "O",
    } | {k.replace("_", "-"): v for k, v in headers.items()}  # fmt: skip
    for key, value in told.items():
        if value is not None:
            made[key] = value
    made["Subject"] = subject
    made.set_content("Bonjour,\n\nVeuillez trouver ci-joint le compte rendu.\n")
    if content is not None:
        made.add_attachment(content, maintype="application", subtype="zip", filename=name)
    if pdf is not None:
        made.add_attachment(pdf, maintype="application", subtype="pdf", filename="20260218_CR_ECHANTILLON_ODILE.pdf")
    if made.is_multipart():
        made.set_boundary("=_essais")
    return made.as_bytes()


def bounced(action="failed", status="5.1.1", original="sent-1@chu.mssante.fr"):
    """A delivery report (RFC 3464)."""
    lines = [
        "From: <MAILER-DAEMON@mssante.fr>", "To: hub@chu.mssante.fr", "Subject: Undelivered Mail",
        "Message-ID: <dsn-1@mssante.fr>", "Auto-Submitted: auto-replied", "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_dsn"', "", "--=_dsn",
        "Content-Type: text/plain", "", "Nobody there.", "--=_dsn", "Content-Type: message/delivery-status", "",
        "Reporting-MTA: dns; mx.mssante.fr", "", "Final-Recipient: rfc822; x@cabinet.mssante.fr", f"Action: {action}",
        f"Status: {status}", "--=_dsn", "Content-Type: text/rfc822-headers", "", f"Message-ID: <{original}>",
        "Subject: XDM/1.0/DDM+Compte rendu", "--=_dsn--", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode()
