"""MLLP framing, octet by octet (HL7 v2 Transport Specification: MLLP Release 1)."""

import pytest
from hub.adapters._framing import EXCERPT, Broken, Deframer, frame
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import ParseError

NO_START, NO_END = "octets came outside", "has no end"


def told(events):
    """Bodies as they are, what is broken as (octets, start of the reason)."""
    return [e if isinstance(e, bytes) else (e.body, e.error.what) for e in events]


def test_a_body_stands_between_0x0b_and_0x1c_0x0d():
    """MLLP R1: <SB> dddd <EB> <CR>."""
    assert frame(b"abc") == b"\x0babc\x1c\r"


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"\x0bA\x1c\r", [b"A"]),
        (b"\x0bA\x1c\r\x0bB\x1c\r\x0bC\x1c\r", [b"A", b"B", b"C"]),
        (b"\x0bA\x1c\x0bB\x1c", [b"A", b"B"]),
        (b"\x0bA\x1c\r\n\r\n\x0bB\x1c\r", [b"A", b"B"]),
        (b"\r\n\x0bA\rB\nC\x1c\r", [b"A\rB\nC"]),
        (b"\x0b\x1c\r", [b""]),
        (b"A\x1c\r", [(b"A", NO_START)]),
        (b"\x1c\r", [(b"", NO_START)]),
        (b"junk\x0bA\x1c\r", [(b"junk", NO_START), b"A"]),
        (b"\x0bA\x1c\rjunk\x0bB\x1c\r", [b"A", (b"junk", NO_START), b"B"]),
        (b"\x0bA\x0bB\x1c\r", [(b"A", NO_END), b"B"]),
        (b"\x0bA\x0b\x0bB\x1c\r", [(b"A", NO_END), (b"", NO_END), b"B"]),
        (b"\x0bA", []),
        (b"", []),
    ],
)
def test_each_way_to_frame_well_or_badly(octets, expected):
    """What stands in a frame is a message; all else is broken, and the next frame is read."""
    found = told(Deframer(100).feed(octets))
    assert len(found) == len(expected)
    for event, wanted in zip(found, expected, strict=True):
        if isinstance(wanted, tuple):
            assert wanted[0] == event[0]
            assert wanted[1] in event[1]
        else:
            assert wanted == event


def test_a_frame_that_never_ends_is_cut_with_a_reason():
    """A partial frame is given up with what came of it."""
    frames = Deframer(100)
    assert frames.feed(b"\x0bA\x1c\rjunk\x0bhalf") == [b"A"]
    assert frames.held == 9
    junk, half = frames.cut(ParseError("late"))
    assert (junk.body, half.body) == (b"junk", b"half")
    assert NO_START in junk.error.what
    assert half.error.what == "late"
    assert frames.held == 0


def test_what_is_cut_outside_of_a_frame_keeps_its_own_reason():
    """Octets without SB are no half frame."""
    frames = Deframer(100)
    frames.feed(b"MSH|")
    assert frames.outside
    [broken] = frames.cut(ParseError("late"))
    assert broken.body == b"MSH|"
    assert NO_START in broken.error.what
    assert frames.cut(ParseError("late")) == []
    assert not frames.outside


def test_a_frame_of_the_limit_passes_and_one_octet_more_does_not():
    """max_size counts the body, not its marks."""
    assert Deframer(10).feed(frame(b"x" * 10)) == [b"x" * 10]
    [broken] = Deframer(10).feed(frame(b"x" * 11))
    assert broken.error.category == "too-large"
    assert broken.fatal
    assert broken.body == b"x" * 11


def test_a_frame_of_the_limit_passes_in_pieces_too():
    """The limit is the same for what comes at once and for what comes piece by piece."""
    frames, body = Deframer(EXCERPT * 2), bytes(range(32, 96)) * (EXCERPT // 32)
    octets = frame(body)
    assert frames.feed(octets[: EXCERPT + 7]) == []
    assert frames.feed(octets[EXCERPT + 7 : -2]) == []
    assert frames.feed(octets[-2:]) == [body]


def test_of_a_large_frame_only_the_first_piece_is_kept():
    """The rest streams by: what is held never grows beyond the limit, and shrinks to the excerpt."""
    frames = Deframer(EXCERPT * 4)
    frames.feed(b"\x0b")
    for _ in range(1000):
        assert frames.feed(b"x" * EXCERPT) == []
        assert frames.held <= EXCERPT * 4 + 1
    assert frames.held == EXCERPT + 1
    [broken] = frames.feed(b"\x1c\r")
    assert broken.body == b"x" * EXCERPT
    assert f"{1000 * EXCERPT}" in broken.error.what


def test_a_small_limit_keeps_what_there_is():
    """A piece that jumps over a limit below the size of an excerpt fills the excerpt."""
    frames = Deframer(10)
    frames.feed(b"\x0b12345")
    frames.feed(b"67890abcdef" * 10_000)
    [broken] = frames.feed(b"\x1c")
    assert broken.body == (b"12345" + b"67890abcdef" * 10_000)[:EXCERPT]


BODY = st.binary(max_size=40).map(lambda b: b.translate(None, b"\x0b\x1c"))
STREAM = st.lists(
    st.one_of(
        BODY.map(frame),
        BODY.map(lambda b: b"\x0b" + b + b"\x1c"),
        BODY,
        st.sampled_from([b"\x0b", b"\x1c", b"\r", b"\n", b"\x0b" + b"y" * 64, b"z" * 70 + b"\x1c\r"]),
    ),
    max_size=8,
).map(b"".join)


@given(STREAM, st.data())
@settings(max_examples=300, deadline=None)
def test_how_octets_are_split_does_not_matter(stream, data):
    """TCP keeps no boundaries (RFC 9293 §3.9.1): any split gives the same messages, and the same is left."""
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    whole, pieces = Deframer(48), Deframer(48)
    expected = whole.feed(stream)
    actual = [e for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for e in pieces.feed(stream[a:b])]
    assert told(expected) == told(actual)
    assert told(whole.cut(ParseError("end"))) == told(pieces.cut(ParseError("end")))


@given(st.lists(BODY.filter(bool), max_size=6), st.data())
@settings(max_examples=100, deadline=None)
def test_well_framed_bodies_come_out_as_they_went_in(bodies, data):
    """Every body, in order, nothing else."""
    stream = b"".join(map(frame, bodies))
    size = data.draw(st.integers(1, max(1, len(stream))))
    frames = Deframer(100)
    actual = [e for i in range(0, len(stream), size) for e in frames.feed(stream[i : i + size])]
    assert bodies == actual
    assert frames.held == 0
    assert not any(isinstance(e, Broken) for e in actual)
