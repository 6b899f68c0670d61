"""The query language by which people find messages."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from hub import clock
from hub.errors import ConfigError
from hub.store import Store, find
from hub.store.tables import State
from tests.rows import DAY, add_delivery, add_message

Found = Callable[..., list[int]]


@pytest.fixture
def found(store: Store) -> Found:
    """Ids that a query finds, the newest first."""

    def ask(*words: str) -> list[int]:
        with store.reading() as conn:
            query = find.parse(words)
            rows = [int(row.id) for row in find.find(conn, query)]
            assert find.count(conn, query) == len(rows)
            return rows

    return ask


@pytest.fixture
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose local time is that of Paris in winter (POSIX TZ: UTC+1)."""
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_no_words_find_everything_the_newest_first(store: Store, found: Found) -> None:
    """A list without a question is the list of all."""
    first, second = add_message(store), add_message(store)
    assert found() == [second, first]


def test_every_word_must_hold(store: Store, found: Found) -> None:
    """Words are joined by and; two statuses by or, for a message has one."""
    held = add_message(store, state=State.HELD, channel="lab")
    add_message(store, state=State.HELD)
    waiting = add_message(store, state=State.WAITING, channel="lab")
    assert found("status:held", "channel:lab") == [held]
    assert found("state:held", "status:waiting", "channel:lab") == [waiting, held]


@pytest.mark.parametrize(
    ("word", "finds"),
    [
        ("type:ADT^A01", True), ("type:ADT^A0*", True), ("type:ADT", True), ("type:AD", False), ("type:ORU*", False),
        ("control:C_1%", True), ("control:C_*", True), ("control:CX1%", False), ("control:c_1%", False),
        ("sender:GAP|*", True), ("sender:*|010000024", True), ("sender:GAP", False), ("channel:adt", True),
    ],
)  # fmt: skip
def test_patterns_know_only_the_star(store: Store, found: Found, word: str, finds: bool) -> None:
    """``*`` stands for anything; ``%`` and ``_``, which SQL's LIKE would read as such, for themselves."""
    one = add_message(store, control_id="C_1%")
    assert found(word) == ([one] if finds else [])


def test_an_id_is_found_however_it_is_typed(store: Store, found: Found) -> None:
    """Crockford base 32: case does not matter, and several ids are several messages."""
    one, two = add_message(store), add_message(store)
    add_message(store)
    assert found(clock.show_id(one).lower(), clock.show_id(two)) == [two, one]


@pytest.mark.parametrize("kind", find.KEYS)
def test_business_keys_find_exactly(store: Store, found: Found, kind: str) -> None:
    """A key of another kind, or a longer one, is another key."""
    one = add_message(store, keys=((kind, "8001234"),))
    add_message(store, keys=((kind, "80012345"),))
    add_message(store, keys=(("other", "8001234"),))
    assert found(f"{kind}:8001234") == [one]


def test_a_chain_is_found_by_its_first_message(store: Store, found: Found) -> None:
    """``trace`` is the id of the message the chain began with."""
    one = add_message(store)
    fed = add_message(store, trace=one, parent=one)
    add_message(store)
    assert found(f"trace:{clock.show_id(one)}") == [fed, one]


def test_times_are_lengths_back_from_now_or_instants(store: Store, found: Found) -> None:
    """``since`` includes its instant, ``until`` does not; a zone is heeded."""
    now = clock.now()
    old = add_message(store, at=now - 3 * DAY)
    new = add_message(store, at=now - 60_000_000)
    assert found("since:2h") == [new]
    assert found("until:2d") == [old]
    exact = clock.from_iso("2026-03-01T10:00:00")
    at = add_message(store, at=exact)
    assert found("since:2026-03-01T11:00+01:00", "until:2026-03-01T10:00:01Z") == [at]
    assert found("until:2026-03-01T10:00:00Z") == []


@pytest.mark.usefixtures("paris")
def test_an_instant_without_a_zone_is_that_of_the_host() -> None:
    """People type the time that lists show them."""
    expected = clock.from_iso("2026-01-15T09:00:00")
    assert expected == find.parse(["since:2026-01-15T10:00"]).since
    assert os.environ["TZ"] == "CET-1"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("pasient:1", "no condition is called 'pasient'"),
        ("status:lost", "no status is called 'lost'"),
        ("since:yesterday", "'yesterday' is no time"),
        ("until:2026-13-01", "'2026-13-01' is no time"),
        ("0CR5P3", "is no message id"),
        ("trace:0CR5P3", "is no message id"),
        ("ZZZZZZZZZZZZZ", "is no message id"),
    ],
)
def test_what_is_not_understood_is_named_with_what_would_be(word: str, says: str) -> None:
    """Where, what and what to do; never a query that quietly finds something else."""
    with pytest.raises(ConfigError) as caught:
        find.parse([word])
    assert says in caught.value.what
    assert caught.value.cure


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), max_size=3))
def test_any_words_are_a_query_or_an_error_of_the_asker(words: list[str]) -> None:
    """Whatever is typed: a query the database can answer, or a ConfigError."""
    try:
        query = find.parse(words)
    except ConfigError:
        return
    assert 0 <= query.since < 1 << 55
    assert 0 <= query.until < 1 << 55


@pytest.mark.parametrize("word", ["since:999999d", "until:9999-12-31T23:59:59", "since:1969-07-20T20:17Z"])
def test_times_beyond_what_ids_hold_are_the_first_or_the_last(store: Store, found: Found, word: str) -> None:
    """An id has 55 bits for the time; the edges find all, and no database complains."""
    one = add_message(store)
    assert found(word) == [one]


def test_a_tail_goes_on_after_an_id_oldest_first(store: Store) -> None:
    """``after`` and ``newest_first=False`` page through a result in order of arrival."""
    ids = [add_message(store) for _ in range(3)]
    with store.reading() as conn:
        rows = find.find(conn, find.parse([]), 2, after=ids[0], newest_first=False)
        after = find.each_id(conn, find.parse([]), bite=2)
        assert [[*after(0)], [*after(ids[1])]] == [ids[:2], ids[2:]]
    assert [row.id for row in rows] == ids[1:]


@pytest.mark.parametrize(
    ("word", "index"),
    [
        ("patient:1", "PRIMARY KEY (kind=? AND value=?"), ("control:1", "message_control"),
        ("status:held", "message_attention"), ("status:waiting", "message_waiting"),
        ("trace:0000000000001", "message_trace"), ("0000000000001", "INTEGER PRIMARY KEY"),
        ("since:1h", "INTEGER PRIMARY KEY (rowid>?"),
    ],
)  # fmt: skip
def test_what_people_look_for_most_is_found_by_an_index(sqlite_store: Store, word: str, index: str) -> None:
    """However many messages there are: none of these reads the whole table (sqlite.org/eqp.html)."""
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(conn: object, cursor: object, statement: str, values: tuple[object, ...], *_: object) -> None:
        asked.append((statement, values))

    with sqlite_store.reading() as conn:
        event.listen(conn, "before_cursor_execute", note)
        find.find(conn, find.parse([word]))
        statement, values = asked[-1]
        plan = [row[3] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(index in step for step in plan), plan
    assert [step for step in plan if step.startswith("SCAN message USING INDEX sqlite_autoindex")] == []


def test_deliveries_and_keys_of_a_message_are_its_own(store: Store) -> None:
    """Deliveries in the order in which they were made."""
    one, other = add_message(store, keys=(("visit", "V-1"),)), add_message(store)
    first = add_delivery(store, one, destination="a")
    second = add_delivery(store, one, destination="b")
    add_delivery(store, other)
    with store.reading() as conn:
        assert [d.id for d in find.deliveries_of(conn, one)] == [first, second]
        assert find.keys_of(conn, one) == [("visit", "V-1")]
