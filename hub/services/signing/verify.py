"""Verifies whatever carries a signature: what it is, is seen from its first octets.

XML with a signature in it, a VIHF, a DSG document, an IHE_XDM archive with one, a FHIR Provenance or a Bundle with
one.  One function for channels, for the API and for ``hub verify``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from hub.errors import HubError
from hub.services.signing import dsg, enveloped, gate, provenance
from hub.services.signing.examination import Examination, Given, Signed
from hub.services.signing.names import DS, MAX_OCTETS, SAML
from hub.services.signing.verdict import RefusedError

_ZIP: Final = b"PK\x03\x04"
_ENVELOPES: Final = (
    "{http://www.w3.org/2003/05/soap-envelope}Envelope",
    "{http://schemas.xmlsoap.org/soap/envelope/}Envelope",
)


def verify(octets: bytes, given: Given, documents: Mapping[str, bytes] | None = None, submission: str = "") -> Signed:
    """The verdict on a file, and what was signed.

    A verdict always comes out; its status is ``absent`` when nothing is signed.

    :param documents: that a DSG document is of, by ``urn:oid:`` name, when they are not in the file itself.
    """
    if octets.startswith(_ZIP):
        return _xdm(octets, given)
    if octets[:64].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return _fhir(octets, given)
    try:
        root = gate.document(octets)
        if root.tag == f"{DS}Signature":
            return dsg.verify_dsg(octets, documents or {}, given, submission)
        if root.tag == f"{SAML}Assertion" or root.tag in _ENVELOPES:
            return enveloped.verify_assertion(root, given)
        return enveloped.verify_document(root, given)
    except RefusedError as error:
        return refused("", given, error)


def refused(form: str, given: Given, error: RefusedError) -> Signed:
    """The verdict on what does not get as far as to be verified."""

    def work(exam: Examination) -> None:
        del exam
        raise error

    return Examination(form, given).run(work)


def _fhir(octets: bytes, given: Given) -> Signed:
    """A Provenance with its targets in it (contained) or a Bundle with one Provenance that is signed."""
    if len(octets) > MAX_OCTETS:
        return refused("provenance", given, gate.refuse("too-large", f"more than {MAX_OCTETS >> 20} MiB"))
    try:
        read = provenance.read_json(octets)
    except RefusedError as error:
        return refused("provenance", given, error)
    listed = _listed(read)
    signed = [r for r in listed if r.get("resourceType") == "Provenance" and r.get("signature")]
    if not signed:
        return refused("provenance", given, gate.unsigned("no Provenance is signed"))
    if len(signed) > 1:
        return refused("provenance", given, gate.refuse("signature-count", "several of Provenance are signed"))
    (one,) = signed
    named = list(_resources(read))
    resources = dict(named)
    if any(resources[name] is not resource for name, resource in named):
        return refused("provenance", given, gate.refuse("duplicate-id", "two resources have one name"))
    targets = {}
    for target in one["target"] if isinstance(one.get("target"), list) else ():
        reference = target.get("reference") if isinstance(target, dict) else None
        if isinstance(reference, str) and reference in resources:
            targets[reference] = resources[reference]
    covered = {id(r) for r in targets.values()}
    if read.get("resourceType") == "Bundle" and any(id(r) not in covered for r in listed if r is not one):
        return refused("provenance", given, gate.refuse("manifest-coverage", "a resource is not signed", "integrity"))
    return provenance.verify_provenance(one, targets, given)


def _listed(read: Any) -> list[dict[str, Any]]:
    if not isinstance(read, dict):
        return []
    entries = read.get("entry") if read.get("resourceType") == "Bundle" else [{"resource": read}]
    found = [e.get("resource") for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []
    return [r for r in found if isinstance(r, dict)]


def _resources(read: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each resource by all the names it has: fullUrl, Type/id, Type/id/_history/version, #id when contained."""
    entries = read.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict):
            continue
        if isinstance(entry.get("fullUrl"), str):
            yield entry["fullUrl"], resource
        if isinstance(resource.get("id"), str):
            name = f"{resource.get('resourceType')}/{resource['id']}"
            yield name, resource
            meta = resource.get("meta")
            if isinstance(meta, dict) and isinstance(meta.get("versionId"), str):
                yield f"{name}/_history/{meta['versionId']}", resource
    contained = read.get("contained")
    for resource in contained if isinstance(contained, list) else ():
        if isinstance(resource, dict) and isinstance(resource.get("id"), str):
            yield f"#{resource['id']}", resource


def _xdm(octets: bytes, given: Given) -> Signed:
    """The DSG document of an archive, over all other documents of its one submission set."""
    from hub.source.xdm import read as read_archive

    try:
        archive = read_archive(octets)
    except HubError as error:
        return refused("dsg", given, gate.refuse("not-xdm", error.what))
    signatures = [d for d in archive.documents if dsg.is_dsg(d.octets)]
    if not signatures:
        return refused("dsg", given, gate.unsigned("no document of the archive is a signature"))
    if len(signatures) > 1 or len(archive.subsets) > 1:
        return refused("dsg", given, gate.refuse("signature-count", "several signatures or submission sets"))
    others: dict[str, bytes] = {}
    for one in archive.documents:
        if one is not signatures[0]:
            name = f"urn:oid:{one.meta.identifier('uniqueId')}" if one.meta is not None else one.name
            if name in others:
                return refused("dsg", given, gate.refuse("manifest-duplicate", "two documents have one uniqueId"))
            others[name] = one.octets
    submission = archive.subsets[0].metadata.submission
    name = submission.identifier("uniqueId") if submission is not None else ""
    return dsg.verify_dsg(signatures[0].octets, others, given, name)
