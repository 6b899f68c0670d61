"""Secrets of a Subscription: the values of its headers, sealed before they are stored.

R4 §2.46.7 (security considerations: headers hold tokens).  RFC 5297 (AES-SIV): the same header gives the same seal,
so a Subscription that is written again as it was is no new version.  A seal opens for the endpoint it was made for
and no other: nobody who may read it can have it sent elsewhere.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any, Final

from hub.errors import InvalidError, UnprocessableError
from hub.services.subscriptions import model
from hub.settings import Settings

MARK: Final = "sealed:"


def seal(resource: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The Subscription with the values of its headers sealed; the same one when there are none.

    :raises InvalidError: for a seal that was made for another endpoint.
    :raises UnprocessableError: when the hub has no secret to seal with.
    """
    channel = resource["channel"]
    found = model.headers(channel)
    if not found:
        return resource
    endpoint = str(channel["endpoint"])
    made = [f"{name}: {_sealed(value, endpoint, settings, number)}" for number, (name, value) in enumerate(found)]
    return resource | {"channel": channel | {"header": made}}


def check(asked: model.Subscription) -> None:
    """See that the headers of a stored Subscription are sealed.

    :raises InvalidError: when it came by another way than the API.
    """
    if not all(value.startswith(MARK) for _, value in asked.headers):
        what = "headers are stored in the clear"
        raise InvalidError(what, where="Subscription.channel.header", cure="write the Subscription through the API")


def _sealed(value: str, endpoint: str, settings: Settings, number: int) -> str:
    where = f"Subscription.channel.header[{number}]"
    if value.startswith(MARK):
        opened(value, endpoint, settings, where)
        return value
    return MARK + urlsafe_b64encode(_cipher(settings).encrypt(value.encode(), _place(endpoint))).decode()


def opened(value: str, endpoint: str, settings: Settings, where: str = "Subscription.channel.header") -> str:
    """The value of a header.

    :raises InvalidError: when it was sealed for another endpoint, or by another hub.
    """
    from cryptography.exceptions import InvalidTag

    try:
        octets = urlsafe_b64decode(value.removeprefix(MARK))
        plain: bytes = _cipher(settings).decrypt(octets, _place(endpoint))
    except (InvalidTag, ValueError):
        what = "was sealed for another endpoint, or by another secret of the hub"
        raise InvalidError(what, where=where, cure="write the value again", code="value") from None
    return plain.decode()


def _place(endpoint: str) -> list[bytes]:
    return [endpoint.encode()]


def _cipher(settings: Settings) -> Any:
    secret = settings.secret.get_secret_value()
    if not secret:
        raise UnprocessableError(
            "the hub has no secret to keep headers with", where="Subscription.channel.header",
            cure="set secret in hub.yaml, or leave the headers out", code="not-supported",
        )  # fmt: skip
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV  # when there is a header

    return AESSIV(hmac.digest(secret.encode(), b"headers of subscriptions", "sha512"))
