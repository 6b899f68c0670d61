"""The published examples of the ANS, where they are at hand: all are mapped, nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.fhir.validate import validate
from hub.registry import reader
from hub.source.origin import lineage

from .run import SHARED, mapped, only, told

HL7 = {"ADT": "hl7v2.messages.adt", "MDM": "hl7v2.messages.mdm", "ORU": "hl7v2.messages.oru"}
FILES = sorted(SHARED.glob("cda/*.xml")) + sorted(SHARED.glob("hl7v2/*.*"))
MAPPED = [f for f in FILES if f.suffix == ".xml" or f.name[:3] in ("pam", "mdm") or "cda-init" in f.name]
pytestmark = pytest.mark.skipif(not FILES, reason="the published examples (../shared/data) are not here")


def mapping_of(file: Path) -> str:
    if file.suffix == ".xml":
        return "cda.documents.header"
    return HL7[reader("hl7v2").peek(file.read_bytes()).type.partition("^")[0]]


@pytest.mark.parametrize("file", MAPPED, ids=lambda f: f.name)
def test_an_example_is_read_checked_and_mapped(file: Path) -> None:
    """No error; valid R4; the same twice; the same with origins."""
    body = file.read_bytes()
    known = reader("cda" if file.suffix == ".xml" else "hl7v2")
    known.check(body, known.peek(body))
    name = mapping_of(file)
    draft = mapped(name, body)
    assert [i for i in draft.issues if i.severity == "error"] == []
    assert told(draft) == told(mapped(name, body)) == told(mapped(name, body, origins=True))
    for ref, entry in draft.entries.items():
        assert (ref, []) == (ref, validate({**entry.resource, "id": entry.id}))


@pytest.mark.parametrize("file", [f for f in FILES if f.suffix == ".xml"], ids=lambda f: f.name)
def test_a_document_is_kept_octet_for_octet(file: Path) -> None:
    """Binary is the file."""
    draft = mapped("cda.documents.header", file.read_bytes())
    url = only(draft, "DocumentReference")["content"][0]["attachment"]["url"]
    assert file.read_bytes() == draft.entries[url].octets


@pytest.mark.parametrize("file", [f for f in FILES if f.suffix != ".xml"], ids=lambda f: f.name)
def test_a_message_comes_out_as_it_went_in(file: Path) -> None:
    """Lossless, Z segments and PRT included."""
    body = file.read_bytes()
    message = reader("hl7v2").parse(body, False)
    lines = [line for line in body.splitlines() if line]
    again = []
    for segment in message.ordered():
        fields = list(segment.fields)
        if segment.name == b"MSH":
            del fields[1]
        again.append(b"|".join(fields))
    assert lines == again


@pytest.mark.parametrize("file", [f for f in FILES if f.name.startswith("pam")], ids=lambda f: f.name)
def test_the_birth_date_is_that_of_pid_7(file: Path) -> None:
    """Lineage: Patient.birthDate ← PID-7."""
    draft = mapped("hl7v2.messages.adt", file.read_bytes(), origins=True)
    assert dict(lineage(only(draft, "Patient"), "Patient"))["Patient.birthDate"] == "PID-7"


def test_a_document_and_the_one_it_replaces_meet() -> None:
    """ris-cr-imagerie v2 replaces v1: relatesTo points to the DocumentReference of v1."""
    first, second = (SHARED / "cda" / f"ris-cr-imagerie-{v}.xml" for v in ("v1", "v2-replaces-v1"))
    if not first.is_file():
        pytest.skip("the pair is not here")
    old = [r for r in mapped("cda.documents.header", first.read_bytes()).entries if r.startswith("DocumentReference/")]
    new = only(mapped("cda.documents.header", second.read_bytes()), "DocumentReference")
    assert old == [r["target"]["reference"] for r in new["relatesTo"]]
