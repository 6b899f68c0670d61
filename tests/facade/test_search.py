"""search over HTTP: what is found, how it is put, its pages."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from hub import clock
from hub.facade import pages
from hub.facade.pages import Pages
from hub.settings import Settings
from hub.store import tokens
from hub.store.tables import page

from .conftest import Api

INS = "urn:oid:1.2.250.1.213.1.4.8"
PEOPLE: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "anne",
        "identifier": [{"system": INS, "value": "260058815400233"}],
        "name": [{"family": "Lefèvre", "given": ["Anne"]}],
        "birthDate": "1960-05-12",
        "gender": "female",
    },
    {
        "resourceType": "Patient",
        "id": "paul",
        "identifier": [{"system": INS, "value": "155027512345678"}],
        "name": [{"family": "Martin, dit Petit", "given": ["Paul"]}],
        "birthDate": "1955-02",
        "gender": "male",
        "deceasedDateTime": "2025-01-01T10:00:00+01:00",
    },
]


def document(number: int, patient: str, date: str, code: str = "34794-8", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": f"doc{number}",
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "date": date,
        **more,
    }


DOCUMENTS = [
    document(1, "anne", "2024-01-15T10:00:00+01:00"),
    document(2, "anne", "2024-06-15T10:00:00+02:00", "11526-1"),
    document(3, "paul", "2024-06-20T10:00:00+02:00", status="superseded"),
]


@pytest.fixture
def full(api: Api) -> Api:
    api.put(*PEOPLE, *DOCUMENTS)
    return api


SEARCHES = [
    ("Patient", ["paul", "anne"]),
    (f"Patient?identifier={INS}|260058815400233", ["anne"]),
    ("Patient?identifier=260058815400233,155027512345678", ["paul", "anne"]),
    ("Patient?family=lefevre", ["anne"]),
    ("Patient?name=ANN", ["anne"]),
    (r"Patient?family=martin\, dit", ["paul"]),
    ("Patient?birthdate=1960", ["anne"]),
    ("Patient?birthdate=lt1960", ["paul"]),
    ("Patient?deceased=false", ["anne"]),
    ("Patient?death-date=2025-01-01T09:00:00Z", ["paul"]),
    ("Patient?gender:not=male", ["anne"]),
    ("Patient?_id=anne,nobody", ["anne"]),
    ("Patient?_lastUpdated=gt2020", ["paul", "anne"]),
    ("Patient?_lastUpdated=lt2020", []),
    ("Patient?_sort=birthdate", ["paul", "anne"]),
    ("Patient?_sort=-birthdate", ["anne", "paul"]),
    ("DocumentReference?patient=anne", ["doc2", "doc1"]),
    ("DocumentReference?patient=Patient/anne&date=ge2024-06", ["doc2"]),
    (f"DocumentReference?patient.identifier={INS}|260058815400233", ["doc2", "doc1"]),
    (f"DocumentReference?patient.identifier={INS}|260058815400233&status=current&type=34794-8", ["doc1"]),
    ("DocumentReference?subject:Patient.family=martin", ["doc3"]),
    ("DocumentReference?patient.identifier=nobody", []),
    ("DocumentReference?type=http://loinc.org|11526-1,http://loinc.org|none", ["doc2"]),
    ("DocumentReference?date=2024-06", ["doc3", "doc2"]),
]


@pytest.mark.parametrize(("path", "expected"), SEARCHES)
def test_a_search_finds_what_it_asks_for(full: Api, path: str, expected: list[str]) -> None:
    """R4 §3.1.1, by GET and by POST alike, newest first; ITI-67 by patient.identifier and date."""
    assert full.ids(f"/fhir/{path}") == expected
    kind, _, query = path.partition("?")
    data = query.encode()
    media = "application/x-www-form-urlencoded"
    assert full.ids(f"/fhir/{kind}/_search", method="POST", data=data, content_type=media) == expected


def test_every_database_finds_the_same(each_api: Api) -> None:
    """SQLite and PostgreSQL answer alike."""
    each_api.put(*PEOPLE, *DOCUMENTS)
    assert {path: each_api.ids(f"/fhir/{path}") for path, _ in SEARCHES} == dict(SEARCHES)


def test_a_searchset_has_stored_octets_and_an_exact_total(full: Api) -> None:
    """R4 §3.1.1.5: total, self link with what was applied, fullUrl, mode; the resource as it is stored."""
    answer = full.ask("/fhir/Patient?gender=female&_format=json")
    found = orjson.loads(answer.data)
    assert (found["type"], found["total"]) == ("searchset", 1)
    assert found["link"] == [{"relation": "self", "url": "http://127.0.0.1:8080/fhir/Patient?gender=female"}]
    (entry,) = found["entry"]
    assert (entry["fullUrl"], entry["search"]) == ("http://127.0.0.1:8080/fhir/Patient/anne", {"mode": "match"})
    assert full.ask("/fhir/Patient/anne").data in answer.data


def test_nothing_found_is_a_bundle_without_entries(full: Api) -> None:
    """R4 §2.6.2: no empty arrays."""
    found = full.json("/fhir/Patient?family=nobody")
    assert (found["total"], "entry" in found) == (0, False)


@pytest.mark.parametrize("query", ["_summary=count", "_count=0"])
def test_only_the_number_can_be_asked_for(full: Api, query: str) -> None:
    """R4 §3.1.1.5.4: _count=0 is _summary=count."""
    found = full.json(f"/fhir/DocumentReference?patient=anne&{query}")
    assert (found["total"], "entry" in found, len(found["link"])) == (2, False, 1)


def test_the_total_can_be_left_out(full: Api) -> None:
    """R4 §3.1.1.5.3, _total=none, where it would have to be counted."""
    found = full.json("/fhir/DocumentReference?_count=1&_total=none")
    assert ("total" in found, len(found["entry"])) == (False, 1)


def follow(api: Api, path: str) -> list[list[str]]:
    """All pages from here, as lists of ids."""
    out = []
    while path:
        found = api.json(path)
        out.append([e["resource"]["id"] for e in found.get("entry", ())])
        path = urlsplit(next((k["url"] for k in found["link"] if k["relation"] == "next"), "")).path
    return out


@pytest.mark.parametrize("sort", ["", "&_sort=date", "&_sort=-_lastUpdated"])
def test_pages_hold_every_hit_once_whatever_arrives(full: Api, sort: str) -> None:
    """R4 §3.1.1.5.5: what is written meanwhile moves nothing between pages."""
    full.put(*(document(n, "anne", f"2023-01-{n:02d}") for n in range(10, 17)))
    whole = full.ids(f"/fhir/DocumentReference?patient=anne{sort}")
    assert len(whole) == 9
    first = full.json(f"/fhir/DocumentReference?patient=anne&_count=4{sort}")
    rest = urlsplit(first["link"][1]["url"]).path
    full.put(document(99, "anne", "2999-01-01") if sort == "" else document(99, "anne", "1999-01-01"))
    pages_ = [[e["resource"]["id"] for e in first["entry"]], *follow(full, rest)]
    assert [i for p in pages_ for i in p if i != "doc99"] == whole
    assert [len(p) for p in pages_] == [4, 4, 1]


def test_a_page_link_says_nothing_of_the_search(full: Api) -> None:
    """A link may stand in a log or a history: it holds neither identifier nor name, and no query."""
    found = full.json(f"/fhir/DocumentReference?patient.identifier={INS}|260058815400233&_count=1")
    url = found["link"][1]["url"]
    assert found["link"][1]["relation"] == "next"
    assert urlsplit(url).query == ""
    assert "260058815400233" not in url
    following = full.json(urlsplit(url).path)
    assert "260058815400233" not in str(following["link"])
    assert (following["total"], following["entry"][0]["resource"]["id"]) == (2, "doc1")


def test_a_page_link_is_for_its_caller_only(full: Api) -> None:
    """Whoever finds a link cannot use it with a token of their own; nor can it be changed."""
    found = full.json("/fhir/DocumentReference?_count=1")
    path = urlsplit(found["link"][1]["url"]).path
    other = tokens.issue(full.store, "other", [tokens.READ])
    assert full.issue(path, 404, token=other)["code"] == "not-found"
    swapped = path[:-1] + ("A" if path[-1] != "A" else "B")
    assert full.issue(swapped, 404)["code"] == "not-found"
    assert full.issue("/fhir/_page/%C3%A9!", 404)["code"] == "not-found"


def test_a_page_that_is_no_longer_kept_is_gone(full: Api) -> None:
    """The client is told to search again."""
    path = urlsplit(full.json("/fhir/DocumentReference?_count=1")["link"][1]["url"]).path
    full.store.write(lambda tx: tx.conn.execute(update(page).values(expires_at=clock.now() - 1)) and None)
    issue = full.issue(path, 410)
    assert (issue["code"], "search again" in issue["diagnostics"]) == ("deleted", True)


def test_one_search_is_one_row_however_often_it_is_asked(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writes are dear: a search asked again writes nothing until half of its term has passed."""
    made = Pages(api.store, api.settings)
    now = clock.now()
    monkeypatch.setattr(pages.clock, "now", lambda: now)

    def rows() -> list[tuple[str, int]]:
        with api.store.reading() as conn:
            return [(r.query, r.expires_at) for r in conn.execute(select(page).order_by(page.c.query))]

    made.link("a", (0, 1), "me")
    made.link("a", (0, 2), "you")
    assert rows() == [("a", now + pages.LIFE)]
    start, now = now, now + pages.LIFE // 2 + 1
    made.link("a", (0, 3), "me")
    assert rows() == [("a", now + pages.LIFE)]
    now = start + 3 * pages.LIFE
    made.link("b", (0, 1), "me")
    assert rows() == [("b", now + pages.LIFE)]


def test_what_is_remembered_of_pages_is_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many different searches do not fill the memory."""
    monkeypatch.setattr(pages, "_KEPT", 2)
    made = Pages(api.store, api.settings)
    for text in "abc":
        made.link(text, (0, 1), "me")
    assert len(made._written) == 1


def test_processes_of_one_hub_open_each_others_pages(api: Api) -> None:
    """With a secret, or without one by a key in the data folder that only the hub may read."""
    token = Pages(api.store, api.settings).link("text", (1, 2), "me")
    assert Pages(api.store, api.settings).open(token, "me") == ("text", (1, 2))
    assert (api.settings.data / "paging.key").stat().st_mode & 0o777 == 0o600
    with_secret = Settings.load(api.settings.home, secret="x" * 32)
    token = Pages(api.store, with_secret).link("text", (1, 2), "me")
    assert Pages(api.store, with_secret).open(token, "me") == ("text", (1, 2))


def test_a_parameter_the_hub_does_not_know_is_an_error(full: Api) -> None:
    """R4 §3.1.1.7: to leave it out would tell more than was asked for."""
    issue = full.issue("/fhir/Patient?nonsense=1", 400)
    assert (issue["code"], issue["location"]) == ("not-supported", ["http.nonsense"])


def test_a_lenient_client_gets_the_rest_and_a_remark(full: Api) -> None:
    """R4 §3.1.1.7, Prefer: handling=lenient: dropped from the self link and named in an outcome entry."""
    headers = {"Prefer": "handling=lenient"}
    found = full.json("/fhir/Patient?nonsense=1&gender=male", headers=headers)
    assert found["total"] == 1
    assert found["link"][0]["url"].endswith("/fhir/Patient?gender=male")
    match, remark = found["entry"]
    assert (match["resource"]["id"], remark["search"]) == ("paul", {"mode": "outcome"})
    (issue,) = remark["resource"]["issue"]
    assert (issue["severity"], "'nonsense'" in issue["diagnostics"]) == ("warning", True)


def test_a_posted_search_is_a_form(full: Api) -> None:
    """R4 §3.1.0.11: application/x-www-form-urlencoded; parameters of the URL count too."""
    issue = full.issue("/fhir/Patient/_search", 400, method="POST", json={"gender": "male"})
    assert issue["location"] == ["http.Content-Type"]
    assert full.ids("/fhir/Patient/_search", method="POST") == ["paul", "anne"]
    assert full.ids("/fhir/Patient/_search?gender=male", method="POST", data={"family": "lefevre"}) == []


names = st.one_of(
    st.sampled_from(
        ["family", "identifier", "birthdate", "_id", "_count", "_sort", "_lastUpdated", "link.family:exact"]
    ),
    st.text(),
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["Patient", "Binary", "x"]), pairs=st.lists(st.tuples(names, st.text()), max_size=3))
def test_whatever_is_asked_is_answered_or_refused(api: Api, kind: str, pairs: list[tuple[str, str]]) -> None:
    """R4 §3.1.0.1.5: fuzzed questions get 200 or a 4xx with an outcome, never a fault."""
    answer = api.ask(f"/fhir/{kind}", query_string=pairs)
    assert answer.status_code in (200, 400, 404, 406)
    assert orjson.loads(answer.data)["resourceType"] == ("Bundle" if answer.status_code == 200 else "OperationOutcome")


def test_a_form_beyond_its_bound_is_refused(api: Api) -> None:
    """413: no search needs a quarter of a megabyte."""
    issue = api.issue("/fhir/Patient/_search", 413, method="POST", data={"family": "x" * 300_000})
    assert issue["code"] == "too-long"


# --- several types, compartments, what comes along -----------------------------------------------------------


def modes(found: Any) -> list[tuple[str, str]]:
    return [(e["resource"]["id"], e["search"]["mode"]) for e in found.get("entry", ())]


def test_what_is_pointed_to_comes_along(full: Api) -> None:
    """R4 §3.1.1.5.6: search.mode tells hits from what they bring; total counts hits only; pages bring theirs."""
    found = full.json("/fhir/DocumentReference?_include=DocumentReference:patient&_count=2")
    assert found["total"] == 3
    assert modes(found) == [("doc3", "match"), ("doc2", "match"), ("paul", "include"), ("anne", "include")]
    following = full.json(urlsplit(found["link"][1]["url"]).path)
    assert modes(following) == [("doc1", "match"), ("anne", "include")]
    found = full.json("/fhir/Patient?_id=anne&_revinclude=DocumentReference:subject")
    assert modes(found) == [("anne", "match"), ("doc2", "include"), ("doc1", "include")]


def test_a_compartment_holds_what_belongs_to_a_patient(full: Api) -> None:
    """R4 §3.1.0.11.1: one type, or all of them; by GET and by POST."""
    assert full.ids("/fhir/Patient/anne/DocumentReference?date=ge2024-06") == ["doc2"]
    assert full.ids("/fhir/Patient/anne/*") == ["doc2", "doc1", "anne"]
    assert full.ids("/fhir/Patient/anne/DocumentReference/_search", method="POST", data={"type": "34794-8"}) == ["doc1"]
    found = full.json("/fhir/Patient/anne/DocumentReference?_count=1")
    assert found["link"][0]["url"].endswith("/fhir/Patient/anne/DocumentReference?_count=1")
    assert modes(full.json(urlsplit(found["link"][1]["url"]).path)) == [("doc1", "match")]
    assert full.issue("/fhir/Patient/anne/Location", 400)["code"] == "not-supported"
    assert full.issue("/fhir/Organization/o/Patient", 400)["code"] == "not-supported"


def test_all_types_can_be_searched_at_once(full: Api) -> None:
    """R4 §3.1.0.11: by what all types have; _type narrows them; pages as well."""
    assert full.ids("/fhir?_type=Patient") == ["paul", "anne"]
    assert full.ids("/fhir?_id=anne,doc1") == ["doc1", "anne"]
    assert (
        full.ids("/fhir/_search", method="POST", data={"_type": "Patient,DocumentReference", "identifier": "x"}) == []
    )
    pages_ = follow(full, "/fhir?_count=2&_sort=-_lastUpdated")
    assert sorted(i for p in pages_ for i in p) == ["anne", "doc1", "doc2", "doc3", "paul"]
    assert full.issue("/fhir?family=x", 400)["location"] == ["http.family"]


def test_only_a_part_of_each_resource_can_be_asked_for(full: Api) -> None:
    """R4 §3.1.1.5.8 and .9: _elements and _summary, marked SUBSETTED."""
    (entry,) = full.json("/fhir/Patient?_id=anne&_elements=birthDate")["entry"]
    assert (entry["resource"]["birthDate"], "name" in entry["resource"]) == ("1960-05-12", False)
    assert "SUBSETTED" in str(entry["resource"]["meta"])
    (entry,) = full.json("/fhir/Patient?_id=anne&_summary=true")["entry"]
    assert "SUBSETTED" in str(entry["resource"]["meta"])
    assert full.issue("/fhir/Patient?_summary=true&_elements=id", 400)["code"] == "value"


def test_the_total_of_very_many_is_told_on_demand(full: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """R4 §3.1.1.5.3: counted up to a bound; exactly when asked for, and always for documents (IHE MHD)."""
    monkeypatch.setattr("hub.facade.search.COUNTED", 1)
    assert "total" not in full.json("/fhir/Patient?_count=1")
    assert full.json("/fhir/Patient?_count=1&_total=accurate")["total"] == 2
    assert full.json("/fhir/Patient?_count=1&_summary=count")["total"] == 2
    assert full.json("/fhir/DocumentReference?_count=1")["total"] == 3


def test_the_plan_of_a_search_can_be_seen(full: Api) -> None:
    """__explain: where the search begins and how the database goes on, without the values."""
    found = full.json("/fhir/Patient?identifier=secret&__explain=1")
    (issue,) = found["entry"][0]["resource"]["issue"]
    assert "begins at criterion 1" in issue["diagnostics"]
    assert "secret" not in issue["diagnostics"]


def test_a_link_of_a_sorted_search_hides_the_name_it_reached(full: Api) -> None:
    """The place in a search sorted by names is a name: it is encrypted, and bound to the caller."""
    found = full.json("/fhir/Patient?_sort=family&_count=1")
    token = found["link"][1]["url"].rpartition("/")[2]
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert found["entry"][0]["resource"]["id"] == "anne"
    assert b"lefevre" not in raw
    assert modes(full.json(f"/fhir/_page/{token}")) == [("paul", "match")]
    assert full.issue(f"/fhir/_page/{'A' * 9000}", 404)["code"] == "not-found"


hard = st.one_of(
    st.sampled_from(
        ["code", "code:in", "code:not-in", "code:above", "code:below", "code:text", "value-quantity",
         "component-code-value-quantity", "combo-code-value-concept", "code-value-date", "subject",
         "subject:identifier", "subject:Patient.name", "subject:below", "_has:AuditEvent:entity:action",
         "_has:Provenance:target:_has", "_include", "_include:iterate", "_revinclude", "_sort", "_text",
         "_content", "_source", "_list", "_tag", "_profile:below", "_profile:above", "_total", "_summary",
         "_elements", "_type", "identifier:of-type", "date", "_count", "patient._has:Observation:subject:date",
         "patient.organization.partof:below", "near"]
    ),
    st.text(),
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        ["Observation:subject", "*", "Patient:*", "a$b", "|", "$", "a|b|c", "5|s|c", "1e999", "ap0", "-date,code",
         "2020", "Patient/1", "http://x|1", "#1", "http://hl7.org/fhir/ValueSet/administrative-gender", "true",
         "\\", "a\\"]
    ),
    st.text(),
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/fhir/Observation", "/fhir", "/fhir/Patient/1/*", "/fhir/Location"]),
    pairs=st.lists(st.tuples(hard, values), max_size=3),
)
def test_no_search_is_a_fault(each_api: Api, path: str, pairs: list[tuple[str, str]]) -> None:
    """R4 §3.1.0.1.5: on both databases, all that fuzzing finds is an answer or a refusal with its reason."""
    answer = each_api.ask(path, query_string=pairs)
    assert answer.status_code in (200, 400, 404, 406), answer.get_data(as_text=True)
    assert orjson.loads(answer.data)["resourceType"] == ("Bundle" if answer.status_code == 200 else "OperationOutcome")
