"""hub find and hub tail."""

from __future__ import annotations

import json
from itertools import islice

import pytest

from hub import clock
from hub.cli import hub
from hub.commands.tail import LATE, follow
from hub.settings import Settings
from hub.store import find
from hub.store.schema import HEAD
from hub.store.tables import State, message
from tests.rows import add_message

from .conftest import ADMISSION, Site

_ERROR = '{"stage":"map","where":"PID-3","what":"required and empty","cure":"fill it"}'


def test_messages_are_listed_the_newest_first(any_site: Site) -> None:
    """Id, time, age, channel, type, control id, status and, of what is held, where and why."""
    done = add_message(any_site.store, control_id="A-1")
    held = add_message(any_site.store, state=State.HELD, error=_ERROR, control_id="")
    ran = any_site("find")
    assert [line.split()[0] for line in ran.lines] == ["ID", clock.show_id(held), clock.show_id(done)]
    assert ran.lines[1].endswith("ADT^A01  -           held    PID-3: required and empty")
    assert ran.lines[2].endswith("ADT^A01  A-1         done")
    assert (ran.err, ran.status) == ("", 0)


def test_programs_get_instants_and_no_key_of_a_person(site: Site) -> None:
    """--json: times as ISO 8601, ids as people carry them; neither body, answer nor order key."""
    id_ = add_message(site.store, order_key="urn:x|8001234", state=State.HELD, error=_ERROR, flags=2)
    (fact,) = site("find", "--json", "status:held").json
    assert fact == {
        "id": clock.show_id(id_), "received": clock.iso(clock.id_time(id_)), "channel": "adt",
        "revision": "0123456789ab", "type": "ADT^A01", "control_id": "C-1", "sender": "GAP|010000024",
        "peer": "127.0.0.1:4242", "status": "held", "size": 4, "content_type": "x-application/hl7-v2+er7",
        "flags": ["only the first piece of the body is kept"], "trace": clock.show_id(id_), "parent": None,
        "mapped": None, "runs": 0, "step": "", "error": json.loads(_ERROR),
    }  # fmt: skip


def test_a_list_that_is_cut_says_so(site: Site) -> None:
    """On stderr, so that a pipe gets rows only."""
    for _ in range(3):
        add_message(site.store)
    ran = site("find", "--limit", "2")
    assert (len(ran.lines), ran.err) == (3, "the newest 2 are shown; say --limit, or a narrower query\n")
    assert site("find", "--limit", "3").err == ""


def test_nothing_found_is_said_and_no_error(site: Site) -> None:
    """An empty list is an answer."""
    ran = site("find", "channel:none")
    assert (ran.out, ran.err, ran.status) == ("", "no message fits\n", 0)
    assert site("find", "--json").json == []


def test_a_query_that_is_not_understood_ends_with_two(site: Site) -> None:
    """Wrong use: where, what, and what would be right."""
    ran = site("find", "status:lost")
    assert ran.status == 2
    assert ran.err.startswith("hub: no status is called 'lost' (known: waiting,")


def test_where_no_hub_is_none_is_made(empty: Settings) -> None:
    """A wrong folder is said to be one; nothing is written into it."""
    ran = Site(empty.home, None)("find")  # type: ignore[arg-type]  # there is no store
    assert ran.status == 2
    assert ran.err.startswith(f"hub: {empty.home}/data/hub.db: no store is there (say --home FOLDER")


def test_a_store_of_another_version_must_be_upgraded_first(site: Site) -> None:
    """Rather than reading tables that mean something else."""
    site.store.write(lambda tx: tx.conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0000'"))
    ran = site("find")
    assert ran.status == 2
    assert ran.err == f"hub: the store has version 0000, this hub needs {HEAD} (run: hub db upgrade)\n"


def test_a_database_that_does_not_answer_is_said_in_one_line(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No traceback, and no password."""
    monkeypatch.setenv("HUB_DATABASE_URL", "postgresql+psycopg://u:geheim@127.0.0.1:9/x")
    ran = site("find")
    assert (ran.status, "geheim" in ran.err) == (2, False)
    assert (ran.err.count("\n"), "hub doctor" in ran.err) == (1, True)


def test_the_text_of_a_peer_is_harmless_on_a_terminal(site: Site) -> None:
    """A control id with an escape sequence clears nobody's screen."""
    add_message(site.store, control_id="\x1b[2J\x1b]0;x\x07")
    assert "\x1b" not in site("find").out
    assert "·[2J·]0;x·" in site("find").out


def test_the_verb_is_listed_with_the_others() -> None:
    """`hub --help` names it."""
    assert "find" in hub.list_commands(None)  # type: ignore[arg-type]  # the context is not used


class _Clock:
    """Time that a test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = clock.now()
        monkeypatch.setattr("hub.clock.now", lambda: self.at)

    def pass_(self, us: int) -> None:
        self.at += us


def test_a_tail_begins_with_the_newest_and_goes_on_with_the_new(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message once, the oldest first, though its id be smaller than one seen before."""
    at = _Clock(monkeypatch)
    ids = [add_message(site.store) for _ in range(3)]
    steps = iter([lambda: None, lambda: None])

    def pause() -> None:
        at.pass_(500_000)
        next(steps)()

    rounds = follow(site.store, find.parse([]), 2, pause)
    assert [row.id for row in next(rounds)] == ids[1:]
    late = add_message(site.store, at=at.at - 1_000_000)  # its commit came after that of a later one
    new = add_message(site.store)
    assert [row.id for row in next(rounds)] == [late, new]
    assert list(next(rounds)) == []


def test_a_tail_from_nothing_shows_only_the_new(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """--last 0: what was taken in a second ago is not new."""
    at = _Clock(monkeypatch)
    add_message(site.store)
    rounds = follow(site.store, find.parse([]), 0, lambda: at.pass_(500_000))
    assert [list(rows) for rows in islice(rounds, 3)] == [[], [], []]


def test_a_tail_shows_a_message_when_it_was_worked_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line says what became of it; one that waits for long is shown as waiting."""
    at = _Clock(monkeypatch)
    rounds = follow(site.store, find.parse([]), 0, lambda: at.pass_(1_500_000))
    next(rounds)
    at.pass_(10)
    soon = add_message(site.store, at=at.at, state=State.WAITING)
    stuck = add_message(site.store, at=at.at + 1_400_000, state=State.WAITING)
    assert next(rounds) == []
    site.store.write(lambda tx: tx.conn.execute(message.update().where(message.c.id == soon).values(state=2)))
    assert [(row.id, row.state) for row in next(rounds)] == [(soon, State.DONE)]
    assert [(row.id, row.state) for row in next(rounds)] == [(stuck, State.WAITING)]


def test_a_tail_forgets_what_is_settled_but_not_what_waits(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a pause longer than commits may be late, what came meanwhile is still shown, bite by bite."""
    monkeypatch.setattr("hub.commands.tail._BITE", 2)
    at = _Clock(monkeypatch)
    rounds = follow(site.store, find.parse([]), 0, lambda: at.pass_(5 * LATE))
    next(rounds)
    came = [add_message(site.store, at=at.at + n) for n in (1, 2, 3, 4, 5)]
    assert [row.id for row in next(rounds)] == came
    assert next(rounds) == []


def test_the_verb_prints_heads_once_and_ends_with_ctrl_c(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines as they come, aligned with those before; Ctrl-C is the way out, not a failure."""
    add_message(site.store)
    rounds = iter(["one", "stop"])

    def sleep(seconds: float) -> None:
        if next(rounds) == "stop":
            raise KeyboardInterrupt
        site.take(ADMISSION)
        site.work()

    monkeypatch.setattr("hub.commands.tail.time.sleep", sleep)
    ran = site("tail", "--last", "5")
    assert [line.split()[0] for line in ran.lines].count("ID") == 1
    assert [line.index("ADT^A01") for line in ran.lines[1:]] == [ran.lines[0].index("TYPE")] * 2
    assert ran.status == 0


def test_programs_get_one_object_a_line(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON lines (jsonlines.org), so that what follows can be read while it comes."""
    add_message(site.store)

    def stop(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hub.commands.tail.time.sleep", stop)
    ran = site("tail", "--json", "channel:adt")
    assert [json.loads(line)["channel"] for line in ran.lines] == ["adt"]
