"""$export (FHIR Bulk Data Access 2.0): kick-off, status, manifest, files, cancelling; over HTTP and real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from hub.facade.http_server import HttpServer
from hub.services.export import jobs as kept
from hub.services.export import writing
from hub.services.export.exporter import Exporter
from hub.services.export.jobs import Jobs
from hub.settings import Settings
from hub.store import Store, open_store, tokens
from tests.facade.conftest import Api
from tests.waiting import until

BULK = {"Accept": "application/fhir+json", "Prefer": "respond-async"}


def observation(fid: str, subject: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "id": fid, "status": "final", "code": {"text": "x"},
            "subject": {"reference": subject}, **more}  # fmt: skip


RESOURCES = (
    *({"resourceType": "Patient", "id": f"p{n}"} for n in (1, 2, 3)),
    {"resourceType": "Patient", "id": "p4",
     "link": [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]},
    *(observation(f"o{n}", f"Patient/p{n}") for n in (1, 2, 3, 4)),
    observation("device", "Device/d1", status="preliminary"),
    {"resourceType": "Device", "id": "d1"},
    {"resourceType": "Organization", "id": "org", "name": "é"},
    {"resourceType": "Group", "id": "g1", "type": "person", "actual": True,
     "member": [{"entity": {"reference": "Patient/p1"}}, {"entity": {"reference": "Patient/p2"}},
                {"entity": {"reference": "Patient/p3"}, "inactive": True}]},
)  # fmt: skip


@pytest.fixture
def filled(each_api: Api) -> Api:
    each_api.put(*RESOURCES)
    return each_api


def asked(api: Api, path: str, **headers: str) -> str:
    """The path of the job."""
    answer = api.ask(path, headers=BULK | headers)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    return "/fhir" + answer.headers["Content-Location"].partition("/fhir")[2]


def told(api: Api, path: str) -> dict[str, set[str]]:
    """Type -> ids of all files of the manifest of a job that is done; each resource is there once."""
    manifest = api.ask(path)
    assert (manifest.status_code, manifest.content_type) == (200, "application/json")
    found: dict[str, set[str]] = {}
    for file in orjson.loads(manifest.data)["output"]:
        url = "/fhir" + file["url"].partition("/fhir")[2]
        answer = api.ask(url, headers={"Accept": "application/fhir+ndjson"}, buffered=True)
        assert (answer.status_code, answer.mimetype) == (200, "application/fhir+ndjson")
        resources = [orjson.loads(line) for line in answer.data.splitlines()]
        assert {r["resourceType"] for r in resources} == {file["type"]}
        ids = {r["id"] for r in resources}
        assert len(ids) == len(resources) == file["count"]
        assert not ids & found.setdefault(file["type"], set())
        found[file["type"]] |= ids
    return found


def export(api: Api, path: str, **headers: str) -> dict[str, set[str]]:
    job = asked(api, path, **headers)
    Exporter(api.store).tick()
    return told(api, job)


def test_the_whole_system(filled: Api) -> None:
    path = asked(filled, "/fhir/$export?_outputFormat=application/fhir%2Bndjson")
    waiting = filled.ask(path)
    assert (waiting.status_code, waiting.data, waiting.headers["Retry-After"]) == (202, b"", "5")
    assert waiting.headers["X-Progress"].startswith("0 resources, 0 of ")
    Exporter(filled.store).tick()
    assert told(filled, path) == {
        "Patient": {"p1", "p2", "p3", "p4"}, "Observation": {"o1", "o2", "o3", "o4", "device"},
        "Device": {"d1"}, "Organization": {"org"}, "Group": {"g1"},
    }  # fmt: skip
    manifest = orjson.loads(filled.ask(path).data)
    assert manifest["request"].endswith("/fhir/$export?_outputFormat=application/fhir%2Bndjson")
    assert (manifest["requiresAccessToken"], manifest["error"]) == (True, [])
    assert manifest["transactionTime"].endswith("Z")
    assert "Expires" in filled.ask(path).headers
    again = export(filled, f"/fhir/$export?_since={manifest['transactionTime']}&_type=Device,Patient")
    assert again.keys() == {"Device", "Patient"}  # what was written in the margin comes again, never too little


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Patient/$export?_type=Observation", {"Observation": {"o1", "o2", "o3", "o4"}}),
        ("Patient/$export?_type=Patient", {"Patient": {"p1", "p2", "p3", "p4"}}),
        ("Group/g1/$export", {"Patient": {"p1", "p2", "p4"}, "Observation": {"o1", "o2", "o4"}, "Group": {"g1"}}),
        ("$export?_type=Observation&_typeFilter=Observation%3Fstatus%3Dpreliminary", {"Observation": {"device"}}),
        ("$export?_since=2100-01-01T00:00:00Z", {}),
        ("$export?_type=Device&_type=Group", {"Device": {"d1"}, "Group": {"g1"}}),
    ],
)
def test_part_of_it(filled: Api, path: str, expected: dict[str, set[str]]) -> None:
    """Of all patients, of the members of a Group with what they were merged with, by type, filter and time."""
    assert export(filled, f"/fhir/{path}") == expected


def test_by_post(filled: Api) -> None:
    sent = {"resourceType": "Parameters", "parameter": [{"name": "_type", "valueString": "Device"}]}
    answer = filled.send("POST", "/fhir/$export", sent, Prefer="respond-async")
    assert answer.status_code == 202
    Exporter(filled.store).tick()
    assert told(filled, "/fhir" + answer.headers["Content-Location"].partition("/fhir")[2]) == {"Device": {"d1"}}


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_small_batches_and_files(filled: Api, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(writing, "BATCH", batch)
    monkeypatch.setattr(writing, "LINES", 2)
    found = export(filled, "/fhir/$export?_type=Observation,Patient")
    assert found == {"Patient": {"p1", "p2", "p3", "p4"}, "Observation": {"o1", "o2", "o3", "o4", "device"}}


@pytest.mark.parametrize("died", range(1, 12))
def test_it_goes_on_where_it_was(filled: Api, monkeypatch: pytest.MonkeyPatch, died: int) -> None:
    """A process dies after it wrote to a file and before it could say so: nothing is lost, nothing twice."""
    monkeypatch.setattr(writing, "BATCH", 1)
    path = asked(filled, "/fhir/$export?_type=Patient,Observation")
    left = [died]

    def dies(out: Any, size: int, text: bytes) -> None:
        original(out, size, text + b'{"half')
        left[0] -= 1
        if not left[0]:
            raise SystemExit
        out.truncate(size + len(text))

    original = writing._append
    monkeypatch.setattr(writing, "_append", dies)
    try:
        Exporter(filled.store).tick()
    except SystemExit:
        assert filled.ask(path).status_code == 202
    monkeypatch.setattr(writing, "_append", original)
    Exporter(filled.store).tick()
    assert {k: len(v) for k, v in told(filled, path).items()} == {"Patient": 4, "Observation": 5}


def test_only_who_asked_sees_it(filled: Api) -> None:
    other = tokens.issue(filled.store, "other", [tokens.READ])
    path = asked(filled, "/fhir/$export?_type=Device")
    Exporter(filled.store).tick()
    (file,) = orjson.loads(filled.ask(path).data)["output"]
    url = "/fhir" + file["url"].partition("/fhir")[2]
    for one in (path, url):
        assert filled.ask(one, token=other).status_code == 404
        assert filled.ask(one, token="").status_code == 401
    assert filled.ask(path, "DELETE", token=other).status_code == 404
    for bad in (f"{path}/job.json", f"{path}/..%2f..%2fpaging.key", f"{path}x", "/fhir/_export/..", "/fhir/_export/0"):
        assert filled.ask(bad).status_code == 404


def test_cancelling(filled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = asked(filled, "/fhir/$export?_type=Patient,Observation")
    monkeypatch.setattr(writing, "BATCH", 1)
    append = writing._append

    def cancelled(out: Any, size: int, text: bytes) -> None:
        append(out, size, text)
        assert filled.ask(path, "DELETE").status_code == 202

    monkeypatch.setattr(writing, "_append", cancelled)
    Exporter(filled.store).tick()
    assert filled.ask(path).status_code == 404
    assert filled.ask(path, "DELETE").status_code == 404
    assert list((filled.settings.data / "exports").iterdir()) == []


def test_they_expire(filled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = asked(filled, "/fhir/$export?_type=Device")
    Exporter(filled.store).tick()
    monkeypatch.setattr(kept, "KEPT", -1)
    assert filled.ask(path).status_code == 404
    (filled.settings.data / "exports" / "gone-1").mkdir()
    Jobs(filled.settings.data).sweep()
    assert list((filled.settings.data / "exports").iterdir()) == []


def test_a_job_that_fails_says_so(filled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    path = asked(filled, "/fhir/$export?_type=Device")
    monkeypatch.setattr("hub.services.export.writing.search", lambda *_: 1 / 0)
    Exporter(filled.store).tick()
    answer = filled.ask(path)
    assert (answer.status_code, orjson.loads(answer.data)["resourceType"]) == (500, "OperationOutcome")


def test_a_group_that_is_too_large(filled: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.facade.operations.export.MEMBERS", 1)
    assert filled.issue("/fhir/Group/g1/$export", 400, headers=BULK)["code"] == "too-costly"


def test_not_too_many_at_once(api: Api) -> None:
    for _ in range(kept.AT_ONCE):
        asked(api, "/fhir/$export?_type=Device")
    assert api.issue("/fhir/$export", 503, headers=BULK)["code"] == "throttled"


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fhir/$export?_outputFormat=csv", 400, "not-supported"),
        ("/fhir/$export?_type=Binary", 400, "not-supported"),
        ("/fhir/$export?_type=Nothing", 400, "not-supported"),
        ("/fhir/Patient/$export?_type=Organization", 400, "not-supported"),
        ("/fhir/$export?_since=yesterday", 400, "value"),
        ("/fhir/$export?_typeFilter=status%3Dfinal", 400, "value"),
        ("/fhir/$export?_typeFilter=Observation%3Fnothing%3D1", 400, "not-supported"),
        ("/fhir/$export?_elements=id", 400, "not-supported"),
        ("/fhir/Group/nobody/$export", 404, "not-found"),
        ("/fhir/Group/$export", 405, "not-supported"),
        ("/fhir/Patient/p1/$export", 405, "not-supported"),
    ],
)
def test_what_cannot_be_asked(api: Api, path: str, status: int, code: str) -> None:
    assert api.issue(path, status, headers=BULK)["code"] == code
    assert Jobs(api.settings.data).all() == []
    lenient = api.ask("/fhir/$export?_elements=id", headers=BULK | {"Prefer": "respond-async, handling=lenient"})
    assert lenient.status_code == 202


# --- real servers -----------------------------------------------------------------------------------------


@pytest.fixture
def server(settings: Settings) -> Iterator[tuple[HttpServer, Store, str]]:
    (settings.home / "channels").mkdir()
    store = open_store(settings)
    store.upgrade()
    token = tokens.issue(store, "tester", [tokens.READ, tokens.WRITE])
    made = HttpServer(settings, port=0)
    made.start()
    made.wait_ready()
    yield made, store, token
    made.stop()
    store.close()


WORK = """
import sys
from hub.settings import Settings
from hub.services.export import writing
from hub.services.export.exporter import Exporter
from hub.store import open_store
writing.BATCH = 1
url = sys.argv[2] or None
store = open_store(Settings.load(sys.argv[1], database_url=url))
Exporter(store).tick()
"""


def test_a_worker_that_is_killed(server: tuple[HttpServer, Store, str]) -> None:
    """Killed (SIGKILL) in the middle of its work; another process goes on, and the export is whole."""
    http, store, token = server
    client = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False)
    entries = [{"request": {"method": "PUT", "url": f"Patient/p{n}"},
                "resource": {"resourceType": "Patient", "id": f"p{n}"}} for n in range(400)]  # fmt: skip
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    media = {"Content-Type": "application/fhir+json"}
    with client:
        assert client.post(f"{http.url}/fhir", json=sent, headers=media).status_code == 200
        asked = client.get(f"{http.url}/fhir/Patient/$export", params={"_type": "Patient"}, headers=BULK)
        assert asked.status_code == 202
        job = f"{http.url}/fhir/_export/{asked.headers['Content-Location'].rpartition('/')[2]}"
        settings = store.settings
        arguments = [sys.executable, "-c", WORK, str(settings.home), "" if store.sqlite else settings.database]
        process = subprocess.Popen(arguments)
        until(lambda: int(client.get(job).headers["X-Progress"].split()[0]) > 10, within=60)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert 10 < int(client.get(job).headers["X-Progress"].split()[0]) < 400
        exporter = Exporter(store)
        exporter.start()
        until(lambda: client.get(job).status_code == 200, within=60)
        exporter.stop()
        (file,) = client.get(job).json()["output"]
        url = f"{job}/{file['url'].rpartition('/')[2]}"
        lines = client.get(url).text.splitlines()
        assert {orjson.loads(line)["id"] for line in lines} == {f"p{n}" for n in range(400)}
        assert len(lines) == file["count"] == 400
        assert client.get(url, headers={"Range": "bytes=0-9"}).content == lines[0].encode()[:10]
