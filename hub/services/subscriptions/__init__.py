"""Subscriptions: who asks to be told when something is written, and how they are told.

R4 §2.46 (Subscription, rest-hook) and the Subscriptions R5 Backport IG 1.1 for R4 (topics, what a notification
holds).  A Subscription is taken here, greeted, and from then on every resource that is written and fits its
criteria is an event: a message of the channel ``hub.subscriptions`` with one delivery, which people see, hold, replay
and cancel as any other.  Nothing of this is in the way of what writes: the service looks at what was written.
"""

from __future__ import annotations

import orjson

from hub.fhir.jsontext import Json
from hub.settings import Settings

CHANNEL = "hub.subscriptions"  # no channel of a site can have that name


def taken(settings: Settings, given: Json) -> Json:
    """A Subscription as it is stored: understood, its endpoint allowed, its headers sealed.

    :raises InvalidError, UnprocessableError, ForbiddenError: with the element that is in the way.
    """
    from hub.services.subscriptions import criteria, endpoints, model, sealing

    asked = model.read(given.value)
    criteria.read(asked, settings)
    if asked.status != "off":
        endpoints.check(asked, settings)
    sealed = sealing.seal(given.value, settings)
    return given if sealed is given.value else Json(sealed, orjson.dumps(sealed))
