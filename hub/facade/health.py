"""``/health``: whether this process can work, for load balancers and for ``hub run``.

Public, so it tells of no channel and of no person: the store answers, how many messages wait for their
mapping or for a person, and since when the oldest waits.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from hub import __version__, clock
from hub.errors import HubError
from hub.store import find
from hub.store.handle import Store
from hub.store.tables import State, message


def health(store: Store) -> tuple[int, dict[str, Any]]:
    """(HTTP status, facts)."""
    try:
        with store.reading() as conn:
            waiting, oldest = conn.execute(
                select(func.count(), func.min(message.c.id)).where(message.c.state == State.WAITING)
            ).one()
            held = find.count(conn, find.MessageQuery(states=(State.HELD,)))
    except HubError as e:
        return 503, {"status": "down", "version": __version__, "store": e.what}
    except Exception as e:
        return 503, {"status": "down", "version": __version__, "store": type(e).__name__}
    age = (clock.now() - clock.id_time(oldest)) / 1e6 if oldest is not None else 0.0
    return 200, {
        "status": "up",
        "version": __version__,
        "store": "ok",
        "waiting": waiting,
        "oldest_waiting_seconds": round(max(0.0, age), 3),
        "held": held,
    }
