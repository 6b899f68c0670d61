"""Mails taken out of a real mailbox (RFC 3501, 2177, 6851): once each, whatever happens."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest
from hub.adapters._imap import Mailbox
from hub.adapters.imap import ImapOptions, ImapSource
from pydantic import ValidationError

from hub.errors import ConfigError, InvalidError, UnavailableError
from hub.source.mail import READER, read
from hub.testing.context import MemoryIntake
from hub.testing.parrot import Parrot, drop, each, expect, reply, say, say_slowly, silent
from tests.adapters.mailboxes import mail, options, source
from tests.adapters.mailservers import PASSWORD, Dovecot, smtp_server
from tests.source import archives
from tests.waiting import until

XDM = archives.mail(archives.archive())


@contextmanager
def running(mailbox, intake=None, **chosen):
    made, intake = source(mailbox, intake, **chosen)
    made.start()
    try:
        yield made, intake
    finally:
        intake.release()
        made.stop()
        intake.close()


def test_a_mail_is_taken_once_and_put_away(mailbox):
    """Octets as received; out of the folder once it is stored; the next ones too, in their order."""
    with running(mailbox) as (made, intake):
        for number in (1, 2, 3):
            mailbox.put(mail(subject=str(number), Message_ID=f"<{number}@x>"))
        assert [r.body for r in intake.wait_for(3)] == [mail(subject=str(n), Message_ID=f"<{n}@x>") for n in (1, 2, 3)]
        assert len(mailbox.wait("Hub-Done", 3)) == 3
        assert mailbox.bodies("INBOX") == []
        until(lambda: made.status()["trouble"] == "")
        assert made.status()["received"] == 3
        assert intake.received[0].peer == made.address


def test_idle_tells_of_a_new_mail_at_once(mailbox):
    """RFC 2177: no polling; the pause is longer than any test."""
    with running(mailbox, idle=True, every=1000) as (_, intake):
        mailbox.put(mail())
        intake.wait_for(1)
        mailbox.wait("Hub-Done", 1)
        mailbox.put(mail(subject="2"))
        intake.wait_for(2)


def test_nothing_leaves_the_folder_before_the_commit(mailbox):
    """Killed before the commit, the mail is still there."""
    intake = MemoryIntake()
    intake.hold()
    mailbox.put(mail())
    with running(mailbox, intake) as (made, _):
        until(lambda: made.status()["received"] == 1)
        assert len(mailbox.bodies("INBOX")) == 1
        assert mailbox.bodies("Hub-Done") == []
        intake.release()
        mailbox.wait("Hub-Done", 1)


def test_stopped_before_the_commit_it_is_fetched_again(mailbox):
    """The engine recognises what it stored: same Message-ID, same octets."""
    intake = MemoryIntake(READER)
    intake.hold()
    mailbox.put(mail())
    made, _ = source(mailbox, intake)
    made.start()
    until(lambda: made.status()["received"] == 1)
    made.stop(0.5)
    assert len(mailbox.bodies("INBOX")) == 1
    intake.release()
    with running(mailbox, intake):
        mailbox.wait("Hub-Done", 1)
    assert {r.verdict.envelope.control_id for r in intake.received} == {"m1@chu"}


def test_what_could_not_be_stored_stays(mailbox):
    """The store is away: nothing moves, and it is handed over again."""
    intake = MemoryIntake()
    intake.fail(UnavailableError("away"))
    mailbox.put(mail())
    with running(mailbox, intake) as (made, _):
        mailbox.wait("Hub-Done", 1)
        assert made.status()["received"] == 2
        until(lambda: made.status()["trouble"] == "")


def test_a_mail_the_hub_fails_at_does_not_stop_the_others(mailbox):
    """A defect concerns one mail."""
    intake = MemoryIntake()
    intake.fail(RuntimeError("defect"), RuntimeError("defect"))
    for number in (1, 2, 3):
        mailbox.put(mail(subject=str(number), Message_ID=f"<{number}@x>"))
    with running(mailbox, intake):
        mailbox.wait("Hub-Done", 3)
        assert b"Subject: 3" in intake.received[0].body


def test_a_refused_mail_goes_to_the_folder_of_errors(mailbox):
    """Refused by the hub: for a person to look at."""
    intake = MemoryIntake()
    intake.refuse(lambda _: InvalidError("no", where="x"))
    mailbox.put(mail())
    with running(mailbox, intake) as (made, _):
        mailbox.wait("Hub-Error", 1)
        until(lambda: made.status()["refused"] == 1)


def test_a_stranger_s_mail_is_kept_in_hold(mailbox):
    """T73: only known domains; the From must be one."""
    mailbox.put(mail(From="x@evil.fr"))
    mailbox.put(mail(From="x@evil.fr <a@chu.mssante.fr>", Message_ID="<2@x>"))
    mailbox.put(mail(Message_ID="<3@x>"))
    with running(mailbox, senders=["*@mssante.fr", "*.mssante.fr"]) as (_, intake):
        mailbox.wait("Hub-Error", 2)
        mailbox.wait("Hub-Done", 1)
        assert [r.error.where if r.error else "" for r in intake.received] == ["From", "From", ""]


def test_taken_mails_may_be_deleted(mailbox):
    """done: ''."""
    mailbox.put(mail())
    with running(mailbox, done=""):
        until(lambda: not mailbox.bodies("INBOX"))
    assert mailbox.bodies("Hub-Done") == []


@pytest.mark.parametrize("missing", [("MOVE",), ("MOVE", "UIDPLUS")])
def test_servers_without_move(mailbox, monkeypatch, missing):
    """COPY, then Deleted; without UIDPLUS it stays as deleted, and is not taken again."""
    begin = Mailbox._begin

    def without(self, folder):
        begin(self, folder)
        self._can -= set(missing)

    monkeypatch.setattr(Mailbox, "_begin", without)
    mailbox.put(mail())
    with running(mailbox) as (made, _):
        mailbox.wait("Hub-Done", 1)
        mailbox.put(mail(subject="2"))
        mailbox.wait("Hub-Done", 2)
        deleted = [True, True] if "UIDPLUS" in missing else []
        until(lambda: [b"\\Deleted" in flags for _, flags in mailbox.mails("INBOX")] == deleted)
        assert made.status()["received"] == 2


def test_the_server_may_go_away_and_come_back(pki):
    """Reconnected with growing pauses; told once."""
    server = Dovecot()
    try:
        server.start()
        from tests.adapters.mailservers import Hands

        hands = Hands(server, "x@chu.mssante.test")
        hands.server = server
        with running(hands, idle=True, every=0.2) as (made, intake):
            hands.put(mail())
            intake.wait_for(1)
            hands.close()
            server.stop()
            until(lambda: made.status()["trouble"])
            assert not made.status()["connected"]
            server.start()
            hands = Hands(server, "x@chu.mssante.test")
            hands.put(mail(subject="2"))
            intake.wait_for(2)
            until(lambda: made.status()["connected"])
        hands.close()
    finally:
        server.close()


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_tls_and_client_certificates(mailbox, dovecot, pki, security):
    """The certificate of the server is verified; ours is shown."""
    port = dovecot.tls_port if security == "tls" else dovecot.port
    shown = {"ca": pki.ca, "certificate": pki.client, "key": pki.client_key}
    mailbox.put(mail())
    with running(mailbox, server=f"localhost:{port}", security=security, tls=shown):
        mailbox.wait("Hub-Done", 1)
    with running(mailbox, server=f"localhost:{port}", security=security, tls={"ca": pki.other_ca}) as (made, _):
        until(lambda: "certificate" in made.status()["trouble"])


def test_a_server_that_wants_a_certificate_gets_no_login_without(pki):
    """Mutual TLS on the side of the server."""
    from tests.adapters.mailservers import Hands

    server = Dovecot(pki, wanted=True)
    try:
        server.start()
        box = Hands.__new__(Hands)
        box.server, box.user = server, "x@chu.mssante.test"
        chosen = {"server": f"localhost:{server.tls_port}", "security": "tls"}
        with running(box, **chosen, tls={"ca": pki.ca}) as (made, _):
            until(lambda: made.status()["trouble"])
            assert not made.status()["connected"]
        shown = {"ca": pki.ca, "certificate": pki.client, "key": pki.client_key}
        with running(box, **chosen, tls=shown) as (made, _):
            until(lambda: made.status()["connected"])
    finally:
        server.close()


def test_a_wrong_password_is_told_and_not_shown(mailbox):
    """The trouble, never the secret."""
    chosen = options(mailbox)
    made = ImapSource(
        chosen.model_copy(update={"password": type(chosen.password)("secret-77")}), intake := MemoryIntake()
    )
    made.start()
    until(lambda: "login" in made.status()["trouble"])
    assert "secret-77" not in str(made.status())
    made.stop()
    intake.close()


def test_a_folder_that_is_not_there_is_told(mailbox):
    """See `folder`."""
    with running(mailbox, folder="Elsewhere") as (made, _):
        until(lambda: "folder" in made.status()["trouble"])


def test_wrong_files_are_a_wrong_configuration(pki, tmp_path):
    """Said at the start, with the option."""
    for more in (
        {"tls": {"certificate": tmp_path / "no", "key": pki.client_key}},
        {"user": "x", "password_file": tmp_path / "no"},
    ):
        made = ImapSource(ImapOptions(server="localhost", **more), intake := MemoryIntake())
        with pytest.raises(ConfigError, match=r"source\.imap"):
            made.start()
        made.stop()
        intake.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"folder": 'x" DELETE'}, {"done": "a*"}, {"error": ""}, {"every": 0}, {"senders": []}, {"every": 2000},
        {"receipts": {"server": "localhost", "security": "none", "from": "a@b.fr"}},
    ],
)  # fmt: skip
def test_options_that_cannot_be(wrong):
    """Folders that would break a command; receipts that would say more than is known."""
    with pytest.raises(ValidationError):
        ImapOptions(server="localhost", **wrong)


# Servers that misbehave.

OK = b"* OK hi\r\n"


def tag(words):
    """Answer the last command."""

    def make(heard):
        last = heard.rstrip().rsplit(b"\r\n", 1)[-1].split(b" ", 1)[0]
        return words.replace(b"TAG", last)

    return reply(make)


CAPABLE = [expect(b"CAPABILITY\r\n"), tag(b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n")]
READY = [
    say(b"* PREAUTH hi\r\n"),
    *CAPABLE,
    *CAPABLE,
    expect(b"SELECT"),
    expect(b"\r\n"),
    tag(b"* 1 EXISTS\r\nTAG OK done\r\n"),
]
MADE = [step for _ in range(2) for step in (expect(b"CREATE"), expect(b"\r\n"), tag(b"TAG NO done\r\n"))]

SEARCH = [expect(b"SEARCH"), expect(b"\r\n")]
FOUND = [
    tag(b"* SEARCH 7 x\r\nTAG OK done\r\n"), expect(b"FETCH"), expect(b"\r\n"),
    tag(b"* 1 FETCH (UID 7 RFC822.SIZE 9 FLAGS ())\r\nTAG OK done\r\n"), expect(b"BODY"), expect(b"\r\n"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "script"),
    [
        ("broke off", [say(b"SSH-2.0-x\r\n")]),
        ("broke off", [say(b"* BYE\r\n"), drop()]),
        ("broke off", [say(b"* OK " + b"x" * (2 << 20))]),
        ("127.0.0.1", [say(OK), expect(b"\r\n"), say(b"* OK x\r\n" * 3_000_000)]),
        ("broke off", [say(OK), expect(b"\r\n"), say(b"* 1 FETCH {999999999}\r\n")]),
        ("no answer in time", [say_slowly(b"* OK" + b" " * 1000, 0.05)]),
        ("no answer in time", [silent()]),
        ("broke off", [*READY, *MADE, expect(b"SEARCH"), drop()]),
        ("BAD to SEARCH", [*READY, *MADE, *SEARCH, tag(b"* SEARCH 7\r\nTAG BAD what\r\n"), silent()]),
        ("NO to FETCH", [*READY, *MADE, *SEARCH, *FOUND, tag(b"TAG NO gone\r\n"), silent()]),
        ("gone", [*READY, *MADE, *SEARCH, *FOUND, tag(b"* 1 EXISTS\r\nTAG OK done\r\n"), silent()]),
    ],
    ids=["protocol", "bye", "line", "flood", "literal", "drip", "silent", "drop", "bad", "no", "gone"],
)
def test_a_server_that_misbehaves_costs_nothing(told, script):
    """Bounded in time and in octets; the source goes on trying, says why, and stops when asked to."""
    with Parrot(script) as peer:
        made = ImapSource(
            ImapOptions(server=f"127.0.0.1:{peer.port}", security="none", timeout=0.5, every=0.05),
            intake := MemoryIntake(),
        )
        made.start()
        until(lambda: told in made.status()["trouble"])
        made.stop()
        assert not made.status()["listening"]
        assert intake.received == []
        intake.close()
        peer.errors.clear()


def test_starttls_answers_are_not_mixed_with_what_came_before(pki):
    """What somebody between put behind the answer to STARTTLS would be taken for the server's."""
    script = [say(OK), *CAPABLE, expect(b"STARTTLS\r\n"), tag(b"TAG OK done\r\n* OK injected\r\n"), silent()]
    with Parrot(script) as peer:
        made = ImapSource(
            ImapOptions(server=f"localhost:{peer.port}", security="starttls", tls={"ca": pki.ca}, timeout=1.0),
            intake := MemoryIntake(),
        )
        made.start()
        until(lambda: made.status()["trouble"])
        assert "abort" in made.status()["trouble"]
        made.stop()
        intake.close()


def test_a_stop_ends_a_server_that_says_nothing(mailbox):
    """Within the time given, whatever the timeout of the server."""
    with Parrot([say(b"* PREAUTH hi\r\n"), *CAPABLE, *CAPABLE, each(b"never", lambda _: b"")]) as peer:
        made = ImapSource(
            ImapOptions(server=f"127.0.0.1:{peer.port}", security="none", timeout=300.0), intake := MemoryIntake()
        )
        made.start()
        until(lambda: peer.heard and b"SELECT" in peer.heard[0])
        thread = made._thread
        made.stop(2.0)
        assert not thread.is_alive()
        assert not made.status()["listening"]
        intake.close()


def test_a_certificate_alone_may_say_who_calls():
    """RFC 4422: EXTERNAL, when no name is given and the server does not know us already."""
    external = [expect(b"AUTHENTICATE EXTERNAL\r\n"), say(b"+ \r\n"), expect(b"\r\n")]
    with Parrot([say(OK), *CAPABLE, *external, silent()]) as peer:
        made = ImapSource(
            ImapOptions(server=f"127.0.0.1:{peer.port}", security="none", timeout=0.5), intake := MemoryIntake()
        )
        made.start()
        until(lambda: made.status()["trouble"])
        assert b"AUTHENTICATE EXTERNAL" in peer.heard[0]
        made.stop()
        intake.close()


# Receipts.


@contextmanager
def answering(mailbox, intake=None, **chosen):
    with smtp_server() as outbox:
        server = {
            "server": f"localhost:{outbox.port}",
            "security": "none",
            "from": "hub@chu.mssante.fr",
            "timeout": 1.0,
        }
        told = {"receipts": server, "answer": "application"} | chosen
        with running(mailbox, intake or MemoryIntake(READER), **told) as (made, used):
            yield made, used, outbox


def test_a_receipt_says_what_became_of_a_mail(mailbox):
    """RFC 8098: to the sender, in the thread, with the mail and its files; processed."""
    mailbox.put(XDM)
    with answering(mailbox) as (made, intake, outbox):
        sender, recipients, content = outbox.wait(1)[0]
        assert (sender, recipients) == ("hub@chu.mssante.fr", ("labo@essais.mssante.fr",))
        told = read(content)
        assert told.type == "MDN^OK"
        assert told.root.header("Subject") == read(XDM).root.header("Subject")
        assert told.root.header("In-Reply-To") == "<labo-417@essais.mssante.fr>"
        parts = [p.type for p in told.root.walk()]
        assert parts[:4] == ["multipart/report", "text/plain", "message/disposition-notification", "message/rfc822"]
        assert next(p.filename for p in told.root.walk() if p.filename) == "IHE_XDM.zip"
        assert intake.received[0].wait
        mailbox.wait("Hub-Done", 1)
        until(lambda: made.status()["receipts"] == 1)


@pytest.mark.parametrize(("code", "told"), [("904", "904"), ("", "906"), ("AE", "906")])
def test_a_refusal_is_answered_ko(mailbox, code, told):
    """[KO Intégration système !][code]; a code that is not of the table is 906."""
    intake = MemoryIntake(READER)
    intake.refuse(lambda _: InvalidError("no", where="x", code=code))
    mailbox.put(XDM)
    with answering(mailbox, intake) as (_, _, outbox):
        notice = read(outbox.wait(1)[0][2])
        assert notice.notice.code == told
        assert notice.root.header("Subject").startswith(f"[KO Intégration système !][{told}] XDM/1.0/DDM+")
        mailbox.wait("Hub-Error", 1)


@pytest.mark.parametrize(
    "quiet",
    [
        archives.mail(archives.archive(), Disposition_Notification_To=None),
        archives.mail(archives.archive(), Disposition_Notification_To="victim@other.mssante.fr"),
        archives.mail(archives.archive(), Disposition_Notification_To="labo@essais.mssante.fr, b@x.fr"),
        b"Return-Path: <other@essais.mssante.fr>\r\n" + XDM,
        archives.mail(archives.archive(), Auto_Submitted="auto-generated"),
        archives.mail(None, subject="Bonjour"),
        archives.bounced(),
    ],
    ids=["not asked", "to another", "to two", "return path", "program", "no archive", "report"],
)
def test_nobody_else_is_written_to(mailbox, quiet):
    """RFC 8098 §2.1, RFC 3834: no loop, no mail to strangers."""
    mailbox.put(quiet)
    mailbox.put(archives.mail(archives.archive(), Message_ID="<last@x>"))
    with answering(mailbox) as (_, _, outbox):
        taken = outbox.wait(1)
        mailbox.wait("Hub-Done", 2)
        assert [read(c).notice.original for _, _, c in taken] == ["last@x"]


def test_a_receipt_waits_for_its_server_and_is_sent_once(mailbox):
    """The mail is stored once, stays in the folder until the receipt is out, and is noted ($MDNSent)."""
    mailbox.put(XDM)
    with answering(mailbox) as (made, intake, outbox):
        outbox.say = {"MAIL": "451 4.3.0 later"}
        until(lambda: "receipts" in made.status()["trouble"])
        assert len(mailbox.bodies("INBOX")) == 1
        outbox.say = {}
        mailbox.wait("Hub-Done", 1)
        assert len(outbox.taken) == 1
        assert len(intake.received) == 1
        assert any(b"$MDNSent" in flags for _, flags in mailbox.mails("Hub-Done"))


def test_a_receipt_that_was_sent_before_is_not_sent_again(mailbox):
    """RFC 3503: after a kill between the receipt and the move."""
    mailbox.put(XDM)
    mailbox._imap.select("INBOX")
    mailbox._imap.store("1", "+FLAGS", "($MDNSent)")
    with answering(mailbox) as (made, _, outbox):
        mailbox.wait("Hub-Done", 1)
        assert outbox.taken == []
        assert made.status()["receipts"] == 0


def test_a_receipt_that_is_refused_is_let_go(mailbox):
    """Nobody there: the mail was taken all the same."""
    mailbox.put(XDM)
    with answering(mailbox) as (made, _, outbox):
        outbox.say = {"labo@essais.mssante.fr": "550 5.1.1 no"}
        mailbox.wait("Hub-Done", 1)
        assert made.status()["receipts"] == 0


def test_many_readers_do_not_lose_a_mail(mailbox):
    """Two hubs on one box: each mail is handed over at least once, and leaves the folder."""
    intake = MemoryIntake(READER)
    for number in range(20):
        mailbox.put(mail(subject=str(number), Message_ID=f"<{number}@x>"))
    one, _ = source(mailbox, intake)
    two, _ = source(mailbox, intake)
    threads = [threading.Thread(target=s.start) for s in (one, two)]
    for thread in threads:
        thread.start()
    until(lambda: len({r.verdict.envelope.control_id for r in intake.received}) == 20)
    until(lambda: not mailbox.bodies("INBOX"))
    for thread, s in zip(threads, (one, two), strict=True):
        thread.join()
        s.stop()
    intake.close()
    assert PASSWORD not in str(one.status())
