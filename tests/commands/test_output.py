"""How verbs print for people."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import clock
from hub.commands import output

S, MIN, H, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000


@pytest.fixture
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("paris")
def test_times_are_those_of_the_host() -> None:
    """People compare them with the clock on their wall."""
    assert output.local(clock.from_iso("2026-01-15T09:00:00Z")) == "2026-01-15 10:00:00"
    assert output.local(None) == "-"


@pytest.mark.parametrize(
    ("us", "shown"),
    [
        (-5, "0 s"), (0, "0 s"), (59 * S, "59 s"), (60 * S, "1 min"), (59 * MIN + 59 * S, "59 min"), (60 * MIN, "1 h"),
        (47 * H, "47 h"), (48 * H, "2 d"), (900 * DAY, "900 d"),
    ],
)  # fmt: skip
def test_lengths_of_time_are_told_in_their_largest_unit(us: int, shown: str) -> None:
    """Whole units, rounded down: an age says how much has passed at least."""
    assert output.span(us) == shown


def test_ages_look_back_and_ahead() -> None:
    """What is still to come is not sooner than it says."""
    now = clock.now()
    assert (output.age(now - 2 * MIN, now), output.age(now + S + 1, now), output.age(None)) == ("2 min", "in 2 s", "-")


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (25_000_000, "25.0 MB"), (999_960, "1.0 MB"),
        (7 * 10**12, "7000.0 GB"),
    ],
)  # fmt: skip
def test_sizes_are_decimal(octets: int, shown: str) -> None:
    """SI prefixes (IEC 80000-13), as disks are sold."""
    assert output.size(octets) == shown


@given(st.text(), st.integers(0, 40))
def test_nothing_a_peer_sent_steers_the_terminal(text: str, width: int) -> None:
    """ECMA-48: no control character, and so no escape sequence, is passed on; never wider than asked."""
    shown = output.plain(text, width)
    assert shown.isprintable()
    assert not width or len(shown) <= width


def test_what_is_cut_says_so() -> None:
    """An ellipsis in the last column."""
    assert (output.plain("abcdef", 6), output.plain("abcdefg", 6)) == ("abcdef", "abcde…")


def test_columns_align_under_their_heads() -> None:
    """Widest value or head decides; ends of lines are not padded."""
    assert output.table(("A", "BBB", "C"), [("aaaa", 1, ""), ("a", "b\x1b[2J", "c")], (0, 5)) == [
        "\x1b[1mA     BBB    C\x1b[0m",
        "aaaa  1",
        "a     b·[2J  c",
    ]


def test_on_a_terminal_the_last_column_ends_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long reason does not break the table; in a pipe it is whole."""
    monkeypatch.setenv("COLUMNS", "20")
    row = ("id", "a reason that is long")
    assert output.table(("ID", "WHY"), [row])[1] == "id  a reason that is long"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert output.table(("ID", "WHY"), [row])[1] == "id  a reason that i…"


def test_words_of_state_have_their_colour() -> None:
    """Red for what needs somebody; what is no word of state has none."""
    assert output.coloured("held", "held ") == "\x1b[31mheld \x1b[0m"
    assert output.coloured("Lyon") == "Lyon"


def test_fields_without_a_value_are_left_out() -> None:
    """A page says only what is known."""
    assert output.fields([("a", 1), ("long", "x"), ("none", None), ("empty", "")], "  ") == ["  a     1", "  long  x"]


@pytest.mark.parametrize(
    ("kept", "line"),
    [(None, ""), ('{"where":"PID-3","what":"empty"}', "PID-3: empty"), ('{"what":"empty"}', "empty"), ("[1]", "")],
)
def test_an_error_in_one_line_says_where_and_what(kept: str | None, line: str) -> None:
    """The JSON that is kept with a message or a delivery."""
    assert output.error_line(kept) == line


def test_numbers_agree_with_what_they_count() -> None:
    """One message, two messages, two deliveries, two keys."""
    assert [output.counted(n, w) for n, w in ((1, "delivery"), (2, "delivery"), (0, "message"), (2, "key"))] == [
        "1 delivery", "2 deliveries", "0 messages", "2 keys",
    ]  # fmt: skip


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In a log it would be noise."""
    output.progress("resources")(5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    output.progress("resources")(5)
    assert capsys.readouterr().err == "\r5 resources"
