"""$merge and $unmerge: what Patient.link shows (R4 §8.1.4), when it is refused (RNIV), and that nothing is lost."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest

from hub import clock
from hub.fhir.draft import Entry, Patch, Rank
from hub.services.identity import merging
from hub.store.resources import Saying, apply, prepare
from tests.facade.conftest import Api

from .test_match import A, B, patient

PI, OTHER = "urn:oid:1.2.250.1.999.1.3", "urn:oid:1.2.250.1.999.1.4"


def local(fid: str, number: str, system: str = PI, **more: Any) -> dict[str, Any]:
    """A record of an establishment that nobody qualified."""
    made = patient(fid, place="", status="PROV", **more)
    made["identifier"] = [{"type": {"coding": [{"code": "PI"}]}, "system": system, "value": number}]
    return made


def named(source: str, target: str, **more: Any) -> dict[str, Any]:
    parts = [{"name": f"{n}-patient", "valueReference": {"reference": f"Patient/{fid}"}}
             for n, fid in (("source", source), ("target", target))]  # fmt: skip
    return {
        "resourceType": "Parameters",
        "parameter": [*parts, *({"name": n, "valueBoolean": v} for n, v in more.items())],
    }


def done(api: Api, verb: str, body: dict[str, Any]) -> str:
    """What is said of it."""
    answer = api.send("POST", f"/fhir/Patient/${verb}", body)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    outcome, result = (p["resource"] for p in orjson.loads(answer.data)["parameter"])
    assert result["resourceType"] == "Patient"
    return str(outcome["issue"][0]["diagnostics"])


def shown(api: Api, fid: str) -> tuple[Any, list[tuple[str, str]]]:
    made = api.json(f"/fhir/Patient/{fid}")
    return made.get("active"), [(x["type"], x["other"]["reference"]) for x in made.get("link", ())]


def feed(api: Api, *resources: dict[str, Any]) -> None:
    """What the identity feed of an establishment says."""
    entries = [Entry("Patient", r["id"], {k: v for k, v in r.items() if k != "id"}, Rank.FEED) for r in resources]
    writes = [prepare(e, api.store.take_id(), "test") for e in entries]
    api.store.write(lambda tx: apply(tx, writes, clock.now(), api.store.ids.take))


def test_there_and_back(each_api: Api) -> None:
    api = each_api
    feed(api, local("p1", "1"), local("p2", "2", gender="male"))
    before = [api.json(f"/fhir/Patient/{fid}") for fid in ("p1", "p2")]
    assert done(api, "merge", named("p1", "p2", preview=True)).startswith("nothing stands against")
    assert shown(api, "p1") == (None, [])
    assert done(api, "merge", named("p1", "p2")) == "the records are one now"
    assert shown(api, "p1") == (False, [("replaced-by", "Patient/p2")])
    assert shown(api, "p2") == (None, [("replaces", "Patient/p1")])
    assert done(api, "merge", named("p1", "p2")) == "they were merged already"
    assert api.ids("/fhir/Patient?link=Patient/p2") == ["p1"]
    feed(api, local("p1", "1", birthDate="1958-07-20"))  # what comes later does not undo it
    assert shown(api, "p1")[0] is False
    assert done(api, "unmerge", named("p1", "p2")) == "the records are two again"
    after = [api.json(f"/fhir/Patient/{fid}") for fid in ("p1", "p2")]
    for made in (*before, *after):
        del made["meta"]
    assert after == [before[0] | {"birthDate": "1958-07-20"}, before[1]]
    assert len(api.json("/fhir/Patient/p2/_history")["entry"]) == 3


def test_a_merge_of_the_feed_is_taken_back(each_api: Api) -> None:
    """The statements are those of an ADT A40 (topics ``replaced-by`` and ``replaces:…``)."""
    api = each_api
    feed(api, local("p1", "1"), local("p2", "2"))
    number = api.store.take_id()
    said = [
        Patch("Patient", "p1", "replaced-by", {"active": False},
              {"link": [{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]}),
        Patch("Patient", "p2", "replaces:Patient/p1", {},
              {"link": [{"other": {"reference": "Patient/p1"}, "type": "replaces"}]}),
    ]  # fmt: skip
    api.store.write(lambda tx: apply(tx, [Saying(p, number, "test") for p in said], clock.now(), api.store.ids.take))
    assert shown(api, "p1")[0] is False
    done(api, "unmerge", named("p1", "p2"))
    assert shown(api, "p1") == (None, [])
    assert shown(api, "p2") == (None, [])


def test_a_link_that_somebody_wrote_stays(each_api: Api) -> None:
    each_api.put(
        local("p1", "1", link=[{"other": {"reference": "Patient/p2"}, "type": "replaced-by"}]), local("p2", "2")
    )
    issue = each_api.refused(422, "POST", "/fhir/Patient/$unmerge", named("p1", "p2"))
    assert "was written into the record" in issue["diagnostics"]
    assert shown(each_api, "p1")[1] == [("replaced-by", "Patient/p2")]


@pytest.mark.parametrize(
    ("one", "other", "refusal"),
    [
        (patient("p1", A), patient("p2", A), ""),
        (patient("p1", A), patient("p2", A, status="PROV", place=""), "the INS is not qualified"),
        (patient("p1", A), patient("p2", B), "two persons"),
        (patient("p1"), patient("p2"), ""),
        (patient("p1"), patient("p2", gender="male"), "the sex differs"),
        (local("p1", "1"), local("p2", "2", OTHER), "the place of birth is missing"),
        (local("p1", "1"), local("p2", "2", PI, gender="male"), ""),  # one establishment: its identity desk decides
    ],
)
def test_who_may_be_merged(each_api: Api, one: dict[str, Any], other: dict[str, Any], refusal: str) -> None:
    """Across establishments only by a qualified INS on both sides or the five strict traits."""
    feed(each_api, one, other)
    if not refusal:
        done(each_api, "merge", named("p1", "p2"))
        assert shown(each_api, "p1")[0] is False
        return
    issue = each_api.refused(422, "POST", "/fhir/Patient/$merge", named("p1", "p2"))
    assert (issue["code"], refusal in issue["diagnostics"]) == ("business-rule", True)
    assert shown(each_api, "p1")[1] == []


def test_chains_and_rings(each_api: Api) -> None:
    feed(each_api, *(local(f"p{n}", str(n)) for n in (1, 2, 3)))
    done(each_api, "merge", named("p1", "p2"))
    for source, target in (("p2", "p1"), ("p1", "p3"), ("p3", "p1"), ("p3", "p3")):
        each_api.refused(422, "POST", "/fhir/Patient/$merge", named(source, target))
    done(each_api, "merge", named("p2", "p3"))
    assert set(shown(each_api, "p2")[1]) == {("replaces", "Patient/p1"), ("replaced-by", "Patient/p3")}
    each_api.refused(422, "POST", "/fhir/Patient/$unmerge", named("p1", "p3"))


def test_two_at_once_make_no_ring(each_api: Api) -> None:
    feed(each_api, local("p1", "1"), local("p2", "2"))
    gate, refused = threading.Barrier(2), []

    def go(source: str, target: str) -> None:
        gate.wait()
        try:
            merging.merge(each_api.store, merging.Pair(f"Patient/{source}", f"Patient/{target}"))
        except merging.UnprocessableError as error:
            refused.append(error)

    both = [threading.Thread(target=go, args=pair) for pair in (("p1", "p2"), ("p2", "p1"))]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(refused) == 1
    assert {shown(each_api, fid)[0] for fid in ("p1", "p2")} == {None, False}


def test_searches_go_through_the_link(each_api: Api) -> None:
    """Whoever asks for either record finds what is of both; after an unmerge no more."""
    api = each_api
    feed(api, local("p1", "1"), local("p2", "2"), local("p3", "3"))
    api.put(*({"resourceType": "Observation", "id": f"o{n}", "status": "final", "code": {"text": "x"},
               "subject": {"reference": f"Patient/p{n}"}} for n in (1, 2, 3)))  # fmt: skip
    done(api, "merge", named("p1", "p2"))
    base = api.json("/fhir/metadata")["implementation"]["url"]
    for query in ("patient=p1", "patient=p2", "subject=Patient/p1", f"patient={base}/Patient/p2", "patient=p1,p2",
                  "patient:Patient=p1", "patient=p1&_count=1&_sort=_id"):  # fmt: skip
        made = api.json(f"/fhir/Observation?{query}&_total=accurate")
        assert made["total"] == 2, query
    further = next(link["url"] for link in made["link"] if link["relation"] == "next")
    assert api.ids("/fhir" + further.partition("/fhir")[2]) == ["o2"]
    assert api.ids("/fhir/Observation?patient=p3") == ["o3"]
    done(api, "unmerge", named("p1", "p2"))
    assert api.ids("/fhir/Observation?patient=p2") == ["o2"]


def test_by_identifier(api: Api) -> None:
    feed(api, local("p1", "1"), local("p2", "2"), local("p3", "2"))

    def body(value: str, target: dict[str, Any]) -> dict[str, Any]:
        source = {"name": "source-patient-identifier", "valueIdentifier": {"system": PI, "value": value}}
        return {"resourceType": "Parameters", "parameter": [source, target]}

    target = {"name": "target-patient", "valueReference": {"reference": "Patient/p2"}}
    several = {"name": "target-patient-identifier", "valueIdentifier": {"system": PI, "value": "2"}}
    assert api.refused(404, "POST", "/fhir/Patient/$merge", body("9", target))["code"] == "not-found"
    assert api.refused(412, "POST", "/fhir/Patient/$merge", body("1", several))["code"] == "multiple-matches"
    done(api, "merge", body("1", target))
    assert shown(api, "p1")[0] is False


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (named("p1", "nobody"), 404, "not-found"),
        (named("nobody", "p1"), 404, "not-found"),
        (named("p1/x", "p1"), 400, "value"),
        ({"resourceType": "Parameters", "parameter": []}, 400, "required"),
        ({"resourceType": "Parameters", "parameter": [{"name": "source-patient", "valueReference": {"reference": 7}}]},
         400, "required"),
        (named("p1", "p2", **{"delete-source": True}), 400, "not-supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    feed(api, local("p1", "1"))
    for verb in ("merge", "unmerge"):
        assert api.refused(status, "POST", f"/fhir/Patient/${verb}", body)["code"] == code
    assert api.ask("/fhir/Patient/$merge").status_code == 405
