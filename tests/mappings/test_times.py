"""TS of HL7 v2 and CDA to FHIR dates (HL7 v2.5 §2.A.77; R4 §2.24.0.1)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hub.mappings.times import ts_date, ts_datetime, ts_instant
from hypothesis import given
from hypothesis import strategies as st

from hub.source.origin import Text


@pytest.mark.parametrize(
    ("ts", "moment"),
    [
        ("2026", "2026"),
        ("202604", "2026-04"),
        ("20260412", "2026-04-12"),
        ("2026041209", "2026-04-12"),
        ("202604120930", "2026-04-12T09:30:00+02:00"),
        ("20260112093015", "2026-01-12T09:30:15+01:00"),
        ("20260412093015.1234", "2026-04-12T09:30:15+02:00"),
        ("20260412093015+0000", "2026-04-12T09:30:15+00:00"),
        ("20260412093015-0330", "2026-04-12T09:30:15-03:30"),
        ("20260412093015Z", "2026-04-12T09:30:15Z"),
        ("20260412+0200", "2026-04-12"),
        ("202604129930", "2026-04-12"),
        ("20260412093099", "2026-04-12"),
        ("20260412093015+9900", "2026-04-12"),
        ("hier", None),
        ("2026-04-12", None),
        ("0000", None),
        (None, None),
    ],
)
def test_a_moment_is_as_exact_as_it_was_written(ts: str | None, moment: str | None) -> None:
    """Without a zone it is the time of the site; without minutes the day alone is left."""
    assert moment == ts_datetime(ts)


@pytest.mark.parametrize(
    ("ts", "day"),
    [
        ("19550614", "1955-06-14"),
        ("19550614103000+0100", "1955-06-14"),
        ("195506", "1955-06"),
        ("1955", "1955"),
        ("19550000", "1955"),
        ("19551300", "1955"),
        ("19550631", "1955-06"),
        ("19550229", "1955-02"),
        ("20240229", "2024-02-29"),
        ("14/06/1955", None),
        (None, None),
    ],
)
def test_a_day_that_does_not_exist_is_cut_never_moved(ts: str | None, day: str | None) -> None:
    """INSi gives months 20 and days 00 for people born abroad (RNIV)."""
    assert day == ts_date(ts)


def test_the_zone_of_the_site() -> None:
    """Overseas hospitals write their own local time."""
    assert ts_datetime("202604120930", "Indian/Reunion") == "2026-04-12T09:30:00+04:00"


def test_an_instant_needs_a_time() -> None:
    """R4 instant: exact to the minute at least, else nothing."""
    assert (ts_instant("20260412"), ts_instant("202604120930")) == (None, "2026-04-12T09:30:00+02:00")


def test_the_origin_is_kept() -> None:
    """Patient.birthDate ← PID-7."""
    made = ts_date(Text("19550614", "PID-7"))
    assert isinstance(made, Text)
    assert made.origin == "PID-7"
    assert ts_datetime(Text("2026", "PV1-44")).origin == "PV1-44"


YEARS = (datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2100-01-01"))


@given(st.datetimes(*YEARS), st.integers(-12 * 4, 14 * 4))
def test_a_moment_with_a_zone_stays_the_same_moment(at: datetime, quarters: int) -> None:
    """The offset is carried over, not converted away."""
    offset = timedelta(minutes=15 * quarters)
    sign, minutes = ("-", -15 * quarters) if quarters < 0 else ("+", 15 * quarters)
    made = ts_datetime(f"{at:%Y%m%d%H%M%S}{sign}{minutes // 60:02d}{minutes % 60:02d}")
    assert made is not None
    assert (at - offset).replace(microsecond=0) == datetime.fromisoformat(made).astimezone(UTC).replace(tzinfo=None)


@given(st.text("0123456789+-Z.", max_size=20))
def test_whatever_is_written_gives_a_fhir_date_or_nothing(ts: str) -> None:
    """Never an element that R4 would refuse."""
    pattern = r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d))?)?)?"
    for made in (ts_date(ts), ts_datetime(ts)):
        assert made is None or re.fullmatch(pattern, made)
