"""IHE PIXm ITI-83 and ITI-104, PDQm ITI-78: identifiers across domains, the feed, and the query, over HTTP."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.facade.conftest import Api

from .test_match import INS, PI, A, B, patient

OTHER, THIRD = "urn:oid:1.2.250.1.999.1.4", "urn:oid:1.2.250.1.999.1.5"


def of(fid: str, ins: str = "", *numbers: tuple[str, str], **more: Any) -> dict[str, Any]:
    made = patient(fid, ins, **more)
    made["identifier"] = [*made.get("identifier", ()), *({"system": s, "value": v} for s, v in numbers)]
    return made


def pix(api: Api, source: str, target: str = "") -> tuple[set[str], set[str]]:
    """(system|value..., ids)."""
    path = f"/fhir/Patient/$ihe-pix?sourceIdentifier={quote(source, safe='')}"
    made = api.json(path + (f"&targetSystem={quote(target, safe='')}" if target else ""))
    assert made["resourceType"] == "Parameters"
    named = made.get("parameter", [])
    found = [p["valueIdentifier"] for p in named if p["name"] == "targetIdentifier"]
    ids = {p["valueReference"]["reference"].rpartition("/")[2] for p in named if p["name"] == "targetId"}
    return {f"{i['system']}|{i['value']}" for i in found}, ids


@pytest.fixture
def domains(each_api: Api) -> Api:
    each_api.put(
        of("p1", A, (PI, "1")),
        of("p2", A, (OTHER, "2")),
        of("p3", A, (THIRD, "3"), status="PROV", place=""),  # says it has that INS, but nobody checked
        of("p4", "", (THIRD, "4"), birthDate="1990-01-01"),
    )
    return each_api


def test_identifiers_of_other_domains(domains: Api) -> None:
    """By a qualified INS on both sides; one that is not qualified ties nothing."""
    assert pix(domains, f"{PI}|1") == ({f"{INS}|{A}", f"{OTHER}|2"}, {"p1", "p2"})
    assert pix(domains, f"{PI}|1", OTHER) == ({f"{OTHER}|2"}, {"p2"})
    assert pix(domains, f"{THIRD}|4", PI) == (set(), set())  # known, but not there: 200 and nothing
    assert pix(domains, f"{THIRD}|3", PI) == (set(), set())


def test_five_strict_traits_tie(each_api: Api) -> None:
    each_api.put(of("p1", "", (PI, "1")), of("p2", "", (OTHER, "2")), of("p3", "", (THIRD, "3"), gender="male"))
    assert pix(each_api, f"{PI}|1") == ({f"{OTHER}|2"}, {"p1", "p2"})
    assert pix(each_api, f"{THIRD}|3") == (set(), {"p3"})


@pytest.mark.parametrize(
    ("query", "status", "code", "what"),
    [
        (f"sourceIdentifier={PI}|9", 404, "not-found", "sourceIdentifier Patient Identifier not found"),
        ("sourceIdentifier=urn:oid:1.2.3|1", 400, "code-invalid", "sourceIdentifier Assigning Authority not found"),
        (f"sourceIdentifier={PI}|1&targetSystem=urn:oid:1.2.3", 403, "code-invalid", "targetSystem not found"),
        (f"sourceIdentifier={PI}", 400, "required", "an identifier is expected"),
        ("sourceIdentifier=|1", 400, "required", "an identifier is expected"),
        ("", 400, "required", "an identifier is expected"),
        (f"sourceIdentifier={PI}|1&name=x", 400, "not-supported", "the operation has no such parameter"),
    ],
)
def test_what_cannot_be_told(domains: Api, query: str, status: int, code: str, what: str) -> None:
    """ITI-83 §2:3.83.4.2.2: status, code and text of each case."""
    issue = domains.issue(f"/fhir/Patient/$ihe-pix?{query}", status)
    assert (issue["code"], issue["diagnostics"].partition(";")[0]) == (code, what)


def test_the_feed_makes_revises_and_merges(each_api: Api) -> None:
    """ITI-104: a conditional update by identifier; a merge is the old record, inactive, replaced-by the new."""
    api = each_api
    where = f"/fhir/Patient?identifier={PI}|"
    made = [api.send("PUT", where + n, of("", "", (PI, n), place="")) for n in ("1", "2")]
    assert [a.status_code for a in made] == [201, 201]
    old, new = (orjson.loads(a.data)["id"] for a in made)
    assert api.send("PUT", where + "1", of("", "", (PI, "1"), place="", gender="male")).status_code == 200
    subsumed = of("", "", (PI, "1"), place="", active=False,
                  link=[{"other": {"reference": f"Patient/{new}"}, "type": "replaced-by"}])  # fmt: skip
    assert api.send("PUT", where + "1", subsumed).status_code == 200
    assert pix(api, f"{PI}|1") == ({f"{PI}|2"}, {old, new})
    assert pix(api, f"{PI}|2") == ({f"{PI}|1"}, {old, new})
    found = api.send("POST", "/fhir/Patient/$match?onlyCertainMatches=true", {
        "resourceType": "Patient", "identifier": [{"system": PI, "value": "1"}]})  # fmt: skip
    assert [e["resource"]["id"] for e in orjson.loads(found.data)["entry"]] == [new]


@pytest.mark.parametrize(
    "query",
    [
        "_id=p1",
        "active:missing=true&family=echant",
        "family=ECHANTILLON&given=odile&birthdate=1958-07-14",
        "family:exact=ECHANTILLON",
        f"identifier={PI}|1",
        f"identifier={PI}|",
        "gender=female&birthdate=ge1958-01-01&birthdate=le1958-12-31",
        "address-city=LILLE",
        "address-postalcode=59000",
        "address-country=FRA",
        "address:contains=essais",
        "telecom=0300000042",
    ],
)
def test_demographics(each_api: Api, query: str) -> None:
    """PDQm ITI-78 §2:3.78.4.1.2: the search parameters a supplier must have."""
    each_api.put(
        of("p1", A, (PI, "1"), telecom=[{"system": "phone", "value": "0300000042"}],
           address=[{"line": ["4 chemin des Essais"], "city": "LILLE", "postalCode": "59000", "country": "FRA"}]),
        {"resourceType": "Patient", "id": "p2", "active": True, "gender": "male"},
    )  # fmt: skip
    assert each_api.ids(f"/fhir/Patient?{query}") == ["p1"]
    assert each_api.ids("/fhir/Patient/_search", method="POST", data={"identifier": f"{INS}|{B}"}) == []
