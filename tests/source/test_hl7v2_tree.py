"""Reading ER7: separators, character sets, escapes, places, bounds (HL7 v2.5 chapter 2)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import ParseError
from hub.source.hl7v2 import Message, escape
from hub.source.hl7v2_text import STANDARD, Separators, unescape
from hub.source.hl7v2_tree import MAX_COMPONENTS, MAX_FIELDS, MAX_REPETITIONS, MAX_SEGMENTS, pieces
from hub.source.origin import Text

HEAD = rb"MSH|^~\&|A|B|C|D|20260101||ADT^A01|1|P|2.5"


def message(*segments: bytes, charset: bytes = b"UNICODE UTF-8", origins: bool = False) -> Message:
    return Message(b"\r".join((HEAD + b"||||||" + charset, *segments, b"")), origins)


def pid(line: bytes, **more: object) -> object:
    found = message(line, **more).first(line[:3])
    assert found is not None
    return found


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"], ids=["CR", "LF", "CRLF"])
def test_segments_end_with_cr_lf_or_crlf(end: bytes) -> None:
    """§2.4 says CR; LF and CRLF are met in files and are taken alike."""
    made = Message(end.join((HEAD, b"PID|1||7", b"ZZZ|x", b"")))
    assert [s.name.decode() for s in made.ordered()] == ["MSH", "PID", "ZZZ"]
    assert made.first(b"PID").text(3) == "7"


def test_msh_fields_are_numbered_from_the_separator() -> None:
    """§2.15.9.1: MSH-1 is the field separator itself, MSH-2 the encoding characters, not split by them."""
    msh = Message(HEAD).msh
    assert (
        msh.text(1), msh.text(2), msh[3](1), msh.text(9), msh[9](2),
    ) == ("|", "^~\\&", "A", "ADT", "A01")  # fmt: skip


def test_own_separators_are_followed() -> None:
    """§2.5.4: the delimiters are those MSH-1 and MSH-2 name."""
    made = Message(b"MSH#*+!$#A#B\rPID###a*b$c+d!S!e\r")
    rep, other = made.first(b"PID").reps(3)
    assert (rep(1), rep(2), rep(2, 2), other(1)) == ("a", "b", "c", "d*e")


@pytest.mark.parametrize(
    "head", [b"MSH|^^\\&|", b"MSH|a~\\&|", b"MSH||~\\&|", b"MSH|^|", b"MSH|^~\\&#$%|", b"MSHA^~\\&A"]
)
def test_impossible_separators_are_refused(head: bytes) -> None:
    """Delimiters are distinct punctuation (§2.5.4); anything else cannot be read."""
    with pytest.raises(ParseError) as e:
        Message(head + b"A|B\r")
    assert e.value.code == "100"


@pytest.mark.parametrize(
    "body", [b"", b"\r\r", b"PID|1", b"MSH", b"MSH|^~\\&", b"FHS|^~\\&|A\rMSH|", b"<a/>", b"\x00\x01"]
)
def test_what_does_not_start_with_msh_is_no_message(body: bytes) -> None:
    """§2.5.1: the first segment is MSH; the message says so and how to send."""
    with pytest.raises(ParseError, match="MSH") as e:
        Message(body)
    assert e.value.code == "100"


def test_a_byte_order_mark_is_forgiven() -> None:
    """Files saved by text editors start with one."""
    assert Message(b"\xef\xbb\xbf" + HEAD).msh.text(10) == "1"


@pytest.mark.parametrize(
    ("declared", "octets"),
    [
        (b"UNICODE UTF-8", "É€".encode()),
        (b"8859/1", "É".encode("latin-1")),
        (b"8859/15", "É€".encode("iso8859-15")),
        (b"ISO-8859-1", "É".encode("latin-1")),
        (b"", "É€".encode()),
        (b"ASCII", b"E"),
        (b"UNICODE UTF-8~8859/1", "É".encode()),
    ],
)
def test_text_is_decoded_as_msh_18_says(declared: bytes, octets: bytes) -> None:
    """§2.15.9.18, table 0211; absent is read as UTF-8, of which ASCII is a part."""
    text = pid(b"PID|||||" + octets, charset=declared).text(5)
    assert text in ("É", "É€", "E")
    assert len(text) == len(octets.decode({b"8": "iso8859-15", b"I": "latin-1"}.get(declared[:1], "utf-8")))


def test_windows_1252_under_an_iso_label_is_understood() -> None:
    """Octet 92 under 8859/1 is an apostrophe in practice (WHATWG Encoding), never a control character."""
    assert pid(b"PID|||||L\x92\xceLE", charset=b"8859/1").text(5) == "L\u2019ÎLE"


def test_unknown_charset_is_refused_with_the_cure() -> None:
    """A character set the hub cannot read must not be guessed."""
    with pytest.raises(ParseError, match="UTF-8") as e:
        pid(b"PID|1||7-7", charset=b"ISO IR87").text(3)
    assert (e.value.where, e.value.code) == ("MSH-18", "103")


def test_wrong_octets_name_their_place() -> None:
    """Octets that are not UTF-8 are a data type error (table 0357, 102) at their place."""
    line = b"PID|||1~2^^^N&\xff||\xe9"
    with pytest.raises(ParseError) as e:
        pid(line).reps(3)[1](4, 2)
    assert (e.value.where, e.value.code) == ("PID-3[2].4.2", "102")
    with pytest.raises(ParseError) as e:
        pid(line).reps(5)[0].whole()
    assert e.value.where == "PID-5"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"a\F\b\S\c\R\d\T\e\E\f", "a|b^c~d&e\\f"),
        (rb"a\.br\b", "a\nb"),
        (rb"a\.sp2\b", "a\n\nb"),
        (rb"\X4142\ok", "ABok"),
        (rb"\XC389\ok", "Éok"),
        (rb"\H\gras\N\ ", "gras"),
        (rb"\Xzz\x", r"\Xzz\x"),
        (rb"C:\temp\x", r"C:\temp\x"),
        (rb"50\% \T\ ok", r"50\% & ok"),
        (rb"fin\ ", "fin\\"),
        (rb"\P\x", "#x"),
    ],
)
def test_escape_sequences(written: bytes, read: str) -> None:
    """§2.7; what is no escape sequence stays as it was written."""
    assert read == pid(b"PID|||||" + written).text(5)


@pytest.mark.parametrize("octets", [b"", b'""', b"   ", b"\\X00\\"])
def test_nothing_is_none(octets: bytes) -> None:
    """§2.5.3: absent, empty and ``""`` give no value to a mapping."""
    assert None is pid(b"PID|||||" + octets + b"|").text(5)


def test_what_is_not_there_is_none() -> None:
    """Trailing fields, components and subcomponents may be left out (§2.5.3)."""
    segment = pid(b"PID|1||a-b^c&d")
    assert (
        segment.text(30), segment.text(3, 9), segment.text(3, 2, 5), segment.text(3, 1, 2), segment.reps(2),
    ) == (None, None, None, None, [])  # fmt: skip
    assert (
        bool(segment[30]), bool(segment[3]), segment.reps(3)[0].octets(9), segment.rep(2),
    ) == (False, True, b"", None)  # fmt: skip
    assert None is message(b"PID|7").first(b"PID").text(1, 1, 2)
    assert (Message(HEAD).first(b"PID"), Message(HEAD).segments(b"OBX")) == (None, [])


def test_texts_know_their_place_when_asked() -> None:
    """Lineage: PID-7, PID-3[2].4.2, OBX[2]-5 (1-based; the number of a repetition only beyond the first)."""
    made = message(
        b"PID|||1^^^N&1.2~22^^^N&1.3|||| 1960 ", b"OBX|1||x", b"OBX|2||y^z", b"ZBE|a", b"ZBE|b", origins=True
    )
    first, second = made.segments(b"PID")[0].reps(3)
    obx = made.segments(b"OBX")
    texts = [
        first(1), first(4, 1), second(1), second(4, 2), made.first(b"PID").text(7), obx[0].text(3), obx[1].text(3, 2),
        made.segments(b"ZBE")[1].text(1),
    ]  # fmt: skip
    assert [t.origin for t in texts if isinstance(t, Text)] == [
        "PID-3.1",
        "PID-3.4.1",
        "PID-3[2].1",
        "PID-3[2].4.2",
        "PID-7",
        "OBX[1]-3",
        "OBX[2]-3.2",
        "ZBE[2]-1",
    ]
    assert texts[4] == "1960"


def test_the_hot_path_reads_plain_text() -> None:
    """Without origins no value carries one."""
    assert str is type(pid(b"PID|||12-3^x").text(3))


@pytest.mark.parametrize(
    ("segments", "what"),
    [
        ([b"PID|" + b"|" * 10_000], "fields"),
        ([b"ZZZ|1"] * (MAX_SEGMENTS + 1), "segments"),
        ([b"ZZZ|1"] + [b""] * (2 * MAX_SEGMENTS + 1), "segments"),
        ([b"pid|1"], "no segment"),
        ([b"suite du texte"], "no segment"),
        ([HEAD], "second message"),
    ],
    ids=["fields", "segments", "empty lines", "lower case", "broken line", "two messages"],
)
def test_what_cannot_be_a_message_is_refused_clearly(segments: list[bytes], what: str) -> None:
    """Bounds protect the hub; a line that is no segment is told, never skipped."""
    with pytest.raises(ParseError, match=what) as e:
        _ = message(*segments).index
    assert e.value.cure
    assert e.value.code in ("100", "102")


def test_fields_and_repetitions_up_to_the_bound_are_read() -> None:
    """The bound itself is allowed."""
    assert pid(b"PID" + b"|" * MAX_FIELDS + b"x").text(MAX_FIELDS) == "x"
    assert len(pid(b"PID|||" + b"~".join([b"x"] * MAX_REPETITIONS)).reps(3)) == MAX_REPETITIONS
    with pytest.raises(ParseError, match="components"):
        pid(b"PID|||" + b"^" * MAX_COMPONENTS).text(3)
    with pytest.raises(ParseError, match="fields"):
        Message(HEAD + b"|" * MAX_FIELDS)
    with pytest.raises(ParseError, match="repetitions") as e:
        pid(b"PID|||" + b"~" * MAX_REPETITIONS).reps(3)
    assert e.value.where == "PID-3"


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"], ids=["CR", "LF", "CRLF"])
def test_a_long_message_is_read_like_a_short_one(end: bytes) -> None:
    """The quick search of long lines finds what a split finds."""
    lines = [
        HEAD,
        b"PID|1||7",
        b"OBX|1|ED|a^b||^text^XML^Base64^" + b"QUJD" * 3000 + b"~x||||||F",
        b"ZZZ|" + b"|" * 50,
        b"",
    ]
    made = Message(end.join(lines))
    obx = made.segments(b"OBX")[0]
    assert [s.line for s in made.ordered()] == lines[:-1]
    assert (obx.text(11), len(obx.reps(5)), obx.reps(5)[0].octets(5)) == ("F", 2, b"QUJD" * 3000)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([b"", b"a", b"x" * 5000]), max_size=8), st.integers(0, 9))
def test_pieces_are_those_of_split(parts: list[bytes], most: int) -> None:
    """The same as bytes.split with its bound."""
    whole = b"|".join(parts)
    assert pieces(whole, b"|", most) == whole.split(b"|", most)


def test_a_document_stays_octets_until_it_is_wanted() -> None:
    """OBX-5 of megabytes is not decoded to look at OBX-3."""
    obx = message(b"OBX|1|ED|18748-4^X^LN||^text^XML^Base64^" + b"QUJD" * 1000 + b"||||||F").first(b"OBX")
    assert obx is not None
    assert (obx.text(3), obx.reps(5)[0].octets(5), obx.text(11)) == ("18748-4", b"QUJD" * 1000, "F")


NAME = st.sampled_from([b"PID", b"PRT", b"ZBE", b"OBX", b"Z99"])
RAW = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x17F, exclude_characters="\x7f\x85"), max_size=12).map(
    str.encode
)
BODY = st.lists(st.tuples(NAME, st.lists(RAW, max_size=9)), max_size=6)


@settings(max_examples=80, deadline=None)
@given(BODY, st.sampled_from([b"\r", b"\n", b"\r\n"]))
def test_nothing_is_lost(body: list[tuple[bytes, list[bytes]]], end: bytes) -> None:
    """Any fields, Z segments, PRT, empties out of order and trailing separators come out as they went in."""
    raw = end.join((HEAD, *(b"|".join((name, *fields)) for name, fields in body), b""))
    made = Message(raw)
    again = []
    for segment in made.ordered():
        fields = []
        for number, field in enumerate(segment.fields):
            reps = segment.reps(number) if number else []
            if field and number and not (segment.name == b"MSH" and number < 3):
                split = b"~".join(b"^".join(rep.parts) for rep in reps)
                assert split.replace(b"~", b"") == field.replace(b"~", b"")
            fields.append(field)
        if segment.name == b"MSH":
            del fields[1]
        again.append(b"|".join(fields))
    assert raw == made.encode()
    assert raw == end.join((*again, b""))


@settings(max_examples=80, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=30))
def test_escaping_comes_back(text: str) -> None:
    """§2.7: what is escaped into a component is read back from it, for any separators."""
    for sep in (STANDARD, Separators(b"#", b"*", b"+", b"!", b"$")):
        written = escape(text, sep)
        assert not any(s.decode() in written.replace(f"{sep.escape.decode()}", "") for s in (sep.field, sep.component))
        assert text == unescape(written, sep, "utf-8")


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=120))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    """A stranger's octets give a message or a ParseError, never another error."""
    for body in (octets, HEAD + b"\r" + octets):
        with suppress(ParseError):
            for segment in Message(body).ordered():
                for number in range(1, 5):
                    segment.text(number, 2, 2)
