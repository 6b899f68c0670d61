"""Mails of MSSanté: what the hub learns of them (référentiel n° 2; RFC 8098, 3464)."""

from __future__ import annotations

import pytest
from hub.adapters._receipts import receipt
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError, ParseError
from hub.source import mail as mails
from hub.source.mail import READER, read
from tests.source.archives import CDA, INS, archive, bounced, entry, mail, pdf_entry

XDM = mail(archive())


def refused(octets):
    envelope = READER.peek(octets)
    with pytest.raises(HubError) as e:
        READER.check(octets, envelope)
    assert e.value.where
    return envelope, e.value


def test_a_mail_with_an_archive_is_ordered_and_found_by_its_patient():
    """One patient a mail: its INS orders it, its Message-ID knows it again."""
    envelope = READER.peek(XDM)
    assert (envelope.type, envelope.control_id) == ("XDM", "labo-417@essais.mssante.fr")
    assert (envelope.sender, envelope.document) == ("labo@essais.mssante.fr", "11526-1")
    assert envelope.order_key == f"urn:oid:1.2.250.1.213.1.4.10|{INS}"
    assert ("mail", "labo-417@essais.mssante.fr") in envelope.keys
    assert ("document", "1.2.250.1.999.7.1^ACP-2026-00417") in envelope.keys
    READER.check(XDM, envelope)


def test_the_files_beside_the_archive_and_the_words_are_kept_apart():
    """ECO.2.1.1: the PDF beside; a text part is the body."""
    told = read(XDM)
    assert [p.filename for p in told.files] == ["20260218_CR_ECHANTILLON_ODILE.pdf"]
    assert "compte rendu" in told.body.text()


@pytest.mark.parametrize(
    ("subject", "name", "kind"),
    [
        ("anything", "IHE_XDM.zip", "XDM"),
        ("anything", "ihe_xdm.ZIP", "XDM"),
        ("xdm/1.0/ddm+x", "documents.zip", "XDM"),
        ("anything", "export_XDM_1.zip", "XDM"),
        ("anything", "photos.zip", "MAIL"),
    ],
)
def test_a_candidate_is_known_by_its_subject_or_its_archive(subject, name, kind):
    """The prefix of the subject and/or the zip."""
    assert READER.peek(mail(archive(), subject=subject, name=name)).type == kind


def test_an_announced_archive_that_is_not_there_is_refused():
    """The subject promises one; winmail.dat hides it (T73)."""
    assert "none is there" in refused(mail(None))[1].what
    made = mail(b"x", name="winmail.dat").replace(b"application/zip", b"application/ms-tnef")
    assert "winmail" in refused(made)[1].what


def test_a_broken_or_second_archive_is_refused_and_the_mail_still_known():
    """Refused with its Message-ID, so that the same mail fetched again is the same."""
    envelope, error = refused(mail(b"no zip"))
    assert (envelope.control_id, error.code) == ("labo-417@essais.mssante.fr", "906")
    two = XDM.replace(
        b"--=_essais--",
        b'--=_essais\r\nContent-Disposition: attachment; filename="IHE_XDM.zip"\r\n\r\nPK\r\n--=_essais--',
    )
    assert "more than one" in refused(two)[1].what


@pytest.mark.parametrize("sender", ["", "a@essais.mssante.fr, b@essais.mssante.fr", "x@evil.fr <a@essais.mssante.fr>"])
def test_a_mail_has_one_sender(sender):
    """A spoofed or double From (T73)."""
    made = mail(archive(), From=None)
    assert refused(f"From: {sender}\r\n".encode() + made)[1].where == "From"
    assert refused(b"From: a@essais.mssante.fr\r\nFrom: b@essais.mssante.fr\r\n" + made)[1].where == "From"


def test_without_a_message_id_its_octets_are_what_it_is_known_by():
    """RFC 5322 §3.6.4 only says SHOULD."""
    one, two = mail(archive(), Message_ID=None), mail(archive(), Message_ID=None, pdf=None)
    ids = [READER.peek(b).control_id for b in (one, one, two)]
    assert ids[0] == ids[1] != ids[2]
    assert ids[0].startswith("sha256-")


def test_a_thread_is_found_by_the_ids_of_the_mails_before():
    """ECO.2.2: In-Reply-To, References."""
    made = mail(archive(), References="<a@x> <b@x>", In_Reply_To="<b@x>")
    assert read(made).thread == ("a@x", "b@x")
    assert {v for k, v in READER.peek(made).keys if k == "mail"} == {"a@x", "b@x", "labo-417@essais.mssante.fr"}
    many = mail(archive(), References=" ".join(f"<{n}@x>" for n in range(100)))
    assert len(read(many).thread) == 10


@pytest.mark.parametrize(("code", "kind"), [("", "MDN^OK"), ("902", "MDN^KO")])
def test_our_own_receipts_are_understood(code, kind):
    """RFC 8098 §3; the national codes."""
    made = receipt(read(XDM), XDM, "hub@chu.mssante.fr", code)
    envelope = READER.peek(made)
    assert envelope.type == kind
    assert ("mail", "labo-417@essais.mssante.fr") in envelope.keys
    told = read(made)
    assert (told.notice.original, told.notice.code) == ("labo-417@essais.mssante.fr", code)
    assert told.automatic
    READER.check(made, envelope)


@pytest.mark.parametrize(
    ("disposition", "outcome", "code"),
    [
        ("manual-action/MDN-sent-manually; displayed", "OK", ""),
        ("automatic-action/MDN-sent-automatically; processed/Error: 904^traits", "KO", "904"),
        ("automatic-action/MDN-sent-automatically; processed/error", "KO", ""),
        ("automatic-action/MDN-sent-automatically;failed", "KO", ""),
        ("nonsense", "OK", ""),
        ("", "OK", ""),
    ],
)
def test_dispositions(disposition, outcome, code):
    """RFC 8098 §3.2.6, and the French error."""
    made = receipt(read(XDM), XDM, "hub@chu.mssante.fr", "")
    old = b"automatic-action/MDN-sent-automatically; processed"
    assert old in made
    notice = read(made.replace(old, disposition.encode())).notice
    assert (notice.outcome, notice.code) == (outcome, code)


@pytest.mark.parametrize(
    "subject", ["[KO Intégration système !][902] XDM/1.0/DDM+x", "[Erreur d'intégration !][902] XDM/1.0/DDM+x"]
)
def test_a_plain_mail_may_say_ko(subject):
    """Without a request the same goes in a normal mail; the bracket's words vary, the code counts."""
    told = read(mail(archive(), subject=subject, In_Reply_To="<sent-1@chu>"))
    assert (told.type, told.notice.code, told.notice.original) == ("MDN^KO", "902", "sent-1@chu")


@pytest.mark.parametrize(("action", "kind"), [("failed", "failed"), ("delayed", "delayed"), ("relayed", "delivered")])
def test_delivery_reports(action, kind):
    """RFC 3464: action and status of each recipient; the mail it is about."""
    told = read(bounced(action))
    assert (told.type, told.notice.original) == (f"DSN^{kind}", "sent-1@chu.mssante.fr")
    assert told.notice.code == ("5.1.1" if kind != "delivered" else "")
    READER.check(bounced(action), READER.peek(bounced(action)))


def test_a_delivery_report_may_carry_the_whole_mail():
    """message/rfc822 instead of its headers."""
    whole = bounced().replace(b"text/rfc822-headers", b"message/rfc822")
    assert read(whole).notice.original == "sent-1@chu.mssante.fr"


@pytest.mark.parametrize(
    ("name", "value", "automatic"),
    [
        ("Auto-Submitted", "auto-generated", True),
        ("Auto-Submitted", "no", False),
        ("Precedence", "bulk", True),
        ("X", "y", False),
    ],
)
def test_what_a_program_sent_is_known(name, value, automatic):
    """RFC 3834 §2: such mails are not answered."""
    assert read(mail(archive(), **{name.replace("-", "_"): value})).automatic is automatic


def test_ids_know_where_they_were_read():
    """Origins, when they are asked for."""
    told = READER.parse(XDM, True)
    assert told.message_id.origin == "Message-ID"
    assert told.archive.documents[0].cda.one("code").attr("code").origin == "code/@code"


@settings(max_examples=120, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.binary(min_size=1, max_size=5)), min_size=1, max_size=5),
    st.integers(0, 3),
)
def test_any_damage_is_read_or_refused(edits, which):
    """Octets overwritten anywhere in a mail, a receipt or a report."""
    whole = (
        mail(archive((entry(), CDA), (pdf_entry(), b"%PDF"))), receipt(read(XDM), XDM, "a@b.fr", "902"), bounced(),
        mail(None),
    )[which]  # fmt: skip
    made = bytearray(whole)
    for at, octets in edits:
        start = at % len(made)
        made[start : start + len(octets)] = octets
    assert judge(bytes(made))


def judge(octets):
    try:
        READER.check(octets, READER.peek(octets))
    except HubError as error:
        return bool(error.where)
    return True


def test_it_is_no_mail():
    """The reader says so."""
    with pytest.raises(ParseError, match="no mail"):
        mails.peek(b"words\r\n")
