"""history of a type and of the whole system; that of an instance is in test_read."""

from __future__ import annotations

from urllib.parse import quote

from .conftest import Api

BASE = "http://127.0.0.1:8080"


def _fill(api: Api) -> None:
    for number in range(3):
        for fid in ("a", "b"):
            api.send(
                "PUT", f"/fhir/Patient/{fid}", {"resourceType": "Patient", "id": fid, "multipleBirthInteger": number}
            )
    api.send("PUT", "/fhir/Group/g", {"resourceType": "Group", "id": "g", "type": "person", "actual": True})
    api.send("DELETE", "/fhir/Patient/a")


def _all(api: Api, path: str) -> list[str]:
    """Every entry of all pages, as ``Type/id:version``."""
    seen: list[str] = []
    while path:
        found = api.json(path)
        for entry in found.get("entry", ()):
            tag = entry["response"]["etag"].removeprefix('W/"').rstrip('"')
            seen.append(f"{entry['fullUrl'].partition('/fhir/')[2]}:{tag}")
        path = next((link["url"].removeprefix(BASE) for link in found["link"] if link["relation"] == "next"), "")
    return seen


def test_type_and_system(each_api: Api) -> None:
    """R4 §3.1.0.13: newest first, of all ages and with deletions; pages of any size hold each version once."""
    _fill(each_api)
    patients = ["Patient/a:4", "Patient/b:3", "Patient/a:3", "Patient/b:2", "Patient/a:2", "Patient/b:1", "Patient/a:1"]
    everything = [patients[0], "Group/g:1", *patients[1:]]
    for count in (1, 2, 3, 20):
        assert _all(each_api, f"/fhir/Patient/_history?_count={count}") == patients
        assert _all(each_api, f"/fhir/_history?_count={count}") == everything
        assert _all(each_api, f"/fhir/Patient/a/_history?_count={count}") == [p for p in patients if "/a:" in p]
    first = each_api.json("/fhir/_history?_count=2")
    assert (first["type"], first["total"]) == ("history", 8)
    assert "resource" not in first["entry"][0]
    assert each_api.json("/fhir/_history?_count=0")["total"] == 8


def test_versions_of_one_moment_fall_on_no_page_twice(each_api: Api) -> None:
    """A transaction writes everything at one time: pages go by more than that."""
    entries = [{"request": {"method": "POST", "url": "Patient"}, "resource": {"resourceType": "Patient"}}] * 7
    each_api.send("POST", "/fhir", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    seen = _all(each_api, "/fhir/Patient/_history?_count=2")
    assert (len(seen), len(set(seen))) == (7, 7)


def test_since_and_at(each_api: Api) -> None:
    """R4 §3.1.0.13: made since; or current at some moment of a time."""
    _fill(each_api)
    times = {}
    for entry in each_api.json("/fhir/Patient/b/_history")["entry"]:
        times[entry["resource"]["meta"]["versionId"]] = entry["resource"]["meta"]["lastUpdated"]
    assert each_api.json(f"/fhir/Patient/b/_history?_since={quote(times['3'])}")["total"] >= 1
    assert each_api.json("/fhir/Patient/b/_history?_at=2000-01-01")["total"] == 0
    assert _all(each_api, "/fhir/Patient/b/_history?_at=2999") == ["Patient/b:3"]
    assert _all(each_api, "/fhir/Patient/_history?_at=2999") == ["Patient/a:4", "Patient/b:3"]
    at = _all(each_api, f"/fhir/Patient/b/_history?_at={quote(times['2'])}")
    assert "Patient/b:2" in at


def test_a_history_of_all_needs_the_right_to_see_all(api: Api) -> None:
    """Deny by default."""
    from hub.store import tokens

    secret = tokens.issue(api.store, "one", ["system/Patient.rs"])
    assert api.ask("/fhir/_history", token=secret).status_code == 403
    assert api.ask("/fhir/Patient/_history", token=secret).status_code == 403
    assert api.ask("/fhir/Patient/x/_history", token=secret).status_code == 404
