"""Whether something may be sent, asked again before every sending.

The rules of consent are set into ``may_send`` where they are known; until then nothing is withheld.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hub.services.subscriptions.model import Subscription
from hub.store import Store


@dataclass(slots=True)
class Rules:
    """``may_send(store, subscription, reference, content)``: whether the endpoint may be told of a resource."""

    may_send: Callable[[Store, Subscription, str, bytes | None], bool] = lambda *_: True


rules = Rules()
