"""A signature in a document of its own, over a manifest of others of any format.

IHE ITI Document Digital Signature (DSG), detached; XAdES 1.3.2.  SignedInfo covers the manifest, the signed
properties and the purpose; the manifest names each document by ``urn:oid:`` and its digest, and the submission
set by its uniqueId.  W3C says that core validation does not look into a manifest; here every document of it
must be there and hold, and no document may be there that it does not name.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

from hub.security.certificates import STRUCTURES
from hub.services.signing import canonical, enveloped, gate, names, xades
from hub.services.signing.examination import Examination, Given, Signed
from hub.services.signing.gate import Form, Info, Reference, refuse
from hub.services.signing.integrity import digested, resolve
from hub.services.signing.names import DS, HL7
from hub.services.signing.verdict import RefusedError

_BY_CODE = {code: name for name, (code, _) in names.PURPOSES.items()}


def is_dsg(octets: bytes) -> bool:
    """Whether a document looks like a signature of others; nothing is verified."""
    if b"Signature" not in octets[:4096] or b"Manifest" not in octets:
        return False
    try:
        return gate.document(octets).tag == f"{DS}Signature"
    except RefusedError:
        return False


def verify_dsg(octets: bytes, documents: Mapping[str, bytes], given: Given, submission: str = "") -> Signed:
    """Verify a DSG document.

    ``facts`` of what comes out: ``purpose`` (of :data:`hub.services.signing.names.PURPOSES`, or its code).

    :param documents: those of the submission but for the signature itself, by the name that the manifest has for
        each (``urn:oid:1.2.3``).
    :param submission: uniqueId of the submission set, when it is known.
    """

    def work(exam: Examination) -> None:
        root = gate.document(octets)
        if root.tag != f"{DS}Signature":
            raise gate.unsigned("it is no signature")
        if gate.the_signature(root) is not root or root.getprevious() is not None or root.getnext() is not None:
            raise refuse("beside-root", "there is something beside the signature")
        form = gate.form(root)
        found = _covered(form, exam.info(form))
        _manifest(exam, found["manifest"], documents, submission)
        exam.passed["integrity"] = f"{len(documents)} documents are as they were signed"
        exam.believe(form, "content_commitment")
        exam.timed(xades.read(found["properties"], form.certificates[0]).at, exam.max_age)
        exam.once()
        exam.facts["purpose"] = purpose = _purpose(found.get("purpose"))
        _stands(exam, purpose)

    return Examination("dsg", given).run(work)


def _covered(form: Form, info: Info) -> dict[str, bytes]:
    """Canonical octets of what SignedInfo refers to: manifest, properties, purpose, each in its one place."""
    root, properties = form.element, xades.place(form)
    places: dict[str, tuple[str, etree._Element]] = {}
    inside = [child for o in form.objects for child in o]
    parts = [("manifest", c) for c in inside if c.tag == f"{DS}Manifest"]
    parts += [
        ("purpose", p)
        for c in inside
        if c.tag == f"{DS}SignatureProperties"
        for p in c.findall(f"{DS}SignatureProperty")
    ]
    parts += [("properties", properties)] if properties is not None else []
    parts += [("key-info", root[2])]
    if len({name for name, _ in parts}) != len(parts):
        raise refuse("signature-shape", "there are several manifests or purposes")
    known = {f"{DS}Manifest", f"{DS}SignatureProperties", f"{names.XADES}QualifyingProperties"}
    if any(c.tag not in known for c in inside):
        raise refuse("signature-shape", "the signature holds something that nobody asked for")
    for name, part in parts:
        if part.get("Id"):
            places[str(part.get("Id"))] = (name, part)
    every = list(gate.ids(root))
    if len(set(every)) != len(every):
        raise refuse("duplicate-id", "an id stands there twice")

    def where(reference: Reference) -> tuple[str, etree._Element]:
        found = places.get(gate.fragment(reference.uri))
        if found is None:
            raise refuse("reference-target", "the signature is over something that is not known")
        return found

    found = resolve(info.references, where)
    if {name for name, _ in parts} - {"key-info"} - found.keys() or not {"manifest", "properties"} <= found.keys():
        raise refuse("reference-set", "the manifest, the properties or the purpose are not signed")
    return found


def _manifest(exam: Examination, octets: bytes, documents: Mapping[str, bytes], submission: str) -> None:
    """See that the manifest and the submission are of the same documents, and that each holds."""
    listed: dict[str, Reference] = {}
    elements = list(etree.fromstring(octets))
    if not 1 <= len(elements) <= names.MAX_MANIFEST or {e.tag for e in elements} != {f"{DS}Reference"}:
        raise refuse("manifest", f"a manifest has 1 to {names.MAX_MANIFEST} references")
    for element in elements:
        one = gate.reference(element)
        if one.uri in listed:
            raise refuse("manifest-duplicate", "the manifest names a document twice")
        if one.without_signature or one.prefixes:
            raise refuse("transform", "a document of a manifest has no such transform", "algorithms")
        listed[one.uri] = one
    sets = {uri for uri, one in listed.items() if one.digest == b"\0" and uri not in documents}
    if sets and submission and sets != {f"urn:oid:{submission.removeprefix('urn:oid:')}"}:
        raise refuse("manifest-submission", "the signature is of another submission", "integrity")
    if submission and not sets:
        raise refuse("manifest-submission", "the signature does not name the submission", "integrity")
    missing, extra = set(listed) - sets - set(documents), set(documents) - set(listed)
    if missing or extra:
        what = f"{len(missing)} documents of the manifest are not there, {len(extra)} are not in it"
        raise refuse("manifest-coverage", what, "integrity")
    for uri, given in documents.items():
        one = listed[uri]
        made = canonical.whole(given, one.canonical) if one.canonical else given
        exam.take(uri, made, digested(one, made))


def _purpose(octets: bytes | None) -> str:
    if octets is None:
        return ""
    text = "".join(etree.fromstring(octets).itertext()).strip()  # type: ignore[arg-type]
    code = text.removeprefix("urn:oid:")[:64]
    return _BY_CODE.get(code, code)


def _stands(exam: Examination, purpose: str) -> None:
    """A person signs what they answer for; an organisation what is its own, or says that it verified."""
    known: dict[str, str] = {}
    heads = [root for octets in exam.documents.values() if (root := enveloped.head(octets)) is not None]
    signer = exam.signer
    if signer is not None and signer.kind == "organisation":
        if purpose == "author":
            raise refuse("not-a-person", "an author is a person; this is the seal of an organisation", "binding")
        if purpose not in ("verification", "event-witness"):
            known = {f"custodian of document {n}": custodian(root) for n, root in enumerate(heads, 1)}
    else:
        known = {f"legalAuthenticator of document {n}": enveloped.authenticator(r) for n, r in enumerate(heads, 1)}
    exam.bind(known)


def custodian(root: etree._Element) -> str:
    """Struct_IdNat of the custodian of a CDA; '' when it has none."""
    path = f"{HL7}custodian/{HL7}assignedCustodian/{HL7}representedCustodianOrganization/{HL7}id"
    found = [i.get("extension") or "" for i in root.findall(path) if i.get("root") == STRUCTURES]
    return found[0] if len(found) == 1 else ""
