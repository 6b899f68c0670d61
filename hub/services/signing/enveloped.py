"""A signature inside the document that it signs: CDA and other XML with XAdES, and the VIHF.

W3C XML Signature 1.1 §6.6.4 (enveloped), ETSI EN 319 132-1 (XAdES B), as EU DSS and eSignSanté write them.
ANS CI-SIS, VIHF: SAML 2.0 assertion, its signature right behind Issuer (SAML core §5.4).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from lxml import etree

from hub.security.certificates import PERSONS
from hub.services.signing import gate, names, xades
from hub.services.signing.canonical import canonical, take_out
from hub.services.signing.examination import Examination, Given, Signed
from hub.services.signing.gate import Form, Info, Reference, refuse
from hub.services.signing.integrity import digested, resolve
from hub.services.signing.names import DS, HL7, SAML
from hub.source.xml import parse_xml

_HEAD: Final = 16384
_ASSERTION_LIFE: Final = timedelta(hours=1)
_SOAP: Final = ("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/")
_WSSE: Final = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"


def verify_document(root: etree._Element, given: Given) -> Signed:
    """Verify the signature in a document.

    :param root: of :func:`hub.services.signing.gate.document`; it is taken apart on the way.
    """

    def work(exam: Examination) -> None:
        element = gate.the_signature(root)
        if element is None:
            raise gate.unsigned()
        _alone(root)
        if element.getparent() is not root:
            raise refuse("signature-place", "the signature is not a child of the root of the document")
        form = gate.form(element)
        properties = _covered(exam, root, form, exam.info(form))
        exam.believe(form, "content_commitment")
        if properties is not None:
            exam.timed(xades.read(properties, form.certificates[0]).at, exam.max_age)
        exam.once()
        exam.bind(_authenticators(exam) if root.tag == f"{HL7}ClinicalDocument" else {})

    return Examination("xades", given).run(work)


def verify_assertion(root: etree._Element, given: Given) -> Signed:
    """Verify a VIHF: an assertion, or a SOAP envelope with one in its header.

    ``facts`` of what comes out: ``subject`` (PS_IdNat), ``attributes`` (name, values), ``id``.
    """

    def work(exam: Examination) -> None:
        _alone(root)
        assertion = _the_assertion(root)
        form = gate.form(_after_issuer(assertion))
        _covered(exam, assertion, form, exam.info(form))
        exam.believe(form, "content_commitment", "digital_signature")
        said = parse_xml(exam.documents["document"])
        exam.facts |= _facts(said)
        exam.timed(xades.instant(said.get("IssueInstant") or "", "IssueInstant"), _ASSERTION_LIFE)
        _conditions(exam, said)
        exam.once()
        _speaks_for(exam)

    return Examination("vihf", given).run(work)


def _alone(root: etree._Element) -> None:
    # Other verifiers digest what stands beside the root, some do not: nobody may be told two things.
    if root.getprevious() is not None or root.getnext() is not None:
        raise refuse("beside-root", "there are processing instructions beside the root of the document")


def _covered(exam: Examination, top: etree._Element, form: Form, info: Info) -> bytes | None:
    """See that the signature is over ``top`` but for itself, and over nothing that is not known; the octets of
    its SignedProperties."""
    element, properties = form.element, xades.place(form)
    is_root = top.getparent() is None
    own = {top.get(name) for name in names.IDS} - {None}
    parts = {"properties": properties, "key-info": element.find(f"{DS}KeyInfo")}
    by_id = {part.get("Id"): (name, part) for name, part in parts.items() if part is not None and part.get("Id")}
    data = [r for r in info.references if (r.uri == "" and is_root) or (r.uri[:1] == "#" and r.uri[1:] in own)]
    others = [r for r in info.references if r not in data]
    if len(data) != 1 or not data[0].without_signature:
        raise refuse("reference-set", "the signature is not over the document once, but for itself")

    def where(reference: Reference) -> tuple[str, etree._Element]:
        found = by_id.get(gate.fragment(reference.uri))
        if found is None:
            raise refuse("reference-target", "the signature is over something that is not known")
        if (reference.type == names.SIGNED_PROPERTIES) != (found[0] == "properties"):
            raise refuse("reference-target", "a Reference is not of the type of what it is of")
        return found

    found = resolve(others, where)
    signed_properties = found.get("properties")
    if properties is not None and signed_properties is None:
        raise refuse("reference-set", "SignedProperties are there, but not signed")
    strict = exam.form == "xades" and exam.given.trust.policy.signing_time
    if strict and signed_properties is None:
        raise refuse("signed-properties", "there are no SignedProperties (XAdES): nothing says when it was signed")
    objects = 1 if properties is not None else 0
    if len(form.objects) != objects or any(len(o) != 1 for o in form.objects):
        raise refuse("signature-shape", "the signature holds an Object that nobody asked for")
    within = list(gate.ids(element))
    take_out(element)
    octets = canonical(top, data[0].canonical or names.INCLUSIVE, data[0].prefixes)
    sha256 = digested(data[0], octets)
    _once_each(info, octets, within)
    exam.take("document", octets, sha256)
    exam.passed["integrity"] = "the document and the properties of the signature are as they were signed"
    return signed_properties


def _once_each(info: Info, octets: bytes, within: list[str]) -> None:
    """Every id that is referred to stands once, in the document and in the signature together."""
    for reference in info.references:
        if reference.uri:
            value = reference.uri[1:]
            quoted = b'd="%b"' % value.encode()
            if octets.count(quoted) + octets.count(b"D" + quoted[1:]) + within.count(value) != 1:
                raise refuse("duplicate-id", "an id that the signature refers to stands there twice")


def _authenticators(exam: Examination) -> dict[str, str]:
    """Who answers for a CDA: its legalAuthenticator, else its author; one person, who must be the signer."""
    if exam.signer is None or exam.signer.kind != "person":
        raise refuse("not-a-person", "a document is signed by a person; this is the seal of an organisation", "binding")
    root = head(exam.documents["document"])
    return {"legalAuthenticator": authenticator(root) if root is not None else ""}


def head(octets: bytes) -> etree._Element | None:
    """The header of a CDA document, also of one in a style sheet that shows it; None of anything else.

    It is read up to the body, where what is asked for it has all been said: a large body costs nothing.

    :raises XMLSyntaxError: when the header is no XML.
    """
    if b"ClinicalDocument" not in octets[: 4 * _HEAD]:
        return None
    parser = etree.XMLPullParser(
        events=("start",), tag=[f"{HL7}ClinicalDocument", f"{HL7}component"],
        resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True,
    )  # fmt: skip
    root: etree._Element | None = None
    for start in range(0, len(octets), _HEAD):
        parser.feed(octets[start : start + _HEAD])
        for _, found in parser.read_events():
            element: etree._Element = found  # type: ignore[assignment]  # a start event has an element
            if element.tag == f"{HL7}ClinicalDocument" and root is None:
                root = element
            elif root is not None and element.getparent() is root:
                return root
    return root


def authenticator(root: etree._Element) -> str:
    """PS_IdNat of the legalAuthenticator of a CDA, or of its author when it has none; '' when nobody is named, or
    more than one."""
    who = root.findall(f"{HL7}legalAuthenticator/{HL7}assignedEntity")
    who = who or root.findall(f"{HL7}author/{HL7}assignedAuthor")
    found = [i.get("extension") or "" for w in who for i in w.findall(f"{HL7}id") if i.get("root") == PERSONS]
    return found[0] if len(found) == 1 else ""


def _the_assertion(root: etree._Element) -> etree._Element:
    every = list(root.iter(f"{SAML}Assertion"))
    if len(every) != 1:
        raise refuse("assertion", "there is not one assertion")
    (found,) = every
    if found is root:
        return found
    up = [one.tag for one in found.iterancestors()]
    if any(up == [_WSSE, f"{{{soap}}}Header", f"{{{soap}}}Envelope"] for soap in _SOAP):
        return found
    raise refuse("assertion", "the assertion is not in the security header of the message")


def _after_issuer(assertion: etree._Element) -> etree._Element:
    inside = list(assertion.iter(f"{DS}Signature"))
    if not inside:
        raise gate.unsigned("the assertion is not signed")
    children = list(assertion)
    if len(inside) > 1 or [c.tag for c in children[:2]] != [f"{SAML}Issuer", f"{DS}Signature"]:
        raise refuse("signature-place", "the signature of an assertion is one, right behind its Issuer")
    return inside[0]


def _facts(said: etree._Element) -> dict[str, object]:
    attributes: dict[str, list[object]] = {}
    for one in said.findall(f"{SAML}AttributeStatement/{SAML}Attribute"):
        values = attributes.setdefault(one.get("Name") or "", [])
        for value in one.findall(f"{SAML}AttributeValue"):
            kept: object = (value.text or "").strip()
            if len(value):
                kept = {str(k): str(v) for k, v in value[0].items()}
            values.append(kept)
    subject = said.findall(f"{SAML}Subject/{SAML}NameID")
    return {
        "id": said.get("ID") or "",
        "subject": (subject[0].text or "").strip() if len(subject) == 1 else "",
        "attributes": attributes,
    }


def _conditions(exam: Examination, said: etree._Element) -> None:
    """SAML core §2.5.1: NotBefore and NotOnOrAfter, where they stand."""
    skew, at = exam.given.trust.policy.skew, exam.given.at
    for one in said.findall(f"{SAML}Conditions"):
        start, end = one.get("NotBefore"), one.get("NotOnOrAfter")
        early = start is not None and at < xades.instant(start, "NotBefore") - skew
        if early or (end is not None and at >= xades.instant(end, "NotOnOrAfter") + skew):
            raise refuse("conditions", "the assertion is not of this time", "time")


def _speaks_for(exam: Examination) -> None:
    """A person signs for themselves; an organisation for those who are with it (indirect authentication)."""
    signer, attributes = exam.signer, exam.facts["attributes"]
    subject = exam.facts["subject"]
    if not subject or signer is None:
        raise refuse("subject", "the assertion names no subject", "binding")
    modes = [v for name, v in attributes.items() if name.lower() == "authentification_mode"]
    if signer.kind == "person":
        exam.bind({"NameID": subject})
        return
    if attributes.get("Identifiant_Structure") != [signer.structure] or ["DIRECTE"] in modes:
        raise refuse("binding", "an organisation speaks for another, or in the place of a card", "binding")
    for where, who in exam.given.names.items():
        if who != subject:
            raise refuse("binding", f"the subject is not who stands at {where}", "binding")
    exam.passed["binding"] = "the organisation speaks for somebody who is with it"
