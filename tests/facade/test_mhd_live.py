"""ITI-65, ITI-66, ITI-67, ITI-68 and ITI-105 as a client does them, over real sockets to the server that is shipped."""

from __future__ import annotations

import os

from . import mhd
from .test_real_server import Live, live

__all__ = ["live"]
PATIENT = {"resourceType": "Patient", "id": "anne", "identifier": [{"system": "urn:ins", "value": "1"}]}


def test_a_source_and_a_consumer(live: Live) -> None:
    """MHD: provide, find lists, find documents by GET and POST, in JSON and XML, retrieve, replace, mask, delete."""
    octets = os.urandom(3_000_000)
    with live.client() as client:
        client.put("/Patient/anne", json=PATIENT).raise_for_status()
        client.put(
            "/Organization/chu", json={"resourceType": "Organization", "id": "chu", "name": "x"}
        ).raise_for_status()
        made = client.post("/", json=mhd.good(1, octets))
        assert made.status_code == 200, made.text
        assert [e["response"]["status"] for e in made.json()["entry"]] == ["201 Created"] * 3
        lists = {"patient.identifier": "urn:ins|1", "code": "submissionset", "status": "current"}
        assert client.get("/List", params=lists).json()["total"] == 1
        asked = {"patient.identifier": "urn:ins|1", "status": "current"}
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        by_post = client.post("/DocumentReference/_search", data=asked, headers=form).json()
        by_get = client.get("/DocumentReference", params=asked).json()
        assert (by_get["total"], by_get["entry"]) == (1, by_post["entry"])
        xml = client.get("/DocumentReference", params=asked, headers={"Accept": "application/fhir+xml"})
        assert '<total value="1"/>' in xml.text
        attachment = by_get["entry"][0]["resource"]["content"][0]["attachment"]
        document = client.get(f"/{attachment['url']}", headers={"Accept": "application/pdf"})
        assert (document.content == octets, document.headers["Content-Type"]) == (True, "application/pdf")
        assert client.head(f"/{attachment['url']}").headers["ETag"] == document.headers["ETag"]
        old = f"DocumentReference/{by_get['entry'][0]['resource']['id']}"
        newer = mhd.simplified(2) | {"relatesTo": mhd.replaces(old)}
        published = client.post("/DocumentReference", json=newer)
        assert published.status_code == 201, published.text
        assert client.get(f"/{old}").json()["status"] == "superseded"
        patch = [{"op": "add", "path": "/securityLabel/-", "value": mhd.coded("MASQUE_PS")}]
        json_patch = {"Content-Type": "application/json-patch+json"}
        ref = f"/DocumentReference/{published.json()['id']}"
        assert client.patch(ref, json=patch, headers=json_patch).headers["ETag"] == 'W/"2"'
        wrong = [{"op": "remove", "path": "/subject"}]
        assert client.patch(ref, json=wrong, headers=json_patch).status_code == 405
        bad = mhd.good(3, octets)
        bad["entry"][2]["resource"]["data"] = "eA=="
        assert (
            client.post("/", json=bad)
            .json()["issue"][0]["expression"][0]
            .startswith("Bundle.entry[1].resource.content")
        )
        assert client.delete(ref).status_code == 204
        assert client.get("/DocumentReference", params=asked).json()["total"] == 0
