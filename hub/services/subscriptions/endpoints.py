"""Where notifications may go: what an administrator allowed, and only to addresses that are what they seem.

OWASP, Server-Side Request Forgery Prevention; RFC 6890 and the IANA registries of special addresses.  A name is
judged when a Subscription is taken and again before every call; the address is judged on the connected socket,
so that a name that changes its address in between leads nowhere.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from hub.errors import ForbiddenError, RefusedError
from hub.services.subscriptions.model import Subscription
from hub.settings import Settings
from hub.source.mime import ADDRESS

MAX_URL: Final = 2000
MSSANTE: Final = ".mssante.fr"  # the trusted space of health mail (ANS, référentiel MSSanté n° 1)
_PORTS = {"http": 80, "https": 443}
# Addresses within which an IPv4 address is hidden: NAT64 (RFC 6052, 8215), 6to4, Teredo.
_HIDING = tuple(map(IPv6Network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")))


def check(asked: Subscription, settings: Settings) -> None:
    """See that notifications may be sent to the endpoint of a Subscription.

    :raises ForbiddenError: saying what an administrator would have to allow.
    """
    if asked.kind == "email":
        _check_mail(asked, settings)
        return
    parts = _parts(asked.endpoint)
    if parts is None:
        raise _no("is no URL that notifications are sent to", "write https://host/path")
    if not any(_within(parts, entry) for entry in settings.subscription_endpoints.split()):
        raise _no("the endpoint is not on the list of this hub", "have it added to subscription_endpoints")
    if parts.scheme == "http" and asked.sends_data and not _here(parts.hostname or ""):
        raise _no("nothing of a resource is sent in the clear", "take https, or a payload that is empty")


def _check_mail(asked: Subscription, settings: Settings) -> None:
    address = mailbox(asked.endpoint)
    if not address:
        raise _no("is no address of mail", "write mailto:box@hopital.mssante.fr")
    domain = address.partition("@")[2]
    allowed = {entry.lower() for entry in settings.subscription_endpoints.split()}
    if not allowed & {f"mailto:{address}", f"mailto:*@{domain}"}:
        raise _no("the address is not on the list of this hub", "have it added to subscription_endpoints")
    if asked.sends_data and not domain.endswith(MSSANTE):
        raise _no("nothing of a resource is sent by ordinary mail", "take a box of MSSanté, or no payload")


def mailbox(endpoint: str) -> str:
    """The one address of a ``mailto:``, in small letters, or ''."""
    scheme, _, address = endpoint.partition(":")
    good = scheme.lower() == "mailto" and address.isascii() and len(address) < 255 and ADDRESS.fullmatch(address)
    return address.lower() if good else ""


def _parts(url: str) -> SplitResult | None:
    """The parts of a URL that has nothing strange in it."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or any(c in url for c in ' \\"<>^`{|}'):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0 or parts.fragment or "@" in parts.netloc:
        return None
    steps = unquote(unquote(parts.path)).replace("\\", "/").split("/")
    return None if ".." in steps or "." in steps else parts


def _within(parts: SplitResult, entry: str) -> bool:
    """Whether a URL lies at or below an entry of the list."""
    allowed = _parts(entry)
    if allowed is None or _origin(parts) != _origin(allowed):
        return False
    top = allowed.path.rstrip("/")
    return parts.path in (allowed.path, top) or parts.path.startswith(f"{top}/")


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def judge(address: str, *, private: bool, secure: bool, data: bool) -> None:
    """See that a connected socket leads where a notification may go.

    :param address: of the peer, as the socket tells it.
    :param private: addresses of a private network, and of this host, are allowed.
    :param secure: by TLS; ``data``: something of a resource is sent.
    :raises RefusedError: when it does not.
    """
    ip = _plain(ip_address(address.partition("%")[0]))
    never = ip.is_multicast or ip.is_unspecified or ip.is_link_local or (ip.is_reserved and not ip.is_loopback)
    hidden = isinstance(ip, IPv6Address) and not ip.is_loopback and any(ip in net for net in _HIDING)
    if never or hidden or not (private or ip.is_global):
        raise RefusedError(
            "the endpoint has an address that nothing is sent to", where="Subscription.channel.endpoint",
            cure="set subscription_private if it lies in a private network", code="address",
        )  # fmt: skip
    if data and not secure and not ip.is_loopback:
        raise RefusedError("nothing of a resource is sent in the clear", where="Subscription.channel.endpoint",
                           cure="take https", code="address")  # fmt: skip


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return ip.ipv4_mapped or ip if isinstance(ip, IPv6Address) else ip


def _no(what: str, cure: str) -> ForbiddenError:
    return ForbiddenError(what, where="Subscription.channel.endpoint", cure=cure)
