"""The real server: a process of its own on a real socket."""

from __future__ import annotations

import http.client
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import process
from hub.errors import UnavailableError
from hub.facade import http_server, serve
from hub.facade.http_server import HttpServer
from hub.settings import Settings
from hub.store import Store, open_store, tokens

from .conftest import put


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "channels").mkdir()
    store = open_store(Settings.load(tmp_path))
    store.upgrade()
    store.close()
    return tmp_path


@pytest.fixture
def server(home: Path) -> Iterator[HttpServer]:
    made = HttpServer(Settings.load(home), port=0)
    made.start()
    made.wait_ready()
    yield made
    made.stop()


def ask(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        conn.request(method, path, headers=headers)
        answer = conn.getresponse()
        return answer.status, answer.read()
    finally:
        conn.close()


def ended(pid: int, within: float = 20.0) -> bool:
    """Wait for the end of a process that is not a child of this one (pidfd_open(2))."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], within)[0])
    finally:
        os.close(handle)


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout
    return [int(line) for line in found.split()]


def test_it_serves_fhir_on_a_port_of_its_choice(server: HttpServer, home: Path) -> None:
    """The port is known when start() returns; the base URL holds it."""
    store = open_store(Settings.load(home))
    put(store, {"resourceType": "Patient", "id": "anne"})
    secret = tokens.issue(store, "tester", [tokens.READ])
    store.close()
    assert server.alive()
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert ask(server.port, "/health")[0] == 200
    assert f"{server.url}/fhir".encode() in ask(server.port, "/fhir/metadata")[1]
    status, body = ask(server.port, "/fhir/Patient/anne", Authorization=f"Bearer {secret}")
    assert (status, body.startswith(b'{"resourceType":"Patient","id":"anne"')) == (200, True)
    assert ask(server.port, "/fhir/Patient/anne", "HEAD", Authorization=f"Bearer {secret}") == (200, b"")
    assert ask(server.port, "/fhir/Patient")[0] == 401
    assert ask(server.port, "/metrics")[0] == 200


def test_it_ends_when_told_with_all_its_processes(server: HttpServer) -> None:
    """SIGTERM ends the server and its workers; the port is free again."""
    pid, workers = server.pid, children(server.pid)
    assert workers
    server.stop()
    assert not server.alive()
    assert server.pid == 0
    assert all(ended(p) for p in (pid, *workers))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", server.port))


def test_it_starts_anew_where_it_was(server: HttpServer) -> None:
    """`hub run` starts a server that died again; clients find it on the same port."""
    port, workers = server.port, children(server.pid)
    os.kill(server.pid, signal.SIGKILL)
    assert all(ended(p) for p in workers)  # killed with their parent, so that the port is free
    assert server.start() == port
    assert server.wait_ready() == port
    assert ask(port, "/health")[0] == 200


PARENT = """
import sys
from hub.facade.http_server import HttpServer
from hub.settings import Settings
server = HttpServer(Settings.load(sys.argv[1]), port=0)
server.start()
server.wait_ready()
print(server.pid, server.port, flush=True)
sys.stdin.read()
"""


def test_it_dies_with_its_parent(home: Path) -> None:
    """kill -9 of the parent leaves no server behind: its pipe closes."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[0])
        workers = children(pid)
        parent.kill()
        assert all(ended(p) for p in (pid, *workers))


def test_a_port_that_is_taken_is_told(home: Path) -> None:
    """Before anything is started, with the setting to change."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(UnavailableError, match="cannot listen") as caught:
            HttpServer(Settings.load(home), port=port).start()
        assert caught.value.where == "http_port"


def test_a_server_that_does_not_come_up_is_told(home: Path) -> None:
    """Broken settings end the child; the parent says where to look."""
    made = HttpServer(Settings.load(home), port=0)
    (home / "hub.yaml").write_text("nonsense: 1\n", encoding="utf-8")
    made._wanted = made.port = http_server._free_port("127.0.0.1", 0)
    made.start()
    with pytest.raises(UnavailableError, match="did not come up"):
        made.wait_ready()
    assert not made.alive()


def test_a_free_port_taken_in_between_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look for a free port and the server's own bind another process may take it."""
    made = HttpServer(Settings.load(home), port=0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        free = http_server._free_port
        monkeypatch.setattr(http_server, "_free_port", lambda bind, port: taken)
        made.start()
        monkeypatch.setattr(http_server, "_free_port", free)
        try:
            assert made.wait_ready() not in (0, taken)
            assert ask(made.port, "/health")[0] == 200
        finally:
            made.stop()


def test_it_speaks_tls_with_the_certificate_of_the_settings(home: Path) -> None:
    """tls_certificate and tls_key; the newest TLS that both speak."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(home / "server.pem"))
    (home / "hub.yaml").write_text(
        f"tls_certificate: {home}/server.pem\ntls_key: {home}/server.pem\n", encoding="utf-8"
    )
    made = HttpServer(Settings.load(home), port=0)
    made.start()
    try:
        made.wait_ready()
        assert made.url.startswith("https://")
        context = ssl.create_default_context()
        authority.configure_trust(context)
        conn = http.client.HTTPSConnection("127.0.0.1", made.port, context=context, timeout=10)
        conn.request("GET", "/fhir/metadata")
        answer = conn.getresponse()
        assert (answer.status, b'"url":"https://127.0.0.1:' in answer.read()) == (200, True)
        assert conn.sock.version() == "TLSv1.3"
        conn.close()
    finally:
        made.stop()


@pytest.mark.parametrize(("bind", "url"), [("::1", "http://[::1]:7"), ("127.0.0.1", "http://127.0.0.1:7")])
def test_its_address_is_a_url(tmp_path: Path, bind: str, url: str) -> None:
    """RFC 3986 §3.2.2: an IPv6 address stands in brackets."""
    assert HttpServer(Settings.load(tmp_path, bind=bind), port=7).url == url


def test_stopping_what_does_not_run_is_nothing(tmp_path: Path) -> None:
    """Before it started, and twice."""
    made = HttpServer(Settings.load(tmp_path), port=0)
    made.stop()
    assert (made.alive(), made.pid) == (False, 0)


def test_two_stores_are_open_at_once(server: HttpServer, sqlite_store: Store) -> None:
    """The server is a process of its own: what it does and what tests do not meet."""
    assert sqlite_store.settings.home == server._settings.home
    put(sqlite_store, {"resourceType": "Patient", "id": "late"})
    secret = tokens.issue(sqlite_store, "tester", [tokens.READ])
    assert ask(server.port, "/fhir/Patient/late", Authorization=f"Bearer {secret}")[0] == 200


def test_the_server_runs_as_the_settings_say(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Address, processes and certificate; the parent is watched when there is one."""
    import granian

    seen: dict[str, Any] = {}

    class Server:
        def __init__(self, target: str, **options: Any) -> None:
            seen.update(options, target=target, home=os.environ["HUB_HOME"], only=os.environ["HUB_SERVE_ONLY"])

        def serve(self) -> None:
            seen["served"] = True

    for name in ("HUB_HOME", "HUB_SERVE_ONLY", "HUB_HTTP_PORT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(granian, "Granian", Server)
    monkeypatch.setattr(serve.logs, "set_up", lambda level: seen.update(level=level))
    monkeypatch.setattr(serve, "end_with", lambda parent: seen.update(parent=parent))
    (home / "hub.yaml").write_text("http_workers: 3\ntls_certificate: c.pem\ntls_key: k.pem\n", encoding="utf-8")
    serve.main(["--home", str(home), "--port", "8123", "--parent", "42", "--only", "lab,ward"])
    expected = {
        "target": "hub.facade.server:worker",
        "factory": True,
        "address": "127.0.0.1",
        "port": 8123,
        "workers": 3,
        "ssl_cert": Path("c.pem"),
        "ssl_key": Path("k.pem"),
        "respawn_failed_workers": True,
        "home": str(home),
        "only": "lab,ward",
        "level": "info",
        "parent": 42,
        "served": True,
    }
    assert {k: seen[k] for k in expected} == expected
    serve.main(["--home", str(home)])
    assert seen["parent"] == 0


def test_a_worker_opens_the_hub_and_forgets_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server copies the environment into each request: no setting, least of all a secret, goes along."""
    import multiprocessing.util

    from hub.facade import server as application

    finals: list[Any] = []
    monkeypatch.setattr(process, "die_with_parent", lambda: None)
    monkeypatch.setattr(multiprocessing.util, "Finalize", lambda obj, call, exitpriority: finals.append(call))
    monkeypatch.setenv("HUB_HOME", str(home))
    monkeypatch.setenv("HUB_SECRET", "s" * 32)
    monkeypatch.setenv("HUB_SERVE_ONLY", "")
    made = application.worker()
    assert not [name for name in os.environ if name.startswith("HUB_")]
    assert made._settings.secret.get_secret_value() == "s" * 32
    (close,) = finals
    close()
