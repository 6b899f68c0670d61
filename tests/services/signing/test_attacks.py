"""Attacks on signed documents: every one is refused, each by the rule that is meant for it.

W3C XML Signature Best Practices (2013); McIntosh & Austel, "XML signature element wrapping attacks" (2005);
Somorovsky et al., "On breaking SAML" (2012); advisories GHSA-6vx8-pcwv-xhf4, GHSA-gmhf-gg8w-jw42, CVE-2025-66567.
"""

from __future__ import annotations

import re
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from hub.services.signing import gate

from . import forge
from .conftest import Bench
from .forge import C14N, DS, ENV, EXC, XPATH, ds, edited, reference, xa
from .pki import DOCTOR, OTHER

V3 = "{urn:hl7-org:v3}"


def test_a_good_one_is_taken(bench: Bench) -> None:
    """Otherwise the others would prove nothing."""
    for leaf in ("doctor", "doctor-ec"):
        found = bench.judge(bench.sign(leaf))
        assert found.verdict.valid, found.verdict
        assert found.signer is not None
        assert found.signer.id == DOCTOR
        assert found.root.tag == f"{V3}ClinicalDocument"
        assert not list(found.root.iter(ds("Signature")))


def test_a_changed_value(bench: Bench) -> None:
    bench.refused(bench.sign().replace(b"<title>", b"<title>Not ", 1), "digest")


def test_taken_away(bench: Bench) -> None:
    found = bench.judge(edited(bench.sign(), lambda root: root.remove(root.find(ds("Signature")))))
    assert (found.verdict.status, found.verdict.code, dict(found.documents)) == ("absent", "unsigned", {})


def _wrapped(signed: bytes, keep_id: bool) -> bytes:
    """The good document inside a new root."""
    good = forge.tree(signed)
    bad = forge.copied(good)
    bad.remove(bad.find(ds("Signature")))
    bad.find(f"{V3}title").text = "another"
    signature = good.find(ds("Signature"))
    if not keep_id:
        good.attrib.pop("ID", None)
    bad.append(signature)
    etree.SubElement(signature, ds("Object")).append(good)
    return forge.octets_of(bad)


@pytest.mark.parametrize("keep_id", [True, False])
def test_wrapped_into_a_new_root(bench: Bench, keep_id: bool) -> None:
    bench.refused(_wrapped(bench.sign(), keep_id), "signature-shape")


def _with_id(octets: bytes, value: str = "doc") -> bytes:
    return octets.replace(b"<ClinicalDocument", f'<ClinicalDocument ID="{value}"'.encode(), 1)


def test_by_id_of_the_root(bench: Bench) -> None:
    """A reference to the id of the root is as good as an empty one."""
    assert bench.judge(bench.sign(octets=_with_id(bench.cda), uri="#doc")).verdict.valid


def test_wrapped_by_id(bench: Bench) -> None:
    """The signed element is moved away, and another takes its place."""
    good = forge.tree(bench.sign(octets=_with_id(bench.cda), uri="#doc"))
    signature = good.find(ds("Signature"))
    good.remove(signature)
    bad = forge.tree(bench.cda.replace(b"<title>", b"<title>Not ", 1))
    bad.append(signature)
    etree.SubElement(bad, f"{V3}component").append(good)
    bench.refused(forge.octets_of(bad), "reference-set")
    bad.set("ID", "doc")
    bench.refused(forge.octets_of(bad), "digest")


@pytest.mark.parametrize("front", [True, False])
def test_two_signatures(bench: Bench, front: bool) -> None:
    def twice(root):
        root.insert(0 if front else len(root), forge.copied(root.find(ds("Signature"))))

    bench.refused(edited(bench.sign(), twice), "signature-count")


def test_nested_elsewhere(bench: Bench) -> None:
    """A signature that holds, but not where it belongs."""
    signed = bench.sign(where=lambda root: root.find(f"{V3}component"))
    bench.refused(signed, "signature-place")


def test_a_second_set_of_properties(bench: Bench) -> None:
    def forge_time(root):
        held = root.find(f".//{xa('QualifyingProperties')}")
        second = forge.copied(held)
        second.find(f".//{xa('SigningTime')}").text = "2020-01-01T00:00:00Z"
        etree.SubElement(root.find(ds("Signature")), ds("Object")).append(second)

    bench.refused(edited(bench.sign(), forge_time), "signed-properties")


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        ("rogue", "untrusted"), ("self-signed", "key-info"), ("expired", "expired"), ("not-yet", "not-yet-valid"),
        ("revoked", "revoked"), ("weak", "weak-key"), ("curve", "weak-key"), ("auth", "key-usage"),
        ("other", "binding"), ("seal", "not-a-person"), ("policy", "policy"), ("bait", "identity"),
        ("person-by-org", "untrusted"),
    ],
)  # fmt: skip
def test_who_may_not_sign(bench: Bench, leaf: str, code: str) -> None:
    if leaf == "self-signed":
        signed, code = bench.sign(leaf, certificates=[bench.pki[leaf].certificate]), "untrusted"
    else:
        signed = bench.sign(leaf)
    bench.refused(signed, code)


def test_sha1_digest(bench: Bench) -> None:
    bench.refused(bench.sign(digest="sha1"), "digest-algorithm")
    bench.refused(bench.sign(digest="md5"), "digest-algorithm")


def test_sha1_signature(bench: Bench) -> None:
    bench.refused(bench.sign(method=forge.RSA_SHA1), "signature-algorithm")


@pytest.mark.parametrize("length", [None, "0", "8"])
def test_hmac_with_the_public_key(bench: Bench, length: str | None) -> None:
    def truncate(info):
        if length is not None:
            etree.SubElement(info.find(ds("SignatureMethod")), ds("HMACOutputLength")).text = length

    signed = bench.sign(method=forge.HMAC_SHA256, info=truncate)
    found = bench.judge(signed)
    assert found.verdict.code in ("signature-algorithm", "signature-value")
    assert not found.verdict.valid


def test_the_algorithm_of_another_kind_of_key(bench: Bench) -> None:
    bench.refused(bench.sign("doctor-ec", method=forge.RSA_SHA256), "signature-algorithm")
    bench.refused(bench.sign(method=forge.ECDSA_SHA256), "signature-algorithm")


def _key_value(element, pair, number=None):
    public = pair.certificate.public_key().public_numbers()
    value = etree.SubElement(etree.SubElement(element.find(ds("KeyInfo")), ds("KeyValue")), ds("RSAKeyValue"))
    modulus = public.n if number is None else number
    etree.SubElement(value, ds("Modulus")).text = forge.b64(modulus.to_bytes(256, "big"))
    etree.SubElement(value, ds("Exponent")).text = forge.b64(b"\x01\x00\x01")


def test_a_key_without_a_certificate(bench: Bench) -> None:
    def only_key(element):
        key = element.find(ds("KeyInfo"))
        key.remove(key[0])
        _key_value(element, bench.pki["doctor"])

    bench.refused(bench.sign(before=only_key), "key-info")


def test_a_key_beside_the_certificate(bench: Bench) -> None:
    """A KeyValue may repeat the key of the certificate; another is refused."""
    pair = bench.pki["doctor"]
    assert bench.judge(bench.sign(before=lambda e: _key_value(e, pair))).verdict.valid
    bench.refused(bench.sign(before=lambda e: _key_value(e, pair, 3)), "key-info")


def _transform(info, algorithm: str, inner: str = "") -> None:
    listed = info.find(f"{ds('Reference')}/{ds('Transforms')}")
    one = etree.SubElement(listed, ds("Transform"), Algorithm=algorithm)
    if inner:
        one.append(etree.fromstring(inner))


XSLT = (
    '<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
    '<xsl:template match="/"><x/></xsl:template></xsl:stylesheet>'
)


@pytest.mark.parametrize(
    ("algorithm", "inner"),
    [
        ("http://www.w3.org/TR/1999/REC-xslt-19991116", XSLT),
        (XPATH, f'<XPath xmlns="{DS}">not(ancestor-or-self::title)</XPath>'),
        (DS + "base64", ""),
        ("http://www.w3.org/2002/06/xmldsig-filter2", '<XPath xmlns="urn:x" Filter="subtract">//*</XPath>'),
        ("http://www.w3.org/2002/07/decrypt#XML", ""),
        (EXC + "WithComments", ""),
        (C14N + "#WithComments", ""),
        ("urn:unknown", ""),
        ("", ""),
        (ENV, ""),
    ],
)
def test_transforms(bench: Bench, algorithm: str, inner: str) -> None:
    bench.refused(bench.sign(info=lambda i: _transform(i, algorithm, inner), transforms=[ENV]), "transform")


@pytest.mark.parametrize(
    "expression",
    ["not(ancestor-or-self::ds:Signature) and self::text()", "true()", "not(ancestor-or-self::ds:Signature",
     "not(ancestor-or-self::x:Signature)", "self::node()"],
)  # fmt: skip
def test_other_filters_than_the_one_of_dss(bench: Bench, expression: str) -> None:
    inner = f'<ds:XPath xmlns:ds="{DS}" xmlns:x="urn:x">{expression}</ds:XPath>'
    signed = bench.sign(transforms=[], info=lambda i: _filtered(i, inner))
    bench.refused(signed, "transform")


def _filtered(info, inner: str) -> None:
    one = info.find(ds("Reference"))
    listed = etree.Element(ds("Transforms"))
    etree.SubElement(listed, ds("Transform"), Algorithm=XPATH).append(etree.fromstring(inner))
    etree.SubElement(listed, ds("Transform"), Algorithm=EXC)
    one.insert(0, listed)


def test_the_filter_of_dss(bench: Bench) -> None:
    """EU DSS and eSignSanté write the enveloped-signature transform as an XPath filter."""
    root = forge.tree(bench.cda)
    inner = f'<ds:XPath xmlns:ds="{DS}">not(ancestor-or-self::ds:Signature)</ds:XPath>'
    signed = bench.sign(transforms=[], data=forge.c14n(root), info=lambda i: _filtered(i, inner))
    assert bench.judge(signed).verdict.valid


@pytest.mark.parametrize(
    "uri",
    ["http://127.0.0.1:{port}/x", "file:///etc/passwd", "/etc/passwd", "#xpointer(/)", "#xpointer(id('doc'))", "x.xml",
     "#element(/1)", "ftp://127.0.0.1/", "cid:x", "#"],
)  # fmt: skip
def test_addresses(bench: Bench, uri: str) -> None:
    """Nothing outside the document is signed, and nobody is called."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0)
        uri = uri.format(port=trap.getsockname()[1])
        bench.refused(bench.sign(uri=uri), "reference-set")

        def more(info):
            reference(info, uri, b"", [EXC])

        bench.refused(bench.sign(info=more), "reference-uri")
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_no_address(bench: Bench) -> None:
    bench.refused(bench.sign(info=lambda i: i.find(ds("Reference")).attrib.pop("URI")), "reference-uri")


def test_retrieval_method(bench: Bench) -> None:
    def retrieve(element):
        etree.SubElement(element.find(ds("KeyInfo")), ds("RetrievalMethod"), URI="http://127.0.0.1:9/c")

    bench.refused(bench.sign(before=retrieve), "key-info")


@pytest.mark.parametrize("name", ["ID", "Id", "id", "{http://www.w3.org/XML/1998/namespace}id"])
def test_an_id_twice(bench: Bench, name: str) -> None:
    """An element of the narrative has the id that the signature refers to."""
    root = forge.tree(bench.cda)
    root.find(f"{V3}title").set(name, "props")
    bench.refused(bench.sign(octets=forge.octets_of(root)), "duplicate-id")


@pytest.mark.parametrize("before", [True, False])
def test_instructions_beside_the_root(bench: Bench, before: bool) -> None:
    signed = bench.sign()
    more = b'<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:9/x.xsl"?>'
    at = signed.index(b"<ClinicalDocument") if before else len(signed)
    bench.refused(signed[:at] + more + signed[at:], "beside-root")


def test_instructions_in_the_signature(bench: Bench) -> None:
    signed = bench.sign().replace(b"<ds:SignatureValue>", b"<ds:SignatureValue><?x y?>")
    bench.refused(signed, "instruction")


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%b">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8))
    + b"]>"
)


@pytest.mark.parametrize(
    "dtd", [b'<!DOCTYPE x [<!ENTITY e "MULLER">]>', b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">', BOMB,
            b"<!--x--><!DOCTYPE x>", b'<!DOCTYPE x [<!ATTLIST ClinicalDocument ID ID "doc">]>'],
)  # fmt: skip
def test_dtd(bench: Bench, dtd: bytes) -> None:
    signed = bench.sign()
    at = signed.index(b"<ClinicalDocument")
    bench.refused(signed[:at] + dtd + signed[at:], "not-xml")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-7", "utf-32", "cp037"])
@pytest.mark.parametrize("declared", [True, False])
def test_encodings(bench: Bench, encoding: str, declared: bool) -> None:
    """Markup must be what it looks like, octet for octet."""
    text = bench.sign().decode()
    text = re.sub(r"encoding='[^']*'", f"encoding='{encoding}'" if declared else "", text)
    text = text.replace("<ClinicalDocument", "<!DOCTYPE x><ClinicalDocument", 1)
    found = bench.judge(text.encode(encoding))
    assert not found.verdict.valid
    assert found.verdict.code in ("encoding", "not-xml")


def test_a_declaration_that_hides_its_encoding(bench: Bench) -> None:
    """What stands behind many blanks is read by the parser as well."""
    signed = bench.sign().replace(b" encoding='UTF-8'", b" " * 500 + b"encoding='utf-7'", 1)
    bench.refused(signed, "encoding")


def test_no_declaration(bench: Bench) -> None:
    """The word in a namespace is no declaration."""
    signed = bench.sign()
    bare = signed[signed.index(b"<ClinicalDocument") :]
    assert bench.judge(bare).verdict.valid
    assert bench.judge(bare.replace(b"<ClinicalDocument", b'<ClinicalDocument xmlns:e="urn:encoding"', 1)).verdict.valid


def test_latin_letters(bench: Bench) -> None:
    """ISO-8859-1 is read as what it says; the canonical form is UTF-8."""
    text = bench.sign().decode().replace("encoding='UTF-8'", "encoding='ISO-8859-1'")
    found = bench.judge(text.encode("iso-8859-1", "xmlcharrefreplace"))
    assert found.verdict.valid
    assert found.octets == bench.judge(bench.sign()).octets


@pytest.mark.parametrize(
    ("away", "code"),
    [
        (timedelta(days=-3), "signing-time-old"), (timedelta(minutes=10), "signing-time-future"),
        (timedelta(days=365), "signing-time-future"),
    ],
)  # fmt: skip
def test_times_that_cannot_be(bench: Bench, away: timedelta, code: str) -> None:
    bench.refused(bench.sign(at=datetime.now(UTC) + away), code)


@pytest.mark.parametrize("away", [timedelta(minutes=4), timedelta(hours=-47)])
def test_times_that_can_be(bench: Bench, away: timedelta) -> None:
    assert bench.judge(bench.sign(at=datetime.now(UTC) + away)).verdict.valid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-11-20T09:30:00",
        "2026-13-45T00:00:00Z",
        "9" * 5000,
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
    ],
)
def test_times_that_are_none(bench: Bench, text: str) -> None:
    def set_time(element):
        element.find(f".//{xa('SigningTime')}").text = text

    bench.refused(bench.sign(before=set_time), "signing-time")


def test_without_xades(bench: Bench) -> None:
    bench.refused(bench.sign(xades=False), "signed-properties")


def test_properties_that_are_not_signed(bench: Bench) -> None:
    def forget(info):
        info.remove(info.findall(ds("Reference"))[1])

    bench.refused(bench.sign(info=forget), "reference-set")


def test_another_certificate_with_the_same_key(bench: Bench) -> None:
    """SigningCertificateV2 ties the signature to one certificate (EN 319 132-1 §5.2.2)."""
    from .pki import leaf, person

    twin = leaf(person(), bench.pki.persons, key=bench.pki["doctor"].key)
    bench.refused(bench.sign(certificates=twin.chain[:2]), "signing-certificate")


def test_another_certificate_in_key_info(bench: Bench) -> None:
    other = bench.pki["other"].chain[:2]
    bench.refused(bench.sign(certificates=other), "signature")
    both = [*other, *bench.pki["doctor"].chain[:2]]
    bench.refused(bench.sign(certificates=both), "signature")


@pytest.mark.parametrize("count", [0, 5])
def test_too_few_and_too_many_certificates(bench: Bench, count: int) -> None:
    bench.refused(bench.sign(certificates=[bench.pki["doctor"].certificate] * count), "key-info")


def test_a_comment_changes_nothing(bench: Bench) -> None:
    """What is read is what was signed: ``MUL<!---->LER`` is MULLER, not MUL."""
    octets = bench.cda.replace(b"<title>", b"<title>MULLER ", 1)
    signed = bench.sign(octets=octets).replace(b"<title>MULLER", b"<title>MUL<!--x-->LER", 1)
    found = bench.judge(signed)
    assert found.verdict.valid
    assert (found.root.findtext(f"{V3}title") or "").startswith("MULLER")
    assert found.octets == bench.judge(bench.sign(octets=octets)).octets


def test_a_comment_in_who_signed(bench: Bench) -> None:
    """The legalAuthenticator is an attribute; a comment cannot cut it, an instruction breaks the digest."""
    bench.refused(bench.sign().replace(b"<legalAuthenticator>", b"<legalAuthenticator><?x?>", 1), "digest")


def test_two_who_answer(bench: Bench) -> None:
    one = bench.cda[bench.cda.index(b"<legalAuthenticator") : bench.cda.index(b"</legalAuthenticator>") + 21]
    twice = bench.cda.replace(one, one.replace(DOCTOR.encode(), OTHER.encode()) + one, 1)
    bench.refused(bench.sign(octets=twice), "binding")


def test_references(bench: Bench) -> None:
    """The document once, its properties once, nothing else."""
    bench.refused(bench.sign(info=lambda i: i.append(forge.copied(i[2]))), "reference-set")
    bench.refused(bench.sign(info=lambda i: i.append(forge.copied(i[3]))), "reference-set")
    bench.refused(bench.sign(info=lambda i: [i.append(forge.copied(i[3])) for _ in range(9)]), "signed-info")
    bench.refused(bench.sign(info=lambda i: reference(i, "#nobody", b"x", [EXC])), "reference-target")
    bench.refused(bench.sign(info=lambda i: i.remove(i[2])), "reference-set")
    bench.refused(bench.sign(info=lambda i: i[3].attrib.pop("Type")), "reference-target")
    bench.refused(bench.sign(transforms=[EXC]), "reference-set")


@pytest.mark.parametrize("where", ["SignedInfo", "Reference", "DigestMethod", "CanonicalizationMethod", "Transforms",
                                   "DigestValue", "SignatureMethod"])  # fmt: skip
def test_elements_that_nobody_knows(bench: Bench, where: str) -> None:
    def add(info):
        target = info if where == "SignedInfo" else next(info.iter(ds(where)))
        etree.SubElement(target, "{urn:x}y")

    assert not bench.judge(bench.sign(info=add)).verdict.valid
    assert bench.judge(bench.sign(info=add)).verdict.code not in ("unreadable", "signature", "digest")


@pytest.mark.parametrize("part", ["SignatureValue", "DigestValue", "X509Certificate"])
@pytest.mark.parametrize("text", ["", "!", "AAAA AAAA=A", "QQ==QQ==", "\u00e9", "A" * 3_000_000])
def test_what_is_no_base64(bench: Bench, part: str, text: str) -> None:
    def spoil(root):
        next(root.iter(ds(part))).text = text

    assert not bench.judge(edited(bench.sign(), spoil)).verdict.valid


def test_objects_that_nobody_asked_for(bench: Bench) -> None:
    bench.refused(bench.sign(before=lambda e: etree.SubElement(e, ds("Object"))), "signature-shape")
    bench.refused(bench.sign(before=lambda e: etree.SubElement(e, "{urn:x}y")), "signature-shape")


def test_a_signature_of_another_namespace(bench: Bench) -> None:
    found = bench.judge(bench.sign().replace(DS.encode(), b"http://www.w3.org/2000/09/xmldsig"))
    assert found.verdict.status == "absent"


def test_a_namespace_on_the_way(bench: Bench) -> None:
    """A declaration that is put around the signature changes what inclusive canonicalisation digests, not what
    exclusive does; it never changes what is read."""
    put = bench.sign().replace(b"<ClinicalDocument", b'<ClinicalDocument xmlns:evil="urn:evil"', 1)
    found = bench.judge(put)
    assert found.verdict.valid
    assert b"evil" not in found.octets
    inclusive = bench.sign(transforms=[ENV, C14N], algorithm=C14N)
    assert not bench.judge(
        inclusive.replace(b"<ClinicalDocument", b'<ClinicalDocument xmlns:evil="urn:evil"', 1)
    ).verdict.valid


def test_relative_namespaces_have_no_canonical_form(bench: Bench) -> None:
    """libxml2 makes none: nothing, digested, must not be the same for every document (CVE-2025-66567)."""
    empty = b""
    octets = bench.cda.replace(b"<title>", b'<title xmlns:r="relative/uri">', 1)
    assert not bench.judge(bench.sign(octets=octets, data=empty)).verdict.valid


def test_inherited_xml_attributes(bench: Bench) -> None:
    """libxml2 does not inherit xml:lang for a part of a document, as Canonical XML 1.0 asks: it is refused."""
    octets = bench.cda.replace(b"<ClinicalDocument", b'<ClinicalDocument xml:lang="fr"', 1)
    bench.refused(bench.sign(octets=octets, transforms=[ENV, C14N], algorithm=C14N), "canonicalization")


def _many_namespaces(number: int) -> bytes:
    names = b" ".join(b'xmlns:n%d="urn:%d"' % (n, n) for n in range(number))
    return b"<ClinicalDocument xmlns='urn:hl7-org:v3' " + names + b">" + b"".join(
        b"<n%d:x/>" % n for n in range(number)
    ) + b"</ClinicalDocument>"  # fmt: skip


HEAVY = {
    "namespaces": _many_namespaces(2000),
    "redeclared": b"<a>" + b"<b xmlns='urn:x'/>" * 5000 + b"</a>",
    "attributes": b"<a " + b" ".join(b'x%d="1"' % n for n in range(20_000)) + b"/>",
    "deep": b"<a>" * 10_000 + b"</a>" * 10_000,
    "signatures": b"<a>" + b"<Signature xmlns='%b'/>" % DS.encode() * 900 + b"</a>",
    "text": b"<a>" + b"x" * 30_000_000 + b"</a>",
    "empty": b"",
    "zeros": b"\0" * 100_000,
    "half": b"<a><b",
    "json": b"[" * 100_000,
    "zip": b"PK\x03\x04" + b"\0" * 1000,
}


@pytest.mark.parametrize("name", HEAVY)
def test_what_is_made_to_cost_time(bench: Bench, name: str) -> None:
    """Refused before anything is computed; the bound is of processor time, wide for a busy machine."""
    before = time.process_time()
    assert not bench.judge(HEAVY[name]).verdict.valid
    assert time.process_time() - before < 2


def test_no_attack_costs_ten_times_a_good_one(bench: Bench) -> None:
    """Processor time of each of the above against that of a good document of the same size."""
    good = bench.sign(octets=forge.cda(bench.cda.replace(b"<title>", b"<title>" + b"x" * 200_000, 1)))
    heavy = [_many_namespaces(n) for n in (60, 900)]
    heavy.append(b"<a " + b" ".join(b'x%d="%b"' % (n, b"y" * 800) for n in range(250)) + b"/>")
    heavy.append(bench.sign(octets=heavy[0].replace(b"xmlns='urn", b"xmlns='urn")))
    heavy.append(bench.sign(octets=heavy[0], transforms=[ENV, C14N], algorithm=C14N))
    least = min(_cost(bench, good) for _ in range(5))
    for one in heavy:
        assert min(_cost(bench, one) for _ in range(3)) < 10 * least + 0.05


def _cost(bench: Bench, octets: bytes) -> float:
    before = time.process_time()
    bench.judge(octets)
    return time.process_time() - before


@given(st.lists(st.sampled_from([b"<", b"=", b"x" * 300, b"=" * 600, b">" * 1279, b"y" * 1281]), max_size=30))
def test_long_tags_are_found(parts: list[bytes]) -> None:
    """As cutting the document at every ``<`` would find them."""
    octets = b"<" + b"".join(parts)
    long = [b"<" + piece for piece in octets[1:].split(b"<") if len(piece) > 1281]
    found = list(gate._long_tags(octets))
    assert all(one in found for one in long)


def test_the_session_is_the_signer(bench: Bench) -> None:
    """Certificate or PSC identity = signer = legalAuthenticator."""
    assert bench.judge(bench.sign(), names={"session": DOCTOR}).verdict.valid
    bench.refused(bench.sign(), "binding", names={"session": OTHER})


def test_a_signature_that_came_before(bench: Bench) -> None:
    seen: set[str] = set()

    def came(digest: str) -> bool:
        before = digest in seen
        seen.add(digest)
        return before

    signed = bench.sign()
    assert bench.judge(signed, seen=came).verdict.valid
    bench.refused(signed, "replay", seen=came)
    assert bench.judge(bench.sign("doctor-ec"), seen=came).verdict.valid
