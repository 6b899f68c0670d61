"""Search parameters of a site: from a stored SearchParameter to one that can be searched by.

R4 §3.1.3.  A parameter goes through the states of the table ``indexing``::

    waiting ──▶ indexing ──▶ active        what is written is indexed from ``waiting`` on
        └────────────┴─────▶ failed        with the reason in ``detail``

All processes look every few seconds; so, a while after the row was made, no process is left that does not
index by it, and only then are the resources that were there before taken, bite by bite.  A search is refused
until all are done: it would not find everything.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import orjson
from sqlalchemy import delete, false, select, update

from hub import clock
from hub.errors import InvalidError
from hub.fhir.search import custom
from hub.fhir.search.custom import Definition
from hub.fhir.search.plan import empty
from hub.fhir.search.values import emitter
from hub.logs import event
from hub.store.handle import Store
from hub.store.tables import INDEXES, indexing, resource
from hub.store.writer import Tx

log = logging.getLogger("hub.store")
LOOK_EVERY = 5.0  # seconds
SETTLE = 20_000_000  # microseconds until every process has looked
BITE = 200
_LOCK = "searchparams"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a search parameter of the site is."""

    url: str
    state: str
    done: int
    detail: str
    at: int


def standings(store: Store) -> list[Standing]:
    """All search parameters of the site."""
    i = indexing.c
    with store.reading() as conn:
        found = conn.execute(select(i.url, i.state, i.done, i.detail, i.at).where(i.url != "").order_by(i.url))
        return [Standing(r.url, r.state, r.done, r.detail if r.state == "failed" else "", r.at) for r in found]


def refresh(store: Store) -> None:
    """Have this process index and search by what the store says."""
    i = indexing.c
    with store.reading() as conn:
        rows = conn.execute(select(i.url, i.state, i.detail).where(i.url != "", i.state != "failed")).all()
    found = [(r.state, custom.read(orjson.loads(r.detail))) for r in rows]
    custom.use([d for _, d in found], [d for state, d in found if state == "active"])


class Indexer:
    """A thread that takes stored SearchParameters in; one process at a time does the work."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="search-indexer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the present bite."""
        self._end.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._end.wait(LOOK_EVERY):
            try:
                look(self._store, self._end)
                refresh(self._store)
            except Exception as error:  # the store is away, or upgrading; it is asked again
                event(log, logging.DEBUG, "search parameters were not looked at", error=type(error).__name__)


def look(store: Store, end: threading.Event | None = None) -> None:
    """Do what is due: take in new definitions, forget those that are gone, index what has waited long enough."""
    lock = store.locks.take(_LOCK)
    if lock is None:
        return
    try:
        _take_in(store)
        i = indexing.c
        with store.reading() as conn:
            due = conn.execute(
                select(i.url, i.detail, i.done).where(
                    i.url != "", (i.state == "indexing") | ((i.state == "waiting") & (i.at <= clock.now() - SETTLE))
                )
            ).all()
        for row in due:
            _index(store, custom.read(orjson.loads(row.detail)), row.done, end)
    finally:
        lock.release()


def _wanted(store: Store) -> dict[str, tuple[str, str, str]]:
    """URL -> (generation, state, detail) of the SearchParameters that are stored and active."""
    r = resource.c
    with store.reading() as conn:
        rows = conn.execute(select(r.content).where(r.type == "SearchParameter", r.deleted == false())).all()
    wanted: dict[str, tuple[str, str, str]] = {}
    for (octets,) in rows:
        stored = orjson.loads(octets)
        url = str(stored.get("url") or "")[:255]
        if stored.get("status") != "active" or not url:
            continue
        kept = {k: stored[k] for k in ("url", "code", "type", "base", "expression", "target") if k in stored}
        text = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
        generation = sha256(text).hexdigest()[:16]
        try:
            custom.read(kept)
        except InvalidError as error:
            wanted[url] = (generation, "failed", str(error))
        else:
            wanted[url] = (generation, "waiting", text.decode())
    return wanted


def _take_in(store: Store) -> None:
    i = indexing.c
    wanted = _wanted(store)
    with store.reading() as conn:
        known = {r.url: r for r in conn.execute(select(indexing).where(i.url != ""))}
    for url, row in known.items():
        if url not in wanted or wanted[url][0] != row.generation:
            _forget(store, url, row)
    for url, (generation, state, detail) in wanted.items():
        if url not in known or known[url].generation != generation:
            fresh = (url, generation, state, 0, detail, clock.now())
            store.write(lambda tx, row=fresh: tx.insert(indexing, [row], ignore=True))  # type: ignore[misc] # binds the loop's value


def _forget(store: Store, url: str, row: Any) -> None:
    numbers: list[int] = []
    if row.state != "failed":
        definition = custom.read(orjson.loads(row.detail))
        numbers = [n for kind in definition.bases for n in definition.group(kind)]

    def gone(tx: Tx) -> None:
        tx.conn.execute(delete(indexing).where(indexing.c.url == url))
        for table in INDEXES.values():
            if numbers:
                tx.conn.execute(delete(table).where(table.c.param.in_(numbers)))

    store.write(gone)


def _index(store: Store, definition: Definition, after: int, end: threading.Event | None) -> None:
    """Index what was stored before, from where a former run ended."""
    while end is None or not end.is_set():
        last = store.write(lambda tx, a=after: _bite(tx, definition, a))  # type: ignore[misc] # binds the loop's value
        if last is None:
            return
        after = last


def _bite(tx: Tx, definition: Definition, after: int) -> int | None:
    row = resource.c
    some = select(row.rid).where(row.rid > after, row.type.in_(definition.bases)).order_by(row.rid).limit(BITE)
    rids = [int(r[0]) for r in tx.conn.execute(some)]
    state = {"state": "indexing" if rids else "active", "at": clock.now()} | ({"done": rids[-1]} if rids else {})
    tx.conn.execute(update(indexing).where(indexing.c.url == definition.url).values(**state))
    if not rids:
        return None
    # In the order of their names, as everybody locks resources, so that two never wait in a ring.
    query = select(row.rid, row.type, row.content).where(row.rid.in_(rids), row.deleted == false()).order_by(row.ref)
    found: dict[str, list[tuple[Any, ...]]] = {kind: [] for kind in INDEXES}
    for rid, kind, content in tx.conn.execute(query.with_for_update()):
        out = empty()
        one = emitter(f"any-{definition.kind}", {"": definition.group(kind)})
        custom.rows(definition, one, _resource(content), out)
        for name, rows in found.items():
            rows.extend((*value, rid) for value in dict.fromkeys(getattr(out, name)))
    numbers = [n for kind in definition.bases for n in definition.group(kind)]
    for name, table in INDEXES.items():
        tx.conn.execute(delete(table).where(table.c.rid.in_(rids), table.c.param.in_(numbers)))
        tx.insert(table, found[name])
    return rids[-1]


def _resource(content: bytes) -> Mapping[str, Any]:
    made: Mapping[str, Any] = orjson.loads(content)
    return made
