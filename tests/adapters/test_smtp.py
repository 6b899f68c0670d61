"""Mails handed to a real submission server (RFC 5321, 6409, 3207, 4954, 1870; MSSanté: client certificates)."""

from __future__ import annotations

import smtplib
import ssl

import pytest
from hub.adapters._smtp import Postman
from hub.adapters.smtp import SmtpDestination, SmtpOptions
from pydantic import ValidationError

from hub.errors import ConfigError, HubError, NoAnswerError, RefusedError, UnavailableError
from hub.source import mime
from hub.testing.context import MemoryOutlet, outgoing
from hub.testing.parrot import Parrot, drop, expect, say, say_slowly, silent
from tests.adapters.mailboxes import mail
from tests.adapters.mailservers import free_port, smtp_server

DATED = {"Date": "Mon, 5 Jan 2026 10:00:00 +0100"}
MAIL = mail(**DATED)


MADE = []


@pytest.fixture(autouse=True)
def _closed():
    """Whatever a test makes of its destinations, none of their connections is left."""
    yield
    while MADE:
        MADE.pop().close()


def destination(port, **chosen):
    told = {"server": f"localhost:{port}", "security": "none", "timeout": 5.0} | chosen
    MADE.append(SmtpDestination(SmtpOptions(**told), MemoryOutlet()))
    return MADE[-1]


def send(to, body=MAIL, content_type="message/rfc822", **facts):
    return to.send(outgoing(body, content_type, **facts))


def test_a_mail_goes_as_it_is_to_its_recipients():
    """Octet for octet; envelope from the headers; the answer says the Message-ID."""
    with smtp_server() as inbox:
        to = destination(inbox.port)
        answer = send(to, mail(**DATED, Cc="C <c@chu.mssante.fr>, b@chu.mssante.fr"))
        sender, recipients, content = inbox.wait(1)[0]
        assert (sender, recipients) == ("a@chu.mssante.fr", ("b@chu.mssante.fr", "c@chu.mssante.fr"))
        assert content == mail(**DATED, Cc="C <c@chu.mssante.fr>, b@chu.mssante.fr")
        assert (answer.body, answer.summary) == (b"<m1@chu>", "250 2.0.0")
        to.close()


def test_a_mail_without_id_and_date_gets_them_once():
    """RFC 5322 §3.6: the Message-ID is that of the delivery, the same on every attempt."""
    with smtp_server() as inbox:
        to = destination(inbox.port)
        for _ in range(2):
            send(to, mail(Message_ID=None), idempotency_key="0001-mssante-0")
        first, second = (mime.read(c) for _, _, c in inbox.wait(2))
        assert first.header("Message-ID") == second.header("Message-ID") == "<0001-mssante-0@chu.mssante.fr>"
        assert first.header("Date")
        to.close()


def test_bcc_is_an_address_and_no_header():
    """RFC 5322 §3.6.3; a folded one too."""
    with smtp_server() as inbox:
        to = destination(inbox.port)
        send(to, mail(**DATED, Bcc="secret@chu.mssante.fr,\r\n other@chu.mssante.fr"))
        _, recipients, content = inbox.wait(1)[0]
        assert recipients == ("b@chu.mssante.fr", "secret@chu.mssante.fr", "other@chu.mssante.fr")
        assert b"secret" not in content
        assert b"other@" not in content
        assert content.endswith(b"\r\n\r\nwords\r\n")
        to.close()


def test_another_body_is_attached():
    """The words and the subject say nothing of a patient; the octets are those of the body."""
    with smtp_server() as inbox:
        to = destination(inbox.port, **{"from": "hub@chu.fr", "to": ["b@chu.fr"], "subject": "Résultat"})
        send(to, b"\x00<x/>\n", "text/xml; charset=utf-8", idempotency_key="k/1")
        send(to, b"{}", "nonsense")
        read = [mime.read(c) for _, _, c in inbox.wait(2)]
        assert read[0].header("Subject") == "Résultat"
        (attached,) = [p for p in read[0].walk() if p.filename]
        assert (attached.type, attached.filename, attached.octets()) == ("text/xml", "k_1.xml", b"\x00<x/>\n")
        assert next(p for p in read[1].walk() if p.filename).type == "application/octet-stream"
        to.close()


def test_line_ends_cannot_smuggle_a_mail():
    """CVE-2023-51764: a bare line feed before a dot is no end of the mail for anybody."""
    evil = mail(**DATED, body=b"x\n.\nMAIL FROM:<evil@x>\r\n.\r\ny\r.\rz")
    with smtp_server() as inbox:
        to = destination(inbox.port)
        send(to, evil)
        send(to)
        taken = inbox.wait(2)
        assert len(taken) == 2
        assert b"\n.\n" not in taken[0][2].replace(b"\r\n", b"")
        assert taken[0][2].endswith(b"x\r\n.\r\nMAIL FROM:<evil@x>\r\n.\r\ny\r\n.\r\nz\r\n")
        to.close()


@pytest.mark.parametrize(
    ("say", "kind", "code"),
    [
        ({"b@chu.mssante.fr": "550 5.1.1 unknown b@chu.mssante.fr"}, RefusedError, "550"),
        ({"b@chu.mssante.fr": "451 4.3.0 later"}, UnavailableError, "451"),
        ({"b@chu.mssante.fr": "421 4.3.2 going down"}, UnavailableError, "421"),
        ({"MAIL": "553 5.1.8 not you"}, RefusedError, "553"),
        ({"MAIL": "452 4.2.2 full"}, UnavailableError, "452"),
        ({"MAIL": "530 5.7.0 log in first"}, UnavailableError, "530"),
    ],
)
def test_replies_are_judged(say, kind, code):
    """RFC 5321 §4.2.1: 4yz passes by itself, 5yz does not; 530 is about us, not about the mail. No address is told."""
    with smtp_server() as inbox:
        to = destination(inbox.port)
        inbox.say = say
        with pytest.raises(kind) as e:
            send(to)
        assert e.value.code == code
        assert "@" not in str(e.value)
        inbox.say = {}
        assert send(to).summary.startswith("250")
        to.close()


def test_a_mail_goes_to_all_or_to_none():
    """One recipient refused: nobody gets it, so nobody gets it twice later."""
    with smtp_server() as inbox:
        to = destination(inbox.port)
        inbox.say = {"c@chu.mssante.fr": "550 5.1.1 no"}
        with pytest.raises(RefusedError, match="recipient 2 of 2"):
            send(to, mail(**DATED, Cc="c@chu.mssante.fr"))
        assert inbox.taken == []
        to.close()


def test_the_content_may_be_refused_and_put_off():
    """554 after DATA is final, 451 is not."""
    with smtp_server() as inbox:
        to = destination(inbox.port)
        inbox.refuse_data = ["554 5.6.0 no", "451 4.3.0 later"]
        with pytest.raises(RefusedError, match=r"554 5\.6\.0"):
            send(to)
        with pytest.raises(UnavailableError):
            send(to)
        assert send(to)
        to.close()


def test_sizes_are_known_before_anything_is_sent():
    """RFC 1870: SIZE of the server; max_size of the channel."""
    with smtp_server(size=2000) as inbox:
        for to in (destination(inbox.port), destination(inbox.port, max_size=1500)):
            with pytest.raises(RefusedError, match="octets"):
                send(to, mail(**DATED, body=b"x" * 3000))
            assert send(to)
            to.close()


@pytest.mark.parametrize(
    ("chosen", "body", "where"),
    [
        ({}, mail(**DATED, From=None), "from"),
        ({}, mail(**DATED, From="a@x.fr, b@x.fr"), "from"),
        ({}, mail(**DATED, To=None), "to"),
        ({"recipients": ["*@mssante.fr", "*.mssante.fr"]}, mail(**DATED, To="b@gmail.com"), "recipients"),
    ],
)
def test_a_mail_that_may_not_go_is_held(chosen, body, where):
    """No sender, nobody to write to, somebody outside the domains: before a connection is made."""
    with pytest.raises(RefusedError) as e:
        send(destination(free_port(), **chosen), body)
    assert e.value.where.endswith(where)
    assert "gmail" not in str(e.value)


def test_a_body_that_is_no_mail_needs_addresses():
    """And says which settings give them."""
    with pytest.raises(RefusedError, match="from or to"):
        send(destination(free_port()), b"x", "text/xml")


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_and_login(security, pki, tmp_path):
    """RFC 8314 and 3207; the password is read from its file at each login."""
    context = pki.server_context()
    served = {"tls": context} if security == "tls" else {"starttls": context}
    secret = tmp_path / "password"
    secret.write_text("mot de passe é\n", encoding="utf-8")
    login = None if security == "tls" else ("hub", "mot de passe é")  # aiosmtpd knows of TLS only after STARTTLS
    with smtp_server(login=login, **served) as inbox:
        chosen = {"security": security, "tls": {"ca": pki.ca}}
        if login:
            chosen |= {"user": "hub", "password_file": secret}
        to = destination(inbox.port, **chosen)
        assert "MiB" in to.probe()
        assert send(to)
        assert len(inbox.wait(1)) == 1
        to.close()
        if login:
            secret.write_text("wrong")
            with pytest.raises(UnavailableError, match="login") as e:
                send(to)
            assert "wrong" not in str(e.value)
            secret.unlink()
            with pytest.raises(ConfigError, match="password"):
                send(to)


def test_a_stranger_s_certificate_is_not_accepted(pki):
    """The server must be who it says, of an authority that is trusted; another name may be given."""
    with smtp_server(tls=pki.server_context()) as inbox:
        for chosen in ({"ca": pki.other_ca}, {"ca": pki.ca, "server_name": "elsewhere.test"}):
            with pytest.raises(UnavailableError, match="certificate"):
                send(destination(inbox.port, security="tls", tls=chosen))
        to = destination(
            inbox.port, server=f"127.0.0.1:{inbox.port}", security="tls", tls={"ca": pki.ca, "server_name": "localhost"}
        )
        assert send(to)
        to.close()


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_mutual_tls(security, pki):
    """MSSanté: the software shows its certificate; without one, or with a stranger's, nothing is taken."""
    context = pki.server_context(wanted=True)
    with smtp_server(**({"tls": context} if security == "tls" else {"starttls": context})) as inbox:
        shown = {"ca": pki.ca, "certificate": pki.client, "key": pki.client_key}
        to = destination(inbox.port, security=security, tls=shown)
        assert send(to)
        to.close()
        for tls in ({"ca": pki.ca}, shown | {"certificate": pki.stranger, "key": pki.stranger_key}):
            with pytest.raises((UnavailableError, NoAnswerError)):
                send(destination(inbox.port, security=security, tls=tls))
        assert len(inbox.taken) == 1


def test_starttls_is_never_left_out(pki):
    """A server that does not offer it (or somebody between) gets no mail in clear."""
    with smtp_server() as inbox, pytest.raises(UnavailableError, match="STARTTLS"):
        send(destination(inbox.port, security="starttls", tls={"ca": pki.ca}))


def scripted(*steps):
    return Parrot([say(b"220 x ESMTP\r\n"), *steps])


EHLO = [expect(b"\r\n"), say(b"250-x\r\n250 SIZE 1000000\r\n")]


@pytest.mark.parametrize(
    "script",
    [
        [say(b"554 go away\r\n")],
        [say(b"220 x\r\n"), expect(b"\r\n"), say(b"500 what\r\n")],
        [say(b"SSH-2.0-x\r\n")],
        [say(b"220-" + b"x" * 100_000)],
        [say(b"220-x\r\n" * 1000)],
        [say(b"220 x\r\n"), *EHLO, expect(b"\r\n"), drop()],
        [say_slowly(b"220-x\r\n" * 50, 0.05)],
    ],
    ids=["554", "no EHLO", "another protocol", "endless line", "endless reply", "drop", "drip"],
)
def test_a_server_that_misbehaves_is_tried_later(script):
    """Before the mail was sent nothing it says can be about the mail; replies are bounded in size and time."""
    with Parrot(script) as peer:
        to = destination(peer.port, timeout=1.0)
        to._postman = Postman(to._options, "test", total=2.0)
        with pytest.raises((UnavailableError, NoAnswerError)):
            send(to)
        to.close()


def test_no_answer_to_the_mail_is_tried_again():
    """After DATA: it may have been taken, so the same Message-ID is what tells."""
    steps = [
        *EHLO,
        expect(b"\r\n"),
        say(b"250 ok\r\n"),
        expect(b"\r\n"),
        say(b"250 ok\r\n"),
        expect(b"DATA\r\n".lower()),
    ]
    for last in (silent(), drop()):
        with scripted(*steps, say(b"354 go\r\n"), expect(b"\r\n.\r\n"), last) as peer:
            to = destination(peer.port, timeout=1.0)
            with pytest.raises(NoAnswerError, match="took the mail"):
                send(to)
            to.close()


def test_data_refused_before_the_mail():
    """354 did not come: judged by its code, as any reply."""
    steps = [*EHLO, expect(b"\r\n"), say(b"250 ok\r\n"), expect(b"\r\n"), say(b"250 ok\r\n"), expect(b"data\r\n")]
    with scripted(*steps, say(b"554 5.7.1 no\r\n"), expect(b"\r\n"), say(b"250 ok\r\n"), silent()) as peer:
        to = destination(peer.port, timeout=0.5)
        with pytest.raises(RefusedError, match="554"):
            send(to)
        to.close()


def test_eight_bits_need_a_server_that_takes_them():
    """RFC 6152."""
    eight = mail(**DATED, body="é".encode())
    with smtp_server() as inbox:
        to = destination(inbox.port)
        send(to, eight)
        assert inbox.wait(1)[0][2] == eight
        to.close()
    with Parrot([say(b"220 x\r\n"), *EHLO, silent()]) as peer, pytest.raises(RefusedError, match="7 bits"):
        send(destination(peer.port), eight)


def test_a_connection_is_kept_and_renewed():
    """One connection for many mails; a server that hung up meanwhile is called again."""
    port = free_port()
    with smtp_server(port) as inbox:
        to = destination(port)
        send(to)
        first = to._postman._client
        send(to)
        assert to._postman._client is first
        assert len(inbox.taken) == 2
    with smtp_server(port) as inbox:
        send(to)
        assert to._postman._client is not first
        kept, to._postman._used = to._postman._client, 0.0
        send(to)  # asked by NOOP after a while
        assert to._postman._client is kept
        to.close()


def test_login_of_servers_that_only_know_the_old_way():
    """AUTH LOGIN; a server that offers no login at all is tried later."""
    hello = [expect(b"\r\n"), say(b"250-x\r\n250 AUTH LOGIN\r\n")]
    asked = [
        expect(b"LOGIN\r\n"),
        say(b"334 VXNlcg\r\n"),
        expect(b"aHVi\r\n"),
        say(b"334 UGFzcw\r\n"),
        expect(b"c2VjcmV0\r\n"),
    ]
    with scripted(*hello, *asked, say(b"235 ok\r\n"), expect(b"\r\n"), say(b"250 ok\r\n"), silent()) as peer:
        assert "is there" in destination(peer.port, user="hub", password="secret").probe()
    with scripted(*EHLO, silent()) as peer, pytest.raises(UnavailableError, match="does not offer"):
        destination(peer.port, user="hub", password="secret").probe()


@pytest.mark.parametrize(
    "wrong",
    [
        {"server": "mail.example:0"},
        {"server": "mail.example:99999"},
        {"server": "https://mail.example"},
        {"server": "mail.example", "security": "none"},
        {"server": "127.0.0.1", "user": "x"},
        {"server": "127.0.0.1", "password": "x"},
        {"server": "127.0.0.1", "user": "x", "password": "x", "password_file": "/x"},
        {"server": "127.0.0.1", "to": ["x"]},
        {"server": "127.0.0.1", "subject": "a\nb"},
        {"server": "127.0.0.1", "from": "a@b\r\nBcc: x@y"},
    ],
)
def test_options_that_cannot_be(wrong):
    """Clear text to another host, half a login, addresses that are none."""
    with pytest.raises(ValidationError):
        SmtpOptions(**wrong)


def test_options_of_a_server():
    """Default ports of RFC 8314; IPv6; TLS is the default."""
    ports = {"tls": 465, "starttls": 587, "none": 25}
    assert SmtpOptions(server="mail.example").peer_port(ports) == 465
    assert SmtpOptions(server="mail.example", security="starttls").peer_port(ports) == 587
    six = SmtpOptions(server="[::1]:2525", security="none")
    assert (six.peer_host, six.peer_port(ports)) == ("::1", 2525)


def test_wrong_files_are_a_wrong_configuration(pki, tmp_path):
    """ConfigError names the option."""
    with pytest.raises(ConfigError, match=r"smtp\.tls"):
        destination(1, security="tls", tls={"certificate": tmp_path / "none.pem", "key": pki.client_key})


def test_a_defect_leaves_no_half_connection(monkeypatch):
    """Whatever is raised, the next mail starts on a clean connection."""
    with smtp_server() as inbox:
        to = destination(inbox.port)
        monkeypatch.setattr(smtplib.SMTP, "mail", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            send(to)
        assert to._postman._client is None
        monkeypatch.undo()
        assert send(to)
        to.close()
    with pytest.raises(HubError):
        to.probe()


def test_tls_1_2_at_least(pki):
    """RFC 8996."""
    old = pki.server_context()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with smtp_server(tls=old) as inbox:
        to = destination(inbox.port, security="tls", tls={"ca": pki.ca})
        assert send(to)
        to.close()
