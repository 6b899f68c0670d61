"""Archives of strangers: IHE XDM within bounds (security reference T40 to T42; PKWARE APPNOTE)."""

from __future__ import annotations

import struct
import zipfile
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError, ParseError, TooLargeError
from hub.source import ebrim, xdm
from hub.source.xdm import READER
from tests.source.archives import (
    CDA,
    FOLDER,
    INS,
    PDF,
    archive,
    cx,
    entry,
    of_other,
    pdf_entry,
    submission,
    with_slot,
    zipped,
)  # fmt: skip


def refused(octets, kind=ParseError):
    with pytest.raises(kind) as e:
        xdm.read(octets)
    assert e.value.where
    assert e.value.cure
    assert INS not in str(e.value)
    return e.value


def entry_info(name, **more):
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    for key, value in more.items():
        setattr(info, key, value)
    return info


def test_an_archive_gives_its_documents_and_what_is_said_of_them():
    """ITI-32: IHE_XDM/SUBSETnn/METADATA.XML and the documents its URIs name, octet for octet."""
    read = xdm.read(archive((entry(), CDA), (pdf_entry(), PDF)))
    assert [s.name for s in read.subsets] == ["SUBSET01"]
    cda, pdf = read.documents
    assert (cda.octets, pdf.octets) == (CDA, PDF)
    assert cda.cda is not None
    assert pdf.cda is None
    assert cda.meta.code("type").code == "11526-1"
    assert pdf.mime == "application/pdf"
    assert read.subsets[0].metadata.submission.identifier("uniqueId") == "1.2.250.1.999.7.40.1"


def test_the_envelope_says_who_and_what():
    """What the hub orders and finds it by: the INS as in any CDA, the submission as control id."""
    envelope = READER.peek(archive((entry(), CDA), (pdf_entry(), PDF)))
    assert (envelope.type, envelope.control_id, envelope.document) == ("XDM", "1.2.250.1.999.7.40.1", "11526-1")
    assert envelope.order_key == f"urn:oid:1.2.250.1.213.1.4.10|{INS}"
    assert ("patient", INS) in envelope.keys
    assert ("document", "1.2.250.1.999.7.1^ACP-2026-00417") in envelope.keys
    assert ("document", "1.2.250.1.999.7.41.2") in envelope.keys
    only_pdf = READER.peek(archive((pdf_entry(number=1), PDF)))
    assert only_pdf.order_key == envelope.order_key


@pytest.mark.parametrize(
    "rename",
    [
        lambda n: n.lower(),
        lambda n: f"KA202401/{n}",
        lambda n: n.replace("/", "\\"),
        lambda n: n.replace("SUBSET01", "SS000001"),
        lambda n: n.removeprefix("IHE_XDM/"),
    ],
)
def test_names_are_read_as_senders_write_them(rename):
    """Other case, a folder around, backslashes, another name of the subset, no IHE_XDM (DRIM-M samples)."""
    files = [(f"{FOLDER}/METADATA.XML", ebrim.write(submission(entry()))), (f"{FOLDER}/DOC00001.XML", CDA)]
    assert [d.octets for d in xdm.read(zipped((rename(n), o) for n, o in files)).documents] == [CDA]


@pytest.mark.parametrize(
    "uri", ["doc00001.xml", "./DOC00001.XML", "SUBSET01/DOC00001.XML", "DOC%300001.XML", f"{FOLDER}/DOC00001.XML"]
)
def test_a_uri_is_found_from_the_subset_and_from_above(uri):
    """Relative to METADATA.XML, or to IHE_XDM as published samples have it."""
    told = submission(with_slot(entry(), URI=uri))
    files = [(f"{FOLDER}/METADATA.XML", ebrim.write(told)), (f"{FOLDER}/DOC00001.XML", CDA)]
    assert [d.octets for d in xdm.read(zipped(files)).documents] == [CDA]


def test_a_uri_leads_nowhere_else():
    """It is looked up among the entries: nothing outside can be meant."""
    for uri in ("../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", ""):
        told = submission(with_slot(entry(), URI=uri))
        files = [(f"{FOLDER}/METADATA.XML", ebrim.write(told)), (f"{FOLDER}/DOC00001.XML", CDA)]
        assert "not in the archive" in refused(zipped(files)).what


def test_an_archive_without_metadata_gives_its_cda():
    """Tolerance: the documents speak for themselves; other XML is passed over."""
    read = xdm.read(zipped([("a/REPORT.XML", CDA), ("b.xml", b"<x/>"), ("c.txt", b"")]))
    assert [(d.octets, d.meta) for d in read.documents] == [(CDA, None)]
    assert "neither" in refused(zipped([("b.xml", b"<x/>")])).what


def test_several_subsets_are_several_submissions():
    """One METADATA.XML each."""
    other = of_other()
    files = []
    for number, octets in ((1, CDA), (2, other)):
        told = submission(entry(octets, unique=""), unique=f"1.2.3.{number}")
        files += [(f"IHE_XDM/SUBSET0{number}/METADATA.XML", ebrim.write(told))]
        files += [(f"IHE_XDM/SUBSET0{number}/DOC00001.XML", octets)]
    assert [d.octets for d in xdm.read(zipped(files)).documents] == [CDA, other]


@pytest.mark.parametrize(
    ("edit", "what"),
    [
        ({"hash": "0" * 40}, "hash"),
        ({"size": "7"}, "size"),
        ({"size": "x"}, "size"),
    ],
)
def test_a_document_other_than_described_is_refused(edit, what):
    """T42: SHA-1 and size of METADATA.XML."""
    error = refused(archive((entry(**edit), CDA)))
    assert what in error.what
    assert error.code == "906"


def test_hash_and_size_may_be_missing_and_in_capitals():
    """Tolerance on reading."""
    assert xdm.read(archive((entry(hash=None, size=None), CDA))).documents[0].octets == CDA
    assert xdm.read(archive((entry(hash=entry().slot("hash").upper()), CDA))).documents[0].octets == CDA


def encrypted():
    made = bytearray(archive())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = 0
        while (start := made.find(mark, start)) >= 0:
            made[start + at] |= 1
            start += 4
    return bytes(made)


def overlapping():
    """Two entries of the directory that share the octets of one file (quoted overlap, zbsm)."""
    made = bytearray(zipped([("a.txt", b"x" * 4000), ("b.txt", b"y")]))
    second = made.rindex(b"PK\x01\x02")
    made[second + 42 : second + 46] = struct.pack("<L", 0)
    return bytes(made)


def with_end(size=None, count=None, disk=None):
    made = bytearray(archive())
    at = made.rindex(b"PK\x05\x06")
    if disk is not None:
        made[at + 4 : at + 6] = struct.pack("<H", disk)
    if count is not None:
        made[at + 8 : at + 12] = struct.pack("<HH", count, count)
    if size is not None:
        made[at + 12 : at + 16] = struct.pack("<L", size)
    return bytes(made)


def damaged():
    made = bytearray(archive())
    at = made.index(CDA[:0] + b"DOC00001.XML") + 60
    made[at : at + 20] = bytes(20)
    return bytes(made)


def lying_about_size():
    """A directory that says one octet of an entry that inflates to many."""
    made = bytearray(archive(more=[("LONG.TXT", b"0" * 100_000)]))
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = made.rindex(mark)
        made[start + at : start + at + 4] = struct.pack("<L", 4)
    return bytes(made)


HOSTILE = {
    "nothing": (b"", "no zip"),
    "text": (b"PK but no zip" * 20, "no zip"),
    "cut": (archive()[:-30], "no zip"),
    "parent": (archive(more=[("../x", b"1")]), "out of"),
    "parent, windows": (archive(more=[("a\\..\\..\\x", b"1")]), "out of"),
    "absolute": (archive(more=[("/etc/passwd", b"1")]), "out of"),
    "drive": (archive(more=[("C:x", b"1")]), "out of"),
    "dot": (archive(more=[("a/./x", b"1")]), "out of"),
    "control": (archive(more=[("a\x07b", b"1")]), "is none"),
    "long": (archive(more=[("a" * 300, b"1")]), "is none"),
    "case": (archive(more=[("index.htm", b"1")]), "twice"),
    "folder and file": (archive(more=[("README.TXT/", b"")]), "twice"),
    "link": (archive(more=[(entry_info("l", create_system=3, external_attr=0o120777 << 16), b"/etc/passwd")]), "link"),
    "device": (archive(more=[(entry_info("l", create_system=3, external_attr=0o020666 << 16), b"")]), "link"),
    "nested": (archive(more=[("inner.zip", archive())]), "in the archive"),
    "nested, disguised": (archive(more=[("PHOTO.JPG", archive())]), "in the archive"),
    "encrypted": (encrypted(), "encrypted"),
    "bzip2": (archive(more=[(entry_info("b", compress_type=zipfile.ZIP_BZIP2), b"1")]), "compression"),
    "overlap": (overlapping(), "overlap"),
    "damaged": (damaged(), "damaged"),
    "size in the directory": (lying_about_size(), "damaged"),
    "volume": (with_end(disk=1), "several"),
    "zip64": (with_end(size=0xFFFFFFFF), "zip64"),
    "count": (with_end(count=0xFFFF), "zip64"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused(name):
    """T40, T41: nothing inflated beyond what is known, no name that leads anywhere, a reason for each."""
    octets, what = HOSTILE[name]
    assert what in refused(octets).what


@pytest.mark.parametrize(
    "octets",
    [
        archive(more=[(f"f{n}", b"") for n in range(xdm.MAX_ENTRIES)]),
        archive(more=[("bomb", bytes(20 << 20))]),
        with_end(size=50_000_000),
    ],
    ids=["entries", "bomb", "directory"],
)
def test_what_is_too_much_is_refused(octets):
    """T40: entries, the ratio of a bomb, the size of the directory before it is read."""
    refused(octets, TooLargeError)


def test_sizes_are_bounded(monkeypatch):
    """Of the archive, and of all that is inflated, entries named twice counted twice."""
    monkeypatch.setattr(xdm, "MAX_OCTETS", 100)
    refused(archive(), TooLargeError)
    monkeypatch.undo()
    monkeypatch.setattr(xdm, "MAX_INFLATED", len(CDA) + 100)
    refused(archive(), TooLargeError)
    whole = sum(i.file_size for i in zipfile.ZipFile(BytesIO(archive())).infolist())
    monkeypatch.setattr(xdm, "MAX_INFLATED", whole + len(CDA))
    twice = submission(
        entry(), replace(entry(number=2), slots=entry().slots), replace(entry(number=3), slots=entry().slots)
    )
    files = [(f"{FOLDER}/METADATA.XML", ebrim.write(twice)), (f"{FOLDER}/DOC00001.XML", CDA)]
    refused(zipped(files), TooLargeError)


def test_metadata_with_a_doctype_and_a_cda_with_one_are_refused():
    """T32: entities need a DOCTYPE."""
    evil = b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'
    error = refused(zipped([(f"{FOLDER}/METADATA.XML", evil)]))
    assert "DOCTYPE" in error.what
    assert error.where.startswith(f"{FOLDER}/METADATA.XML")
    assert "DOCTYPE" in refused(archive((entry(evil), evil))).what


def test_names_in_errors_are_not_those_of_persons():
    """A name of a file may be that of a patient."""
    told = submission(with_slot(entry(), URI="DUPONT JEANNE 1950.XML"))
    files = [(f"{FOLDER}/METADATA.XML", ebrim.write(told))]
    assert "DUPONT" not in str(refused(zipped(files)))


def test_names_in_another_encoding_are_read():
    """APPNOTE appendix D: cp437 without the flag, UTF-8 with it."""
    for name in ("é.txt", "Ω.txt"):
        assert xdm.read(archive(more=[(name, b"1")])).documents


def test_what_is_written_is_read_and_written_the_same():
    """Deterministic: no time, no chance."""
    files = {
        "INDEX.HTM": b"<html/>",
        f"{FOLDER}/METADATA.XML": ebrim.write(submission(entry())),
        f"{FOLDER}/DOC00001.XML": CDA,
    }
    assert xdm.write(files) == xdm.write(dict(files))
    assert xdm.read(xdm.write(files)).documents[0].octets == CDA
    for name in ("index.htm", "LONGNAMES.TXT", "A.HTML", "É.TXT", "../A", ""):
        with pytest.raises(ValueError, match="9660"):
            xdm.write({name: b""})


@given(cx_value=st.text(max_size=30))
def test_a_patient_id_is_read_or_not(cx_value):
    """HL7 CX of XDS."""
    assert xdm.patient_of(cx()) == ("1.2.250.1.213.1.4.10", INS)
    found = xdm.patient_of(cx_value)
    assert found is None or all(found)


def judge(octets):
    """An archive, or a reason with its place."""
    try:
        READER.check(octets, READER.peek(octets))
    except HubError as error:
        return bool(error.where)
    return True


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 100_000), st.binary(min_size=1, max_size=6)), min_size=1, max_size=6),
    st.integers(0, 5000),
)
def test_any_damage_is_read_or_refused(edits, cut):
    """Octets overwritten anywhere, the end cut off: an archive or a reason, nothing else."""
    made = bytearray(archive((entry(), CDA), (pdf_entry(), PDF)))
    for at, octets in edits:
        start = at % len(made)
        made[start : start + len(octets)] = octets
    assert judge(bytes(made))
    assert judge(bytes(made[: len(made) - cut]))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[A-Z0-9_]{1,8}(\.[A-Z]{1,3})?", fullmatch=True), st.binary(max_size=300), max_size=8
    )
)
def test_round_trip(files):
    """What is written comes back octet for octet."""
    archive_ = (
        xdm._Archive(xdm.write(files)) if files and not any(o.startswith(b"PK\3\4") for o in files.values()) else None
    )
    for name, octets in files.items() if archive_ else ():
        assert archive_.octets(name) == octets
