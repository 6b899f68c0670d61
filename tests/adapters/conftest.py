"""Certificates of a small authority of our own, for TLS on loopback."""

import ssl
from types import SimpleNamespace

import pytest
import trustme

from tests.adapters.mailboxes import dovecot, mailbox  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """Files of an authority, of a server ``localhost`` and of a client; and of an authority nobody trusts."""
    folder = tmp_path_factory.mktemp("pki")
    authority, stranger = trustme.CA(), trustme.CA()
    files = SimpleNamespace(ca=folder / "ca.pem", other_ca=folder / "other-ca.pem")
    authority.cert_pem.write_to_path(files.ca)
    stranger.cert_pem.write_to_path(files.other_ca)
    issued = {
        "server": authority.issue_cert("localhost", "127.0.0.1"),
        "client": authority.issue_cert("dpi.test"),
        "stranger": stranger.issue_cert("dpi.test"),
    }
    for name, certificate in issued.items():
        pem, key = folder / f"{name}.pem", folder / f"{name}.key"
        pem.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(key)
        setattr(files, name, pem)
        setattr(files, f"{name}_key", key)

    def client(shown=None):
        context = ssl.create_default_context(cafile=files.ca)
        if shown:
            context.load_cert_chain(folder / f"{shown}.pem", folder / f"{shown}.key")
        return context

    def server(wanted=False):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files.ca if wanted else None)
        context.load_cert_chain(files.server, files.server_key)
        context.verify_mode = ssl.CERT_REQUIRED if wanted else ssl.CERT_NONE
        return context

    files.client_context, files.server_context = client, server
    return files
