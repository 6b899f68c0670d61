"""A real IMAP server (Dovecot) and a real SMTP server (aiosmtpd) on loopback, and a client's hands on the mailbox."""

from __future__ import annotations

import contextlib
import imaplib
import logging
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import warnings
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.waiting import until

logging.getLogger("mail.log").disabled = True  # aiosmtpd tells whole mails; the peer is not what is tested
PASSWORD = "mot-de-passe-é"

_CONF = """\
base_dir = {home}/run
state_dir = {home}/state
log_path = {home}/log
protocols = imap
ssl = {ssl}
{tls}
disable_plaintext_auth = no
auth_mechanisms = plain login
{users}
mail_location = maildir:{home}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 0
default_process_limit = 20
default_client_limit = 100
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%u
}}
service imap-login {{
  chroot =
  client_limit = 50
  inet_listener imap {{
    address = 127.0.0.1
    port = {port}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""
_TLS = """\
ssl_cert = <{server}
ssl_key = <{key}
ssl_ca = <{ca}
ssl_verify_client_cert = yes
ssl_require_crl = no
auth_ssl_require_client_cert = {wanted}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Dovecot:
    """A Dovecot of our own: its folder, its ports, its log; no file or port of the system's is touched."""

    def __init__(self, pki=None, wanted=False):
        binary = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/usr/local/sbin")
        if binary is None:
            pytest.skip("no dovecot on the path (Debian: dovecot-imapd)")
        self.binary = binary
        self.home = Path(tempfile.mkdtemp(prefix="imap-"))  # a short path: it holds sockets
        self.port, self.tls_port = free_port(), free_port()
        # As root Dovecot wants to keep the mails of another; as anybody else it can be nobody but itself.
        who = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        me = pwd.getpwuid(os.geteuid())
        tls = ""
        if pki is not None:
            tls = _TLS.format(server=pki.server, key=pki.server_key, ca=pki.ca, wanted="yes" if wanted else "no")
        users = f"default_internal_user = {me.pw_name}\ndefault_login_user = {me.pw_name}"
        group = subprocess.run(["id", "-gn"], capture_output=True, text=True, check=True).stdout.strip()
        users += f"\ndefault_internal_group = {group}"
        (self.home / "mail").mkdir()
        for path in (self.home, self.home / "mail"):
            path.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self.home / "mail", who.pw_uid, who.pw_gid)
        conf = _CONF.format(
            home=self.home, password=PASSWORD, users="" if os.geteuid() == 0 else users, uid=who.pw_uid,
            gid=who.pw_gid, port=self.port, tls_port=self.tls_port, ssl="yes" if pki else "no", tls=tls,
        )  # fmt: skip
        (self.home / "dovecot.conf").write_text(conf, encoding="utf-8")
        self._process = None

    def start(self):
        with (self.home / "stderr").open("ab") as said:
            words = [self.binary, "-F", "-c", str(self.home / "dovecot.conf")]
            self._process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, start_new_session=True
            )
        until(self._answers)

    def _answers(self):
        if self._process.poll() is not None:
            said = [(self.home / n).read_text() for n in ("stderr", "log") if (self.home / n).exists()]
            pytest.skip(f"dovecot does not run here: {' '.join(said)[-300:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as sock:
            return sock.recv(4) == b"* OK"
        return False

    def stop(self):
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # those that serve somebody outlive it
            self._process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


class Hands:
    """What a person does with a mailbox: put a mail in, look into a folder."""

    def __init__(self, server, user):
        self.user = user
        self._imap = imaplib.IMAP4("127.0.0.1", server.port)
        self._imap.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())

    def put(self, mail, folder="INBOX"):
        self._imap.append(folder, None, None, mail)

    def mails(self, folder):
        """(octets, flags) of each mail of a folder."""
        if self._imap.select(f'"{folder}"', readonly=True)[0] != "OK":
            return []
        numbers = self._imap.search(None, "ALL")[1][0].split()
        found = [self._imap.fetch(n, "(FLAGS BODY.PEEK[])")[1][0] for n in numbers]
        return [(one[1], one[0]) for one in found if one is not None]  # None: it was moved away meanwhile

    def bodies(self, folder):
        return [octets for octets, _ in self.mails(folder)]

    def wait(self, folder, count):
        return until(lambda: len(found := self.bodies(folder)) >= count and found)

    def close(self):
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            self._imap.logout()


class Inbox:
    """What aiosmtpd calls for each command; it keeps what it took, and says what a test tells it to."""

    def __init__(self):
        self.taken = []
        self.say = {}  # command or address -> reply
        self.refuse_data = []
        self.change = threading.Condition()

    async def handle_MAIL(self, server, session, envelope, address, options):
        if "MAIL" in self.say:
            return self.say["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 ok"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address in self.say:
            return self.say[address]
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        if self.refuse_data:
            return self.refuse_data.pop(0)
        with self.change:
            self.taken.append((envelope.mail_from, tuple(envelope.rcpt_tos), envelope.content))
            self.change.notify_all()
        return "250 2.0.0 kept"

    def wait(self, count):
        with self.change:
            assert self.change.wait_for(lambda: len(self.taken) >= count, 10), f"{len(self.taken)} of {count} mails"
            return list(self.taken)


class Server(Controller):
    """A controller that ends its connections when it stops: asyncio warns of those that are left."""

    def __init__(self, *words, **named):
        super().__init__(*words, **named)
        self.made = []

    def factory(self):
        self.made.append(super().factory())
        return self.made[-1]

    def stop(self):
        ended = threading.Event()

        def end():
            for smtp in self.made:
                if smtp.transport is not None:
                    smtp.transport.abort()
            self.loop.call_later(0.01, ended.set)

        self.loop.call_soon_threadsafe(end)
        ended.wait(5)
        super().stop()


@contextlib.contextmanager
def smtp_server(port=0, size=1 << 20, tls=None, starttls=None, login=None):
    """A running aiosmtpd and its Inbox; ``login`` is (user, password)."""
    inbox = Inbox()
    port = port or free_port()

    def check(server, session, envelope, mechanism, data):
        good = login is not None and (data.login.decode(), data.password.decode()) == login
        return AuthResult(success=good, handled=good)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of client certificates, which are what is tested
        controller = Server(
            inbox, hostname="127.0.0.1", port=port, data_size_limit=size, ssl_context=tls, tls_context=starttls,
            require_starttls=starttls is not None, authenticator=check, auth_required=login is not None,
            auth_require_tls=starttls is not None, decode_data=False, server_hostname="localhost",
        )  # fmt: skip
        controller.start()
    inbox.port = port
    try:
        yield inbox
    finally:
        controller.stop()
