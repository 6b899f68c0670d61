"""DSG documents: the manifest and the submission are of the same documents, and each holds (IHE ITI DSG)."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from hub.services.signing import build, dsg
from hub.source.ebrim import write as write_metadata
from hub.source.xdm import write as write_archive

from . import forge
from .conftest import Bench
from .forge import C14N, DS, ENV, ds, reference, xa
from .pki import STRUCTURE, Pair

A, B, SET = "urn:oid:1.2.250.1.999.1", "urn:oid:1.2.250.1.999.2", "1.2.250.1.999.9"


def documents(bench: Bench) -> dict[str, bytes]:
    return {A: bench.cda, B: b"%PDF-1.4 \x00\xff"}


def signed(bench: Bench, given=None, leaf="doctor", at=None, submission=SET, purpose="author", edit=None) -> bytes:
    pair: Pair = bench.pki[leaf]
    at = at or datetime.now(UTC)
    given = documents(bench) if given is None else given
    prepared = build.prepare_dsg(given, pair.chain, at, submission=submission, purpose=purpose)
    if edit is None:
        return build.complete(prepared.octets, pair.sign(prepared.to_sign))
    root = forge.tree(prepared.octets)
    edit(root)
    info = root.find(ds("SignedInfo"))
    for one in info.findall(ds("Reference")):  # digests follow what was edited: only the rule under test refuses it
        targets = [e for e in root.iter() if e.get("Id") == one.get("URI")[1:]]
        octets = forge.c14n(targets[0]) if targets else b""
        one.find(ds("DigestValue")).text = base64.b64encode(hashlib.sha256(octets).digest()).decode()
    root.find(ds("SignatureValue")).text = forge.b64(forge.value(info, pair, ""))
    return forge.octets_of(root)


def test_a_good_one(bench: Bench) -> None:
    """Octet for octet, of any format."""
    given = documents(bench)
    found = bench.judge(signed(bench), given, SET)
    assert found.verdict.valid, found.verdict
    assert dict(found.documents) == given
    assert found.facts["purpose"] == "author"
    assert set(found.verdict.signed) == set(given)
    assert dsg.is_dsg(signed(bench))
    assert not dsg.is_dsg(bench.cda)


def test_the_submission_need_not_be_known(bench: Bench) -> None:
    assert bench.judge(signed(bench), documents(bench)).verdict.valid
    assert bench.judge(signed(bench, submission=""), documents(bench)).verdict.valid


@pytest.mark.parametrize(
    ("given", "submission", "code"),
    [
        (lambda d: {**d, B: b"%PDF other"}, SET, "digest"),
        (lambda d: {A: d[B], B: d[A]}, SET, "digest"),
        (lambda d: {**d, "urn:oid:1.2": b"more"}, SET, "manifest-coverage"),
        (lambda d: {A: d[A]}, SET, "manifest-coverage"),
        (lambda d: {}, SET, "manifest-coverage"),
        (lambda d: d, "1.2.3", "manifest-submission"),
    ],
)  # fmt: skip
def test_other_documents_than_were_signed(bench: Bench, given, submission: str, code: str) -> None:
    bench.refused(signed(bench), code, documents=given(documents(bench)), submission=submission)


def test_no_submission_in_it(bench: Bench) -> None:
    octets = signed(bench, submission="")
    bench.refused(octets, "manifest-submission", documents=documents(bench), submission=SET)


def test_an_edited_manifest(bench: Bench) -> None:
    octets = signed(bench).replace(A.encode(), b"urn:oid:1.2.250.1.999.7")
    bench.refused(octets, "digest", documents=documents(bench), submission=SET)


@pytest.mark.parametrize(
    ("away", "code"), [(timedelta(days=-3), "signing-time-old"), (timedelta(minutes=10), "signing-time-future")]
)
def test_times(bench: Bench, away: timedelta, code: str) -> None:
    octets = signed(bench, at=datetime.now(UTC) + away)
    bench.refused(octets, code, documents=documents(bench), submission=SET)


def _manifest(root):
    return next(root.iter(ds("Manifest")))


EDITS = {
    "manifest-duplicate": lambda r: _manifest(r).append(forge.copied(_manifest(r)[1])),
    "manifest": lambda r: etree.SubElement(_manifest(r), "{urn:x}y"),
    "transform": lambda r: _add_transform(_manifest(r)[1], ENV),
    "digest-algorithm": lambda r: _manifest(r)[1].find(ds("DigestMethod")).set("Algorithm", DS + "sha1"),
    "signature-shape": lambda r: etree.SubElement(r, ds("Object")).append(forge.copied(_manifest(r))),
    "reference-target": lambda r: r[0][2].set("URI", "#nobody"),
    "reference-set": lambda r: r[0].remove(r[0][2]),
    "duplicate-id": lambda r: next(r.iter(xa("SigningTime"))).set("Id", _manifest(r).get("Id")),
    "signature-count": lambda r: etree.SubElement(next(r.iter(xa("SigningTime"))), ds("Signature")),
}


def _add_transform(one, algorithm: str) -> None:
    listed = etree.Element(ds("Transforms"))
    etree.SubElement(listed, ds("Transform"), Algorithm=algorithm)
    one.insert(0, listed)


@pytest.mark.parametrize("code", EDITS)
def test_forms_that_are_not_taken(bench: Bench, code: str) -> None:
    """Signed with a good certificate, but not as DSG is."""
    bench.refused(signed(bench, edit=EDITS[code]), code, documents=documents(bench), submission=SET)


def test_an_empty_object(bench: Bench) -> None:
    def more_objects(root):
        etree.SubElement(root, ds("Object")).text = "x"

    found = bench.judge(signed(bench, edit=more_objects), documents(bench), SET)
    assert found.verdict.valid  # an empty Object says nothing


def test_a_canonical_form_in_the_manifest(bench: Bench) -> None:
    """The French profile digests CDA documents in their canonical form: that form is what comes out."""
    canonical = forge.tree(bench.cda).getroottree()
    octets = etree.tostring(canonical, method="c14n", exclusive=False, with_comments=False)

    def by_form(root):
        one = _manifest(root)[1]
        fresh = reference(_manifest(root), one.get("URI"), octets, [C14N])
        _manifest(root).replace(one, fresh)

    found = bench.judge(signed(bench, edit=by_form), documents(bench), SET)
    assert found.verdict.valid, found.verdict
    assert found.documents[A] == octets
    commented = {**documents(bench), A: bench.cda.replace(b"<title>", b"<title><!--x-->", 1)}
    assert bench.judge(signed(bench, edit=by_form), commented, SET).documents[A] == octets
    assert not bench.judge(signed(bench, edit=by_form), {**documents(bench), A: b"%PDF"}, SET).verdict.valid


def test_who_signs_what(bench: Bench) -> None:
    """A person for what they answer for; an organisation for its own, or that it verified."""
    bench.refused(signed(bench, leaf="other"), "binding", documents=documents(bench), submission=SET)
    bench.refused(signed(bench, leaf="seal"), "not-a-person", documents=documents(bench), submission=SET)
    elsewhere = signed(bench, leaf="seal-elsewhere", purpose="source")
    bench.refused(elsewhere, "binding", documents=documents(bench), submission=SET)
    relayed = signed(bench, leaf="seal-elsewhere", purpose="verification")
    assert bench.judge(relayed, documents(bench), SET).verdict.valid
    own = dict(documents(bench))
    own[A] = _of_custodian(bench.cda, STRUCTURE)
    assert bench.judge(signed(bench, own, "seal", purpose="source"), own, SET).verdict.valid


def _of_custodian(octets: bytes, structure: str) -> bytes:
    head, tag, rest = octets.partition(b"<custodian>")
    put = re.sub(rb"<id [^>]*>", f'<id root="1.2.250.1.71.4.2.2" extension="{structure}"/>'.encode(), rest, count=1)
    return head + tag + put


def test_something_beside_it(bench: Bench) -> None:
    octets = signed(bench) + b"<?x?>"
    bench.refused(octets, "beside-root", documents=documents(bench), submission=SET)


def test_a_presentable_document(bench: Bench) -> None:
    """A CDA inside the style sheet that shows it has an author as well."""
    wrapped = (
        b'<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform">'
        + bench.cda[bench.cda.index(b"<ClinicalDocument") :]
        + b"</xsl:stylesheet>"
    )
    given = {A: wrapped}
    assert bench.judge(signed(bench, given), given, SET).verdict.valid
    bench.refused(signed(bench, given, "other"), "binding", documents=given, submission=SET)


@pytest.fixture
def package(bench: Bench):
    """IHE_XDM archives with a signature in them."""
    path = Path(__file__).parents[2] / "source" / "archives.py"
    spec = importlib.util.spec_from_file_location("archives_for_signing", path)
    archives = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(archives)

    def make(signature: bytes | None, cda: bytes | None = None, submission: str = SET, extra: bool = False) -> bytes:
        files = {"DOC00001.XML": cda or bench.cda, "DOC00002.PDF": documents(bench)[B]}
        entries = [
            archives.entry(files["DOC00001.XML"], 1, "text/xml", A.removeprefix("urn:oid:")),
            archives.entry(files["DOC00002.PDF"], 2, "application/pdf", B.removeprefix("urn:oid:")),
        ]
        if signature is not None:
            files["SIGN0003.XML"] = signature
            entries.append(archives.entry(signature, 3, "text/xml", "1.2.250.1.999.3", URI="SIGN0003.XML"))
        if extra:
            files["SIGN0004.XML"] = signature or b""
            entries.append(archives.entry(signature, 4, "text/xml", "1.2.250.1.999.4", URI="SIGN0004.XML"))
        metadata = archives.submission(*entries, unique=submission)
        folder = archives.FOLDER
        listed = {"INDEX.HTM": b"<html/>", "README.TXT": b"x", f"{folder}/METADATA.XML": write_metadata(metadata)}
        return write_archive(listed | {f"{folder}/{name}": octets for name, octets in files.items()})

    return make


def test_an_archive(bench: Bench, package) -> None:
    found = bench.judge(package(signed(bench)))
    assert found.verdict.valid, found.verdict
    assert set(found.documents) == {A, B}


def test_archives_that_are_not_as_signed(bench: Bench, package) -> None:
    bench.refused(package(signed(bench), cda=bench.cda.replace(b"<title>", b"<title>x", 1)), "digest")
    bench.refused(package(signed(bench), submission="1.2.250.1.999.8"), "manifest-submission")
    bench.refused(package(signed(bench), extra=True), "signature-count")
    bench.refused(package(signed(bench, {A: bench.cda})), "manifest-coverage")
    assert bench.judge(package(None)).verdict.status == "absent"
