"""Rules about what must not lie open: secrets, listeners, deliveries.

PGSSI-S (ANS), référentiel d'authentification and guide d'hygiène: health data cross a network encrypted,
between authenticated ends.  In production a channel that breaks a rule of severity error is not run.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from hub.channel.loader import Place
from hub.channel.rules import Hit, each
from hub.engine.model import Part
from hub.settings import Settings

if TYPE_CHECKING:
    from hub.channel.model import Loaded

_SECRET = ("password", "passphrase", "secret", "token", "api_key", "credential", "bearer")


@each("S301", "a secret in clear")
def clear_secret(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """A channel file is read by many and kept in version control for ever.  Write `${file:/run/secrets/x}`
    or `${NAME}`; and change the secret that was in clear, for it is known now.
    """
    for part, place in _parts(one):
        for at in _secrets(part.options, place):
            raw = one.document.raw(at)
            if raw is not None and "${" not in str(raw):
                yield Hit(one, at, f"{at[-1]} in clear", "write `${file:/run/secrets/...}` or `${NAME}`")
        for at, raw in _texts(one.document.raw(place), place):
            if "://" in raw and _password(raw):
                yield Hit(one, at, "a password in a URL", "put it in the settings for authentication, as `${NAME}`")


@each("S302", "listens to the network without TLS")
def open_listener(one: Loaded, settings: Settings) -> Iterator[Hit]:
    """A listener on another address than that of this host, without `tls`, takes health data in clear from
    whoever reaches it.  Give it `tls: {certificate: ..., key: ...}` (and `client_ca` to know who sends), or
    bind to 127.0.0.1 behind a TLS proxy and say so with `behind_proxy` in hub.yaml.
    """
    if one.spec is None:
        return
    options, kind = one.spec.source.options, one.spec.source.kind
    if getattr(options, "port", None) is None:
        return
    bind = str(getattr(options, "bind", None) or settings.bind)
    if not _local(bind) and not getattr(options, "tls", None) and not settings.behind_proxy:
        place = ("source", kind, "bind") if "bind" in _dict(one.document.raw(("source", kind))) else ("source", kind)
        yield Hit(one, place, f"listens on {bind} without TLS", "write `tls: {certificate: ..., key: ...}`", key=True)


@each("S303", "an HTTP source that anybody may use")
def no_authentication(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """`auth: none` lets anybody who reaches the hub put documents into it.  With `auth: token` a sender
    shows a token of `hub token issue`.
    """
    if one.spec and getattr(one.spec.source.options, "auth", None) == "none":
        place = ("source", one.spec.source.kind, "auth")
        yield Hit(one, place, "anybody may send to this path", "write `auth: token`")


@each("S304", "delivers in clear over the network")
def clear_delivery(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """What is delivered is health data: to another host it goes by https, or by MLLP with `tls`."""
    for destination, place in one.places:
        options, kind = destination.part.options, destination.part.kind
        for name in ("url", "to"):
            url = urlsplit(str(getattr(options, name, "")))
            if url.scheme == "http" and not _local(url.hostname or ""):
                yield Hit(one, (*place, kind, name), f"{destination.name} is called by http", "write https://")
        host = getattr(options, "host", None)
        if host and hasattr(options, "tls") and not options.tls and not _local(str(host)):
            what = f"{destination.name} is called without TLS"
            yield Hit(one, (*place, kind, "host"), what, "write `tls: {ca: ...}`")


@each("S305", "does not look at the certificate of its peer")
def unverified(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """`verify: false` takes any certificate: whoever stands between reads and changes everything."""
    for part, place in _parts(one):
        for at, value in _walk(part.options, place):
            if at[-1] == "verify" and value is False:
                yield Hit(one, at, "any certificate is taken", "name the authority of the peer in `ca`")


def _parts(one: Loaded) -> Iterator[tuple[Part, Place]]:
    if one.spec:
        yield one.spec.source, ("source", one.spec.source.kind)
        for destination, place in one.places:
            yield destination.part, (*place, destination.part.kind)


def _walk(options: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """Every setting of an option model, nested ones and mappings included."""
    values: dict[str, Any] = {}
    if isinstance(options, BaseModel):
        values = {f.alias or name: getattr(options, name) for name, f in type(options).model_fields.items()}
    elif isinstance(options, dict):
        values = {str(k): v for k, v in options.items()}
    for name, value in values.items():
        yield (*place, name), value
        yield from _walk(value, (*place, name))


def _secrets(options: Any, place: Place) -> Iterator[Place]:
    for at, value in _walk(options, place):
        name = str(at[-1]).lower().replace("-", "_")
        named = isinstance(value, str) and value and (name == "authorization" or any(s in name for s in _SECRET))
        if isinstance(value, SecretStr) or (named and not name.endswith("_file")):
            yield at


def _texts(raw: Any, place: Place) -> Iterator[tuple[Place, str]]:
    if isinstance(raw, str):
        yield place, raw
    elif isinstance(raw, dict | list):
        for key, value in raw.items() if isinstance(raw, dict) else enumerate(raw):
            yield from _texts(value, (*place, key))


def _password(url: str) -> bool:
    try:
        password = urlsplit(url).password
    except ValueError:
        return False
    return bool(password) and "${" not in str(password)


def _local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
