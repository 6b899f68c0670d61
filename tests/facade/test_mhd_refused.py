"""The Bundles that a Document Recipient refuses (IHE MHD 4.2.3 §3.65.4.1.3, ITI TF-3 §4.2, PDSm 3.1.1): each of them
with the place of what is wrong, and with nothing written."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.errors import HubError
from hub.fhir import jsontext
from hub.services.documents import provided, publish
from hub.services.resources import bundles

from . import mhd
from .conftest import Api

BASE = "http://127.0.0.1:8080/fhir"
Sent = dict[str, Any]
Change = Callable[[Sent], object]


@dataclass(frozen=True)
class Refused:
    """A good Bundle with one thing wrong.

    :ivar where: of the first issue.
    """

    why: str
    change: Change
    where: str
    status: int = 400


def resource(n: int) -> Callable[[Sent], Sent]:
    return lambda sent: sent["entry"][n]["resource"]


LIST, DOC, BIN = resource(0), resource(1), resource(2)


def attachment(sent: Sent) -> Sent:
    found: Sent = DOC(sent)["content"][0]["attachment"]
    return found


def without(of: Callable[[Sent], Sent], name: str) -> Change:
    return lambda sent: of(sent).pop(name)


def having(of: Callable[[Sent], Sent], **more: Any) -> Change:
    return lambda sent: of(sent).update(more)


def also(*entries: Sent) -> Change:
    return lambda sent: sent["entry"].extend(copy.deepcopy(entries))


def request(n: int, **more: Any) -> Change:
    return lambda sent: sent["entry"][n]["request"].update(more)


def relating(code: str, ref: str) -> Change:
    return having(DOC, relatesTo=mhd.replaces(ref, code))


def extension(name: str) -> Change:
    return lambda sent: LIST(sent).update(extension=[e for e in LIST(sent)["extension"] if not e["url"].endswith(name)])


FOLDER = mhd.entry(mhd.listed("folder", "1.2.250.1.9.3.1", mhd.DOC), mhd.FOLDER)
OTHER = mhd.entry(mhd.binary(b"other"), "urn:uuid:99999999-0000-4000-8000-000000000000")
PATIENT = mhd.entry({"resourceType": "Patient"}, mhd.PAT)
OBSERVATION = mhd.entry({"resourceType": "Observation", "status": "final", "code": {"text": "x"}}, mhd.PAT)
E0, E1, E2 = ("Bundle.entry[0]", "Bundle.entry[1]", "Bundle.entry[2]")
R0, R1, R2 = (f"{e}.resource" for e in (E0, E1, E2))
ATT = f"{R1}.content[0].attachment"
MIN = f"{mhd.IHE}IHE.MHD.Minimal.DocumentReference"


def profiles(of: Callable[[Sent], Sent], *named: str) -> Change:
    return having(of, meta={"profile": list(named)})


def foldered(**more: Any) -> Change:
    """With a folder that the SubmissionSet lists."""

    def change(sent: Sent) -> None:
        LIST(sent)["entry"].append({"item": {"reference": mhd.FOLDER}})
        held = copy.deepcopy(FOLDER)
        held["resource"] = {k: v for k, v in (held["resource"] | more).items() if v is not None}
        sent["entry"].append(held)

    return change


def top(sent: Sent) -> Sent:
    return sent


CASES = [
    # the Bundle
    Refused("another type of Bundle", having(top, type="batch"), "Bundle.type"),
    Refused("no transaction at all", having(top, type="collection"), "Bundle.type"),
    Refused("a profile that no guide has", profiles(top, f"{mhd.IHE}IHE.MHD.Nonsense"), "Bundle.meta.profile"),
    Refused("the profile of another thing", profiles(top, MIN), "Bundle.meta.profile"),
    Refused("nothing in it", having(top, entry=[]), "Bundle.entry"),
    Refused("an entry of another type", also(OBSERVATION), "Bundle.entry[3].resource"),
    Refused("a read in it", also({"request": {"method": "GET", "url": "Patient/anne"}}), "Bundle.entry[3].resource"),
    Refused("two patients", also(PATIENT, PATIENT | {"fullUrl": OTHER["fullUrl"]}), "Bundle.entry[4]"),
    Refused("the same fullUrl twice", lambda s: s["entry"][2].update(fullUrl=mhd.DOC), f"{E2}.fullUrl"),
    Refused("a document without fullUrl", lambda s: s["entry"][1].pop("fullUrl"), f"{E1}.fullUrl"),
    Refused("a document by PUT", request(1, method="PUT", url="DocumentReference/x"), f"{E1}.request.method"),
    Refused("a URL of another type", request(2, url="Media"), f"{E2}.request.url"),
    # the SubmissionSet
    Refused("no SubmissionSet", lambda s: s["entry"].pop(0), "Bundle.entry"),
    Refused("two SubmissionSets", lambda s: s["entry"].append(copy.deepcopy(s["entry"][0])), "Bundle.entry"),
    Refused("a List that is neither", having(LIST, code=mhd.coded("x", mhd.LIST_TYPES)), f"{R0}.code"),
    Refused("a List without code", without(LIST, "code"), f"{R0}.code"),
    Refused("a code of another system", having(LIST, code=mhd.coded("submissionset", "urn:x")), f"{R0}.code"),
    Refused("no uniqueId", without(LIST, "identifier"), f"{R0}.identifier"),
    Refused("a uniqueId that is no OID", having(LIST, identifier=[mhd.oid("x")]), f"{R0}.identifier"),
    Refused("a uniqueId without value", having(LIST, identifier=[{"system": "urn:x"}]), f"{R0}.identifier"),
    Refused("no sourceId", extension("sourceId"), f"{R0}.extension"),
    Refused("no content type", extension("designationType"), f"{R0}.extension"),
    Refused("no subject", without(LIST, "subject"), f"{R0}.subject"),
    Refused("no date", without(LIST, "date"), f"{R0}.date"),
    Refused("no author", without(LIST, "source"), f"{R0}.source"),
    Refused("an older status", having(LIST, status="retired"), f"{R0}.status"),
    Refused("another mode", having(LIST, mode="snapshot"), f"{R0}.mode"),
    Refused("a document that it does not list", having(LIST, entry=[{"item": {"reference": mhd.SET}}]), E1),
    Refused(
        "an entry that is nothing",
        having(LIST, entry=[{"item": {"reference": r}} for r in (mhd.DOC, mhd.PAT)]),
        f"{R0}.entry[1]",
    ),
    Refused(
        "an entry that is no document",
        having(LIST, entry=[{"item": {"reference": r}} for r in (mhd.DOC, mhd.BIN)]),
        f"{R0}.entry[1]",
    ),
    Refused(
        "an entry taken out", having(LIST, entry=[{"item": {"reference": mhd.DOC}, "deleted": True}]), f"{R0}.entry[0]"
    ),
    Refused("the profile of a folder", profiles(LIST, f"{mhd.ANS}pdsm-folder-comprehensive"), f"{R0}.meta.profile"),
    # folders
    Refused("a folder that nothing lists", also(FOLDER), "Bundle.entry[3]"),
    Refused("a folder without title", foldered(title=None), "Bundle.entry[3].resource.title"),
    Refused("an empty folder", foldered(entry=None), "Bundle.entry[3].resource.entry"),
    Refused("a folder without date", foldered(date=None), "Bundle.entry[3].resource.date"),
    Refused(
        "a folder in a folder", foldered(entry=[{"item": {"reference": mhd.FOLDER}}]), "Bundle.entry[3].resource.entry"
    ),
    Refused(
        "a folder of another patient",
        foldered(subject={"reference": "Patient/bea"}),
        "Bundle.entry[3].resource.subject",
    ),
    # the document
    Refused("metadata that are too few", profiles(DOC, MIN), f"{R1}.meta.profile"),
    Refused("the profile of a List", profiles(DOC, f"{mhd.ANS}pdsm-submissionset-comprehensive"), f"{R1}.meta.profile"),
    Refused("no uniqueId of the document", without(DOC, "masterIdentifier"), f"{R1}.masterIdentifier"),
    Refused(
        "a UUID that is none",
        having(DOC, masterIdentifier={"system": "urn:ietf:rfc:3986", "value": "urn:uuid:1"}),
        f"{R1}.masterIdentifier",
    ),
    Refused("a status that is not current", having(DOC, status="superseded"), f"{R1}.status"),
    Refused("a docStatus", having(DOC, docStatus="final"), f"{R1}.docStatus"),
    Refused("no type", without(DOC, "type"), f"{R1}.type"),
    Refused("two categories", lambda s: DOC(s)["category"].append(mhd.coded("11")), f"{R1}.category"),
    Refused("no subject of the document", without(DOC, "subject"), f"{R1}.subject"),
    Refused("no author of the document", without(DOC, "author"), f"{R1}.author"),
    Refused("no custodian", without(DOC, "custodian"), f"{R1}.custodian"),
    Refused("no confidentiality", without(DOC, "securityLabel"), f"{R1}.securityLabel"),
    Refused("two contents", lambda s: DOC(s)["content"].append(copy.deepcopy(DOC(s)["content"][0])), f"{R1}.content"),
    Refused("no format", lambda s: DOC(s)["content"][0].pop("format"), f"{R1}.content.format"),
    Refused("no context", without(DOC, "context"), f"{R1}.context"),
    Refused("no facility", lambda s: DOC(s)["context"].pop("facilityType"), f"{R1}.context.facilityType"),
    Refused("no practice setting", lambda s: DOC(s)["context"].pop("practiceSetting"), f"{R1}.context.practiceSetting"),
    Refused(
        "no sourcePatientInfo", lambda s: DOC(s)["context"].pop("sourcePatientInfo"), f"{R1}.context.sourcePatientInfo"
    ),
    Refused("another patient", having(DOC, subject={"reference": "Patient/bea"}), f"{R1}.subject"),
    Refused(
        "a reference to another server",
        having(DOC, custodian={"reference": "http://x/fhir/Organization/1"}),
        f"{R1}.custodian.reference",
    ),
    Refused("a reference to no entry", having(DOC, subject={"reference": OTHER["fullUrl"]}), f"{R1}.subject.reference"),
    Refused(
        "a reference to nothing contained", having(DOC, author=[{"reference": "#nobody"}]), f"{R1}.author[0].reference"
    ),
    # relations
    Refused("a relation that there is not", relating("likes", "DocumentReference/old"), f"{R1}.relatesTo[0].code"),
    Refused("a document that replaces itself", relating("replaces", mhd.DOC), f"{R1}.relatesTo[0].target"),
    Refused("a patch of something else", also(mhd.supersede("List/x")), "Bundle.entry[3].request.url"),
    Refused(
        "another patch",
        lambda s: s["entry"].append(
            mhd.entry({"resourceType": "Parameters", "parameter": []}, "", "PATCH", "DocumentReference/old")
        ),
        "Bundle.entry[3].resource.parameter",
    ),
    # the octets
    Refused("a wrong size", having(attachment, size=1), f"{ATT}.size"),
    Refused("a wrong hash", having(attachment, hash=mhd.digest(b"x")), f"{ATT}.hash"),
    Refused("a hash that is no base64", having(attachment, hash="="), f"{ATT}.hash"),
    Refused("no hash", without(attachment, "hash"), f"{R1}.content.attachment.hash"),
    Refused("no size", without(attachment, "size"), f"{R1}.content.attachment.size"),
    Refused("no creation", without(attachment, "creation"), f"{R1}.content.attachment.creation"),
    Refused("another media type", having(attachment, contentType="text/xml"), f"{ATT}.contentType"),
    Refused("no url", without(attachment, "url"), f"{R1}.content.attachment.url"),
    Refused("data inside", having(attachment, data="eA=="), f"{R1}.content.attachment.data"),
    Refused(
        "a url that is no entry", having(attachment, url="urn:uuid:99999999-0000-4000-8000-000000000000"), f"{ATT}.url"
    ),
    Refused("a url elsewhere", having(attachment, url="https://elsewhere/x.pdf"), f"{ATT}.url"),
    Refused("a url of another's document", having(attachment, url="Binary/taken"), f"{ATT}.url"),
    Refused("no document", lambda s: s["entry"].pop(2), f"{ATT}.url"),
    Refused("a document that nothing is about", also(OTHER), "Bundle.entry[3]"),
    Refused(
        "a document of two",
        lambda s: (
            s["entry"].append(mhd.entry(mhd.document("1.8"), mhd.FOLDER)),
            LIST(s)["entry"].append({"item": {"reference": mhd.FOLDER}}),
        ),
        "Bundle.entry[3].resource.content[0].attachment.url",
    ),
    Refused(
        "a FHIR document that is a PDF",
        lambda s: s["entry"].__setitem__(2, mhd.entry({"resourceType": "Bundle", "type": "document"}, mhd.BIN)),
        f"{ATT}.contentType",
    ),
    Refused("a Binary without data", without(BIN, "data"), f"{R2}.data"),
    Refused("data that is no base64", having(BIN, data="x"), f"{R2}.data"),
    Refused(
        "a Bundle that is no document",
        lambda s: s["entry"].__setitem__(2, mhd.entry({"resourceType": "Bundle", "type": "collection"}, mhd.BIN)),
        f"{R2}.type",
    ),
    # what is stored
    Refused(
        "a patient who is not there",
        lambda s: [r(s).update(subject={"reference": "Patient/no"}) for r in (LIST, DOC)],
        f"{R0}.subject.reference",
        422,
    ),
    Refused(
        "a house that is not there",
        having(DOC, custodian={"reference": f"{BASE}/Organization/no"}),
        f"{R1}.custodian.reference",
        422,
    ),
    Refused(
        "a document that is not there", relating("replaces", "DocumentReference/no"), f"{R1}.relatesTo[0].target", 422
    ),
    Refused("one of another patient", relating("appends", "DocumentReference/beas"), f"{R1}.relatesTo[0].target", 422),
    Refused("one that was replaced", relating("replaces", "DocumentReference/old"), f"{R1}.relatesTo[0].target", 422),
    Refused(
        "an unknown identifier",
        having(DOC, relatesTo=[{"code": "replaces", "target": {"identifier": mhd.oid("1.9")}}]),
        f"{R1}.relatesTo[0].target",
        422,
    ),
    Refused(
        "a uniqueId taken by other octets",
        having(DOC, masterIdentifier=mhd.oid("1.2.250.1.9.1.77")),
        f"{R1}.masterIdentifier",
        422,
    ),
    Refused(
        "a uniqueId of another patient",
        having(DOC, masterIdentifier=mhd.oid("1.2.250.1.9.1.78")),
        f"{R1}.masterIdentifier",
        422,
    ),
    Refused(
        "a submission that is there", having(LIST, identifier=[mhd.oid("1.2.250.1.9.2.77")]), f"{R0}.identifier", 422
    ),
    Refused(
        "a document of another patient in it",
        lambda s: LIST(s)["entry"].append({"item": {"reference": "DocumentReference/beas"}}),
        f"{R0}.entry[1].item.reference",
        422,
    ),
    Refused(
        "a folder that is another List",
        lambda s: (foldered(id="set")(s), s["entry"][3]["request"].update(method="PUT", url="List/set")),
        "Bundle.entry[3].request.url",
        422,
    ),
    Refused(
        "two that replace one",
        lambda s: (
            relating("replaces", "DocumentReference/now")(s),
            s["entry"].extend(
                [
                    mhd.entry(
                        mhd.document(
                            "1.7",
                            relatesTo=mhd.replaces("DocumentReference/now"),
                            content=[
                                {**DOC(s)["content"][0], "attachment": {**attachment(s), "url": OTHER["fullUrl"]}}
                            ],
                        ),
                        mhd.FOLDER,
                    ),
                    OTHER | {"resource": mhd.binary()},
                ]
            ),
            LIST(s)["entry"].append({"item": {"reference": mhd.FOLDER}}),
        ),
        "Bundle.entry",
        422,
    ),
    Refused(
        "a patch of what is not replaced", also(mhd.supersede("DocumentReference/now")), "Bundle.entry[3].request", 422
    ),
    Refused(
        "a patient who fits a condition twice",
        lambda s: [r(s).update(subject={"reference": "Patient?identifier=urn:ins|1"}) for r in (LIST, DOC)],
        E0,
        412,
    ),
]


@pytest.fixture
def known(api: Api) -> Api:
    """With two patients, and documents in all states."""
    names = {"resourceType": "Patient", "identifier": [{"system": "urn:ins", "value": "1"}]}
    api.put(names | {"id": "anne"}, names | {"id": "bea"}, {"resourceType": "Organization", "id": "chu", "name": "x"})
    api.put(mhd.document("1.2.250.1.9.1.77") | {"id": "now"},
            mhd.document("1.1", patient="Patient/bea") | {"id": "beas"},
            mhd.document("1.2.250.1.9.1.78", patient="Patient/bea") | {"id": "more"},
            mhd.document("1.2") | {"id": "old", "status": "superseded"},
            mhd.listed("submissionset", "1.2.250.1.9.2.77") | {"id": "set"})  # fmt: skip
    return api


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.why)
def test_a_bundle_is_refused(known: Api, case: Refused) -> None:
    sent = mhd.good()
    total = known.json("/fhir/_history")["total"]
    case.change(sent)
    found = known.refused(case.status, "POST", "/fhir", sent)
    assert found["expression"][0].startswith(case.where), found
    assert known.json("/fhir/_history")["total"] == total


def test_all_that_is_wrong_is_told_at_once(known: Api) -> None:
    """R4 §3.1.0.1.5: an issue for each."""
    sent = mhd.good()
    for name in ("type", "author", "custodian"):
        del DOC(sent)[name]
    answer = known.send("POST", "/fhir", sent)
    told = {i["expression"][0].rpartition(".")[2] for i in orjson.loads(answer.data)["issue"]}
    assert {"type", "author", "custodian"} <= told


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda d: d.pop("masterIdentifier"), "DocumentReference.masterIdentifier"),
        (lambda d: d.update(status="superseded"), "DocumentReference.status"),
        (lambda d: d.pop("custodian"), "DocumentReference.custodian"),
        (lambda d: d["content"][0]["attachment"].pop("title"), "DocumentReference.content.attachment.title"),
        (lambda d: d["content"][0]["attachment"].pop("data"), "DocumentReference.content.attachment.data"),
        (lambda d: d["content"][0]["attachment"].update(url="Binary/x"), "DocumentReference.content.attachment.url"),
        (lambda d: d["content"][0]["attachment"].update(size=1), "DocumentReference.content[0].attachment.size"),
        (lambda d: d["content"][0]["attachment"].update(hash="eA=="), "DocumentReference.content[0].attachment.hash"),
        (lambda d: d.update(author=[{"reference": "#x"}]), "DocumentReference.author"),
        (lambda d: d.update(masterIdentifier=mhd.oid("x")), "DocumentReference.masterIdentifier"),
        (lambda d: d.update(relatesTo=mhd.replaces("urn:uuid:1")), "DocumentReference.relatesTo"),
    ],
)
def test_a_simplified_publish_is_refused(known: Api, change: Change, where: str) -> None:
    """MHD §3.105.4.1.3, pdsm-simplified-publish: 400 with the place, and nothing is written."""
    sent = mhd.simplified()
    change(sent)
    found = known.refused(400, "POST", "/fhir/DocumentReference", sent)
    assert found["expression"][0].startswith(where), found


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (holder, key) of a document."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [(value, k) for k in keys] + [p for k in keys for p in places(value[k])]


def full() -> Sent:
    sent = mhd.good(relatesTo=mhd.replaces("DocumentReference/old"))
    foldered()(sent)
    sent["entry"].append(mhd.supersede("DocumentReference/old"))
    return sent


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, 0, "", "x", [], {}, [None], [[]], {"reference": 3}, [{"code": 1}], {"identifier": []}, "#", "?"]
)


@given(st.data(), st.lists(ODD, min_size=1, max_size=3))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_no_bundle_makes_a_fault(data: st.DataObject, odd: list[Any]) -> None:
    """Whatever stands where: read, or an error that can be told."""
    sent = full()
    for one in odd:
        holder, key = data.draw(st.sampled_from(places(sent)))
        holder[key] = copy.deepcopy(one)
    with suppress(HubError):
        given_ = jsontext.read(orjson.dumps(sent))
        _, parts = bundles.read(given_, BASE)
        provided.read(given_.value, parts, BASE)


@given(st.data(), ODD)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bundle_makes_a_fault_over_the_wire(known: Api, data: st.DataObject, odd: Any) -> None:
    """The same, with the store behind it."""
    sent = full()
    holder, key = data.draw(st.sampled_from(places(sent)))
    holder[key] = copy.deepcopy(odd)
    assert known.send("POST", "/fhir", sent).status_code < 500


@given(st.data(), ODD)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_no_document_makes_a_fault(data: st.DataObject, odd: Any) -> None:
    """The same of ITI-105."""
    sent = mhd.simplified() | {"relatesTo": mhd.replaces("DocumentReference/old")}
    holder, key = data.draw(st.sampled_from(places(sent)))
    holder[key] = copy.deepcopy(odd)
    with suppress(HubError):
        publish.asked(sent)
        publish.read(jsontext.read(orjson.dumps(sent)), BASE)
