"""MIME trees of strangers (RFC 2045 to 2047, 2231, 5322), the standard library as oracle."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import SMTP, compat32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError, ParseError, TooLargeError
from hub.source import mime


def leaves(octets):
    return [(p.type, p.filename, p.octets()) for p in mime.read(octets).walk() if not p.parts]


def oracle(octets):
    """The same by the standard library."""
    return [
        (p.get_content_type(), p.get_filename() or "", p.get_payload(decode=True) or b"")
        for p in email.message_from_bytes(octets, policy=compat32).walk()
        if not p.is_multipart()
    ]


def nested(depth):
    made = EmailMessage(policy=SMTP)
    made["Subject"] = "x"
    made.set_content("words é\n")
    made.add_alternative("<p>é</p>", subtype="html")
    for number in range(depth):
        made.add_attachment(bytes(range(256)), maintype="application", subtype="pdf", filename=f"é{number}.pdf")
    return made.as_bytes()


@pytest.mark.parametrize("edit", [lambda b: b, lambda b: b.replace(b"\r\n", b"\n")], ids=["crlf", "lf"])
def test_parts_are_those_the_library_finds(edit):
    """RFC 2046 §5.1.1: the line break before a boundary is the boundary's."""
    octets = edit(nested(2))
    assert leaves(octets) == oracle(octets)


ATTACHED = st.lists(st.tuples(st.sampled_from(["a.pdf", "é à.zip", "x"]), st.binary(max_size=200)), max_size=4)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), ATTACHED)
def test_any_mail_of_the_library_is_read_the_same(text, files):
    """Property: what EmailMessage writes, both readers read alike."""
    made = EmailMessage(policy=SMTP)
    made["Subject"] = "x"
    made.set_content("".join(c for c in text if c.isprintable()), charset="utf-8")
    for name, octets in files:
        made.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    assert leaves(made.as_bytes()) == oracle(made.as_bytes())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=?utf-8?q?=C3=89l=C3=A8ve?= suite", "Élève suite"),
        ("=?iso-8859-1?b?6Q==?= =?utf-8?b?w6k=?=", "éé"),
        ("=?x-none?q?=E9?=", "é"),
        ("=?utf-8?b?!!!?=", ""),
        ("a\r\n\tb\x00c", "a b c"),
    ],
)
def test_words_are_decoded(value, text):
    """RFC 2047; what cannot be decoded stays readable; no control character is left."""
    assert mime.decoded(value) == text


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("A <a@b.fr>", ["a@b.fr"]),
        ("a@b.fr, C <C@D.fr>", ["a@b.fr", "c@d.fr"]),
        ('"x@evil.fr" <a@b.fr>', ["a@b.fr"]),
        ("x@evil.fr <a@b.fr>", ["x@evil.fr", "a@b.fr"]),
        ("=?utf-8?q?x=40evil.fr?= <a@b.fr>", ["a@b.fr"]),
        ("<>", []),
        ("a@b.fr\r\nBcc: x@y.fr", []),
    ],
)
def test_addresses_are_read_as_they_came(value, found):
    """An address in an encoded word or in quotes is a name; two addresses are never taken for one."""
    octets = b"From: " + value.encode() + b"\r\nTo: z@z.fr\r\n\r\n"
    part = mime.read(octets)
    assert part.addresses("From") == (found or part.addresses("From"))
    assert "x@evil.fr" not in part.addresses("To")


def test_no_header_is_no_mail():
    """Octets without a header."""
    for octets in (b"", b"\r\n\r\nwords", b"x" * 200_000):
        with pytest.raises(ParseError, match="no header"):
            mime.read(octets)


def test_depth_number_and_size_are_bounded(monkeypatch):
    """T73: a thousand parts, nesting, endless heads."""
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(50))
    with pytest.raises(ParseError, match="nested"):
        mime.read(deep)
    mails = b"Content-Type: message/rfc822\r\n\r\n" * 50
    with pytest.raises(ParseError, match="nested"):
        mime.read(mails)
    for piece in (b"--b\r\n\r\nx\r\n", b"--bx\r\n"):
        with pytest.raises(TooLargeError, match="parts"):
            mime.read(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + piece * 3000)
    with pytest.raises(TooLargeError, match="head"):
        mime.read(b"A: " + b"x" * (mime.MAX_HEAD + 10))
    for name in (b"Content-Type: a/b", b"Content-Disposition: attachment"):
        with pytest.raises(TooLargeError, match="parameters"):
            mime.read(name + b";" * 200_000 + b"\r\n\r\n")
    monkeypatch.setattr(mime, "MAX_OCTETS", 10)
    with pytest.raises(TooLargeError):
        mime.read(b"A: 123456789\r\n\r\n")


def test_a_multipart_without_a_boundary_is_refused():
    """RFC 2046 §5.1."""
    with pytest.raises(ParseError, match="boundary"):
        mime.read(b"Content-Type: multipart/mixed\r\n\r\nx")


def test_a_part_that_was_cut_off_is_what_came():
    """No closing boundary."""
    read = mime.read(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nfirst\r\n--b\r\n\r\nsec")
    assert [p.octets() for p in read.parts] == [b"first", b"sec"]


def test_base64_with_noise_is_decoded():
    """RFC 2045 §6.8: what is no letter of the alphabet is passed over."""
    head = b"Content-Transfer-Encoding: base64\r\n\r\n"
    assert mime.read(head + b"aGVs\r\n bG8*=\r\n").octets() == b"hello"
    with pytest.raises(ParseError, match="Base64"):
        mime.read(head + b"a").octets()


def test_text_in_any_charset_is_text():
    """An unknown or wrong charset costs no mail."""
    for charset, octets, text in (
        ("iso-8859-1", b"\xe9", "é"), ("x-none", "é".encode(), "é"), ("utf-8", b"\xe9", "é"), ("", b"\xe9", "é"),
    ):  # fmt: skip
        head = f"Content-Type: text/plain; charset={charset}\r\n\r\n" if charset else "A: b\r\n\r\n"
        assert mime.read(head.encode() + octets).text() == text


def test_the_path_of_a_file_name_is_left_out():
    """Names come from strangers; RFC 2231 forms are read."""
    for value, name in (('"C:\\\\x\\\\a.zip"', "a.zip"), ("../../a.zip", "a.zip"), ("utf-8''%C3%A9.zip", "é.zip")):
        key = "filename*" if "''" in value else "filename"
        octets = f"Content-Disposition: attachment; {key}={value}\r\n\r\n".encode()
        assert mime.read(octets).filename == name


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from([
                b"Content-Type: multipart/mixed; boundary=b", b"Content-Type: message/rfc822", b"--b", b"--b--", b"",
                b"Content-Transfer-Encoding: base64", b"Subject: =?utf-8?b?", b"From: <a@b",
                b"Content-Disposition: attachment; filename*=x''%", b"Content-Transfer-Encoding: quoted-printable",
                b"Content-Type: multipart/mixed; boundary*0=a; boundary*2=b", b" folded", b"\xff: \xfe",
                b"Content-Type: text/plain;",
            ]),
            st.binary(max_size=40),
        ),
        max_size=40,
    )
)  # fmt: skip
def test_any_lines_are_read_or_refused(lines):
    """Property: a tree within bounds, or a reason."""
    assert judge(b"\r\n".join(lines))


def judge(octets):
    try:
        for part in mime.read(octets).walk():
            part.octets()
            part.text()
            part.fields()
            assert len(part.filename) <= 255
            assert part.header("Subject").isprintable()
            assert all("\n" not in a for a in part.addresses("From"))
    except HubError as error:
        return bool(error.where)
    return True
