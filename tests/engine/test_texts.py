"""How errors, stages and Bundles are written for the store."""

from __future__ import annotations

import base64

import orjson
from hypothesis import given
from hypothesis import strategies as st

from hub.engine.polling import read_error
from hub.engine.texts import bundle, clean, error_json, stages_json
from hub.errors import MappingError, NoAnswerError, ParseError
from hub.fhir.draft import Draft, Rank


def test_an_error_is_kept_with_what_people_need() -> None:
    """Category, stage, code, place, sentence and cure; what is empty is left out."""
    error = ParseError("no date", where="PID-7", cure="write YYYYMMDD", code="102")
    expected = {
        "category": "incorrect", "stage": "map", "code": "102", "where": "PID-7", "what": "no date",
        "cure": "write YYYYMMDD",
    }  # fmt: skip
    assert expected == orjson.loads(error_json(error, "map"))
    assert orjson.loads(error_json(NoAnswerError("no answer"))) == {
        "category": "busy",
        "stage": "sending",
        "what": "no answer",
    }


def test_an_error_is_read_again() -> None:
    """For an application answer that another process words."""
    error = ParseError("no date", where="PID-7", cure="write it", code="102")
    found = read_error(error_json(error))
    assert isinstance(found, MappingError)
    assert (error.what, error.where, error.cure, error.code) == (found.what, found.where, found.cure, found.code)
    assert read_error(None) is None
    assert read_error("") is None


@given(st.text(st.characters(), max_size=60), st.integers(0, 40))
def test_text_that_every_database_takes(text: str, limit: int) -> None:
    """PostgreSQL takes no NUL, neither takes a lone surrogate; what is fit already stays as it is."""
    found = clean(text, limit)
    assert "\0" not in found
    found.encode("utf-8")
    if limit:
        assert len(found) <= limit
    if "\0" not in text and (not limit or len(text) <= limit) and not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert text == found


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    """``surrogateescape`` of an octet that is no text."""
    assert clean("n\udce9e") == "n?e"


def test_stages() -> None:
    """JSON, in order."""
    assert stages_json([("read", 12, "ok"), ("map", 3, "held")]) == '[["read",12,"ok"],["map",3,"held"]]'


def test_a_bundle_of_updates() -> None:
    """R4 §3.1.0.11: a transaction of PUTs with our ids, so that a Bundle sent twice changes nothing."""
    draft = Draft()
    draft.add({"resourceType": "Patient", "name": [{"family": "MARTIN"}]}, ("urn:test", "1"), rank=Rank.FEED)
    draft.add({"resourceType": "Binary", "contentType": "application/pdf"}, ("urn:test", "2"), octets=b"%PDF\xff")
    draft.add({"resourceType": "Patient", "active": False}, ("urn:test", "3"), only_if_exists=True)
    made = orjson.loads(bundle(draft))
    patient, binary = made["entry"]
    assert (made["resourceType"], made["type"]) == ("Bundle", "transaction")
    fid = patient["resource"]["id"]
    assert {"method": "PUT", "url": f"Patient/{fid}"} == patient["request"]
    assert f"urn:uuid:{fid}" == patient["fullUrl"]
    assert list(patient["resource"]) == ["resourceType", "id", "name"]
    assert base64.b64decode(binary["resource"]["data"]) == b"%PDF\xff"
    assert "data" not in draft.entries[f"Binary/{binary['resource']['id']}"].resource
