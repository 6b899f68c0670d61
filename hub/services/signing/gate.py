"""The gate: what a signature looks like, before anything of it is computed.

W3C XML Signature 1.1 §4; its "Best Practices" note (2013).  Only elements, attributes and algorithms that are
known are let through, each in its one place: a transform that is not known, a second signature, a key without a
certificate or an address outside the document ends here.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from lxml import etree

from hub.errors import HubError
from hub.security import certificates
from hub.services.signing import names
from hub.services.signing.names import DS, Method
from hub.services.signing.verdict import RefusedError
from hub.source.xml import parse_xml

_DECLARATION = re.compile(rb"xmlns(?::([^\s=\"'>]{1,200}))?")
_ENCODING = re.compile(
    rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["'](?i:utf-?8|us-ascii|iso-8859-15?|windows-1252)["']"""
)
_WITHOUT = re.compile(r"not\(\s*ancestor-or-self::([A-Za-z_][\w.-]{0,30}):Signature\s*\)", re.ASCII)
_ID = re.compile(r"[A-Za-z_][\w.-]{0,199}", re.ASCII)
_SPACE = re.compile(r"[ \t\r\n]+")
_many_attributes = etree.XPath(f"boolean(//@*[{names.MAX_ATTRIBUTES + 1}])")
_INCLUDED = f"{{{names.EXCLUSIVE}}}InclusiveNamespaces"


@dataclass(frozen=True, slots=True)
class Reference:
    """One thing that is signed.

    :ivar uri: '' the document, ``#id``; in a manifest the name of a document.
    :ivar without_signature: the signature itself is taken out first (enveloped).
    :ivar canonical: algorithm; '' when octets are digested as they are.
    """

    uri: str
    type: str
    without_signature: bool
    canonical: str
    prefixes: tuple[str, ...]
    hash: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Info:
    """SignedInfo."""

    canonical: str
    prefixes: tuple[str, ...]
    method: Method
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """A signature that came through.

    :ivar element: where it is in the document.
    :ivar certificates: the first is that of the signer.
    :ivar keys: elements that repeat the key of the signer.
    """

    element: etree._Element
    value: bytes
    certificates: tuple[x509.Certificate, ...]
    keys: tuple[etree._Element, ...]
    objects: tuple[etree._Element, ...]


def refuse(code: str, what: str, check: str = "structure") -> RefusedError:
    """A refusal, by a check."""
    return RefusedError(check, code, what)


def unsigned(what: str = "there is no signature") -> RefusedError:
    """What is said of something without a signature."""
    return RefusedError("structure", "unsigned", what, "absent")


def document(octets: bytes) -> etree._Element:
    """The root of a document that may carry a signature.

    :raises RefusedError: for what is no XML, has a DTD, is too big, or is made to cost time.
    """
    if len(octets) > names.MAX_OCTETS:
        raise refuse("too-large", f"more than {names.MAX_OCTETS >> 20} MiB")
    head = octets[:400].removeprefix(b"\xef\xbb\xbf").lstrip()
    declaration, end, _ = head.partition(b"?>") if head.startswith(b"<?xml") else (b"", b"?>", b"")
    if not end:
        raise refuse("encoding", "its XML declaration does not end where one does")
    # Bounds below are counted in octets, so characters of markup must be one octet each.
    if not head.startswith(b"<") or b"\0" in head or (b"encoding" in declaration and not _ENCODING.match(head)):
        raise refuse("encoding", "it is no XML in UTF-8 or ISO-8859")
    declared = _DECLARATION.findall(octets)
    if len(declared) > names.MAX_NAMESPACES or len(set(declared)) > names.MAX_PREFIXES:
        raise refuse("namespaces", "more namespaces than a document has")
    try:
        root = parse_xml(octets, instructions=True)
    except HubError as error:
        raise refuse("not-xml", error.what) from None
    if any(tag.count(b"=") > names.MAX_ATTRIBUTES for tag in _long_tags(octets)) and _many_attributes(root):
        raise refuse("attributes", f"an element has more than {names.MAX_ATTRIBUTES} attributes")
    return root


def _long_tags(octets: bytes) -> Iterator[bytes]:
    """What stands between two ``<`` that are far apart: an element of many attributes has a long tag, so a document
    without one is spared a walk through its tree."""
    far, at = 5 * names.MAX_ATTRIBUTES, octets.find(b"<")
    while at >= 0:
        following = octets.rfind(b"<", at + 1, at + far)
        if following < 0:
            following = octets.find(b"<", at + far)
            yield octets[at : following if following >= 0 else len(octets)]
        at = following


def the_signature(root: etree._Element) -> etree._Element | None:
    """The one signature of a document, or None.

    :raises RefusedError: when there are several.
    """
    found = list(root.iter(f"{DS}Signature"))
    if len(found) > 1:
        raise refuse("signature-count", f"there are {len(found)} signatures; one is taken")
    return found[0] if found else None


def form(element: etree._Element) -> Form:
    """Take a signature apart.

    :raises RefusedError: for a form that is not taken.
    """
    children = list(element)
    if any(not isinstance(one.tag, str) for one in element.iter()):
        raise refuse("instruction", "there is a processing instruction in the signature")
    if [c.tag for c in children[:3]] != [f"{DS}SignedInfo", f"{DS}SignatureValue", f"{DS}KeyInfo"]:
        raise refuse("signature-shape", "SignedInfo, SignatureValue and KeyInfo do not begin the signature")
    if any(c.tag != f"{DS}Object" for c in children[3:]) or len(children) > 8:
        raise refuse("signature-shape", "there is something after KeyInfo that is no Object")
    if len(etree.tostring(children[0])) > names.MAX_SIGNATURE or len(children[2]) > 2:
        raise refuse("too-large", "SignedInfo or KeyInfo is too big")
    value = base64(children[1], "SignatureValue")
    if not 64 <= len(value) <= 1024:
        raise refuse("signature-value", "SignatureValue has no length that a signature has")
    found, keys = _key_info(children[2])
    return Form(element, value, found, keys, tuple(children[3:]))


def _key_info(element: etree._Element) -> tuple[tuple[x509.Certificate, ...], tuple[etree._Element, ...]]:
    """Certificates; and keys, which must be that of the first: a key by itself names nobody."""
    data = [c for c in element if c.tag == f"{DS}X509Data"]
    keys = tuple(c for c in element if c.tag == f"{DS}KeyValue")
    if len(data) != 1 or len(data) + len(keys) != len(element):
        raise refuse("key-info", "KeyInfo is one X509Data, and at most the KeyValue of its certificate")
    ders: list[bytes] = []
    for one in data[0]:
        if one.tag == f"{DS}X509Certificate":
            ders.append(base64(one, "X509Certificate"))
        elif one.tag not in (f"{DS}X509IssuerSerial", f"{DS}X509SubjectName", f"{DS}X509SKI"):
            raise refuse("key-info", "X509Data holds something else than certificates and their names")
    if not 1 <= len(ders) <= names.MAX_CERTIFICATES:
        raise refuse("key-info", f"X509Data has 1 to {names.MAX_CERTIFICATES} certificates")
    try:
        return tuple(map(certificates.read, ders)), keys
    except ValueError:
        raise refuse("certificate-unreadable", "a certificate of KeyInfo cannot be read") from None


def info(canonical: bytes) -> Info:
    """SignedInfo, read from the octets that are signed.

    :raises RefusedError: for an algorithm or a shape that is not taken.
    """
    element = etree.fromstring(canonical)
    children = list(element)
    tags = [c.tag for c in children]
    if element.tag != f"{DS}SignedInfo" or tags[:2] != [f"{DS}CanonicalizationMethod", f"{DS}SignatureMethod"]:
        raise refuse("signed-info", "SignedInfo does not begin with its two methods")
    if not 1 <= len(children) - 2 <= names.MAX_REFERENCES or set(tags[2:]) != {f"{DS}Reference"}:
        raise refuse("signed-info", f"SignedInfo has 1 to {names.MAX_REFERENCES} references")
    algorithm, prefixes = canonicalization(children[0])
    method = names.METHODS.get(children[1].get("Algorithm") or "")
    if method is None or len(children[1]) or (children[1].text or "").strip():
        raise refuse("signature-algorithm", "the algorithm of the signature is not accepted", "algorithms")
    return Info(algorithm, prefixes, method, tuple(reference(c) for c in children[2:]))


def canonicalization(element: etree._Element) -> tuple[str, tuple[str, ...]]:
    """(algorithm, prefixes that exclusive canonicalisation treats as inclusive) of a method or transform."""
    algorithm = element.get("Algorithm") or ""
    if algorithm not in names.CANONICAL:
        raise refuse("canonicalization", "the canonicalisation is not accepted", "algorithms")
    if not len(element):
        return algorithm, ()
    (child, *more) = element
    listed = (child.get("PrefixList") or "").split()
    if more or algorithm != names.EXCLUSIVE or child.tag != _INCLUDED or len(listed) > names.MAX_PREFIXES:
        raise refuse("canonicalization", "the canonicalisation has parameters that are not known", "algorithms")
    return algorithm, tuple(listed)


def reference(element: etree._Element) -> Reference:
    """A Reference of SignedInfo or of a manifest.

    :raises RefusedError: for a transform, a digest or a shape that is not taken.
    """
    children = list(element)
    transforms = children.pop(0) if children and children[0].tag == f"{DS}Transforms" else None
    if [c.tag for c in children] != [f"{DS}DigestMethod", f"{DS}DigestValue"] or len(children[0]):
        raise refuse("reference", "a Reference is Transforms, DigestMethod and DigestValue")
    uri = element.get("URI")
    if uri is None:
        raise refuse("reference-uri", "a Reference does not say what it is of")
    name = names.DIGESTS.get(children[0].get("Algorithm") or "")
    if name is None:
        raise refuse("digest-algorithm", "the algorithm of a digest is not accepted", "algorithms")
    without, algorithm, prefixes = False, "", ()  # type: bool, str, tuple[str, ...]
    for number, one in enumerate(() if transforms is None else transforms):
        if one.tag != f"{DS}Transform" or number > 1:
            raise refuse("transform", "more or other transforms than are accepted", "algorithms")
        if number == 0 and _takes_signature_out(one):
            without = True
        elif algorithm:
            raise refuse("transform", "two canonicalisations", "algorithms")
        elif one.get("Algorithm") in names.CANONICAL:
            algorithm, prefixes = canonicalization(one)
        else:
            raise refuse("transform", "a transform that is not accepted", "algorithms")
    digest = base64(children[1], "DigestValue")
    return Reference(uri, element.get("Type") or "", without, algorithm, prefixes, name, digest)


def _takes_signature_out(transform: etree._Element) -> bool:
    """The enveloped-signature transform, or the one XPath filter that says the same (EU DSS, eSignSanté)."""
    algorithm = transform.get("Algorithm")
    if algorithm == names.ENVELOPED:
        if len(transform) or (transform.text or "").strip():
            raise refuse("transform", "the enveloped-signature transform has no parameters", "algorithms")
        return True
    if algorithm != names.XPATH:
        return False
    if len(transform) == 1 and transform[0].tag == f"{DS}XPath" and not len(transform[0]):
        match = _WITHOUT.fullmatch((transform[0].text or "").strip())
        if match is not None and transform[0].nsmap.get(match[1]) == names.DS_URI:
            return True
    raise refuse("transform", "an XPath filter that is not accepted", "algorithms")


def base64(element: etree._Element, name: str) -> bytes:
    """The octets that an element holds.

    :raises RefusedError: when it holds anything but base64.
    """
    text = element.text or ""
    if len(element) or len(text) > names.MAX_SIGNATURE:
        raise refuse("base64", f"{name} holds something else than base64")
    try:
        return binascii.a2b_base64(_SPACE.sub("", text), strict_mode=True)
    except (binascii.Error, ValueError):
        raise refuse("base64", f"{name} is no base64") from None


def ids(element: etree._Element) -> Iterator[str]:
    """Every identifier of an element and of what is in it."""
    for one in element.iter(etree.Element):
        for name in names.IDS:
            value = one.get(name)
            if value is not None:
                yield value


def fragment(uri: str) -> str:
    """The id of ``#id``.

    :raises RefusedError: for an address outside the document, or an expression.
    """
    if not uri.startswith("#") or not _ID.fullmatch(uri[1:]):
        raise refuse("reference-uri", "a Reference leads out of the document, or is no plain id")
    return uri[1:]
