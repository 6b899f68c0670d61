"""The network: ports, the HTTP server, Redis and workers, and peers when they may be called."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any

from hub import registry
from hub.commands.checks import Check, Look
from hub.commands.output import counted
from hub.errors import HubError

WITHIN = 2.0  # seconds that a peer on this host has


def ports(look: Look) -> Iterator[Check]:
    """A port is free, or held by the hub that runs here."""
    wanted = [("http", look.settings.bind, look.settings.http_port)]
    for loaded in look.channels:
        spec = loaded.spec
        if spec is None or not spec.enabled or registry.connector(spec.source.kind).hosted:
            continue
        port = getattr(spec.source.options, "port", None)
        if isinstance(port, int):
            wanted.append((spec.name, getattr(spec.source.options, "bind", "") or look.settings.bind, port))
    for who, bind, port in wanted:
        if port:
            yield port_check(who, bind, port, expected=look.hub_here)


def port_check(who: str, bind: str, port: int, *, expected: bool) -> Check:
    """One port; ``expected`` while the hub runs on this host and should hold it."""
    at = f"{bind}:{port} ({who})"
    with socket.socket(socket.AF_INET6 if ":" in bind else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
            probe.listen(1)
        except OSError as error:
            taken = error.errno == errno.EADDRINUSE
            if taken and expected:
                return Check("ports", "ok", f"{at} is held")
            cure = "end what holds it, or choose another port" if taken else "choose another bind or port"
            return Check("ports", "fail", f"{at}: {(error.strerror or 'not to be had').lower()}", cure)
    if expected:
        return Check("ports", "fail", f"the hub runs, but nobody listens at {at}", "see hub channel list and the log")
    return Check("ports", "ok", f"{at} is free")


def http(look: Look) -> Iterator[Check]:
    """``/health`` of the running hub."""
    if not look.hub_here or not look.settings.http_port:
        return
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(look.settings.bind, look.settings.bind)  # noqa: S104 - compared
    conn: HTTPConnection
    if look.settings.tls_certificate:
        # Our own server, asked for nothing but whether it is well; its certificate bears another name.
        context = ssl._create_unverified_context()  # noqa: S323 - see above
        conn = HTTPSConnection(host, look.settings.http_port, timeout=WITHIN, context=context)
    else:
        conn = HTTPConnection(host, look.settings.http_port, timeout=WITHIN)
    try:
        conn.request("GET", "/health")
        answer = conn.getresponse()
        facts = json.loads(answer.read(65536))
        status = str(facts["status"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        what = f"/health at port {look.settings.http_port} does not answer as it should ({type(error).__name__})"
        yield Check("http", "fail", what, "see the log of the hub")
        return
    finally:
        conn.close()
    if answer.status == 200:
        yield Check("http", "ok", f"/health says {status}, version {facts.get('version', '?')}")
    else:
        yield Check("http", "fail", f"/health says {status}: {facts.get('store', '')}", "see the store, above")


def redis(look: Look) -> Iterator[Check]:
    """The broker of the wide runner answers, and so does a worker."""
    if look.settings.runner != "celery":
        return
    from redis import Redis
    from redis.exceptions import RedisError

    shown = look.settings.shown()["redis_url"]
    client: Any = Redis.from_url(
        look.settings.redis_url, socket_timeout=WITHIN, socket_connect_timeout=WITHIN, decode_responses=True
    )
    try:
        client.ping()
    except (RedisError, OSError) as error:
        what = f"{shown} does not answer ({type(error).__name__})"
        yield Check("redis", "fail", what, "start it, or see redis_url; no message is lost meanwhile")
        return
    finally:
        client.close()
    from hub.engine.wide import make_app

    app = make_app(look.settings.redis_url)
    try:
        workers = len(app.control.ping(timeout=WITHIN))
    finally:
        app.close()
    if workers:
        yield Check("redis", "ok", f"{shown}; {counted(workers, 'worker')} there")
    else:
        yield Check("redis", "fail", f"{shown} answers, but no worker does", "hub worker, on one host or several")


class _Caller:
    """The engine as a destination that is only asked whether its peer is there."""

    def __init__(self, channel: str, name: str) -> None:
        self.channel, self.name = channel, name

    def feed(self, channel: str, item: Any) -> None:
        """Nothing is sent."""


def peers(look: Look) -> Iterator[Check]:
    """Every destination is asked whether its peer is there; nothing of a patient is sent."""
    if not look.peers:
        return
    for loaded in look.channels:
        if loaded.spec is None or not loaded.spec.enabled:
            continue
        for one in loaded.spec.destinations:
            name = f"{loaded.spec.name}/{one.name}"
            try:
                made = registry.connector(one.part.kind).destination(
                    one.part.options, _Caller(loaded.spec.name, one.name)
                )
                try:
                    yield Check("peers", "ok", f"{name}: {made.probe()}")
                finally:
                    made.close()
            except HubError as error:
                yield Check("peers", "fail", f"{name}: {error.what}", error.cure or "see to the peer")
