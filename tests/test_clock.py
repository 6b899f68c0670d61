"""Times and the ids that are made of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import clock
from hub.clock import Ids, from_iso, id_time, iso, process_started, read_id, show_id
from tests.waiting import until

MICROS = st.integers(0, 4_102_444_800_000_000)  # 1970 to 2100


@given(MICROS)
def test_an_instant_goes_there_and_back(us: int) -> None:
    """R4 §2.24.0.1: milliseconds, UTC; nothing is lost but what is finer, and never the next one."""
    assert us // 1000 * 1000 == from_iso(iso(us))


@given(MICROS)
def test_an_instant_of_microseconds_is_read_exactly(us: int) -> None:
    """ISO 8601 as Python writes it: whole numbers, no float on the way."""
    text = datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000).isoformat()
    assert us == from_iso(text)


def test_instants() -> None:
    """As FHIR writes them; without a zone it is UTC, with one it is that."""
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_768_472_100_123_999) == "2026-01-15T10:15:00.123Z"
    assert from_iso("2026-01-15T11:15:00+01:00") == from_iso("2026-01-15T10:15:00") == 1_768_472_100_000_000
    with pytest.raises(ValueError, match="Invalid isoformat"):
        from_iso("yesterday")


@given(st.integers(0, 2**63 - 1))
def test_an_id_goes_there_and_back(number: int) -> None:
    """Crockford base 32: 13 letters and digits; case, O, I and L are forgiven; they sort as the numbers do."""
    shown = show_id(number)
    assert len(shown) == 13
    assert number == read_id(shown)
    assert number == read_id(f" {shown.lower()} ")
    assert number == read_id(shown.replace("0", "O").replace("1", "l"))
    assert (show_id(number) < show_id(2**63 - 1)) == (number < 2**63 - 1)


@pytest.mark.parametrize("text", ["", "0" * 12, "0" * 14, "U" * 13, "é" * 13])
def test_what_is_no_id(text: str) -> None:
    """Said as such."""
    with pytest.raises(ValueError, match="is no message id: it has 13 letters and digits"):
        read_id(text)


def test_ids_rise_and_carry_time_and_process() -> None:
    """Microseconds and the number of the process."""
    before = clock.now()
    ids = Ids(7)
    made = [ids.take() for _ in range(1000)]
    assert sorted(set(made)) == made
    assert {7} == {number & 0xFF for number in made}
    assert before <= id_time(made[0]) <= id_time(made[-1]) <= clock.now() + 1000
    assert ids.node == 7


def test_ids_rise_when_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an hour, or while the hub was down."""
    ids = Ids(0)
    first = ids.take()
    monkeypatch.setattr(clock, "now", lambda: id_time(first) - 3600 * 1_000_000)
    assert first < ids.take() < ids.take()
    ids.start_after((id_time(first) + 5_000) << 8 | 255)
    assert ids.take() > (id_time(first) + 5_000) << 8 | 255
    ids.start_after(1)
    assert id_time(ids.take()) > id_time(first) + 5_000


def test_threads_never_share_an_id() -> None:
    """Eight at once."""
    ids, made = Ids(0), []

    def many() -> None:
        made.extend([ids.take() for _ in range(500)])

    threads = [threading.Thread(target=many) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 4000


@pytest.mark.parametrize("node", [-1, 256])
def test_a_process_number_has_eight_bits(node: int) -> None:
    """More would reach into the time."""
    with pytest.raises(ValueError, match="0 to 255"):
        Ids(node)


def test_the_start_of_a_process_tells_it_from_a_later_one() -> None:
    """proc(5), field 22; the same for as long as it runs."""
    assert process_started() == process_started(os.getpid())
    assert process_started().isdigit()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = process_started(process.pid)
    assert int(started) >= int(process_started())
    process.kill()
    until(lambda: process_started(process.pid) == "")  # dead, though not yet waited for
    process.communicate()
    assert process_started(process.pid) == ""
