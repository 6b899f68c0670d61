"""What hub doctor says of the network: ports, HTTP, Redis, peers."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hub.commands.checks import network
from hub.commands.checks.network import port_check
from tests.waiting import until

from .conftest import CHANNEL, Site, free_port, join, look_at


@pytest.fixture
def taken() -> Iterator[int]:
    """A port at which somebody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield int(sock.getsockname()[1])


def test_ports_are_free_or_held_by_the_hub(taken: int) -> None:
    """Taken while no hub runs here: by somebody else. Free while one does: it does not listen."""
    free = free_port()
    seen = [
        (port_check("adt", "127.0.0.1", port, expected=expected).level)
        for port, expected in ((taken, True), (taken, False), (free, True), (free, False))
    ]
    assert seen == ["ok", "fail", "fail", "ok"]


def test_an_address_of_another_host_cannot_be_bound() -> None:
    """RFC 5737: 192.0.2.0/24 is nobody's."""
    check = port_check("adt", "192.0.2.1", 2575, expected=False)
    assert (check.level, check.cure) == ("fail", "choose another bind or port")
    assert check.what.startswith("192.0.2.1:2575 (adt): ")


def test_ports_of_settings_and_channels_are_looked_at(site: Site, taken: int) -> None:
    """Of channels that are enabled and listen by themselves; 0 takes a free one."""
    free = free_port()
    site.write(CHANNEL.replace("port: 0", f"port: {taken}"))
    found = [(c.level, c.what) for c in network.ports(look_at(site, http_port=free))]
    assert found == [
        ("ok", f"127.0.0.1:{free} (http) is free"), ("fail", f"127.0.0.1:{taken} (adt): address already in use"),
    ]  # fmt: skip
    site.write(CHANNEL.replace("port: 0", f"port: {taken}").replace("channel: adt", "channel: adt\nenabled: false"))
    assert list(network.ports(look_at(site, http_port=0))) == []
    site.write(CHANNEL.replace("{mllp: {port: 0}}", "{http: {path: /in/adt}}"))
    assert list(network.ports(look_at(site, http_port=0))) == []


class _Health(BaseHTTPRequestHandler):
    status, body = 200, b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.mark.parametrize(
    ("status", "body", "level", "what"),
    [
        (200, {"status": "up", "version": "9"}, "ok", "/health says up, version 9"),
        (503, {"status": "down", "store": "away"}, "fail", "/health says down: away"),
        (200, [], "fail", "/health at port PORT does not answer as it should (TypeError)"),
    ],
)
def test_the_http_server_is_asked_how_it_is(site: Site, status: int, body: Any, level: str, what: str) -> None:
    """When the hub runs on this host."""
    handler = type("Handler", (_Health,), {"status": status, "body": json.dumps(body).encode()})
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.handle_request, daemon=True).start()
    look = look_at(site, http_port=server.server_port)
    assert list(network.http(look)) == []
    join(site.store)
    (check,) = network.http(look_at(site, http_port=server.server_port))
    server.server_close()
    assert (check.level, check.what) == (level, what.replace("PORT", str(server.server_port)))


def test_an_http_server_that_is_not_there_fails(site: Site, tmp_path: Path) -> None:
    """Over TLS as well."""
    join(site.store)
    port = free_port()
    for more in ({}, {"tls_certificate": tmp_path / "x.pem"}):
        (check,) = network.http(look_at(site, http_port=port, **more))
        assert (check.level, "ConnectionRefusedError" in check.what) == ("fail", True)


def test_redis_matters_only_to_the_wide_runner(site: Site) -> None:
    """Away: said without its password, and that no message is lost."""
    assert list(network.redis(look_at(site))) == []
    url = f"redis://u:geheim@127.0.0.1:{free_port()}/0"
    (check,) = network.redis(look_at(site, runner="celery", redis_url=url))
    assert (check.level, "geheim" in check.what, "no message is lost" in check.cure) == ("fail", False, True)


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis server of the test's own."""
    from redis import Redis
    from redis.exceptions import ConnectionError as AwayError

    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("redis-server is not on the path")
    port = free_port()
    words = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process, Redis(port=port) as client:

        def answers() -> bool:
            try:
                return bool(client.ping())
            except AwayError:
                return False

        until(answers)
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()


@pytest.mark.redis
def test_redis_without_a_worker_fails(site: Site, redis_url: str) -> None:
    """The broker alone maps nothing."""
    (check,) = network.redis(look_at(site, runner="celery", redis_url=redis_url))
    shown = site.store.settings.model_copy(update={"redis_url": redis_url}).shown()["redis_url"]
    assert (check.level, check.what) == ("fail", f"{shown} answers, but no worker does")


@pytest.mark.redis
def test_redis_with_a_worker_is_well(site: Site, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that answer are counted."""
    monkeypatch.setattr("celery.app.control.Control.ping", lambda self, timeout: [{"hub-a": {"ok": "pong"}}])
    (check,) = network.redis(look_at(site, runner="celery", redis_url=redis_url))
    assert (check.level, check.what.endswith("; 1 worker there")) == ("ok", True)


def test_peers_are_called_only_when_asked_for(site: Site) -> None:
    """Each destination says what it saw; nothing is sent."""
    assert list(network.peers(look_at(site))) == []
    look = look_at(site)
    look.peers = True
    (check,) = network.peers(look)
    assert (check.level, check.what.startswith("adt/archive: ")) == ("ok", True)
    (site.home / "out").rmdir()
    look = look_at(site)
    look.peers = True
    (check,) = network.peers(look)
    assert (check.level, "is not there" in check.what) == ("fail", True)
    assert [c["name"] for c in site("doctor", "--peers", "--json").json if c["level"] == "fail"] == ["peers"]
