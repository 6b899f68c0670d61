"""What is written is what is read: escapes, character sets, line ends (v2.5 §2.5, §2.7, §2.15.9.18)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.errors import HubError
from hub.source.hl7v2 import READER, Message, escape
from hub.source.hl7v2_text import Separators, printable, unescape

# table 0211 -> codec and the letters it has
SETS = {
    "UNICODE UTF-8": ("utf-8", "éŒ€Ł漢😀ß"), "8859/1": ("iso8859-1", "éèßÿ"), "8859/15": ("iso8859-15", "éœŒ€š"),
}  # fmt: skip
SIGNS = st.sampled_from(
    ["|", "^", "~", "\\", "&", "\\F\\", "\\X0D\\", "\\.br\\", "\r", "\n", "\r\n", "MSH|", "\\E", "X"]
)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str, list[str]]:
    """A character set and texts that it can hold, full of delimiters."""
    declared = draw(st.sampled_from(sorted(SETS)))
    letters = st.sampled_from(list(SETS[declared][1] + "aZ09 -'"))
    parts = draw(st.lists(st.lists(st.one_of(SIGNS, letters), max_size=12).map("".join), min_size=1, max_size=4))
    return declared, SETS[declared][0], parts


def message(declared: str, codec: str, values: list[str], sep: Separators, end: bytes) -> bytes:
    fs = sep.field.decode()
    head = f"MSH{fs}{b''.join(sep[1:]).decode()}{fs}A{fs * 6}ADT{fs}1{fs}P{fs}2.5{fs * 6}{declared}"
    value = sep.component.decode().join(escape(v, sep) for v in values)
    return head.encode() + end + f"NTE{fs}1{fs}{fs}{value}".encode(codec) + end


USED = [Separators(b"|", b"^", b"~", b"\\", b"&"), Separators(b"#", b"!", b"$", b"@", b"%")]


@given(written(), st.sampled_from([b"\r", b"\n", b"\r\n"]), st.sampled_from(USED))
def test_what_is_written_is_read(what: tuple[str, str, list[str]], end: bytes, sep: Separators) -> None:
    """Any text in any character set, with any delimiters and line ends; line breaks become \\.br\\."""
    declared, codec, values = what
    body = message(declared, codec, values, sep, end)
    rep = Message(body).segments(b"NTE")[0].rep(3)
    for number, value in enumerate(values, 1):
        expected = printable(value.replace("\r\n", "\n").replace("\r", "\n")).strip()
        found = rep(number) if rep is not None else None
        assert (found or "") == ("" if expected == '""' else expected)
    assert Message(body).encode() == body


@pytest.mark.parametrize(
    ("raw", "text"),
    [(r"a\F\b", "a|b"), (r"a\S\b", "a^b"), (r"a\R\b", "a~b"), (r"a\T\b", "a&b"), (r"a\E\b", "a\\b"),
     (r"a\X41\b", "aAb"), (r"a\XC3A9\b", "aéb"), (r"a\.br\b", "a\nb"), (r"a\.sp2\b", "a\n\nb"), (r"a\H\b\N\c", "abc"),
     (r"a\Zx\b", r"a\Zx\b"), (r"\\srv\dir", r"\\srv\dir"), (r"a\XZZ\b", r"a\XZZ\b"), (r"fin\ ", r"fin\ ")],
)  # fmt: skip
def test_each_escape_sequence(raw: str, text: str) -> None:
    """§2.7; what is none stays as it is written."""
    assert unescape(raw, Separators(b"|", b"^", b"~", b"\\", b"&"), "utf-8") == text


@given(
    st.binary(max_size=300), st.integers(0, 400), st.sampled_from([b"", b"MSH|^~\\&|A|B|C|D|2026||ADT^A01|1|P|2.5\r"])
)
def test_any_octets(noise: bytes, at: int, head: bytes) -> None:
    """An envelope and its check, or an error with its place; never another exception."""
    body = head + b"PID|1||7^^^B&1.2&ISO^PI||N^P\rOBX|1|ED|X||^a^PDF^Base64^AA==||||||F\r"
    body = body[:at] + noise + body[at:]
    try:
        found = READER.peek(body)
        READER.check(body, found)
        assert Message(body).encode() == body
        for segment in Message(body).ordered():
            for number in range(len(segment.fields)):
                for rep in segment.reps(number):
                    rep(), rep(2, 2), rep.whole()
    except HubError as error:
        told = error.where
    else:
        told = "whole"
    assert told
