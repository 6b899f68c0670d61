"""Sending over MLLP to peers that answer well, badly, late and not at all."""

import socket
import threading

import pytest
from hub.adapters._mllp_sender import control_id
from hub.adapters.mllp import MllpDestination, MllpDestinationOptions, MllpSource, MllpSourceOptions

from hub.errors import ConfigError, NoAnswerError, RefusedError, UnavailableError
from hub.source.hl7v2 import READER
from hub.testing.context import MemoryIntake, MemoryOutlet, outgoing
from hub.testing.parrot import Parrot, drop, each, expect, garbage, reset, say, say_slowly, silent

END = b"\x1c\r"


def message(number="M1"):
    return f"MSH|^~\\&|HUB|HUB|DPI|CHU|20260105||ADT^A01^ADT_A01|{number}|P|2.5\rPID|1||1\r".encode()


def ack(code="AA", number="M1", more=b""):
    msa = f"MSA|{code}|{number}\r".encode()
    return b"\x0bMSH|^~\\&|DPI|CHU|HUB|HUB|20260105||ACK|1|P|2.5\r" + msa + more + END


@pytest.fixture
def send_to():
    """Destinations that are closed at the end."""
    made = []

    def make(port, **options):
        chosen = {"host": "127.0.0.1", "port": port, "timeout": 0.5} | options
        made.append(MllpDestination(MllpDestinationOptions(**chosen), MemoryOutlet()))
        return made[-1]

    yield make
    for destination in made:
        destination.close()


def answering(*answers):
    """A script: one answer a message."""
    return [step for a in answers for step in (expect(END), say(a))] + [silent()]


def test_keeps_the_acknowledgement_and_the_connection(send_to):
    """AA and CA are yes; the answer is kept; all goes over one connection."""
    with Parrot(answering(ack(), ack("CA", "M2"))) as peer:
        destination = send_to(peer.port)
        first = destination.send(outgoing(message()))
        assert (first.body, first.summary) == (ack()[1:-2], "AA")
        assert destination.send(outgoing(message("M2"))).summary == "CA"
        assert len(peer.heard) == 1
        assert peer.heard[0] == b"\x0b" + message() + END + b"\x0b" + message("M2") + END


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (ack("AE", more=b"ERR||PID^1^3^1^4|204^Unknown^HL70357|E\r"), RefusedError, "AE, condition 204 at PID-3.4"),
        (ack("CE", more=b"ERR||PID^1^5|101|E|||DURAND\r"), RefusedError, "CE, condition 101 at PID-5"),
        (ack("AE", more=b"ERR||DURAND MARIE^1^5|DURAND MARIE|E\r"), RefusedError, "answered AE"),
        (ack("AE|M1|DURAND"), RefusedError, "answered AE"),
        (ack("AR"), UnavailableError, "answered AR"),
        (ack("CR"), UnavailableError, "answered CR"),
        (ack(number="M2"), NoAnswerError, "another message"),
        (ack(number=""), NoAnswerError, "another message"),
        (ack("XX"), NoAnswerError, "no acknowledgement"),
        (b"\x0bMSH|^~\\&|x\rPID|DURAND\r" + END, NoAnswerError, "no acknowledgement"),
        (b"\x0bDURAND" + END, NoAnswerError, "127.0.0.1"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n" + END, NoAnswerError, "no MLLP frame"),
    ],
)
def test_each_answer_means_hold_or_later(send_to, answer, kind, said):
    """HL7 table 0008; no text of the peer comes into the error, for it may name a person."""
    with Parrot(answering(answer)) as peer:
        destination = send_to(peer.port)
        with pytest.raises(kind) as caught:
            destination.send(outgoing(message()))
        assert said in str(caught.value)
        assert "DURAND" not in str(caught.value)


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next(send_to):
    """After a time-out the connection is given up, so no answer can slip."""
    late = threading.Event()
    with Parrot([expect(END), silent()], answering(ack(number="M2"))) as peer:
        destination = send_to(peer.port, timeout=0.1)
        with pytest.raises(NoAnswerError, match=r"within 0\.1 s"):
            destination.send(outgoing(message()))
        late.set()
        assert destination.send(outgoing(message("M2"))).summary == "AA"
        assert len(peer.heard) == 2


def test_the_wrong_answer_costs_the_connection(send_to):
    """Out of step once, out of step for ever: a new connection starts clean."""
    with Parrot(answering(ack(number="M0")), answering(ack())) as peer:
        destination = send_to(peer.port)
        with pytest.raises(NoAnswerError):
            destination.send(outgoing(message()))
        assert destination.send(outgoing(message())).summary == "AA"
        assert len(peer.heard) == 2


@pytest.mark.parametrize("script", [[expect(END), drop()], [expect(END), reset()], [expect(END), garbage(100), drop()]])
def test_a_connection_that_breaks_is_tried_again(send_to, script):
    """The peer may have the message or not: NoAnswerError, later again."""
    with Parrot(script, answering(ack())) as peer:
        destination = send_to(peer.port)
        with pytest.raises(NoAnswerError):
            destination.send(outgoing(message()))
        assert destination.send(outgoing(message())).summary == "AA"


def test_a_peer_that_drips_its_answer_is_cut_off(send_to):
    """The time limit is for the whole, not for each octet."""
    slow = [expect(END), say_slowly(ack(), 0.03)]
    with Parrot(slow) as peer, pytest.raises(NoAnswerError, match="did not acknowledge"):
        send_to(peer.port, timeout=0.2).send(outgoing(message()))


def test_a_connection_the_peer_closed_meanwhile_is_made_anew(send_to):
    """Peers close idle connections: nothing is sent into one."""
    with Parrot([expect(END), say(ack()), drop()], answering(ack())) as peer:
        destination = send_to(peer.port)
        destination.send(outgoing(message()))
        peer.wait_over(1)
        assert destination.send(outgoing(message())).summary == "AA"


def test_a_large_message_is_sent_whole(send_to):
    """Any size, in pieces."""
    body = message() + b"OBX|1|ED|||^^^Base64^" + b"A" * (5 << 20) + b"\r"
    with Parrot(answering(ack())) as peer:
        send_to(peer.port, timeout=5).send(outgoing(body))
        assert peer.heard[0] == b"\x0b" + body + END


def test_a_peer_that_does_not_read_is_cut_off(send_to):
    """Sending has the same time limit."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        destination = send_to(server.getsockname()[1], timeout=0.2)
        with pytest.raises(NoAnswerError):
            destination.send(outgoing(message() + b"x" * (16 << 20)))


def test_nobody_there_is_unavailable(send_to):
    """The reason is told, with what to look at."""
    with Parrot() as peer:
        port = peer.port
    with pytest.raises(UnavailableError, match="Connection refused") as caught:
        send_to(port).send(outgoing(message()))
    assert caught.value.where == "test: deliver.peer.mllp"
    with pytest.raises(UnavailableError, match=r"cannot connect to no\.such\.host\.invalid"):
        send_to(1, host="no.such.host.invalid").send(outgoing(message()))


def test_speaks_mutual_tls(send_to, pki):
    """The peer asks for a certificate and gets it; the probe tells the version."""
    tls = {"ca": pki.ca, "certificate": pki.client, "key": pki.client_key}
    with Parrot([silent()], answering(ack()), tls=pki.server_context(wanted=True)) as peer:
        destination = send_to(peer.port, host="localhost", tls=tls)
        assert "TLSv1.3" in destination.probe()
        assert destination.send(outgoing(message())).summary == "AA"


@pytest.mark.parametrize(
    ("tls", "host"), [("other_ca", "localhost"), ("ca", "localhost"), ("ca-name", "localhost")], ids=str
)
def test_refuses_a_peer_it_cannot_trust(send_to, pki, tls, host):
    """A certificate of a stranger, or of another name, is no certificate."""
    options = {
        "other_ca": {"ca": pki.other_ca}, "ca": {"ca": pki.ca, "server_name": "dpi.test"}, "ca-name": {},
    }[tls]  # fmt: skip
    with Parrot(answering(ack()), tls=pki.server_context()) as peer:
        with pytest.raises(UnavailableError, match="certificate verify failed"):
            send_to(peer.port, host=host, tls=options).send(outgoing(message()))
        assert peer.heard[0] == b""


def test_may_be_told_to_trust_a_test_peer(send_to, pki):
    """verify: false."""
    with Parrot(answering(ack()), tls=pki.server_context()) as peer:
        assert send_to(peer.port, tls={"verify": False}).send(outgoing(message())).summary == "AA"


def test_a_peer_without_tls_is_unavailable(send_to, pki):
    """The handshake has the time limit of the connection."""
    with Parrot([silent()]) as peer, pytest.raises(UnavailableError, match="no TLS"):
        send_to(peer.port, tls={"ca": pki.ca}, connect_timeout=0.2).send(outgoing(message()))


def test_certificates_that_cannot_be_read_are_a_wrong_configuration(pki, tmp_path):
    """ConfigError when the channel starts, not when the first message is sent."""
    for tls in ({"ca": tmp_path / "none"}, {"ca": pki.server_key}, {"certificate": pki.server, "key": pki.client_key}):
        with pytest.raises(ConfigError, match="tls"):
            MllpDestination(MllpDestinationOptions(host="x", port=1, tls=tls), MemoryOutlet())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (message("A-7"), "A-7"),
        (message("A-7").replace(b"|", b"$"), "A-7"),
        (message("A-7").replace(b"\r", b"\n"), "A-7"),
        (b"MSH|^~\\&|short\rEVN|1|2|3|4|5|6|7|8|9\r", ""),
        (b"MSH", ""),
        (b"<ClinicalDocument/>", ""),
        (b"", ""),
    ],
)
def test_reads_the_control_id_it_waits_for(body, expected):
    """MSH-10 in the separators of the message; '' for what is no HL7 v2."""
    assert expected == control_id(body)


def test_what_is_no_hl7_is_awaited_by_the_number_of_the_delivery(send_to):
    """Outgoing.control_id stands in when the body has none."""
    with Parrot([each(END, lambda _: ack(number="D-9"))]) as peer:
        assert send_to(peer.port).send(outgoing(b"<x/>", control_id="D-9")).summary == "AA"
        with pytest.raises(NoAnswerError):
            send_to(peer.port).send(outgoing(b"<x/>", control_id="D-8"))


def test_destination_and_source_understand_each_other(send_to):
    """One hub sends to another."""
    intake = MemoryIntake(READER)
    source = MllpSource(MllpSourceOptions(port=0), intake)
    source.start()
    try:
        destination = send_to(int(source.address.rpartition(":")[2]))
        for number in range(20):
            assert destination.send(outgoing(message(f"M{number}"))).summary == "AA"
        assert [message(f"M{n}") for n in range(20)] == [r.body for r in intake.wait_for(20)]
    finally:
        source.stop()
        intake.close()
