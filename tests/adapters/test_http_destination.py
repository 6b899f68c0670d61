"""Requests to peers that answer well, badly, slowly and not at all; and FHIR transactions among them."""

import re

import orjson
import pytest
from hub.adapters._outcome import told
from hub.adapters.fhir import FhirDestination, FhirDestinationOptions
from hub.adapters.http import HttpDestination, HttpDestinationOptions

from hub.errors import ConfigError, NoAnswerError, RefusedError, UnavailableError
from hub.testing.context import MemoryOutlet, outgoing
from hub.testing.parrot import Parrot, drop, each_request, expect, garbage, reset, say, say_slowly, silent

END = b"\r\n\r\n"
JSON = "application/fhir+json"
BUNDLE = orjson.dumps({"resourceType": "Bundle", "type": "transaction"})


@pytest.fixture
def to():
    """Makes destinations that are closed at the end."""
    made = []

    def make(port, kind=HttpDestination, **options):
        chosen = {"timeout": 0.5, "connect_timeout": 0.5} | options
        if kind is HttpDestination:
            made.append(kind(HttpDestinationOptions(**{"url": f"http://127.0.0.1:{port}/in"} | chosen), MemoryOutlet()))
        else:
            made.append(kind(FhirDestinationOptions(**{"to": f"http://127.0.0.1:{port}/r4/"} | chosen), MemoryOutlet()))
        return made[-1]

    yield make
    for destination in made:
        destination.close()


def answer(status, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


def always(status, body=b"", **headers):
    return [each_request(lambda _head, _body: answer(status, body, **headers))]


def headers_of(heard):
    head = bytes(heard).partition(END)[0].decode()
    return {k.lower(): v for k, v in re.findall(r"\r\n([^:]+): ([^\r]*)", head)}


def test_sends_one_request_with_the_key_of_the_delivery(to):
    """The body as it is, its media type, the idempotency key, our own headers and nobody else's."""
    with Parrot(always(201, b"stored")) as peer:
        destination = to(peer.port, headers={"X-Site": "CHU"}, bearer="s3cret", method="PUT")
        kept = destination.send(outgoing(b"\x00body\xff", "text/xml", idempotency_key="key-1"))
        assert (kept.body, kept.summary) == (b"stored", "201")
        heard = headers_of(peer.heard[0])
        assert peer.heard[0].startswith(b"PUT /in HTTP/1.1\r\n")
        assert peer.heard[0].endswith(END + b"\x00body\xff")
        expected = {
            "content-type": "text/xml", "idempotency-key": "key-1", "x-site": "CHU", "authorization": "Bearer s3cret",
            "content-length": "6", "accept-encoding": "identity",
        }  # fmt: skip
        assert expected == {k: heard[k] for k in expected}


@pytest.mark.parametrize("status", [200, 201, 202, 204, 208])
def test_2xx_is_taken(to, status):
    """RFC 9110 §15.3."""
    with Parrot(always(status)) as peer:
        assert str(status) == to(peer.port).send(outgoing(b"x")).summary


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, RefusedError), (307, RefusedError), (400, RefusedError), (403, RefusedError), (404, RefusedError),
        (409, RefusedError), (412, RefusedError), (413, RefusedError), (422, RefusedError),
        (401, UnavailableError), (407, UnavailableError), (425, UnavailableError), (429, UnavailableError),
        (500, UnavailableError), (502, UnavailableError), (503, UnavailableError),
        (408, NoAnswerError), (504, NoAnswerError),
    ],
)  # fmt: skip
def test_each_status_means_hold_or_later(to, status, kind):
    """What concerns the message is held; what concerns the moment, or our credentials, is tried again."""
    with Parrot(always(status, b"DURAND", Location="http://127.0.0.1:1/")) as peer:
        with pytest.raises(kind, match=f"answered {status}") as caught:
            to(peer.port).send(outgoing(b"x"))
        assert "DURAND" not in str(caught.value)
        assert len(peer.heard) == 1


def test_a_peer_may_ask_to_wait(to):
    """RFC 9110 §10.2.3 Retry-After in seconds; anything else is not repeated."""
    for said, expected in (("120", "wait 120 s"), ("Fri, 31 Dec 1999 23:59:59 GMT", "503")):
        with Parrot(always(503, **{"Retry-After": said})) as peer:
            with pytest.raises(UnavailableError, match=expected) as caught:
                to(peer.port).send(outgoing(b"x"))
            assert "1999" not in str(caught.value)


def test_a_connection_is_kept_between_deliveries(to):
    """One connection for all, made anew when the peer closed it."""
    with Parrot([expect(END), say(answer(200)), expect(END), say(answer(200)), drop()], always(200)) as peer:
        destination = to(peer.port)
        for _ in range(2):
            destination.send(outgoing(b""))
        peer.wait_over(1)
        destination.send(outgoing(b""))
        assert len(peer.heard) == 2


@pytest.mark.parametrize(
    "script",
    [
        [expect(END), silent()],
        [expect(END), say_slowly(answer(200, b"x" * 50), 0.02)],
        [expect(END), say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"), say_slowly(b"x" * 100, 0.02)],
        [expect(END), drop()],
        [expect(END), reset()],
        [expect(END), garbage(200), drop()],
        [expect(END), say(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), drop()],
    ],
)
def test_a_peer_that_does_not_answer_whole_and_in_time_is_tried_again(to, script):
    """The limit is on the whole exchange: who drips octets is not waited for."""
    with Parrot(script, always(200)) as peer:
        destination = to(peer.port, timeout=0.3, connect_timeout=0.1)
        with pytest.raises(NoAnswerError):
            destination.send(outgoing(b"x"))
        assert destination.send(outgoing(b"x")).summary == "200"


def test_a_large_answer_is_kept_up_to_64_kib(to):
    """Bounded; the connection that still speaks is given up."""
    with Parrot(always(200, b"x" * 1_000_000)) as peer:
        assert len(to(peer.port).send(outgoing(b"x")).body) == 65536


def test_an_answer_without_end_is_not_waited_for(to):
    """What is kept is there: the peer said 200."""
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 100_000
    with Parrot([expect(END), say(endless), silent()]) as peer:
        assert len(to(peer.port).send(outgoing(b"x")).body) == 65536


def test_nobody_there_is_unavailable(to):
    """With the reason of the system."""
    with Parrot() as peer:
        port = peer.port
    with pytest.raises(UnavailableError, match="Connection refused") as caught:
        to(port).send(outgoing(b"x"))
    assert caught.value.where == "test: deliver.peer.http"
    with pytest.raises(UnavailableError, match=r"no\.such\.host\.invalid"):
        to(1, url="http://no.such.host.invalid/").send(outgoing(b"x"))


def test_proxies_and_netrc_of_the_environment_are_not_used(to, monkeypatch):
    """A message goes where the channel says, nowhere else."""
    with Parrot(always(200)) as peer, Parrot(always(200)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy.port}")
        to(peer.port).send(outgoing(b"x"))
        assert proxy.heard == []


def test_probe_asks_for_the_head_only(to):
    """Any status tells that the peer is there."""
    with Parrot(always(405)) as peer:
        assert "405" in to(peer.port).probe()
        assert peer.heard[0].startswith(b"HEAD /in ")


def test_speaks_mutual_tls(to, pki):
    """Client certificate, own authority, another name than that of the host."""
    tls = {"ca": pki.ca, "certificate": pki.client, "key": pki.client_key}
    with Parrot(always(200), tls=pki.server_context(wanted=True)) as peer:
        url = f"https://localhost:{peer.port}/in"
        assert to(peer.port, url=url, tls=tls).send(outgoing(b"x")).summary == "200"
        named = tls | {"server_name": "localhost"}
        assert to(peer.port, url=url.replace("localhost", "127.0.0.1"), tls=named).send(outgoing(b"x")).summary == "200"


def test_drips_over_tls_have_the_same_limit(to, pki):
    """The socket below TLS is shut down at the deadline."""
    script = [expect(END), say_slowly(answer(200, b"x" * 50), 0.02)]
    with Parrot(script, tls=pki.server_context()) as peer:
        url = f"https://localhost:{peer.port}/in"
        destination = to(peer.port, url=url, tls={"ca": pki.ca}, timeout=0.3, connect_timeout=0.1)
        with pytest.raises(NoAnswerError, match=r"within 0\.3 s"):
            destination.send(outgoing(b"x"))


@pytest.mark.parametrize("tls", ["other_ca", "name"])
def test_refuses_a_peer_it_cannot_trust(to, pki, tls):
    """No octet of the message is sent."""
    options = {"ca": pki.other_ca} if tls == "other_ca" else {"ca": pki.ca, "server_name": "dpi.test"}
    with Parrot(always(200), tls=pki.server_context()) as peer:
        with pytest.raises(UnavailableError, match="certificate is not accepted"):
            to(peer.port, url=f"https://localhost:{peer.port}/", tls=options).send(outgoing(b"x"))
        assert peer.heard[0] == b""


def test_a_peer_without_tls_is_unavailable(to):
    """https is spoken, http is heard."""
    with Parrot([expect(b"\x01"), say(b"HTTP/1.1 400 X\r\n\r\n")]) as peer, pytest.raises(UnavailableError):
        to(peer.port, url=f"https://127.0.0.1:{peer.port}/", tls={"verify": False}).send(outgoing(b"x"))


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://x/"}, {"url": "file:///etc/passwd"}, {"url": "x"}, {"url": "http://user:pw@x/"}, {"url": "http:///x"},
        {"headers": {"Authorization": "Bearer x"}}, {"headers": {"Host": "y"}}, {"headers": {"X": "a\r\nY: b"}},
        {"headers": {"X Y": "a"}}, {"method": "DELETE"}, {"timeout": 0}, {"unknown": 1},
    ],
    ids=str,
)  # fmt: skip
def test_options_that_make_no_sense_are_refused(options):
    """Only http and https; no secret in a URL; no header that is ours."""
    with pytest.raises(ValueError, match=next(iter(options))):
        HttpDestinationOptions(**{"url": "https://x/"} | options)


def test_the_token_is_shown_nowhere(to):
    """Options are printed by lint, doctor and the console."""
    options = HttpDestinationOptions(url="https://x/", bearer="s3cret")
    assert "s3cret" not in f"{options!r} {options.model_dump()} {options.model_dump_json()}"


def test_a_transaction_goes_to_the_base(to):
    """R4 §3.1.0.11: POST [base]; the summary counts the entries by status."""
    entries = [{"response": {"status": s}} for s in ("201 Created", "200 OK", "200 OK")]
    said = orjson.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries})
    with Parrot(always(200, said)) as peer:
        destination = to(peer.port, FhirDestination)
        kept = destination.send(outgoing(BUNDLE, JSON, idempotency_key="k"))
        assert (kept.summary, kept.body) == ("200, 2 entries 200, 1 entries 201", said)
        heard = headers_of(peer.heard[0])
        assert peer.heard[0].startswith(b"POST /r4 HTTP/1.1\r\n")
        assert (heard["content-type"], heard["accept"], heard["prefer"]) == (JSON, JSON, "return=minimal")
        assert heard["idempotency-key"] == "k"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"resourceType":"Bundle","entry":[{}]}', b'"x"', b"null"])
def test_an_answer_without_a_bundle_is_the_status_alone(to, body):
    """Prefer: return=minimal may well leave it out."""
    with Parrot(always(200, body)) as peer:
        assert to(peer.port, FhirDestination).send(outgoing(BUNDLE, JSON)).summary == "200"


def test_a_refused_entry_refuses_the_delivery(to):
    """A batch answers 200 for the whole and says no inside."""
    said = {"resourceType": "Bundle", "entry": [{"response": {"status": s}} for s in ("201", "422 No", "422 No")]}
    with Parrot(always(200, orjson.dumps(said))) as peer, pytest.raises(RefusedError, match="2 entries with 422"):
        to(peer.port, FhirDestination).send(outgoing(BUNDLE, JSON))


def test_only_fhir_is_sent_to_a_fhir_server(to):
    """A channel that sends the original there is told what to write."""
    with Parrot(always(200)) as peer:
        with pytest.raises(RefusedError, match="send: fhir"):
            to(peer.port, FhirDestination).send(outgoing(b"MSH|", "x-application/hl7-v2+er7"))
        assert peer.heard == []


def test_probe_reads_the_capabilities(to):
    """R4 §3.1.0.8: GET [base]/metadata."""
    with Parrot(always(200, b"{}")) as peer:
        assert to(peer.port, FhirDestination).probe().endswith("/r4/metadata answered 200")
        assert peer.heard[0].startswith(b"GET /r4/metadata ")
    with Parrot(always(404)) as peer, pytest.raises(RefusedError):
        to(peer.port, FhirDestination).probe()


def test_the_own_store_is_no_delivery():
    """fhir: {to: store} is done with the message."""
    assert FhirDestinationOptions(to="store").to == "store"
    with pytest.raises(ConfigError, match="without a delivery"):
        FhirDestination(FhirDestinationOptions(to="store"), MemoryOutlet())
    with pytest.raises(ValueError, match="to"):
        FhirDestinationOptions(to="shop")


def outcome(*issues):
    return orjson.dumps({"resourceType": "OperationOutcome", "issue": list(issues)})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (outcome({"severity": "error", "code": "invalid"}), "error invalid"),
        (
            outcome({
                "severity": "error", "code": "business-rule",
                "details": {"coding": [{"code": "MSG_ID"}], "text": "DURAND"},
                "diagnostics": "DURAND", "expression": ["Bundle.entry[0].resource.birthDate"],
            }),
            "error business-rule MSG_ID at Bundle.entry[0].resource.birthDate",
        ),
        (outcome({"severity": "error", "code": "x", "expression": ["Patient.where(name='DURAND')"]}), "error x"),
        (outcome({"severity": "error", "code": "DURAND MARIE"}), "error"),
        (outcome(*[{"code": "invalid"}] * 7), "; ".join(["invalid"] * 5) + ", and 2 more"),
        (outcome(), ""),
        (outcome("x"), ""),
        (orjson.dumps({"resourceType": "Patient", "issue": [{"code": "x"}]}), ""),
        (b"{}", ""),
        (b"[]", ""),
        (b"DURAND", ""),
    ],
)  # fmt: skip
def test_of_a_peers_outcome_only_codes_and_places_are_told(body, expected):
    """Its texts may name a person; an expression may compare with a name."""
    assert expected == told(body)


def test_a_refusal_is_summed_up(to):
    """What an operator reads in the queue."""
    said = outcome(
        {"severity": "error", "code": "required", "expression": ["Patient.identifier"], "diagnostics": "DURAND"}
    )
    with Parrot(always(422, said)) as peer:
        with pytest.raises(RefusedError, match=r"422: error required at Patient\.identifier") as caught:
            to(peer.port, FhirDestination).send(outgoing(BUNDLE, JSON))
        assert "DURAND" not in str(caught.value)
