"""The MLLP listener over TLS and mutual TLS (IHE ITI TF-2 §3.19)."""

import ssl

import pytest
from hub.adapters.mllp import MllpSource, MllpSourceOptions

from hub.errors import (
    ConfigError,
)
from hub.testing.context import MemoryIntake
from hub.testing.parrot import call, expect, expect_end, say
from tests.adapters.wire import END, adt, codes, framed, running


def test_tls_is_served(pki):
    """IHE ITI TF-2 §3.19: TLS; the messages are the same."""
    with running(tls={"certificate": pki.server, "key": pki.server_key}) as (source, _):
        assert source.address.startswith("mllps://")
        heard = call(source.at, say(framed(adt(), adt())), *[expect(END)] * 2, tls=pki.client_context())
        assert codes(heard) == ["AA", "AA"]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_1_2_and_1_3_are_spoken(pki, version):
    """BCP 195 (RFC 9325 §3.1.1)."""
    with running(tls={"certificate": pki.server, "key": pki.server_key}) as (source, _):
        context = pki.client_context()
        context.minimum_version = context.maximum_version = version
        assert codes(call(source.at, say(framed(adt())), expect(END), tls=context)) == ["AA"]


def test_mutual_tls_refuses_who_shows_no_certificate_of_the_authority(pki):
    """Mutual TLS: no certificate or a stranger's is refused, and nothing is taken from that peer."""
    tls = {"certificate": pki.server, "key": pki.server_key, "client_ca": pki.ca}
    with running(tls=tls) as (source, intake):
        for shown in (None, "stranger"):
            with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
                call(source.at, say(framed(adt())), expect(END), tls=pki.client_context(shown))
        assert intake.received == []
        assert codes(call(source.at, say(framed(adt())), expect(END), tls=pki.client_context("client"))) == ["AA"]
        assert source.status()["connections"] <= 1


def test_plain_octets_do_not_disturb_a_tls_listener(pki):
    """A peer without TLS is turned away; the place it took is free again."""
    with running(tls={"certificate": pki.server, "key": pki.server_key}, max_connections=1) as (source, intake):
        call(source.at, say(framed(adt())), expect_end())
        assert codes(call(source.at, say(framed(adt())), expect(END), tls=pki.client_context())) == ["AA"]
        assert len(intake.received) == 1


def test_wrong_tls_files_are_a_wrong_configuration(pki, tmp_path):
    """ConfigError names the option and the file."""
    intake = MemoryIntake()
    for tls in (
        {"certificate": tmp_path / "none.pem", "key": pki.server_key},
        {"certificate": pki.server, "key": pki.client_key},
        {"certificate": pki.server, "key": pki.server_key, "client_ca": pki.server_key},
    ):
        with pytest.raises(ConfigError, match=r"source\.mllp\.tls") as caught:
            MllpSource(MllpSourceOptions(port=0, tls=tls), intake).start()
        assert "test: source.mllp.tls" in caught.value.where
    intake.close()
