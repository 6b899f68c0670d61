"""A CDA-R2 document to the secure mail that brings it to its correspondents: IHE_XDM.zip and a PDF.

ANS, référentiel socle MSSanté n° 2; CI-SIS, volet Échange de documents de santé.  The correspondents are those of
``informationRecipient`` that have a box of MSSanté, and those that the channel names.

``with:``  ``from`` (the box that sends), ``source`` (OID of this system), ``name`` (of the house), ``to`` (more
boxes), ``domains`` (those written to; default mssante.fr), ``content`` (contentTypeCode, default 03), ``facility``
and ``practice`` (codes for documents that lack them), ``software`` (X-MSS-NIL), ``receipt`` (false asks for none).
"""

from __future__ import annotations

from hub.errors import MappingError
from hub.fhir.draft import Draft, Site
from hub.source.cda import Document
from hub.source.identity import INS_SYSTEMS
from hub.source.mime import ADDRESS

from ..cda.document import map_document
from ..documents import add_binary
from ..shape import Element
from .letter import Letter, Post, letter, message_id
from .metadata import Sender, entry, submission, unique_of
from .package import package, uri
from .pdf import pdf

_CONTENTS = {"03": "Hospitalisation", "04": "Soins ambulatoires", "07": "Acte externe"}
_SYSTEM = "urn:oncohub:mail"


def mail(document: Document, draft: Draft, site: Site) -> None:
    """Add the mail as one Binary (``send: document`` sends it), and its Message-ID as a key.

    :raises MappingError: nobody to write to, a masked document, or what METADATA.XML needs and nobody says.
    """
    scratch = Draft()  # what the document becomes is the business of the channel that stores it
    reference = map_document(document, scratch, site, entries=False)["reference"]
    told = scratch.entries[reference].resource
    draft.issues += [i for i in scratch.issues if i.severity == "error"]
    draft.keys += scratch.keys
    _not_masked(told)
    post, sender = _post(document, site), _sender(site)

    def find(name: str) -> Element | None:
        return scratch.entries[name].resource if name in scratch.entries else None

    content_type = told["content"][0]["attachment"]["contentType"]
    meta = entry(told, document.octets, uri(1, content_type), find, sender)
    archive = package(submission([meta], meta.title, sender), [document.octets], sender.name)
    patient = find(told["subject"]["reference"]) or {}
    name = _name(patient)
    unique = unique_of(told)
    body = letter(Letter(
        meta.title, str(name.get("family", "")), " ".join(name.get("given", [])), str(patient.get("birthDate", "")),
        meta.all("type")[0].code, meta.slot("creationTime")[:8], unique,
        any(i.get("system") in INS_SYSTEMS for i in patient.get("identifier", [])), archive,
        _readable(meta.title, told, patient, scratch, sender), _earlier(told),
    ), post)  # fmt: skip
    draft.key("mail", message_id(unique, post).strip("<>"))
    add_binary(draft, (_SYSTEM, unique), body, "message/rfc822")


def _not_masked(told: Element) -> None:
    codes = {c.get("code") for label in told.get("securityLabel", []) for c in label.get("coding", [])}
    if "MASQUE_PS" in codes:
        what = "the document is masked to professionals: it is not sent to them"
        raise MappingError(what, where="confidentialityCode", cure="cancel, or lift the mask", code="906")


def _post(document: Document, site: Site) -> Post:
    box = site.get("from")
    if not ADDRESS.fullmatch(box):
        raise MappingError("no box to send from", where="with.from", cure="write the MSSanté address of the house")
    more = site.options.get("to", ())
    wanted = [*_recipients(document, site), *([more] if isinstance(more, str) else more)]
    to = tuple(dict.fromkeys(a.lower() for a in wanted if ADDRESS.fullmatch(a)))
    if not to:
        raise MappingError(
            "nobody to write to", where="informationRecipient/intendedRecipient/telecom",
            cure="send a mailto: of MSSanté, or name boxes in `with: {to: …}`", code="101",
        )  # fmt: skip
    receipt = site.options.get("receipt", True) is not False
    return Post(box.lower(), site.get("name", box), to, site.get("software"), receipt)


def _recipients(document: Document, site: Site) -> list[str]:
    told = site.options.get("domains", ("mssante.fr",))
    domains = tuple(f".{d.lstrip('.')}" for d in ([told] if isinstance(told, str) else told))
    found = []
    for recipient in document.all("informationRecipient"):
        for box in (recipient.one("intendedRecipient") or recipient).all("telecom"):
            scheme, _, address = (box.attr("value") or "").partition(":")
            if scheme.lower() == "mailto" and f".{address.rpartition('@')[2].lower()}".endswith(domains):
                found.append(str(address))
    return found


def _sender(site: Site) -> Sender:
    source = site.get("source")
    if not source or not all(p.isdecimal() for p in source.split(".")):
        raise MappingError("this system has no OID", where="with.source", cure="write the OID of the sending system")
    content = site.get("content", "03")
    defaults = {k: v for k in ("facility", "practice") if (v := site.get(k))}
    return Sender(source, site.get("name", site.get("from")), (content, _CONTENTS.get(content, content)), defaults)


def _name(patient: Element) -> Element:
    """The official name, as identity rules have it (RNIV), else the first."""
    names: list[Element] = patient.get("name", [])
    return next((n for n in names if n.get("use") == "official"), names[0] if names else {})


def _earlier(told: Element) -> tuple[str, ...]:
    made = (r["target"].get("identifier") for r in told.get("relatesTo", []) if r.get("code") == "replaces")
    return tuple(unique_of({"masterIdentifier": known}) for known in made if known)


def _readable(title: str, told: Element, patient: Element, scratch: Draft, sender: Sender) -> bytes:
    """The PDF that the document is, or one of its narrative."""
    for made in scratch.entries.values():
        if made.octets is not None and made.resource.get("contentType") == "application/pdf":
            return made.octets
    name = _name(patient)
    ins = next((str(i["value"]) for i in patient.get("identifier", []) if i.get("system") in INS_SYSTEMS), "")
    facts = [
        ("Patient", f"{name.get('family', '')} {' '.join(name.get('given', []))}"),
        ("Né(e) le", "/".join(reversed(str(patient.get("birthDate", "")).split("-")))), ("INS", ins),
        ("Date", str(told.get("date", ""))[:10]), ("Auteur", _authors(told)), ("Émetteur", sender.name),
    ]  # fmt: skip
    composition = next((e.resource for e in scratch.entries.values() if e.type == "Composition"), {})
    return pdf(title, [f for f in facts if f[1].strip()], composition.get("section", []))


def _authors(told: Element) -> str:
    return ", ".join(str(a["display"]) for a in told.get("author", []) if a.get("display"))
