"""Other makers of XML signatures: what they sign is verified here, what is signed here they verify.

signxml (Python), xmlsec1 (C, libxmlsec) and the JDK (Apache Santuario); those that are not there are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from signxml import (
    CanonicalizationMethod,
    DigestAlgorithm,
    SignatureConfiguration,
    SignatureMethod,
    XMLVerifier,
    methods,
)
from signxml.xades import XAdESDataObjectFormat, XAdESSigner

from hub.services.signing import build

from . import forge
from .conftest import Bench
from .forge import C14N, DS, EXC, XA, ds
from .pki import Pair, pem

XML = (
    '<record xmlns="urn:test" xmlns:x="urn:x"><x:name>Élise &amp; C°</x:name><a x:b="1" c="2"/> tail</record>'.encode()
)


class Sealer:
    """A pair as a sealer."""

    def __init__(self, pair: Pair) -> None:
        self.chain, self.sign = pair.chain, pair.sign


def ours(bench: Bench) -> dict[str, tuple[bytes, Pair]]:
    """One document of each form that the hub writes."""
    now = datetime.now(UTC)
    made = {}
    for leaf in ("seal", "seal-ec"):
        pair = bench.pki[leaf]
        made[f"enveloped-{leaf}"] = (build.seal_document(XML, Sealer(pair), now), pair)
        documents = {"urn:oid:1.2.3": b"%PDF", "urn:oid:1.2.4": XML}
        made[f"dsg-{leaf}"] = (build.seal_documents(documents, Sealer(pair), now, submission="1.2.9"), pair)
    return made


FORMS = ("enveloped-seal", "enveloped-seal-ec", "dsg-seal", "dsg-seal-ec")


@pytest.mark.parametrize("name", FORMS)
def test_signxml_verifies_ours(bench: Bench, name: str) -> None:
    octets, pair = ours(bench)[name]
    config = SignatureConfiguration(
        location="./" if name.startswith("e") else ".//", expect_references=2 if name.startswith("e") else 3
    )
    found = XMLVerifier().verify(octets, x509_cert=pair.certificate, validate_schema=False, expect_config=config)
    assert len(found) == config.expect_references


@pytest.mark.parametrize("name", FORMS)
def test_xmlsec1_verifies_ours(bench: Bench, name: str, tmp_path: Path) -> None:
    if not shutil.which("xmlsec1"):
        pytest.skip("xmlsec1 is not installed (apt-get install xmlsec1)")
    octets, _ = ours(bench)[name]
    assert _xmlsec1(bench, octets, tmp_path)
    assert not _xmlsec1(bench, octets.replace(b"SigningTime>20", b"SigningTime>19"), tmp_path)


def _xmlsec1(bench: Bench, octets: bytes, folder: Path) -> bool:
    (folder / "f.xml").write_bytes(octets)
    (folder / "root.pem").write_bytes(pem(bench.pki.root_org.certificate))
    (folder / "ca.pem").write_bytes(pem(bench.pki.organisations.certificate))
    ids = [f"{XA}:SignedProperties", f"{DS}:Manifest", f"{DS}:SignatureProperty"]
    done = subprocess.run(
        ["xmlsec1", "--verify", "--enabled-key-data", "x509", "--enabled-reference-uris", "empty,same-doc",
         "--ignore-manifests", "--trusted-pem", "root.pem", "--untrusted-pem", "ca.pem",
         *(part for one in ids for part in ("--id-attr:Id", one)), "f.xml"],
        cwd=folder, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode == 0


@pytest.fixture(scope="session")
def jdk(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs Xml.java."""
    if not shutil.which("javac") or not shutil.which("java"):
        pytest.skip("there is no JDK")
    folder = tmp_path_factory.mktemp("jdk")
    source = Path(__file__).with_name("Xml.java")
    subprocess.run(["javac", "-d", str(folder), str(source)], check=True, capture_output=True, timeout=110)
    return ["java", "-cp", str(folder), "Xml"]


@pytest.mark.parametrize("name", FORMS)
def test_the_jdk_verifies_ours(bench: Bench, name: str, jdk: list[str], tmp_path: Path) -> None:
    octets, pair = ours(bench)[name]
    (tmp_path / "c.der").write_bytes(pair.certificate.public_bytes(serialization.Encoding.DER))
    for changed, expected in ((octets, "valid"), (octets.replace(b"SigningTime>20", b"SigningTime>19"), "invalid")):
        (tmp_path / "f.xml").write_bytes(changed)
        done = subprocess.run(
            [*jdk, "verify", "f.xml", "c.der"], cwd=tmp_path, capture_output=True, check=True, timeout=60
        )
        assert done.stdout.decode().strip() == expected


@pytest.mark.parametrize("algorithm", [EXC, C14N, "http://www.w3.org/2006/12/xml-c14n11"])
def test_what_the_jdk_signs(bench: Bench, jdk: list[str], tmp_path: Path, algorithm: str) -> None:
    pair = bench.pki["doctor"]
    (tmp_path / "f.xml").write_bytes(bench.cda)
    (tmp_path / "c.der").write_bytes(pair.certificate.public_bytes(serialization.Encoding.DER))
    key = pair.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "k.der").write_bytes(key)
    command = [*jdk, "sign", "f.xml", "k.der", "c.der", "out.xml", algorithm]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60)
    found = bench.judge((tmp_path / "out.xml").read_bytes())
    assert found.verdict.valid, found.verdict


@pytest.mark.parametrize("algorithm", [C14N, "http://www.w3.org/2006/12/xml-c14n11"])
def test_what_signxml_signs(bench: Bench, algorithm: str) -> None:
    """signxml signs its KeyInfo as well, and repeats the key."""
    pair = bench.pki["doctor"]
    signer = XAdESSigner(
        method=methods.enveloped, signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA512, c14n_algorithm=CanonicalizationMethod(algorithm),
        data_object_format=XAdESDataObjectFormat("CDA R2", "text/xml"),
    )  # fmt: skip
    octets = forge.octets_of(signer.sign(forge.tree(bench.cda), key=pair.key, cert=list(pair.chain[:2])))
    found = bench.judge(octets)
    assert found.verdict.valid, found.verdict
    assert not bench.judge(octets.replace(b"<title>", b"<title>x", 1)).verdict.valid


@pytest.mark.parametrize(
    ("leaf", "method"),
    [("doctor", SignatureMethod.SHA256_RSA_MGF1), ("doctor", SignatureMethod.SHA512_RSA_MGF1),
     ("doctor", SignatureMethod.RSA_SHA384), ("doctor-ec", SignatureMethod.ECDSA_SHA256),
     ("doctor-ec", SignatureMethod.ECDSA_SHA512)],
)  # fmt: skip
def test_other_algorithms_of_signxml(bench: Bench, leaf: str, method: SignatureMethod) -> None:
    """RSA-PSS, and ECDSA with the key beside its certificate."""
    pair = bench.pki[leaf]
    signer = XAdESSigner(
        method=methods.enveloped, signature_algorithm=method, digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod(C14N), data_object_format=XAdESDataObjectFormat("CDA R2", "text/xml"),
    )  # fmt: skip
    octets = forge.octets_of(signer.sign(forge.tree(bench.cda), key=pair.key, cert=list(pair.chain[:2])))
    found = bench.judge(octets)
    assert found.verdict.valid, found.verdict
    at = octets.index(b"SignatureValue>") + 30
    changed = octets[:at] + (b"A" if octets[at : at + 1] != b"A" else b"B") + octets[at + 1 :]
    assert bench.judge(changed).verdict.code == "signature"


def test_what_xmlsec1_signs(bench: Bench, tmp_path: Path) -> None:
    if not shutil.which("xmlsec1"):
        pytest.skip("xmlsec1 is not installed (apt-get install xmlsec1)")
    pair = bench.pki["doctor"]

    def emptied(root):
        for one in root.iter(ds("DigestValue")):
            if one.getparent().tag == ds("Reference"):
                one.text = ""
        for name in ("SignatureValue", "X509Certificate"):
            next(root.iter(ds(name))).text = ""

    template = forge.edited(bench.sign(certificates=[pair.certificate]), emptied)
    (tmp_path / "f.xml").write_bytes(template)
    (tmp_path / "k.pem").write_bytes(pair.pem())
    (tmp_path / "c.pem").write_bytes(pem(pair.certificate))
    subprocess.run(
        ["xmlsec1", "--sign", "--privkey-pem", "k.pem,c.pem", "--id-attr:Id", f"{XA}:SignedProperties", "--output",
         "out.xml", "f.xml"], cwd=tmp_path, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    found = bench.judge((tmp_path / "out.xml").read_bytes())
    assert found.verdict.valid, found.verdict


@pytest.mark.parametrize("name", FORMS)
def test_we_verify_ours(bench: Bench, name: str) -> None:
    octets, _ = ours(bench)[name]
    documents = {"urn:oid:1.2.3": b"%PDF", "urn:oid:1.2.4": XML}
    found = bench.judge(octets, documents, "1.2.9")
    assert found.verdict.valid, found.verdict
