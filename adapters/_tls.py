"""TLS of listeners and of callers.

TLS 1.2 at least (RFC 8996; IHE ITI TF-2 §3.19 with BCP 195).  A listener that names ``client_ca`` asks
every peer for a certificate of that authority (mutual TLS) and turns away those that have none.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import Field

from hub.errors import ConfigError

from ._options import Options


class ServerTls(Options):
    """TLS of a listener."""

    certificate: Path = Field(description="PEM file: certificate of the hub, then its intermediates")
    key: Path = Field(description="PEM file: private key of the certificate, not encrypted")
    client_ca: Path | None = Field(
        None, description="PEM file of the authorities whose clients may connect; given, a certificate is required"
    )


class ClientTls(Options):
    """TLS towards a peer."""

    ca: Path | None = Field(None, description="PEM file of the authorities trusted; default: those of the system")
    certificate: Path | None = Field(None, description="PEM file: certificate shown to the peer (mutual TLS)")
    key: Path | None = Field(None, description="PEM file: private key of the certificate, not encrypted")
    server_name: str = Field("", description="name the peer's certificate must bear; default: the host called")
    verify: bool = Field(True, description="false accepts any certificate: only against a test peer")


def server_context(tls: ServerTls, where: str) -> ssl.SSLContext:
    """The context of a listener.

    :raises ConfigError: naming the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _identity(context, tls.certificate, tls.key, where)
    if tls.client_ca:
        context.verify_mode = ssl.CERT_REQUIRED
        _authorities(context, tls.client_ca, f"{where}.client_ca")
    return context


def client_context(tls: ClientTls, where: str) -> ssl.SSLContext:
    """The context of a caller.

    :raises ConfigError: naming the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca:
        _authorities(context, tls.ca, f"{where}.ca")
    else:
        context.load_default_certs()
    if tls.certificate:
        _identity(context, tls.certificate, tls.key, where)
    return context


def _identity(context: ssl.SSLContext, certificate: Path, key: Path | None, where: str) -> None:
    for name, path in (("certificate", certificate), ("key", key)):
        if path is not None:
            _readable(path, f"{where}.{name}")
    try:
        # The empty password keeps OpenSSL from asking for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, OSError) as e:
        cure = "give a PEM certificate and its unencrypted PEM key"
        raise ConfigError(f"{certificate} and its key cannot be used: {_reason(e)}", where=where, cure=cure) from None


def _authorities(context: ssl.SSLContext, path: Path, where: str) -> None:
    _readable(path, where)
    try:
        context.load_verify_locations(path)
    except (ssl.SSLError, OSError) as e:
        raise ConfigError(f"{path} holds no certificates: {_reason(e)}", where=where, cure="give PEM") from None


def _readable(path: Path, where: str) -> None:
    try:
        path.open("rb").close()
    except OSError as e:
        raise ConfigError(f"cannot read {path}: {e.strerror}", where=where) from None


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or type(error).__name__
