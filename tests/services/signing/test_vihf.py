"""VIHF: SAML 2.0 assertions of the CI-SIS, signed by a card or by an establishment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from lxml import etree

from hub.services.signing import build, gate

from . import forge
from .conftest import Bench
from .forge import ds, edited
from .pki import DOCTOR, OTHER, STRUCTURE

NOW = datetime.now(UTC)
SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"


def assertion(who: str = DOCTOR, structure: str = STRUCTURE, mode: str = "INDIRECTE", at: datetime | None = None,
              until: datetime | None = None) -> bytes:  # fmt: skip
    at = at or datetime.now(UTC)
    until = until or at + timedelta(minutes=5)
    return f"""<saml:Assertion xmlns:saml="{SAML[1:-1]}" ID="_a1" IssueInstant="{forge.stamp(at)}" Version="2.0"
><saml:Issuer>CN=x</saml:Issuer><saml:Subject><saml:NameID>{who}</saml:NameID></saml:Subject>
<saml:Conditions NotBefore="{forge.stamp(at - timedelta(seconds=30))}" NotOnOrAfter="{forge.stamp(until)}"/>
<saml:AttributeStatement><saml:Attribute Name="Identifiant_Structure"><saml:AttributeValue
>{structure}</saml:AttributeValue></saml:Attribute
><saml:Attribute Name="Authentification_mode"><saml:AttributeValue>{mode}</saml:AttributeValue
></saml:Attribute><saml:Attribute Name="urn:oasis:names:tc:xacml:2.0:subject:role"><saml:AttributeValue
><Role xmlns="urn:hl7-org:v3" code="10" codeSystem="1.2.250.1.71.1.2.7"/></saml:AttributeValue></saml:Attribute
></saml:AttributeStatement></saml:Assertion>""".encode()


def sign(bench: Bench, octets: bytes, leaf: str) -> bytes:
    pair = bench.pki[leaf]
    prepared = build.prepare_enveloped(gate.document(octets), pair.chain, datetime.now(UTC))
    return build.complete(prepared.octets, pair.sign(prepared.to_sign))


def in_soap(octets: bytes) -> bytes:
    root = etree.fromstring(
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header><w:Security xmlns:w="http://docs.'
        b'oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"/></s:Header><s:Body/></s:Envelope>'
    )
    root[0][0].append(etree.fromstring(octets))
    return forge.octets_of(root)


@pytest.mark.parametrize(("leaf", "mode"), [("doctor", "DIRECTE"), ("auth", "DIRECTE"), ("seal", "INDIRECTE")])
@pytest.mark.parametrize("wrapped", [False, True])
def test_good_ones(bench: Bench, leaf: str, mode: str, wrapped: bool) -> None:
    octets = sign(bench, assertion(mode=mode), leaf)
    found = bench.judge(in_soap(octets) if wrapped else octets, names={"session": DOCTOR})
    assert found.verdict.valid, found.verdict
    assert found.facts["subject"] == DOCTOR
    role = found.facts["attributes"]["urn:oasis:names:tc:xacml:2.0:subject:role"]
    assert role == [{"code": "10", "codeSystem": "1.2.250.1.71.1.2.7"}]


def test_what_is_not_taken(bench: Bench) -> None:
    good = sign(bench, assertion(), "seal")
    bench.refused(good.replace(b'code="10"', b'code="60"'), "digest")
    bench.refused(good, "binding", names={"session": OTHER})
    bench.refused(sign(bench, assertion(who=OTHER, mode="DIRECTE"), "doctor"), "binding")
    bench.refused(sign(bench, assertion(who=""), "doctor"), "subject")
    bench.refused(sign(bench, assertion(mode="DIRECTE"), "seal"), "binding")
    bench.refused(sign(bench, assertion(), "seal-elsewhere"), "binding")
    bench.refused(sign(bench, assertion(), "revoked"), "revoked")
    late = datetime.now(UTC) - timedelta(hours=2)
    bench.refused(sign(bench, assertion(at=late, until=late + timedelta(days=1)), "seal"), "signing-time-old")
    gone = datetime.now(UTC) - timedelta(minutes=30)
    bench.refused(sign(bench, assertion(at=gone), "seal"), "conditions")


def test_without_a_signature(bench: Bench) -> None:
    assert bench.judge(assertion()).verdict.status == "absent"


def test_a_comment_in_the_name(bench: Bench) -> None:
    octets = sign(bench, assertion(), "seal").replace(
        DOCTOR.encode(), DOCTOR[:4].encode() + b"<!--x-->" + DOCTOR[4:].encode()
    )
    assert bench.judge(octets).facts["subject"] == DOCTOR


def test_wrapped(bench: Bench) -> None:
    """XSW: the good assertion inside the signature of a bad one, beside it, or under another header."""
    good = sign(bench, assertion(), "seal")

    def inside(root):
        signature = root.find(ds("Signature"))
        bad = forge.copied(root)
        root.remove(signature)
        root.set("ID", "_evil")
        root.find(f".//{SAML}NameID").text = OTHER
        etree.SubElement(signature, ds("Object")).append(bad)
        root.insert(1, signature)

    bench.refused(edited(good, inside), "assertion")
    twice = forge.tree(in_soap(good))
    twice[0][0].append(forge.copied(twice[0][0][0]))
    bench.refused(forge.octets_of(twice), "assertion")
    moved = forge.tree(in_soap(good))
    moved[1].append(moved[0][0][0])
    bench.refused(forge.octets_of(moved), "assertion")

    def later(root):
        root.append(root.find(ds("Signature")))

    bench.refused(edited(good, later), "signature-place")


def test_an_id_twice_around_it(bench: Bench) -> None:
    root = forge.tree(in_soap(sign(bench, assertion(), "seal")))
    root[1].set("ID", "_a1")
    assert bench.judge(forge.octets_of(root)).verdict.valid  # what is taken is the assertion in its place alone
