"""create, and create by condition."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import orjson
import pytest

from .conftest import Api

ANNE = {"resourceType": "Patient", "name": [{"family": "Lefèvre"}], "identifier": [{"system": "urn:s", "value": "1"}]}
BASE = "http://127.0.0.1:8080/fhir"


def test_the_server_gives_the_id(each_api: Api) -> None:
    """R4 §3.1.0.8: 201 with a Location that names the version; the id of the body is ignored."""
    answer = each_api.send("POST", "/fhir/Patient", ANNE | {"id": "mine"})
    made = orjson.loads(answer.data)
    assert (answer.status_code, made["id"] != "mine", made["meta"]["versionId"]) == (201, True, "1")
    assert answer.headers["Location"] == f"{BASE}/Patient/{made['id']}/_history/1"
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.last_modified is not None
    read = each_api.ask(f"/fhir/Patient/{made['id']}")
    assert (read.data, read.headers["ETag"]) == (answer.data, 'W/"1"')
    assert each_api.ids("/fhir/Patient?identifier=urn:s|1") == [made["id"]]


def test_what_is_sent_comes_back_octet_for_octet(each_api: Api) -> None:
    """R4 §2.24.0.1: 5.270 is not 5.27; unknown extensions, order and big numbers stay; white space is not kept."""
    body = (
        '{\n "resourceType": "Observation", "status": "final", "code": {"text": "café \\u00e9 \\"x\\" { 1 : 2 }"},\n'
        ' "valueQuantity": {"value": 5.270, "unit": "g"}, "meta": {"profile": ["http://x/p"], "versionId": "77",'
        ' "source": "http://mine"},\n "extension": [{"url": "urn:x", "valueDecimal": 1.00}, {"url": "urn:y",'
        ' "valueDecimal": 123456789.123456789012345}]}'
    )
    answer = each_api.send("POST", "/fhir/Observation", body.encode())
    assert answer.status_code == 201, answer.data
    text = answer.get_data(as_text=True)
    assert '"valueQuantity":{"value":5.270,"unit":"g"}' in text
    assert '"valueDecimal":1.00},{"url":"urn:y","valueDecimal":123456789.123456789012345}' in text
    assert '"text":"café \\u00e9 \\"x\\" { 1 : 2 }"' in text
    assert '"source":"http://mine","profile":["http://x/p"]}' in text
    assert text.index("status") < text.index('"code"') < text.index("valueQuantity") < text.index("extension")
    assert each_api.ask(f"/fhir/Observation/{orjson.loads(text)['id']}").get_data(as_text=True) == text


@pytest.mark.parametrize(
    ("preference", "body"),
    [("return=minimal", None), ("return=OperationOutcome", "OperationOutcome"), ("return=representation", "Patient"),
     ("respond-sync, return=representation", "Patient"), ("return=nonsense", "Patient")],
)  # fmt: skip
def test_the_client_says_what_it_wants_back(api: Api, preference: str, body: str | None) -> None:
    """R4 §3.1.0.1.6."""
    answer = api.send("POST", "/fhir/Patient", ANNE, Prefer=preference)
    assert answer.status_code == 201
    assert "Location" in answer.headers
    assert (orjson.loads(answer.data)["resourceType"] if body else answer.data) == (body or b"")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        (b'{"resourceType":"Patient",}', "structure", "line 1 column 26"),
        (b'{"resourceType":\n "Patient" "x"}', "structure", "line 2 column 12"),
        (b"[1]", "structure", "JSON object"),
        (b"", "structure", "no body"),
        (b"\xff\xfe", "structure", "JSON"),
        (b'{"resourceType":"Patient","active":true,"active":false}', "structure", "'active' comes twice"),
        (b'{"resourceType":"Patient","name":[{"text":"a\\u0000b"}]}', "value", "NUL"),
        (b'{"resourceType":"Patient","name":[{"text":"\\ud800"}]}', "structure", "JSON"),
        (b'{"resourceType":"Patient","x":' + b"[" * 200 + b"]" * 200 + b"}", "too-long", "deeper"),
        (b'{"resourceType":"Patient","x":' + b"[" * 100_000, "structure", "JSON"),
        (b'{"resourceType":"Patient","x":NaN}', "structure", "JSON"),
        (b'{"resourceType":"Observation"}', "invalid", "'Observation'"),
        (b"{}", "invalid", "no resourceType"),
        (b'{"resourceType":["Patient"]}', "invalid", "resourceType"),
    ],
)
def test_what_is_no_resource_is_refused(api: Api, body: bytes, code: str, said: str) -> None:
    """R4 §3.1.0.8: 400 with the place, never a fault; nothing is stored."""
    found = api.refused(400, "POST", "/fhir/Patient", body)
    assert found["code"] == code
    assert said in str(found)
    assert api.json("/fhir/Patient")["total"] == 0


def test_every_breach_of_the_rules_of_r4_is_told(api: Api) -> None:
    """400 with an issue and a path for each; no value of the resource is repeated."""
    broken = {"resourceType": "Patient", "gender": "Lefebvre", "birthDate": "yesterday", "nonsense": 1}
    answer = api.send("POST", "/fhir/Patient", broken)
    issues = orjson.loads(answer.data)["issue"]
    assert answer.status_code == 400
    assert {"Patient.gender", "Patient.birthDate", "Patient.nonsense"} == {i["expression"][0] for i in issues}
    assert b"Lefebvre" not in answer.data


@pytest.mark.parametrize("media", ["text/plain", "application/pdf", "", "application/fhir+json; fhirVersion=5.0", "x"])
def test_another_form_is_refused(api: Api, media: str) -> None:
    """RFC 9110 §15.5.16: 415, and which would do."""
    found = api.refused(415, "POST", "/fhir/Patient", ANNE, media)
    assert found["code"] == "not-supported"
    assert "fhir+json" in found["diagnostics"] or "4.0" in found["diagnostics"]


def test_charsets(api: Api) -> None:
    """R4 §2.6.2: UTF-8; what says to be something else is read as that."""
    data = orjson.dumps(ANNE).decode().encode("iso-8859-1")
    answer = api.send("POST", "/fhir/Patient", data, "application/fhir+json; charset=ISO-8859-1")
    assert orjson.loads(answer.data)["name"][0]["family"] == "Lefèvre"
    assert api.refused(415, "POST", "/fhir/Patient", data, "application/json; charset=nonsense")
    assert api.send("POST", "/fhir/Patient", b"\xef\xbb\xbf" + orjson.dumps(ANNE)).status_code == 201


def test_packed_bodies_are_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 9110 §8.4: gzip is unpacked, a bomb is not."""
    from hub.facade import body

    packed = gzip.compress(orjson.dumps(ANNE))
    assert api.send("POST", "/fhir/Patient", packed, Content_Encoding="gzip").status_code == 201
    assert api.refused(400, "POST", "/fhir/Patient", b"no gzip", Content_Encoding="gzip")
    assert api.refused(400, "POST", "/fhir/Patient", packed[:-9], Content_Encoding="gzip")
    assert api.refused(415, "POST", "/fhir/Patient", packed, Content_Encoding="br")
    bomb = gzip.compress(b" " * 20_000_000)
    monkeypatch.setattr(body.octets, "__defaults__", (1_000_000,))
    assert api.refused(413, "POST", "/fhir/Patient", bomb, Content_Encoding="gzip")["code"] == "too-long"
    assert api.refused(413, "POST", "/fhir/Patient", b"x" * 1_000_001)["code"] == "too-long"


def test_nothing_is_created_when_something_fits(each_api: Api) -> None:
    """R4 §3.1.0.8.1: 201, then 200 with what is there; 412 when several fit; criteria are needed."""
    first = each_api.send("POST", "/fhir/Patient", ANNE, If_None_Exist="identifier=urn:s|1")
    assert first.status_code == 201
    again = each_api.send("POST", "/fhir/Patient", ANNE | {"gender": "female"}, If_None_Exist="?identifier=urn:s|1")
    assert (again.status_code, again.headers["Location"]) == (200, first.headers["Location"])
    assert again.data == first.data
    each_api.send("POST", "/fhir/Patient", ANNE)
    found = each_api.refused(412, "POST", "/fhir/Patient", ANNE, If_None_Exist="identifier=urn:s|1")
    assert found["code"] == "multiple-matches"
    assert each_api.json("/fhir/Patient")["total"] == 2
    for bad in ("", "_format=json", "nonsense=1"):
        assert each_api.send("POST", "/fhir/Patient", ANNE, If_None_Exist=bad).status_code == 400


def test_of_several_that_create_by_one_condition_one_creates(each_api: Api) -> None:
    """R4 §3.1.0.8.1: the look and the write are one; nobody comes between."""
    statuses: list[int] = []
    barrier = threading.Barrier(6)

    def create() -> None:
        barrier.wait(20)
        statuses.append(each_api.send("POST", "/fhir/Patient", ANNE, If_None_Exist="identifier=urn:s|1").status_code)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 5 + [201]


def test_a_document_is_created_as_it_is(each_api: Api) -> None:
    """R4 §2.43: POST of another media type makes a Binary of it; who may see it is kept."""
    pdf = b"%PDF-1.7\x00\xff" * 1000
    answer = each_api.send("POST", "/fhir/Binary", pdf, "application/pdf", X_Security_Context="Patient/anne")
    assert (answer.status_code, answer.data) == (201, b"")
    path = answer.headers["Location"].removeprefix("http://127.0.0.1:8080").partition("/_history")[0]
    read = each_api.ask(path)
    assert (read.data, read.content_type, read.headers["X-Security-Context"]) == (
        pdf,
        "application/pdf",
        "Patient/anne",
    )
    resource = each_api.json(path, headers={"Accept": "application/fhir+json"})
    assert resource["securityContext"] == {"reference": "Patient/anne"}
    made = each_api.send("POST", "/fhir/Binary", resource, Prefer="return=representation")
    assert orjson.loads(made.data)["data"] == resource["data"]
    assert each_api.refused(400, "POST", "/fhir/Binary", pdf, "application/pdf", X_Security_Context="no reference")
    assert each_api.refused(415, "POST", "/fhir/Binary", pdf, "nonsense")
    bad = {"resourceType": "Binary", "contentType": "text/plain", "data": "***"}
    assert each_api.refused(400, "POST", "/fhir/Binary", bad)


@pytest.mark.parametrize("path", ["/fhir/Nonsense", "/fhir/Patient/$nonsense"])
def test_there_is_no_such_place(api: Api, path: str) -> None:
    """R4 §3.1.0.8: 404."""
    assert api.refused(404, "POST", path, ANNE)["code"] in ("not-found", "not-supported")


def test_writing_needs_its_scope(api: Api) -> None:
    """SMART App Launch 2: the letters of the type; deny by default; a condition needs the right to search."""
    from hub.store import tokens

    def ask(scopes: list[str], method: str, path: str, **headers: str) -> Any:
        secret = tokens.issue(api.store, " ".join(scopes), scopes)
        given = {n.replace("_", "-"): v for n, v in headers.items()}
        return api.ask(
            path, method, token=secret, data=orjson.dumps(ANNE), content_type="application/json", headers=given
        )

    denied = ask(["system/*.read"], "POST", "/fhir/Patient")
    assert (denied.status_code, 'scope="system/Patient.c"' in denied.headers["WWW-Authenticate"]) == (403, True)
    assert ask(["system/Patient.c"], "POST", "/fhir/Patient").status_code == 201
    assert ask(["system/Patient.cruds"], "GET", "/fhir/Observation/1").status_code == 403
    assert ask(["system/Observation.cud"], "POST", "/fhir/Patient").status_code == 403
    assert ask(["system/Patient.cud"], "POST", "/fhir/Patient", If_None_Exist="identifier=1").status_code == 403
    assert ask(["system/*.cs"], "POST", "/fhir/Patient", If_None_Exist="identifier=9").status_code == 201
    assert ask(["system/Patient.cu"], "DELETE", "/fhir/Patient/1").status_code == 403
    assert ask(["system/Patient.r"], "GET", "/fhir/Patient").status_code == 403
