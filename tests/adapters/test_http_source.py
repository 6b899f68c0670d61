"""Bodies POSTed to the hub: who may, what is taken, and how each outcome is told (RFC 9110, RFC 6750)."""

import io
import json
from types import SimpleNamespace

import pytest
from hub.adapters.http import HttpSource, HttpSourceOptions
from werkzeug.test import Client

from hub.clock import show_id
from hub.errors import (
    ForbiddenError,
    InvalidError,
    MappingError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)
from hub.source.hl7v2 import READER
from hub.testing.context import MemoryIntake

BODY = b"MSH|^~\\&|GAM|CHU|HUB|HUB|20260105||ADT^A01^ADT_A01|A-1|P|2.5\rPID|1||1\r"


@pytest.fixture
def http():
    """Makes a source with its intake and a client; ``post`` sends to its path."""
    intakes = []

    def make(**options):
        intake = MemoryIntake(READER)
        intakes.append(intake)
        source = HttpSource(HttpSourceOptions(**{"path": "/in/adt", "auth": "none"} | options), intake)
        source.start()
        client = Client(intake.mounts["/in/adt"])
        return SimpleNamespace(
            source=source,
            intake=intake,
            client=client,
            post=lambda body=BODY, **kw: client.post("/in/adt", data=body, **kw),
        )

    yield make
    for intake in intakes:
        intake.close()


def issue(response):
    """The only issue of an OperationOutcome."""
    assert response.content_type == "application/fhir+json"
    outcome = json.loads(response.data)
    assert outcome["resourceType"] == "OperationOutcome"
    [only] = outcome["issue"]
    return only


def test_a_body_that_is_stored_is_201_with_its_number(http):
    """201, the id of the message, its control id and the request id of the caller."""
    side = http()
    answer = side.post(headers={"X-Request-Id": "r-1"}, environ_overrides={"REMOTE_ADDR": "127.0.0.1"})
    [received] = side.intake.received
    assert (received.body, received.peer, received.wait) == (BODY, "127.0.0.1", False)
    number = show_id(received.verdict.message_id)
    assert (answer.status_code, answer.json) == (201, {"id": number, "status": "accepted"})
    headers = answer.headers
    assert (headers["X-Message-Id"], headers["X-Control-Id"], headers["X-Request-Id"]) == (number, "A-1", "r-1")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert side.source.status()["received"] == 1


def test_a_body_that_came_before_is_200_with_the_first_answer(http):
    """The sender did not hear the first answer: it gets it again, octet for octet."""
    side = http()
    first, second = side.post(), side.post()
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.data == second.data


def test_a_refusal_that_came_before_is_no_success(http):
    """The first answer was a refusal; so is the second."""
    side = http()
    side.intake.refuse(lambda _: InvalidError("no", where="PID-3"))
    assert side.post().status_code == 400
    side.intake.refuse(lambda _: None)
    assert side.post().status_code == 400


def test_the_answer_may_wait_for_the_mapping(http):
    """answer: application."""
    side = http(answer="application")
    side.post()
    assert side.intake.received[0].wait is True


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidError("birth date is no date", where="PID-7", cure="send YYYYMMDD", code="101"), 400, "invalid"),
        (MappingError("no identifier", where="PID-3"), 400, "invalid"),
        (UnsupportedError("not taken", where="MSH-9", code="200"), 422, "not-supported"),
        (UnsupportedError("not taken", where="MSH-9", code="201"), 422, "not-supported"),
    ],
)
def test_a_refused_body_is_told_as_an_operation_outcome(http, error, status, code):
    """R4 §2.35: severity, code, details.text, diagnostics, expression."""
    side = http()
    side.intake.refuse(lambda _: error)
    answer = side.post()
    told = issue(answer)
    assert (status, "error", code) == (answer.status_code, told["severity"], told["code"])
    assert error.what == told["details"]["text"]
    assert [error.where] == told["expression"]
    assert (error.cure or None) == told.get("diagnostics")
    assert "X-Message-Id" in answer.headers


def test_what_could_not_be_stored_is_503(http):
    """Send again: Retry-After."""
    side = http()
    side.intake.fail(UnavailableError("the store is away"))
    answer = side.post()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert issue(answer)["code"] == "transient"
    assert side.post().status_code == 201


def test_a_defect_is_500_and_tells_nothing(http):
    """No text of a foreign exception reaches the peer."""
    side = http()
    side.intake.fail(RuntimeError("DURAND"))
    answer = side.post()
    assert answer.status_code == 500
    assert b"DURAND" not in answer.data
    assert issue(answer)["code"] == "exception"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_is_known(http, method):
    """RFC 9110 §15.5.6: 405 with Allow."""
    side = http(auth="token")
    answer = side.client.open("/in/adt", method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_without_a_token_nobody_may(http):
    """auth: token is the default; with no one to check tokens, all are refused."""
    assert HttpSourceOptions(path="/in/x").auth == "token"
    side = http(auth="token")
    answer = side.post()
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    assert issue(answer)["code"] == "login"
    assert side.intake.received == []


@pytest.mark.parametrize(
    ("error", "status", "challenge"),
    [
        (UnauthenticatedError("unknown", code="invalid_token"), 401, 'error="invalid_token"'),
        (ForbiddenError("not this", code="insufficient_scope"), 403, 'scope="ingest"'),
        (UnavailableError("the store is away"), 503, None),
    ],
)
def test_the_server_says_who_may(http, error, status, challenge):
    """environ["hub.authorize"] is asked for the scope ingest; RFC 6750 §3."""
    side, asked = http(auth="token"), []

    def authorize(environ, scope):
        asked.append((environ["HTTP_AUTHORIZATION"], scope))
        if error:
            raise error

    environ = {"hub.authorize": authorize}
    answer = side.post(environ_overrides=environ, headers={"Authorization": "Bearer x"})
    assert status == answer.status_code
    assert asked == [("Bearer x", "ingest")]
    assert challenge is None or challenge in answer.headers["WWW-Authenticate"]
    assert side.intake.received == []
    error = None
    assert side.post(environ_overrides=environ, headers={"Authorization": "Bearer x"}).status_code == 201


def test_only_the_media_types_of_the_list_are_taken(http):
    """415; parameters of the type do not matter."""
    side = http(content_types=["text/xml", "application/xml"])
    answer = side.post(content_type="application/json")
    assert answer.status_code == 415
    assert "application/xml or text/xml" in issue(answer)["diagnostics"]
    assert side.post(content_type="Text/XML; charset=utf-8").status_code == 201


def request(source, body, **environ):
    told = []
    [answer] = source(
        {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body} | environ,
        lambda s, h: told.append(s),
    )
    return told[0][:3], json.loads(answer)


class Endless(io.RawIOBase):
    """A body that never ends, and counts what is read of it."""

    def __init__(self):
        self.read_so_far = 0

    def read(self, size=-1):
        self.read_so_far += size
        return b"x" * size


def test_a_body_beyond_the_limit_is_413_and_barely_read(http):
    """Told by its length, only the first piece is read; chunked, one octet beyond the limit."""
    side = http(max_size=100_000)
    for headers, most in (({"CONTENT_LENGTH": "1000000000"}, 65_536), ({"HTTP_TRANSFER_ENCODING": "chunked"}, 100_001)):
        body = Endless()
        status, outcome = request(side.source, body, **headers)
        assert (status, outcome["issue"][0]["code"]) == ("413", "too-long")
        assert most == body.read_so_far
    assert [len(r.body) for r in side.intake.received] == [65_536, 65_536]


@pytest.mark.parametrize(
    "environ",
    [{"HTTP_TRANSFER_ENCODING": "gzip, Chunked"}, {"wsgi.input_terminated": True}, {"SERVER_PROTOCOL": "HTTP/2"}],
    ids=str,
)
def test_a_body_that_tells_its_own_end_is_read_to_it(http, environ):
    """RFC 9112 §7.1 chunked; RFC 9113 END_STREAM."""
    side = http()
    assert request(side.source, BODY * 3000, **environ)[0] == "201"
    assert side.intake.received[0].body == BODY * 3000


@pytest.mark.parametrize(
    ("environ", "body", "status"),
    [
        ({}, b"x", "411"),
        ({"CONTENT_LENGTH": ""}, b"x", "411"),
        ({"CONTENT_LENGTH": "-1"}, b"x", "400"),
        ({"CONTENT_LENGTH": "1e3"}, b"x", "400"),
        ({"CONTENT_LENGTH": "0"}, b"", "400"),
        ({"wsgi.input_terminated": True}, b"", "400"),
    ],
)
def test_a_body_without_length_or_octets_is_refused(http, environ, body, status):
    """RFC 9110 §15.5.12; nothing to keep."""
    side = http()
    assert status == request(side.source, body, **environ)[0]
    assert side.intake.received == []


def test_a_body_that_breaks_off_is_kept_in_hold(http):
    """Less than Content-Length told: no message, but what came is kept."""
    side = http()
    status, outcome = request(side.source, b"half", CONTENT_LENGTH="8")
    assert (status, outcome["issue"][0]["details"]["text"]) == ("400", "only 4 of 8 octets came")
    [received] = side.intake.received
    assert (received.body, received.error.where) == (b"half", "Content-Length")


def test_a_stopped_channel_is_503(http):
    """The path stays; the channel does not take."""
    side = http()
    side.source.stop()
    answer = side.post()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert side.intake.received == []


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x", "é", "x" * 200, "a b"])
def test_no_header_is_made_of_what_a_peer_wrote(http, name):
    """Neither a control id nor a request id can split an answer (CWE-113)."""
    side = http()
    body = BODY.replace(b"A-1", name.encode())
    told = []
    environ = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
    side.source(environ | {"HTTP_X_REQUEST_ID": name}, lambda status, headers: told.extend(headers))
    assert told
    assert "X-Request-Id" not in dict(told)
    assert all(value.isascii() and value.isprintable() and " b" not in value for _, value in told)


@pytest.mark.parametrize("path", ["/adt", "/in", "/in/", "in/x", "/in/x y", "/in/x?y", "/in//x", "/fhir/in/x"])
def test_a_source_has_a_path_below_in(path):
    """So that it can never hide a path of the hub."""
    with pytest.raises(ValueError, match="path"):
        HttpSourceOptions(path=path)
