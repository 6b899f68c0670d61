"""ITI-65 Provide Document Bundle and ITI-105 Simplified Publish (IHE MHD 4.2.3 §3.65 and §3.105, PDSm 3.1.1)."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest

from hub.store import tokens

from . import mhd
from .conftest import Api

BASE = "http://127.0.0.1:8080/fhir"
ANNE = {"resourceType": "Patient", "id": "anne", "identifier": [{"system": "urn:ins", "value": "1"}]}
CHU = {"resourceType": "Organization", "id": "chu", "name": "CHU"}


@pytest.fixture
def known(each_api: Api) -> Api:
    """With a patient and a house."""
    each_api.put(ANNE, CHU)
    return each_api


def provided(api: Api, bundle: mhd.Resource) -> list[str]:
    """References of what the entries became."""
    answer = api.send("POST", "/fhir", bundle)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    found = orjson.loads(answer.data)
    assert found["type"] == "transaction-response"
    entries = found["entry"]
    assert len(entries) == len(bundle["entry"])
    return [e["response"]["location"].removeprefix(f"{BASE}/").partition("/_history")[0] for e in entries]


def statuses(api: Api, *refs: str) -> list[str]:
    return [api.json(f"/fhir/{ref}")["status"] for ref in refs]


def test_a_document_is_provided(known: Api) -> None:
    """§3.65.4.2: transaction-response in the order of the request, 201 and a location each; links are followed."""
    answer = known.send("POST", "/fhir", mhd.good())
    entries = orjson.loads(answer.data)["entry"]
    assert [e["response"]["status"] for e in entries] == ["201 Created"] * 3
    submission, document, binary = provided(known, mhd.good())
    stored = known.json(f"/fhir/{document}")
    assert stored["content"][0]["attachment"]["url"] == binary
    assert known.json(f"/fhir/{submission}")["entry"] == [{"item": {"reference": document}}]
    assert known.ask(f"/fhir/{binary}").data == mhd.PDF


def test_what_is_sent_twice_is_there_once(known: Api) -> None:
    """A source that got no answer sends again: the same locations, 200, and no new version of anything."""
    first = provided(known, mhd.good())
    total = known.json("/fhir/_history")["total"]
    answer = known.send("POST", "/fhir", mhd.good(), Prefer="return=representation")
    entries = orjson.loads(answer.data)["entry"]
    assert [e["response"]["status"] for e in entries] == ["200 OK"] * 3
    assert [e["fullUrl"].removeprefix(f"{BASE}/") for e in entries] == first
    assert [e.get("resource", {}).get("resourceType") for e in entries] == ["List", "DocumentReference", None]
    assert known.json("/fhir/_history")["total"] == total


def test_a_document_is_submitted_again(known: Api) -> None:
    """ITI TF-3 §4.2.2.2.1: another SubmissionSet may list a document that is there: the same octets make no other."""
    _, document, binary = provided(known, mhd.good())
    sent = mhd.good()
    sent["entry"][0]["resource"]["identifier"] = [mhd.oid("1.2.250.1.9.2.9")]
    answer = known.send("POST", "/fhir", sent)
    entries = orjson.loads(answer.data)["entry"]
    assert [e["response"]["status"][:3] for e in entries] == ["201", "200", "200"]
    again = provided(known, sent)
    assert again[1:] == [document, binary]
    assert known.json(f"/fhir/{again[0]}")["entry"] == [{"item": {"reference": document}}]


def test_full_urls_may_be_restful(known: Api) -> None:
    """R4 §2.36.4.1: a relative reference completes the base of a full URL."""
    text = orjson.dumps(mhd.good())
    for urn, url in ((mhd.DOC, "DocumentReference/d"), (mhd.BIN, "Binary/b")):
        text = text.replace(f'"fullUrl":"{urn}"'.encode(), f'"fullUrl":"http://source/fhir/{url}"'.encode())
        text = text.replace(urn.encode(), url.encode())
    _, document, binary = provided(known, orjson.loads(text))
    assert known.json(f"/fhir/{document}")["content"][0]["attachment"]["url"] == binary


@pytest.mark.parametrize("told", [True, False])
def test_a_document_replaces_another(known: Api, told: bool) -> None:
    """§3.65.4.1.3 and ITI TF-2 §3.42.4.1.3: the old one is superseded, whether the source says so (UpdateDocumentRefs)
    or not, with what was appended to it; what was signed stays.  A resend changes nothing."""
    _, old, _ = provided(known, mhd.good(1))
    _, added, _ = provided(known, mhd.good(2, relatesTo=mhd.replaces(old, "appends")))
    _, made, _ = provided(known, mhd.good(3, relatesTo=mhd.replaces(added, "transforms")))
    _, signed, _ = provided(known, mhd.good(4, relatesTo=mhd.replaces(old, "signs")))
    assert statuses(known, old, added, made, signed) == ["current"] * 4
    newer = mhd.good(5, relatesTo=mhd.replaces(old))
    newer["entry"] += [mhd.supersede(old)] if told else []
    _, new, *_ = provided(known, newer)
    assert statuses(known, old, added, made, signed, new) == ["superseded"] * 3 + ["current"] * 2
    assert provided(known, newer)[1] == new
    assert known.json(f"/fhir/{old}")["meta"]["versionId"] == "2"


@pytest.mark.parametrize(
    "target",
    [
        {"reference": "DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9.1.1"},
        {"identifier": mhd.oid("1.2.250.1.9.1.1")},
    ],
)
def test_a_replaced_document_is_known_by_its_identifier(known: Api, target: dict[str, Any]) -> None:
    """PDSm: sources know the uniqueId of a document, and seldom its id here; the update may be by condition too."""
    _, old, _ = provided(known, mhd.good(1))
    newer = mhd.good(2, relatesTo=[{"code": "replaces", "target": target}])
    newer["entry"].append(mhd.supersede("DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:1.2.250.1.9.1.1"))
    provided(known, newer)
    assert statuses(known, old) == ["superseded"]


def test_folders_and_the_patient_in_the_bundle(known: Api) -> None:
    """§3.65.4.1.2: a Patient that the Bundle brings is the subject of all; a folder is made, then changed by PUT."""
    sent = mhd.good(patient=mhd.PAT)
    sent["entry"][0]["resource"] |= {"subject": {"reference": mhd.PAT},
                                     "entry": [{"item": {"reference": r}} for r in (mhd.DOC, mhd.FOLDER)]}  # fmt: skip
    folder = mhd.listed("folder", "1.2.250.1.9.3.1", mhd.DOC, patient=mhd.PAT)
    patient = {"resourceType": "Patient", "name": [{"family": "Roy"}]}
    sent["entry"] += [mhd.entry(folder, mhd.FOLDER), mhd.entry(patient, mhd.PAT)]
    _, document, _, held, who = provided(known, sent)
    assert {known.json(f"/fhir/{r}")["subject"]["reference"] for r in (document, held)} == {who}
    second = mhd.good(2, patient=who)
    second["entry"][0]["resource"] |= {"subject": {"reference": who},
                                       "entry": [{"item": {"reference": r}} for r in (mhd.DOC, held)]}  # fmt: skip
    changed = mhd.listed("folder", "1.2.250.1.9.3.1", mhd.DOC, document, patient=who, id=held.partition("/")[2])
    second["entry"][0]["resource"]["entry"][1]["item"]["reference"] = mhd.FOLDER
    second["entry"].append(mhd.entry(changed, mhd.FOLDER, "PUT", held))
    assert provided(known, second)[3] == held
    assert len(known.json(f"/fhir/{held}")["entry"]) == 2
    again = mhd.good(3)
    again["entry"][0]["resource"]["entry"].append({"item": {"reference": mhd.FOLDER}})
    again["entry"].append(mhd.entry(mhd.listed("folder", "1.2.250.1.9.3.1", mhd.DOC), mhd.FOLDER))
    assert "PUT" in known.refused(422, "POST", "/fhir", again)["diagnostics"]


def test_minimal_metadata_and_a_fhir_document(known: Api) -> None:
    """§3.65.4.1.2: what the profile of the Bundle asks for, and no more; a FHIR document is a Bundle of its own."""
    attachment = {"contentType": "application/fhir+json", "url": mhd.BIN}
    document = {"resourceType": "DocumentReference", "status": "current", "content": [{"attachment": attachment}],
                "masterIdentifier": mhd.oid("1.2.3")}  # fmt: skip
    said = {"resourceType": "Composition", "status": "final", "type": mhd.coded("1"), "title": "x", "date": "2026",
            "author": [{"display": "x"}]}  # fmt: skip
    made = {"resourceType": "Bundle", "type": "document", "timestamp": "2026-01-01T00:00:00Z",
            "identifier": mhd.oid("1.2.4"), "entry": [{"fullUrl": mhd.PAT, "resource": said}]}  # fmt: skip
    submission = mhd.listed(
        "submissionset", "1.2.5", mhd.DOC, meta={"profile": [f"{mhd.IHE}IHE.MHD.Minimal.SubmissionSet"]}
    )
    del submission["subject"], submission["source"], submission["contained"]
    sent = mhd.bundle(
        mhd.entry(submission, mhd.SET), mhd.entry(document, mhd.DOC), mhd.entry(made, mhd.BIN),
        profile=f"{mhd.IHE}IHE.MHD.Minimal.ProvideBundle",
    )  # fmt: skip
    first = provided(known, sent)
    assert first[2].startswith("Bundle/")
    assert known.json(f"/fhir/{first[1]}")["content"][0]["attachment"]["url"] == first[2]
    assert provided(known, sent) == first
    made["timestamp"] = "2027-01-01T00:00:00Z"
    assert known.refused(422, "POST", "/fhir", sent)["code"] == "duplicate"


def test_of_sources_that_meet_one_wins(known: Api) -> None:
    """Of two documents that replace one at a time one does, the other is told; of two that send the same, both."""
    _, old, _ = provided(known, mhd.good(1))
    meet = threading.Barrier(4)
    codes: list[int] = []

    def send(n: int) -> None:
        sent = mhd.good(2 + n // 2, relatesTo=mhd.replaces(old))
        meet.wait(20)
        codes.append(known.send("POST", "/fhir", sent).status_code)

    threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [200, 200, 422, 422]
    assert known.json("/fhir/DocumentReference?status=current")["total"] == 1


def test_xml_does_as_well(known: Api) -> None:
    """PDSm: both forms; the answer in the form that is asked for."""
    from hub.fhir.xml import to_xml

    sent = to_xml(orjson.dumps(mhd.good()))
    answer = known.send("POST", "/fhir", sent, "application/fhir+xml", Accept="application/fhir+xml")
    assert (answer.status_code, answer.content_type) == (200, "application/fhir+xml; charset=utf-8")
    assert answer.get_data(as_text=True).count("<location value=") == 3


def test_writing_is_enough_of_a_right(known: Api) -> None:
    """A source that may only write provides and replaces; one that may only read does not."""
    _, old, _ = provided(known, mhd.good(1))
    writer = tokens.issue(known.store, "writer", [tokens.WRITE])
    sent = mhd.good(2, relatesTo=mhd.replaces(old))
    headers = {"Authorization": f"Bearer {writer}"}
    assert known.send("POST", "/fhir", sent, **headers).status_code == 200
    reader = tokens.issue(known.store, "reader", [tokens.READ])
    for n in (1, 3):  # nor is told what is there
        assert known.refused(403, "POST", "/fhir", mhd.good(n), Authorization=f"Bearer {reader}")


def test_simplified_publish(known: Api) -> None:
    """§3.105.4.1.3: the document becomes a Binary, url, size and hash are the hub's; again: 200, nothing new."""
    answer = known.send("POST", "/fhir/DocumentReference", mhd.simplified())
    assert answer.status_code == 201, answer.data
    made = orjson.loads(answer.data)
    attachment = made["content"][0]["attachment"]
    assert (attachment["size"], attachment["hash"], "data" in attachment) == (len(mhd.PDF), mhd.digest(mhd.PDF), False)
    assert known.ask(f"/fhir/{attachment['url']}").data == mhd.PDF
    assert answer.headers["Location"] == f"{BASE}/DocumentReference/{made['id']}/_history/1"
    again = known.send("POST", "/fhir/DocumentReference", mhd.simplified())
    assert (again.status_code, orjson.loads(again.data)["id"]) == (200, made["id"])
    newer = mhd.simplified(2) | {"relatesTo": mhd.replaces(f"DocumentReference/{made['id']}")}
    assert known.send("POST", "/fhir/DocumentReference", newer).status_code == 201
    assert statuses(known, f"DocumentReference/{made['id']}") == ["superseded"]
    assert known.refused(422, "POST", "/fhir/DocumentReference", mhd.simplified(1, b"other"))["code"] == "duplicate"
    nobody = mhd.simplified(3) | {"subject": {"reference": "Patient/no"}}
    found = known.refused(422, "POST", "/fhir/DocumentReference", nobody)
    assert found["expression"] == ["DocumentReference.subject.reference"]
