"""transaction and batch."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest

from hub.services.resources import bundles

from .conftest import Api

BASE = "http://127.0.0.1:8080/fhir"
PAT, OBS, ENC = "urn:uuid:11111111-1111-4111-8111-111111111111", "urn:uuid:2", "urn:uuid:3"


def bundle(*entries: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def entry(method: str, url: str, resource: Any = None, full: str = "", **request: str) -> dict[str, Any]:
    made: dict[str, Any] = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    return made | ({"fullUrl": full} if full else {})


def observation(subject: str, **elements: Any) -> dict[str, Any]:
    coded = {"status": "final", "code": {"text": "x"}, "subject": {"reference": subject}}
    return {"resourceType": "Observation", **coded, **elements}


def patient(value: str = "1", **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:s", "value": value}], **elements}


def sent(api: Api, *entries: dict[str, Any], kind: str = "transaction", **headers: str) -> list[dict[str, Any]]:
    """The entries of the response."""
    answer = api.send("POST", "/fhir", bundle(*entries, kind=kind), **headers)
    assert answer.status_code == 200, answer.data
    found = orjson.loads(answer.data)
    assert (found["type"], len(found.get("entry", ()))) == (f"{kind}-response", len(entries))
    return list(found.get("entry", ()))


def path(made: dict[str, Any]) -> str:
    """Where an entry says that its resource is."""
    location: str = made["response"]["location"]
    return "/fhir" + location.removeprefix(BASE).partition("/_history")[0]


def test_links_between_entries_become_references(each_api: Api) -> None:
    """R4 §3.1.0.11.2: in references, uris and the narrative; not in canonicals, identifiers and other strings."""
    text = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{PAT}">he</a> {PAT}<img src="{PAT}"/></div>'
    more = {
        "text": {"status": "generated", "div": text},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": PAT}],
        "extension": [{"url": "urn:x", "valueUri": PAT}, {"url": "urn:y", "valueReference": {"reference": PAT}},
                      {"url": "urn:z", "valueCanonical": PAT}],
        "valueQuantity": {"value": 5.0},
    }  # fmt: skip
    body = orjson.dumps(
        bundle(entry("POST", "Observation", observation(PAT, **more), OBS), entry("POST", "Patient", patient(), PAT))
    )
    answer = each_api.send("POST", "/fhir", body.replace(b'"value":5.0', b'"value":5.270'))
    made = orjson.loads(answer.data)["entry"]
    ref = path(made[1]).removeprefix("/fhir/")
    raw = each_api.ask(path(made[0])).data
    found = orjson.loads(raw)
    assert found["subject"] == {"reference": ref}
    linked, referred, canonical = found["extension"]
    assert (linked["valueUri"], referred["valueReference"], canonical["valueCanonical"]) == (
        ref,
        {"reference": ref},
        PAT,
    )
    assert found["identifier"][0]["value"] == PAT
    assert found["text"]["div"] == text.replace(f'href="{PAT}"', f'href="{ref}"').replace(
        f'src="{PAT}"', f'src="{ref}"'
    )
    assert b'"value":5.270' in raw
    assert each_api.ids(f"/fhir/Observation?subject={ref}") == [found["id"]]


def test_everything_at_once(each_api: Api) -> None:
    """R4 §3.1.0.11.2: DELETE, POST, PUT and PATCH, then GET; the answers in the order of the entries."""
    each_api.send("PUT", "/fhir/Patient/old", patient("old") | {"id": "old"})
    each_api.send("PUT", "/fhir/Patient/kept", patient("kept") | {"id": "kept"})
    change = [{"op": "add", "path": "/gender", "value": "female"}]
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json",
              "data": b64encode(orjson.dumps(change)).decode()}  # fmt: skip
    made = sent(
        each_api,
        entry("GET", "Patient?identifier=urn:s|new"),
        entry("PATCH", "Patient/kept", binary),
        entry("PUT", "Patient/new", patient("new") | {"id": "new"}, ifNoneMatch="*"),
        entry("POST", "Observation", observation("Patient/new")),
        entry("DELETE", "Patient?identifier=urn:s|old"),
        entry("DELETE", "Patient/nobody"),
    )
    assert [m["response"]["status"][:3] for m in made] == ["200", "200", "201", "201", "204", "204"]
    assert [m["resource"]["id"] for m in made[0]["resource"]["entry"]] == ["new"], "a read sees what was written"
    assert each_api.json("/fhir/Patient/kept")["gender"] == "female"
    assert made[2]["response"]["location"] == f"{BASE}/Patient/new/_history/1"
    assert made[2]["response"]["etag"] == 'W/"1"'
    assert each_api.issue("/fhir/Patient/old", 410)


@pytest.mark.parametrize(
    ("bad", "status", "where"),
    [
        (entry("PUT", "Patient/x", patient() | {"id": "y"}), 400, "Bundle.entry[1].resource.id"),
        (entry("POST", "Patient", patient(gender="x")), 400, "Bundle.entry[1].resource.gender"),
        (entry("PUT", "Patient/first", patient() | {"id": "first"}, ifMatch='W/"9"'), 400, "Bundle.entry[1]"),
        (entry("PUT", "Patient/z", patient() | {"id": "z"}, ifMatch='W/"9"'), 412, "Bundle.entry[1]"),
        (entry("PUT", "Patient/z", patient() | {"id": "z"}, ifMatch="nonsense"), 400, "Bundle.entry[1].request"),
        (entry("POST", "Observation", observation("Patient?identifier=nobody")), 412, "Bundle.entry[1]"),
        (entry("POST", "Observation", observation("Patient?nonsense=1")), 400, "Bundle.entry[1]"),
        (entry("POST", "Observation", observation("Nonsense?x=1")), 400, "Bundle.entry[1]"),
        (entry("PATCH", "Patient/nobody", {"resourceType": "Parameters", "parameter": []}), 404, "Bundle.entry[1]"),
        (entry("PATCH", "Patient?identifier=nobody", {"resourceType": "Binary", "contentType": "x"}), 400, "Bundle"),
        (entry("DELETE", "Patient"), 400, "Bundle.entry[1]"),
        (entry("PUT", "Patient", patient()), 400, "Bundle.entry[1]"),
        (entry("POST", "Nonsense", patient()), 404, "Bundle.entry[1]"),
        (entry("POST", "Patient/$x", patient()), 405, "Bundle.entry[1]"),
        (entry("PUT", "Patient/a_b", patient()), 400, "Bundle.entry[1]"),
        (entry("POST", "Patient"), 400, "Bundle.entry[1].resource"),
        (entry("GET", "Patient", patient()), 400, "Bundle.entry[1].resource"),
        (entry("JUMP", "Patient"), 400, "Bundle.entry[1].request.method"),
        ({"resource": patient()}, 400, "Bundle.entry[1].request"),
        ({"request": {"method": "GET"}}, 400, "Bundle.entry[1].request.url"),
        ({"request": {"method": "GET", "url": "Patient", "ifMatch": 3}}, 400, "Bundle.entry[1].request.ifMatch"),
        ({"request": {"method": "POST", "url": "Patient"}, "resource": 3}, 400, "Bundle.entry[1].resource"),
    ],
)
def test_nothing_is_done_when_one_entry_fails(api: Api, bad: dict[str, Any], status: int, where: str) -> None:
    """R4 §3.1.0.11.2: all or nothing, and the entry that is to blame is named."""
    first = entry("PUT", "Patient/first", patient() | {"id": "first"})
    found = api.refused(status, "POST", "/fhir", bundle(first, bad))
    assert found["expression"][0].startswith(where), found
    assert api.json("/fhir/_history")["total"] == 0


@pytest.mark.parametrize(
    "body",
    [{"resourceType": "Bundle", "type": "collection"}, patient(), bundle() | {"entry": 3}, bundle() | {"entry": [3]}],
)
def test_another_bundle_is_not_carried_out(api: Api, body: Any) -> None:
    """R4 §3.1.0.11: batch or transaction."""
    assert api.refused(400, "POST", "/fhir", body)["expression"][0].startswith("Bundle")


def test_an_empty_transaction(api: Api) -> None:
    """Nothing to do is done."""
    assert sent(api) == []


def test_conditions_inside_a_transaction(each_api: Api) -> None:
    """R4 §3.1.0.11: ifNoneExist, references and updates by condition; a link follows to what is there already."""
    each_api.send("PUT", "/fhir/Patient/anne", patient() | {"id": "anne"})
    made = sent(
        each_api,
        entry("POST", "Patient", patient(), PAT, ifNoneExist="identifier=urn:s|1"),
        entry("POST", "Observation", observation(PAT)),
        entry("POST", "Observation", observation("Patient?identifier=urn:s|1")),
        entry("PUT", "Patient?identifier=urn:s|2", patient("2")),
    )
    assert [m["response"]["status"][:3] for m in made] == ["200", "201", "201", "201"]
    assert path(made[0]) == "/fhir/Patient/anne"
    assert len(each_api.ids("/fhir/Observation?subject=Patient/anne")) == 2
    assert path(made[3]) != path(made[0])
    again = sent(each_api, entry("PUT", "Patient?identifier=urn:s|2", patient("2", gender="male")))
    assert (again[0]["response"]["status"][:3], path(again[0])) == ("200", path(made[3]))


def test_what_restful_urls_of_entries_mean(each_api: Api) -> None:
    """R4 §2.36.4: a relative reference is to the entry whose fullUrl it completes, which gets an id of its own."""
    made = sent(
        each_api,
        entry("POST", "Patient", patient() | {"id": "temp"}, "http://elsewhere/fhir/Patient/temp"),
        entry("POST", "Observation", observation("Patient/temp"), "http://elsewhere/fhir/Observation/1"),
    )
    assert each_api.json(path(made[1]))["subject"]["reference"] == path(made[0]).removeprefix("/fhir/")


def test_no_resource_twice(each_api: Api) -> None:
    """R4 §3.1.0.11.2: identities that overlap are refused, also those that conditions come to."""
    each_api.send("PUT", "/fhir/Patient/anne", patient() | {"id": "anne"})
    one = entry("PUT", "Patient/anne", patient() | {"id": "anne"})
    for other in (one, entry("DELETE", "Patient/anne"), entry("DELETE", "Patient?identifier=urn:s|1")):
        found = each_api.refused(400, "POST", "/fhir", bundle(one, other))
        assert found["code"] == "duplicate"


@pytest.mark.parametrize(
    ("preference", "has"),
    [
        ("", set()),
        ("return=minimal", set()),
        ("return=representation", {"resource"}),
        ("return=OperationOutcome", {"outcome"}),
    ],
)
def test_what_comes_back_of_each(api: Api, preference: str, has: set[str]) -> None:
    """R4 §3.1.0.1.6."""
    (made,) = sent(api, entry("POST", "Patient", patient()), Prefer=preference)
    assert {k for k in ("resource", "outcome") if k in made or k in made["response"]} == has


def test_patches_inside_a_transaction_count(each_api: Api) -> None:
    """A FHIRPath Patch by condition with a version; another version is refused."""
    each_api.send("PUT", "/fhir/Patient/anne", patient() | {"id": "anne"})
    parts = [{"name": "type", "valueCode": "add"}, {"name": "path", "valueString": "Patient"},
             {"name": "name", "valueString": "gender"}, {"name": "value", "valueCode": "male"}]  # fmt: skip
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    stale = entry("PATCH", "Patient?identifier=urn:s|1", parameters, ifMatch='W/"7"')
    assert each_api.refused(412, "POST", "/fhir", bundle(stale))["expression"] == ["Bundle.entry[0]"]
    sent(each_api, entry("PATCH", "Patient?identifier=urn:s|1", parameters, ifMatch='W/"1"'))
    assert each_api.json("/fhir/Patient/anne")["gender"] == "male"


def test_the_entries_of_a_batch_stand_alone(each_api: Api) -> None:
    """R4 §3.1.0.11.1: each has its own outcome; one that fails takes no other with it."""
    each_api.send("PUT", "/fhir/Patient/anne", patient() | {"id": "anne"})
    made = sent(
        each_api,
        entry("GET", "Patient/anne"),
        entry("GET", "Patient/nobody"),
        entry("POST", "Patient", patient(gender="x")),
        entry("POST", "Patient", patient("2"), ifNoneExist="identifier=urn:s|1"),
        entry("PUT", "Patient/anne", patient() | {"id": "anne"}, ifMatch='W/"4"'),
        entry("PATCH", "Patient/anne", {"resourceType": "Binary", "contentType": "application/json-patch+json",
              "data": b64encode(b'[{"op":"add","path":"/active","value":true}]').decode()}),
        entry("DELETE", "Patient/nobody"),
        entry("GET", "Patient?identifier=urn:s|1"),
        entry("GET", "Patient/anne", ifNoneMatch='W/"2"'),
        entry("HEAD", "Patient/anne"),
        entry("GET", f"{BASE}/metadata"),
        entry("GET", "../../etc/passwd"),
        kind="batch",
    )  # fmt: skip
    statuses = [m["response"]["status"][:3] for m in made]
    assert statuses == ["200", "404", "400", "200", "412", "200", "204", "200", "304", "200", "200", "404"]
    assert made[0]["resource"]["id"] == "anne"
    assert made[1]["response"]["outcome"]["issue"][0]["code"] == "not-found"
    assert made[7]["resource"]["total"] == 1


def test_each_entry_needs_its_scope(api: Api) -> None:
    """A Bundle is no way around what a token may."""
    from hub.store import tokens

    secret = tokens.issue(api.store, "reader", ["system/*.read", "system/Observation.c"])
    write = bundle(entry("POST", "Patient", patient()))
    assert api.ask("/fhir", "POST", token=secret, json=write).status_code == 403
    answer = api.ask("/fhir", "POST", token=secret, json=write | {"type": "batch"})
    assert orjson.loads(answer.data)["entry"][0]["response"]["status"] == "403 Forbidden"
    by_reference = bundle(entry("POST", "Observation", observation("Patient?identifier=1")))
    only = tokens.issue(api.store, "writer", ["system/Observation.c"])
    assert api.ask("/fhir", "POST", token=only, json=by_reference).status_code == 403


def test_a_large_transaction_is_one_commit(each_api: Api) -> None:
    """1,000 entries with links to each other, all or nothing."""
    entries = [entry("POST", "Patient", patient(str(n)), f"urn:uuid:p{n}") for n in range(500)]
    entries += [entry("POST", "Observation", observation(f"urn:uuid:p{n}")) for n in range(500)]
    before = each_api.store.writer("work").commits
    made = sent(each_api, *entries)
    assert each_api.store.writer("work").commits - before <= 2, "one, and perhaps one of the number of the process"
    assert each_api.json(path(made[700]))["subject"]["reference"] == path(made[200]).removeprefix("/fhir/")
    assert each_api.json("/fhir/Observation?_count=0")["total"] == 500
    broken = [*entries, entry("PUT", "Patient/x", patient() | {"id": "x"}, ifMatch='W/"1"')]
    each_api.refused(412, "POST", "/fhir", bundle(*broken))
    assert each_api.json("/fhir/Observation?_count=0")["total"] == 500


def test_too_many_entries_are_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """413, before anything is done."""
    monkeypatch.setattr(bundles, "MAX_ENTRIES", 2)
    assert api.refused(413, "POST", "/fhir", bundle(*[entry("GET", "Patient")] * 3))["code"] == "too-long"
