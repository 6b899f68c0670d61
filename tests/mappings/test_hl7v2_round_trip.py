"""HL7 v2 to FHIR to HL7 v2 to FHIR: what the message carries comes back the same, in the structure of the standard."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError, MappingError
from hub.fhir import jsontext
from hub.fhir.draft import Draft
from hub.paths import room
from hub.registry import reader
from hub.source.hl7v2 import Message
from hub.source.hl7v2_validate import validate

from .run import SAMPLES, SHARED, mapped, sample

NAMES = {"ADT": "adt", "MDM": "mdm", "ORU": "oru", "ZAM": "zam", "ACK": "ack"}
OURS = room("channels") / "hospital-hl7v2" / "tests" / "messages"
FILES = [*SAMPLES.glob("*.hl7"), *OURS.glob("*.hl7"), *SHARED.glob("hl7v2/*.*")]
APOSTROPHE = "\u2019"


def read(body: bytes) -> Draft | None:
    """What the message becomes; None of one that is refused or held."""
    known = reader("hl7v2")
    try:
        envelope = known.peek(body)
        known.check(body, envelope)
        draft = mapped(f"hl7v2.messages.{NAMES[envelope.type[:3]]}", body)
    except (HubError, KeyError):
        return None
    return None if any(i.severity == "error" for i in draft.issues) else draft


def wire(message: Any) -> bytes:
    """JSON; whole numbers may be of any length."""
    try:
        return jsontext.write(message)
    except TypeError:
        return json.dumps(message, default=float).encode()


def bundle(body: bytes, draft: Draft) -> dict[str, Any]:
    """The FHIR message of a draft: the resources with what is stated of them, those that stay first."""
    message = Message(body)
    msh = message.msh
    stamp = datetime.strptime((msh.text(7) or "20260101").partition("+")[0].ljust(14, "0"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone follows
    zone = stamp.replace(tzinfo=ZoneInfo("Europe/Paris")).isoformat()
    made: dict[str, dict[str, Any]] = {}
    for entry in draft.entries.values():
        if not entry.only_if_exists:
            data = {"data": base64.b64encode(entry.octets).decode()} if entry.octets is not None else {}
            made[entry.ref] = {**entry.resource, "id": entry.id, **data}
    for (ref, _), patch in draft.patches.items():
        if ref in made:
            made[ref] |= patch.sets
            made[ref] |= {name: [*made[ref].get(name, ()), *items] for name, items in patch.adds.items()}
    header = {
        "resourceType": "MessageHeader",
        "eventCoding": {"code": msh.text(9, 2) if msh.text(9) != "ACK" else "ACK"},
        "source": {"name": msh.text(3)}, "sender": {"display": msh.text(4)},
        "destination": [{"name": msh.text(5), "receiver": {"display": msh.text(6)}}],
    }  # fmt: skip
    resources = sorted(made.values(), key=lambda r: r.get("active") is False)
    whole = {
        "resourceType": "Bundle", "type": "message", "timestamp": zone, "identifier": {"value": msh.text(10)},
        "entry": [{"resource": r} for r in (header, *resources)],
    }  # fmt: skip
    copied: dict[str, Any] = jsontext.exact(jsontext.write(whole))  # what mappings make is shared between messages
    return copied


def sent(message: dict[str, Any], **site: Any) -> bytes:
    draft = mapped("fhir.messages.hl7v2", wire(message), site)
    (entry,) = draft.entries.values()
    assert entry.octets is not None
    return entry.octets


def told(draft: Draft) -> dict[str, Any]:
    """What is compared: resources and statements, but for when the message was made and what said it."""

    def clean(node: Any) -> Any:
        if isinstance(node, dict):
            return {k: clean(v) for k, v in node.items() if k not in ("authoredOn", "received", "sent")}
        # every answer is sent, also those that the message left out because they are N
        return (
            [clean(v) for v in node if not isinstance(v, dict) or v.get("valueBoolean", True)]
            if isinstance(node, list)
            else node
        )

    made = {ref: clean(e.resource) for ref, e in draft.entries.items()}
    return made | {"|".join(k): clean([p.sets, p.adds]) for k, p in draft.patches.items() if p.sets or p.adds}


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_a_message_comes_back_the_same(file: Path) -> None:
    """Every sample that is taken: the same resources and statements, and a structure that hl7apy accepts."""
    body = file.read_bytes()
    draft = read(body)
    if draft is None or Message(body).msh.text(9, 2) in ("A60", "A12"):
        return  # A60 is no event of ours; what is left of a cancelled movement does not name it
    again = sent(bundle(body, draft), profile="lps" if b"CISIS_CDA_HL7_LPS" in body else "")
    assert [f for f in validate(again) if f.severity == "error"] == []
    other = read(again)
    assert other is not None
    assert told(draft) == told(other)


def test_every_kind_of_message_is_among_the_samples() -> None:
    """So that the rule above is about all of them."""
    kinds = {Message(f.read_bytes()).msh.text(9, 2) for f in FILES if read(f.read_bytes())}
    assert kinds >= {"A01", "A03", "A05", "A12", "A28", "A40", "A47", "T02", "R01", "Z01", None} - {None}


LETTERS = st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_categories=["Cc", "Cf", "Zs"])
TEXT = st.text(LETTERS, min_size=1, max_size=12).filter(lambda t: t != '""')


@settings(max_examples=60, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_any_name_comes_back(family: str, city: str, unit: str) -> None:
    """Delimiters and letters of any script inside a value."""
    body = sample("a01.hl7")
    draft = read(body)
    assert draft is not None
    message = bundle(body, draft)
    for entry in message["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            resource["name"][1]["family"] = family
            resource["address"][0]["city"] = city
        if resource.get("name") == "Oncologie médicale":
            resource["name"] = unit
    other = read(sent(message))
    assert other is not None
    person = next(e.resource for e in other.entries.values() if e.type == "Patient")
    assert (person["name"][1]["family"], person["address"][0]["city"]) == (family, city)
    assert unit in [e.resource.get("name") for e in other.entries.values() if e.type == "Organization"]


@pytest.mark.parametrize(
    ("encoding", "codec"), [("8859/15", "iso8859-15"), ("8859/1", "iso8859-1"), ("UNICODE UTF-8", "utf-8")]
)
def test_the_character_set_is_that_of_msh_18(encoding: str, codec: str) -> None:
    """Octets of the set that is declared; typography is written plainly where it has no sign."""
    body = sample("a01.hl7")
    message = bundle(body, read(body) or Draft())
    other = jsontext.write(message).replace("BÂT B".encode(), f"L{APOSTROPHE}ÉTANG".encode())
    again = sent(jsontext.exact(other), encoding=encoding)
    assert f"|{encoding}|".encode() in again
    assert (f"L{APOSTROPHE}ÉTANG" if codec == "utf-8" else "L'ÉTANG") in again.decode(codec)
    assert read(again) is not None


def test_a_letter_that_the_set_lacks_holds_the_message() -> None:
    """Nothing is lost in silence."""
    body = sample("a01.hl7")
    message = jsontext.exact(jsontext.write(bundle(body, read(body) or Draft())).replace(b"ANGERS", "Łódź".encode()))
    with pytest.raises(MappingError) as e:
        sent(message, encoding="8859/15")
    assert (e.value.where, e.value.code) == ("PID", "102")


def test_the_same_bundle_gives_the_same_octets() -> None:
    """No clock, no chance; MSH-10 has at most 20 characters."""
    body = sample("a01.hl7")
    message = bundle(body, read(body) or Draft()) | {
        "identifier": {"value": "urn:uuid:6f6e636f-6875-5b00-8000-68756266722e"}
    }
    assert sent(message) == sent(message)
    number = Message(sent(message)).msh.text(10)
    assert number is not None
    assert len(number) == 20


def changed(**more: Any) -> dict[str, Any]:
    body = sample("a01.hl7")
    return bundle(body, read(body) or Draft()) | more


@pytest.mark.parametrize(
    ("message", "where"),
    [
        ({"resourceType": "Patient"}, "resourceType"),
        ({"resourceType": "Bundle", "entry": []}, "MessageHeader.eventCoding.code"),
        (changed(timestamp=""), "Bundle.timestamp"),
        (changed(identifier=None), "Bundle.identifier.value"),
        (changed(entry=changed()["entry"] * 200), "Bundle.entry"),
        (changed(entry=changed()["entry"][:1]), "Bundle.entry"),
    ],
)
def test_what_is_missing_is_named(message: dict[str, Any], where: str) -> None:
    """With the element to add."""
    with pytest.raises(MappingError) as e:
        sent(message)
    assert e.value.where == where
    assert e.value.cure


@pytest.mark.parametrize(
    ("event", "where"),
    [("A99", "MessageHeader.eventCoding.code"), ("A40", "Patient.link"), ("A24", "Bundle.entry"),
     ("T02", "Bundle.entry"), ("R01", "Bundle.entry"), ("Z01", "Bundle.entry"), ("ACK", "Bundle.entry")],
)  # fmt: skip
def test_an_event_needs_its_resources(event: str, where: str) -> None:
    """And one that is not sent is told."""
    message = changed()
    message["entry"][0]["resource"]["eventCoding"]["code"] = event
    with pytest.raises(MappingError) as e:
        sent(message)
    assert e.value.where == where


def test_a_document_says_what_is_done_with_it() -> None:
    """T04 of a document that is not withdrawn contradicts itself."""
    body = (OURS / "mdm-t02-requests.hl7").read_bytes()
    message = bundle(body, read(body) or Draft())
    message["entry"][0]["resource"]["eventCoding"]["code"] = "T04"
    with pytest.raises(MappingError, match="T02"):
        sent(message)
    for entry in message["entry"]:
        if entry["resource"]["resourceType"] == "DocumentReference":
            entry["resource"]["status"] = "entered-in-error"
            assert b"\rORC|CA" in sent(message)
            entry["resource"]["content"] = []
    with pytest.raises(MappingError) as e:
        sent(message)
    assert e.value.where == "DocumentReference.content.attachment"


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(("adt-a01.hl7", "mdm-t02-requests.hl7", "oru-r01-fit.hl7", "zam-z01-dmp-closed.hl7")), st.data())
def test_any_bundle(name: str, data: st.DataObject) -> None:
    """Any element replaced by anything: a message that can be read, or an error that says where."""
    body = (OURS / name).read_bytes()
    message = bundle(body, read(body) or Draft())
    resource = data.draw(st.sampled_from(message["entry"]))["resource"]
    node: Any = resource
    while True:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        inner = node[key]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            node = inner
            continue
        node[key] = data.draw(JSON)
        break
    try:
        again = sent(message)
    except HubError as error:
        told_where = error.where
    else:
        told_where = "MSH"
        assert Message(again).index
    assert told_where


RESULTS = [
    "OBX|1|NM|A^a^LN||182.5|ng/mL^^UCUM|< 150|H~HH|||F|||20260215080000|LAB1^Laboratoire|D1^PETIT^Luc^^^^^^LBM"
    "|IMM^Immuno",
    "OBX|2|SN|B^b^LN||>^100|mg", "OBX|3|SN|C||^10^-^20|g^gramme^UCUM|10 - 20", "OBX|4|SN|D||^1^:^128",
    "OBX|5|CWE|E||POS^Positif^LN", "OBX|6|CWE|F||16^x^LN~18^y^LN", r"OBX|7|TX|G||ligne 1\.br\ligne 2~ligne 3 \T\ fin",
    "OBX|8|TS|H||20260101093000||||||P", "OBX|9|TM|I||0930", "OBX|10|DT|J||20260102", "OBX|11|NM|K||||||||X",
    "OBX|12|NM|L||1||||||C||||||||||||LBM^^^^^A&1.2.250.1.71.4.2.2&ISO^FINEJ^^^490000999", "NTE|1||Première~ligne",
]  # fmt: skip


def test_every_type_of_result_comes_back() -> None:
    """Values, units, ranges, flags, notes, laboratories, specimens; a period; the one who read it."""
    head = (OURS / "oru-r01-fit.hl7").read_text(encoding="utf-8").replace("\n", "\r").split("\r")[:2]
    obr = (
        "OBR|1|P-1^SGL|F-1^LBM|X^Examen^LN|||20260215080000|20260215081000||||||||D7^ROUX^Paul^^^^^^LBM"
        "||||||20260217101500||LAB|F||||||Z12.1^Dépistage^CIM-10|&BLUE&Eva"
    )
    specimen = "SPM|1|^S-1&LBM||119^Selles^SCT||||R^Rectum|||||||||20260215080000|20260216"
    order = "ORC|RE|P-1^SGL|F-1^LBM||||||20260214"
    body = "\r".join((*head, order, obr, "NTE|1||Conclusion", *RESULTS, specimen, "")).encode()
    draft = read(body)
    assert draft is not None
    again = sent(bundle(body, draft))
    assert validate(again) == []
    other = read(again)
    assert other is not None
    first, then = told(draft), told(other)
    assert first.keys() == then.keys()
    for ref, resource in first.items():
        assert resource == then[ref]
