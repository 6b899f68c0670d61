"""A secure health mail to its documents and to a Communication; a receipt to one that answers another.

ANS, référentiel MSSanté n° 2; R4 §12.7 (Communication); RFC 8098 and 3464 (receipts, delivery reports).
A mail is known by its Message-ID, so a receipt finds the mail it is about, whichever came first.
"""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Draft, Mapping, Rank, Site, resource_id
from hub.source.mail import Mail, Notice
from hub.source.mime import Part

from ...documents import add_binary, attachment
from ...shape import Element, clean
from ...xdm.archive import map_archive
from ..times import mail_time

SYSTEM = "urn:ietf:rfc:5322"
_CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"
_EMAIL = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationMode", "code": "EMAILWRIT"}]}
_TEXT = 100_000  # characters of a body that are kept
# Table 5.1 of CDA-R2 en HL7v2 (ERR-5): what a recipient says when it could not integrate a document.
_CODES = {
    "900": "the version is not the latest it knows", "901": "the requester is not the author",
    "902": "it does not know the patient", "903": "the document has no INS", "904": "the INS or its traits differ",
    "905": "the traits of the INS are incomplete", "906": "another reason",
}  # fmt: skip


def mail(source: Mail, draft: Draft, site: Site) -> None:
    """Map one mail.

    :raises MappingError: for an archive of two patients; for a receipt that says no, so that a person sees it.
    """
    if source.notice is not None:
        _notice(source, source.notice, draft)
    elif source.archive is not None:
        found = map_archive(source.archive, draft, site)
        _check_headers(source, draft)
        subject = next((s for d in found if (s := draft.entries[d["reference"]].resource.get("subject"))), None)
        about = [{"reference": d["reference"]} for d in found]
        _add(source, draft, {"subject": subject and {"reference": subject["reference"]}, "about": about})
    else:
        raise MappingError("the mail carries no archive", where="mail", cure="accept: [XDM, MDN, DSN]", code="906")


def _add(source: Mail, draft: Draft, more: Element) -> None:
    root = source.root
    before = source.notice.original if source.notice else next(reversed(source.thread), "")
    communication = clean({
        "resourceType": "Communication",
        "identifier": [{"system": SYSTEM, "value": source.message_id}],
        "inResponseTo": [_reference(before)] if before and not before.startswith("sha256-") else None,
        "status": "completed",
        **more,
        "medium": [_EMAIL],
        "topic": {"text": root.header("Subject")} if root.header("Subject") else None,
        "sent": mail_time(root.raw_header("Date")),
        "recipient": [_box(a) for a in root.addresses("To") + root.addresses("Cc")],
        "sender": _box(source.sender[0]) if source.sender else None,
        "payload": _payload(source, draft),
    })  # fmt: skip
    draft.add(communication, (SYSTEM, source.message_id), rank=Rank.DOCUMENT)


def _reference(message_id: str) -> Element:
    return {
        "reference": f"Communication/{resource_id('Communication', SYSTEM, message_id)}",
        "identifier": {"system": SYSTEM, "value": message_id},
    }


def _box(address: str) -> Element:
    """A mailbox: who reads it is not known here."""
    return {"identifier": {"system": "urn:ietf:rfc:6068", "value": f"mailto:{address}"}, "display": address}


def _payload(source: Mail, draft: Draft) -> list[Element]:
    """The text, and the files beside the archive (the PDF of each document), octet for octet."""
    words = source.body.text()[:_TEXT].replace("\r\n", "\n") if source.body is not None else ""
    text = "".join(c if c.isprintable() or c in "\n\t" else " " for c in words).strip()
    made: list[Element] = [{"contentString": text}] if text else []
    for number, part in enumerate(source.files, 1):
        octets = part.octets()
        if octets:
            kind = _kind(part)
            url = add_binary(draft, (SYSTEM, f"{source.message_id}#{number}"), octets, kind)
            made.append({"contentAttachment": attachment(url, octets, kind, title=part.filename or None)})
    return made


def _kind(part: Part) -> str:
    return "application/pdf" if part.filename.lower().endswith(".pdf") else part.type


def _check_headers(source: Mail, draft: Draft) -> None:
    """ECO.2.4.1: X-MSS-CODECDA is the code of the CDA."""
    told = {c for x in source.root.raw_header("X-MSS-CODECDA").split(",") for c in x.split()}
    own = {d.head.document for d in (source.archive.documents if source.archive else ()) if d.head is not None}
    if told and told != own:
        draft.warn("X-MSS-CODECDA", "not the code of the document in the archive", "906")


def _notice(source: Mail, notice: Notice, draft: Draft) -> None:
    if notice.original:
        draft.key("mail", notice.original)
    kind = {"coding": [{"system": _CATEGORY, "code": "notification"}]}
    _add(source, draft, {"category": [kind]})
    if notice.outcome in ("KO", "failed"):
        receipt = notice.outcome == "KO"
        who = "the recipient could not integrate the document" if receipt else "a mail was not delivered"
        why = _CODES.get(notice.code, notice.code)
        where = "Disposition" if receipt else "Status"
        draft.error(where, f"{who}{f': {why}' if why else ''} (its key `mail` finds what was sent)", notice.code)


MAPPING = Mapping("mail", mail, "MSSanté mails: documents of IHE_XDM.zip, Communication; receipts and delivery reports")
