"""Work on waiting messages: all of one message or nothing of it, and no message stops its channel."""

from __future__ import annotations

import hashlib
import logging
from typing import Any

import orjson
import pytest

from hub import clock
from hub.engine import work
from hub.engine.counters import Counters
from hub.engine.model import ChannelSpec, CheckRule
from hub.engine.work import Outcome, Worker, content_type_of, patiently
from hub.errors import InvalidError, MappingError, NotFoundError, UnavailableError
from hub.fhir.draft import Draft, Site
from hub.store import Store
from hub.store.tables import State, delivery, message, message_key, resource
from hub.store.tables import body as body_table

from .bench import Bench, body
from .rows import reason, receive, rows, states, waiting


def work_on(store: Store, spec: ChannelSpec, counters: Counters | None = None) -> dict[int, Outcome]:
    return Worker(store, spec, counters or Counters()).work(waiting(store, spec))


def test_what_a_message_comes_to_is_stored(store: Store, bench: Bench) -> None:
    """Resources with their source, deliveries, keys, stages and state (house, step 5)."""
    spec = bench.spec("adt", bench.to("a"), bench.to("b"))
    (receipt,) = receive(store, spec, body())
    id_ = receipt.verdict.message_id
    counters = Counters()
    assert {id_: (State.MAPPED, None)} == work_on(store, spec, counters)
    (row,) = rows(store, message)
    assert (row.state, row.revision, row.runs, row.error) == (State.MAPPED, "r1", 1, None)
    assert [s[0] for s in orjson.loads(row.stages)] == ["read", "map", "route"]
    (patient,) = rows(store, resource)
    assert f"urn:oncohub:adt:{clock.show_id(id_)}" == orjson.loads(patient.content)["meta"]["source"]
    assert (id_, 20) == (patient.message, patient.rank)
    made = rows(store, delivery)
    assert [(d.destination, d.run) for d in made] == [("a", 1), ("b", 1)]
    assert [("P1", hashlib.sha256(body()).digest(), "text/x-test", "ADT^A01", "C1", id_, 0)] * 2 == [
        (d.order_key, bytes(d.body), d.content_type, d.type, d.control_id, d.trace, d.attempts) for d in made
    ]
    assert {("patient", "P1"), ("visit", "VP1")} == {(k.kind, k.value) for k in rows(store, message_key)}
    taken = {(name, label): n for name, label, n in counters.take()}
    assert taken["mapped", "adt"] == 1
    assert ("held", "adt") not in taken


def test_without_destinations_it_is_done(store: Store, bench: Bench) -> None:
    """Nothing is left to do."""
    spec = bench.spec()
    receive(store, spec, body())
    work_on(store, spec)
    assert states(store) == [State.DONE]


def test_a_held_message_keeps_its_reason_and_its_keys(store: Store, bench: Bench) -> None:
    """People find it by its patient and read why; nothing of it is stored or delivered."""

    def fails(source: Any, draft: Draft, site: Site) -> None:
        draft.key("patient", "found by")
        draft.add({"resourceType": "Patient"}, ("urn:test", "1"))
        raise MappingError("no identifier", where="PID-3", cure="ask the sender", code="101")

    bench.mappings["patient"] = fails
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body())
    counters = Counters()
    ((state, error),) = work_on(store, spec, counters).values()
    assert (state, error.what if error else "") == (State.HELD, "no identifier")
    (row,) = rows(store, message)
    expected = {
        "category": "incorrect", "stage": "map", "code": "101", "where": "PID-3", "what": "no identifier",
        "cure": "ask the sender",
    }  # fmt: skip
    assert expected == reason(row)
    assert "found by" in {k.value for k in rows(store, message_key)}
    assert (rows(store, resource), rows(store, delivery)) == ([], [])
    assert ("held", "adt", 1) in counters.take()


@pytest.mark.parametrize("element", ["\udce9", float, {1: {2}}], ids=["surrogate", "type", "set"])
def test_what_is_no_json_is_held(store: Store, bench: Bench, element: Any) -> None:
    """RFC 8259: a defect of a mapping holds its message; the next one is mapped."""

    def odd(source: Any, draft: Draft, site: Site) -> None:
        value = element if source[1] == "C1" else "fit"
        draft.add({"resourceType": "Patient", "name": [{"family": value}]}, ("urn:test", source[2]))

    bench.mappings["patient"] = odd
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body("C1"), body("C2"))
    work_on(store, spec)
    held, mapped = rows(store, message)
    assert (held.state, mapped.state) == (State.HELD, State.MAPPED)
    assert reason(held)["what"].startswith("the store refused what was mapped (")
    assert tuple(orjson.loads(held.stages)[-1][::2]) == ("store", "held")
    assert [mapped.id] == [d.message for d in rows(store, delivery)]


def test_keys_that_are_no_text_are_held(store: Store, bench: Bench) -> None:
    """The same for a business key."""

    def odd(source: Any, draft: Draft, site: Site) -> None:
        draft.key("patient", 7)  # type: ignore[arg-type] # the defect

    bench.mappings["patient"] = odd
    spec = bench.spec()
    receive(store, spec, body())
    work_on(store, spec)
    assert states(store) == [State.HELD]


def test_what_cannot_be_indexed_is_held_alone(store: Store, bench: Bench) -> None:
    """Found inside the transaction: the batch is done again message by message, and the place is named."""

    def odd(source: Any, draft: Draft, site: Site) -> None:
        names: Any = [3] if source[1] == "C2" else [{"family": "MARTIN"}]
        draft.add({"resourceType": "Patient", "name": names}, ("urn:test", source[1]))

    bench.mappings["patient"] = odd
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body("C1"), body("C2"), body("C3"))
    counters = Counters()
    found = work_on(store, spec, counters)
    assert [s for s, _ in found.values()] == [State.MAPPED, State.HELD, State.MAPPED]
    assert states(store) == [State.MAPPED, State.HELD, State.MAPPED]
    assert reason(rows(store, message)[1])["where"] == "Patient.name"
    assert len(rows(store, resource)) == 2
    taken = {name: n for name, _, n in counters.take()}
    assert (taken["mapped"], taken["held"]) == (2, 1)


def test_a_number_that_no_column_takes_is_held(store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the driver raises (sqlite3: OverflowError; psycopg: DataError), the channel goes on."""
    monkeypatch.setattr(work.resources, "prepare", _too_large(work.resources.prepare))
    spec = bench.spec()
    receive(store, spec, body("C1", text="large"), body("C2", "P2"))
    work_on(store, spec)
    assert states(store) == [State.HELD, State.DONE]
    assert "the store refused what was mapped" in reason(rows(store, message)[0])["what"]


def _too_large(prepare: Any) -> Any:
    def made(entry: Any, *args: Any) -> Any:
        write = prepare(entry, *args)
        if entry.resource["name"][0]["family"] == "large":
            entry.rank = 1 << 70
        return write

    return made


def test_a_message_whose_body_is_gone_is_held(store: Store, bench: Bench) -> None:
    """Bodies were dropped by ``keep:`` and the message is replayed: it is held alone, the channel goes on."""
    spec = bench.spec()
    receive(store, spec, body("C1"), body("C2"))
    gone = hashlib.sha256(body("C1")).digest()
    store.write(lambda tx: tx.many("DELETE FROM body WHERE sha = ?", [(gone,)]))
    ((_, error), second) = work_on(store, spec).values()
    assert isinstance(error, NotFoundError)
    assert second == (State.DONE, None)
    assert states(store) == [State.HELD, State.DONE]
    assert "pruned" in reason(rows(store, message)[0])["what"]


def test_a_store_that_is_away_changes_nothing(store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller waits and comes again with the same messages."""
    spec = bench.spec()
    receive(store, spec, body())

    def away(tx: Any, batches: Any) -> None:
        raise UnavailableError("away")

    worker = Worker(store, spec, Counters())
    monkeypatch.setattr(work, "commit", away)
    with pytest.raises(UnavailableError):
        worker.work(waiting(store, spec))
    assert states(store) == [State.WAITING]
    monkeypatch.undo()


def test_a_full_disk_while_a_document_is_prepared(store: Store, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the message's fault: it is not held but waits."""

    def document(source: Any, draft: Draft, site: Site) -> None:
        draft.add({"resourceType": "Binary", "contentType": "text/plain"}, ("urn:test", "1"), octets=b"text")

    bench.mappings["patient"] = document
    spec = bench.spec()
    receive(store, spec, body())
    items = waiting(store, spec)

    def full(octets: bytes) -> Any:
        raise UnavailableError("full")

    with monkeypatch.context() as patch:
        patch.setattr(store.bodies, "prepare", full)
        with pytest.raises(UnavailableError, match="full"):
            Worker(store, spec, Counters()).work(items)
    assert states(store) == [State.WAITING]
    work_on(store, spec)
    assert states(store) == [State.DONE]
    assert store.bodies.read(hashlib.sha256(b"text").digest()) == b"text"


def test_a_worker_without_deliveries_can_make_ids(store: Store, bench: Bench) -> None:
    """The first id of a process is asked of the writer: it must be had before a transaction needs it."""
    spec = bench.spec()
    receive(store, spec, body())
    from hub.store import open_store

    fresh = open_store(store.settings, "worker")
    work_on(fresh, spec)
    assert states(store) == [State.DONE]
    fresh.close()


@pytest.mark.parametrize(
    ("send", "content_type", "octets"),
    [
        ("original", "text/x-test", body()),
        ("fhir", "application/fhir+json", b'{"resourceType":"Bundle"'),
        ("document", "application/pdf", b"%PDF"),
    ],
)
def test_what_is_sent(store: Store, bench: Bench, send: str, content_type: str, octets: bytes) -> None:
    """``send:`` the body as received, the resources as a Bundle, or the document itself."""

    def document(source: Any, draft: Draft, site: Site) -> None:
        draft.add({"resourceType": "Binary", "contentType": "application/pdf"}, ("urn:test", "1"), octets=b"%PDF")

    bench.mappings["patient"] = document
    spec = bench.spec("adt", bench.to(send=send))
    receive(store, spec, body())
    work_on(store, spec)
    (made,) = rows(store, delivery)
    assert content_type == made.content_type
    assert store.bodies.read(bytes(made.body)).startswith(octets)


@pytest.mark.parametrize(("send", "mapped"), [("fhir", False), ("document", False), ("document", True)])
def test_what_a_destination_asks_for_and_is_not_there_holds_the_message(
    store: Store, bench: Bench, send: str, mapped: bool
) -> None:
    """A peer that wants FHIR or a document never gets the original instead."""
    spec = bench.spec("adt", bench.to(send=send), **({} if mapped else {"map": ()}))
    receive(store, spec, body())
    work_on(store, spec)
    assert rows(store, delivery) == []
    (held,) = rows(store, message)
    assert held.state == State.HELD
    assert ".send" in held.error


@pytest.mark.parametrize(
    ("step", "state", "resources", "deliveries"),
    [("", State.MAPPED, 1, 1), ("store", State.DONE, 1, 0), ("deliver", State.MAPPED, 0, 1)],
)
def test_replay_steps(store: Store, bench: Bench, step: str, state: State, resources: int, deliveries: int) -> None:
    """``hub replay --from``: all of it, the store only, or the deliveries only."""
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body())
    store.write(lambda tx: tx.many("UPDATE message SET step = ?", [(step,)]))
    work_on(store, spec)
    assert (state, resources, deliveries) == (
        rows(store, message)[0].state, len(rows(store, resource)), len(rows(store, delivery)),
    )  # fmt: skip
    assert rows(store, message)[0].step == ""


def test_a_channel_that_does_not_store(store: Store, bench: Bench) -> None:
    """``store: false``: the resources only travel."""
    spec = bench.spec("adt", bench.to(send="fhir"), store=False)
    receive(store, spec, body())
    work_on(store, spec)
    assert rows(store, resource) == []
    assert len(rows(store, delivery)) == 1


def test_two_workers_at_once_store_it_once(store: Store, bench: Bench) -> None:
    """Both mapped it before either committed: one delivery a destination, and the first one's state stays."""
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body())
    items = waiting(store, spec)
    Worker(store, spec, Counters()).work(items)
    before = (rows(store, message), rows(store, delivery), rows(store, resource))
    other = bench.spec("adt", bench.to(), revision="r2")
    Worker(store, other, Counters()).work(items)
    assert before == (rows(store, message), rows(store, delivery), rows(store, resource))


def test_what_was_cancelled_meanwhile_leaves_nothing(store: Store, bench: Bench) -> None:
    """A person said no while it was being mapped: neither resources nor deliveries."""
    spec = bench.spec("adt", bench.to())
    receive(store, spec, body("C1"), body("C2", "P2"))
    items = waiting(store, spec)
    cancel = f"UPDATE message SET state = {int(State.CANCELLED)} WHERE control_id = 'C1'"
    store.write(lambda tx: tx.many(cancel, [()]))
    Worker(store, spec, Counters()).work(items)
    assert states(store) == [State.CANCELLED, State.MAPPED]
    assert [items[1].id] == [d.message for d in rows(store, delivery)]
    assert [items[1].id] == [r.message for r in rows(store, resource)]


def test_bodies_of_what_was_not_kept_are_no_harm(store: Store, bench: Bench) -> None:
    """Only bodies that something refers to count."""
    spec = bench.spec()
    receive(store, spec, body(), body())
    assert len(rows(store, body_table)) == 1


def test_patience(caplog: pytest.LogCaptureFixture) -> None:
    """An action is repeated while the store is away, told of once; asked to stop it ends at once."""
    tries: list[int] = []

    def at_last() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise UnavailableError("away")
        return "done"

    with caplog.at_level(logging.WARNING):
        assert patiently(at_last, lambda: False, "adt") == "done"
    assert [r.message for r in caplog.records] == ["adt: the store is away, waiting"]
    assert patiently(at_last, lambda: True, "adt") is None

    def never() -> None:
        tries.clear()
        raise UnavailableError("away")

    assert patiently(never, lambda: not tries, "adt") is None
    with pytest.raises(InvalidError):
        patiently(_raises, lambda: False, "adt")


def _raises() -> None:
    raise InvalidError("no matter of patience")


def test_content_type(bench: Bench) -> None:
    """That of the reader."""
    assert content_type_of(bench.spec()) == "text/x-test"


@pytest.mark.parametrize(
    ("otherwise", "state", "stored"),
    [("hold", State.HELD, 0), ("reject", State.CANCELLED, 0), ("tag", State.MAPPED, 1)],
)
def test_an_unfit_message_ends_as_its_channel_says(
    store: Store, bench: Bench, otherwise: str, state: State, stored: int
) -> None:
    """`otherwise:` of a validate step; by the validation of R4 itself."""

    def unfit(source: Any, draft: Draft, site: Site) -> None:
        draft.add({"resourceType": "Patient", "gender": "F"}, ("urn:test", "1"))

    bench.mappings["patient"] = unfit
    spec = bench.spec("adt", bench.to(), validate=(CheckRule("fhir", {"*": "base"}, otherwise),))
    receive(store, spec, body())
    counters = Counters()
    work_on(store, spec, counters)
    (row,) = rows(store, message)
    assert (row.state, len(rows(store, resource))) == (state, stored)
    if not stored:
        assert (reason(row)["where"], reason(row)["stage"]) == ("Patient.gender", "validate")
    taken = {name: n for name, _, n in counters.take()}
    assert (taken.get("mapped", 0), taken.get("held", 0)) == (stored, int(state is State.HELD))
