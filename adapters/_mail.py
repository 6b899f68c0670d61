"""What mail servers have in common: where they are, how they are spoken to, who logs in.

RFC 8314 (TLS from the first octet is preferred to STARTTLS); ANS, référentiel MSSanté n° 2 (clients show a
software certificate of the IGC-Santé).  A name and a password never cross a network in clear.
"""

from __future__ import annotations

import fnmatch
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from hub.errors import ConfigError, HubError, UnavailableError

from ._options import Options, Seconds
from ._tls import ClientTls

_SERVER = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")


def _server(value: str) -> str:
    found = _SERVER.fullmatch(value)
    if not found or not 0 < int(found[2] or 1) < 65536:
        raise ValueError("write host or host:port")
    return value


def _patterns(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(v.lower() for v in values)


Patterns = Annotated[tuple[str, ...], AfterValidator(_patterns)]


class MailServer(Options):
    """A server of mail and the account on it."""

    server: Annotated[str, AfterValidator(_server)] = Field(description="host or host:port of the mail server")
    security: Literal["tls", "starttls", "none"] = Field(
        "tls", description="tls from the first octet, starttls, or none (only towards this host)"
    )
    tls: ClientTls = Field(ClientTls(), description="authorities trusted, and the certificate shown (mutual TLS)")
    user: str = Field("", description="name of the account; empty: the certificate alone says who calls")
    password: SecretStr | None = Field(None, description="its password; write ${file:/path} or ${NAME}")
    password_file: Path | None = Field(None, description="file of the password, read at each login")
    timeout: Seconds = Field(30.0, gt=0, description="time a server has for one answer, and to connect")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.security == "none" and not self._local():
            raise ValueError("security: none sends mail and password in clear; write tls or starttls")
        if self.password is not None and self.password_file is not None:
            raise ValueError("write password or password_file, not both")
        if bool(self.user) != bool(self.password or self.password_file):
            raise ValueError("user and password (or password_file) belong together")
        return self

    def _local(self) -> bool:
        host = self.peer_host
        with suppress(ValueError):
            return ip_address(host).is_loopback
        return host == "localhost"

    @property
    def peer_host(self) -> str:
        found = _SERVER.fullmatch(self.server)
        return found[1].strip("[]") if found else ""

    def peer_port(self, defaults: dict[str, int]) -> int:
        """The port written, else the one of the protocol for this security."""
        found = _SERVER.fullmatch(self.server)
        return int(found[2]) if found and found[2] else defaults[self.security]

    def secret(self, where: str) -> str:
        """The password.

        :raises ConfigError: when its file cannot be read.
        """
        if self.password_file is None:
            return self.password.get_secret_value() if self.password else ""
        try:
            return self.password_file.read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as e:
            reason = getattr(e, "strerror", None) or "no text"
            raise ConfigError(f"cannot read the password: {reason}", where=f"{where}.password_file") from None


def fits(address: str, patterns: tuple[str, ...]) -> bool:
    """Whether an address fits one of the patterns, such as ``*@hopital.mssante.fr`` or ``*.mssante.fr``."""
    return any(fnmatch.fnmatchcase(address, p.replace("[", "[[]")) for p in patterns)


def unreachable(server: str, error: OSError, where: str) -> UnavailableError:
    """Why there is no connection, without quoting what the peer sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"its certificate is not accepted ({error.verify_message})"
    elif isinstance(error, ssl.SSLError):
        reason = (error.reason or "TLS failed").replace("_", " ").lower()
    elif isinstance(error, TimeoutError):
        reason = "no answer in time"
    else:
        reason = error.strerror or type(error).__name__
    return UnavailableError(
        f"cannot speak with {server}: {reason}", where=where, cure="see whether it runs, its port and certificates"
    )


@contextmanager
def within(seconds: float, cut: Callable[[], None]) -> Iterator[None]:
    """Call ``cut`` when the block takes longer: a peer that drips octets keeps each single read alive."""
    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    deadline = time.monotonic() + seconds
    timer.start()
    try:
        yield
    except HubError:
        raise
    except Exception:
        if time.monotonic() >= deadline:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


def shut(sock: socket.socket | None) -> None:
    """End a connection from another thread: whoever reads from it sees its end."""
    if sock is not None:
        with suppress(OSError, AttributeError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)  # of TCP: the state of TLS belongs to its thread
