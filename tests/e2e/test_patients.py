"""The operations on patients on a whole site: what a message brought in is matched, merged and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hub.paths import room

from .conftest import Site, until

ADMISSION = Path(room("testing")) / "samples" / "adt-a01-admission.er7"
READ = "system/*.read"


def patient_of(site: Site) -> dict[str, Any]:
    """The patient of an admission, once it is mapped."""
    sent = ADMISSION.read_bytes().replace(b"\n", b"\r")
    control = sent.split(b"\r", 1)[0].split(b"|")[9]
    assert b"\rMSA|AA|PATIENTS" in site.send(sent.replace(control, b"PATIENTS", 1))
    until(lambda: site.found("control:PATIENTS", "status:done"))
    found = [e["resource"] for e in site.fhir("Patient?active=true&_sort=-_lastUpdated").get("entry", ())]
    return next(p for p in found if any("1.2.250.1.213.1.4" in i["system"] for i in p["identifier"]))


def test_match_everything_and_pix(site: Site) -> None:
    patient = patient_of(site)
    asked = {k: patient[k] for k in ("resourceType", "identifier", "name", "birthDate", "gender")}
    path = "/fhir/Patient/$match?onlyCertainMatches=true"
    media = {"Content_Type": "application/fhir+json"}
    status, body, _ = site.http("POST", path, json.dumps(asked).encode(), scope=READ, **media)
    (entry,) = json.loads(body)["entry"]
    assert (status, entry["resource"]["id"], entry["search"]["score"]) == (200, patient["id"], 1.0)
    record = site.fhir(f"Patient/{patient['id']}/$everything")
    assert f"Patient/{patient['id']}" in {
        f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in record["entry"]
    }
    assert {e["search"]["mode"] for e in record["entry"]} == {"match", "include"}
    ins = next(i for i in patient["identifier"] if "1.2.250.1.213.1.4" in i["system"])
    known = site.fhir(f"Patient/$ihe-pix?sourceIdentifier={ins['system']}%7C{ins['value']}")
    others = {p["valueIdentifier"]["value"] for p in known["parameter"] if p["name"] == "targetIdentifier"}
    assert others == {i["value"] for i in patient["identifier"]} - {ins["value"]}
    assert site.fhir(f"Patient/{patient['id']}/$validate")["resourceType"] == "OperationOutcome"


def test_the_mapper_exports(site: Site) -> None:
    patient = patient_of(site)
    status, _, headers = site.http("GET", "/fhir/Patient/$export", scope=READ, Prefer="respond-async")
    assert status == 202
    job = "/fhir/_export/" + headers["content-location"].rpartition("/")[2]
    status, body, _ = until(lambda: (a := site.http("GET", job, scope=READ))[0] != 202 and a, 30)
    assert status == 200
    files = {f["type"]: f for f in json.loads(body)["output"]}
    name = files["Patient"]["url"].rpartition("/")[2]
    status, body, headers = site.http("GET", f"{job}/{name}", scope=READ, Accept="application/fhir+ndjson")
    assert (status, headers["content-type"]) == (200, "application/fhir+ndjson")
    lines = [json.loads(line) for line in body.splitlines()]
    assert patient["id"] in {p["id"] for p in lines}
    assert len(lines) == files["Patient"]["count"]
    assert site.http("DELETE", job, scope=READ)[0] == 202
    assert not (site.home / "data" / "exports" / job.rpartition("/")[2]).exists()
