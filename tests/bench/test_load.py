"""The closed-loop client counts what it should: whole answers, good ones, and the wait for each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.bench import load

MESSAGE = b"MSH|^~\\&|A|B|C|D|20261120||ADT^A01^ADT_A01|N%d|P|2.5\rPID|1\r"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def make(number: int) -> bytes:
    return MESSAGE % number


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (b"\x0bMSH|^~\\&|\rMSA|AA|N1\r\x1c\r", True),
        (b"\x0bMSH|^~\\&|\rMSA|CA|N1\r\x1c\r", True),
        (b"\x0bMSH|^~\\&|\rMSA|AE|N1\r\x1c\r", False),
        (b"\x0bMSH|^~\\&|\rMSA|AA|X2\r\x1c\r", False),
    ],
)
def test_a_good_acknowledgement_accepts_what_was_sent(answer: bytes, good: bool) -> None:
    """HL7 v2.5 §2.9.2: MSA-1 AA or CA, and MSA-2 the control id sent."""
    target = load.mllp(("127.0.0.1", 1))

    assert target.good(make(1), answer) is good
    assert target.frame(b"MSH") == b"\x0bMSH\x1c\r"


@given(st.integers(0, 60), st.binary(max_size=20))
def test_an_answer_ends_where_it_ends(cut: int, after: bytes) -> None:
    """Neither sooner, in whatever pieces it comes, nor later, when the next follows at once."""
    http = b"HTTP/1.1 201 Created\r\ncontent-length: 5\r\nX: y\r\n\r\nhello"
    for target, whole in (
        (load.mllp(("", 0)), b"\x0bMSH|a\rMSA|AA|1\r\x1c\r"),
        (load.http(("", 0), "/in/cda", "t", "text/xml"), http),
    ):
        assert target.end(bytearray(whole[: min(cut, len(whole) - 1)])) == 0
        assert target.end(bytearray(whole + after)) == len(whole)


def test_a_request_tells_its_length_and_token() -> None:
    """RFC 9112 §6.2, RFC 6750 §2.1; any 2xx is good."""
    target = load.http(("127.0.0.1", 8080), "/in/cda", "secret", "text/xml")

    head, _, body = target.frame(b"<a/>").partition(b"\r\n\r\n")

    assert head.split(b"\r\n") == [
        b"POST /in/cda HTTP/1.1", b"Host: 127.0.0.1:8080", b"Authorization: Bearer secret", b"Content-Type: text/xml",
        b"Content-Length: 4",
    ]  # fmt: skip
    assert body == b"<a/>"
    assert [target.good(b"", b"HTTP/1.1 %d X" % status) for status in (200, 201, 400, 503)] == [
        True,
        True,
        False,
        False,
    ]


def test_an_http_answer_without_length_is_refused() -> None:
    """The client cannot know where it ends."""
    with pytest.raises(ConnectionError):
        load.http(("", 0), "/", "t", "text/xml").end(bytearray(b"HTTP/1.1 200 OK\r\n\r\n"))


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    """The value below which the share of the answers lies; nothing for no answer."""
    seen = load.Load(waits=[n * 1_000_000 for n in range(100, 0, -1)])

    assert [seen.percentile(share) for share in (50, 95, 99, 100)] == [50.0, 95.0, 99.0, 100.0]
    assert load.Load().percentile(50) == 0.0


def drive(handler: Handler, connections: int, seconds: float = 0.1) -> tuple[load.Load, load.Load]:
    """Two runs against a server of the test's own."""

    served: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.Event())
        done = served[-1]
        try:
            await handler(reader, writer)
        finally:
            writer.close()
            done.set()

    async def run() -> tuple[load.Load, load.Load]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        client = load.Client(load.mllp(server.sockets[0].getsockname()[:2]), make, connections)
        await client.open()
        try:
            return await client.run(seconds), await client.run(seconds)
        finally:
            await client.close()
            for done in served:
                await done.wait()
            server.close()
            await server.wait_closed()

    return asyncio.run(run())


def test_every_answer_is_counted_once_and_no_number_is_used_twice() -> None:
    """Two runs over the same connections; every third answer is a refusal."""
    control_ids: list[bytes] = []

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                message = await reader.readuntil(load.EB)
                control_ids.append(message.split(b"|")[9])
                code = b"AE" if len(control_ids) % 3 == 0 else b"AA"
                writer.write(b"\x0bMSH|\rMSA|%s|%s\r" % (code, control_ids[-1]))
                await writer.drain()
                writer.write(load.EB)
        except asyncio.IncompleteReadError:
            return

    first, second = drive(handler, 3)

    assert first.answered + second.answered == len(control_ids) == len(set(control_ids))
    assert first.bad + second.bad == len(control_ids) // 3
    assert min(first.answered, second.answered) >= 3
    assert first.seconds >= 0.1


def test_a_connection_that_closes_ends_the_run() -> None:
    """Figures of a run that broke off would be wrong."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(load.EB)

    with pytest.raises(ConnectionError):
        drive(handler, 1)
