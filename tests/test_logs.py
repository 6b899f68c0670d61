"""Logs: JSON lines of a closed set of facts, never a body, a name or an identifier."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from hub import logs

log = logging.getLogger("hub.test")


@pytest.fixture(autouse=True)
def root() -> Iterator[logging.Logger]:
    """The root logger, as it was afterwards."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Time, level, logger, event and facts; on standard error."""
    logs.set_up("info")
    logs.event(log, logging.INFO, "channel running", channel="adt", port=2575)
    logs.event(log, logging.DEBUG, "too fine")
    (line,) = lines(capsys)
    assert (
        line["level"], line["log"], line["event"], line["channel"], line["port"],
    ) == ("info", "hub.test", "channel running", "adt", 2575)  # fmt: skip
    assert line["at"].endswith("+00:00")


def test_only_known_facts_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip cannot put personal data into a log."""
    logs.set_up("info")
    logs.event(log, logging.WARNING, "refused", patient="MARTIN", body=b"MSH|", channel="adt", message="0ABC")
    (line,) = lines(capsys)
    assert {"at", "level", "log", "event", "channel", "message"} == set(line)


def test_an_exception_is_its_type_and_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Its text may quote a message, its traceback the values of one."""
    logs.set_up("info")
    try:
        raise KeyError("MARTIN")
    except KeyError:
        log.exception("failed")
    (line,) = lines(capsys)
    assert line["exception"] == "KeyError"
    assert line["at_code"].startswith("test_logs.py:")
    assert "MARTIN" not in json.dumps(line)


def test_an_exception_from_deep_below_names_the_deepest_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it was raised, not where it was caught; without a traceback there is no place."""
    logs.set_up("info")
    try:
        json.loads("{")
    except json.JSONDecodeError:
        log.exception("failed")
    log.error("failed", exc_info=(ValueError, ValueError("MARTIN"), None))
    log.error("failed", exc_info=(None, None, None))
    deep, bare, none = lines(capsys)
    assert deep["at_code"].startswith("decoder.py:")
    assert (bare["exception"], "at_code" in bare) == ("ValueError", False)
    assert "exception" not in none


def test_other_loggers_are_written_too(capsys: pytest.CaptureFixture[str]) -> None:
    """With their arguments put in; those that talk much only from warnings on."""
    logs.set_up("debug")
    logging.getLogger("some.library").warning("%d of %d", 1, 2)
    logging.getLogger("httpx").info("GET http://…/Patient?name=MARTIN")
    logging.getLogger("sqlalchemy.engine").info("SELECT 'MARTIN'")
    assert [line["event"] for line in lines(capsys)] == ["1 of 2"]


def test_setting_up_twice_writes_once(capsys: pytest.CaptureFixture[str], root: logging.Logger) -> None:
    """A worker that sets up again after its fork."""
    logs.set_up()
    logs.set_up()
    logs.event(log, logging.INFO, "once")
    assert len(lines(capsys)) == 1
    assert root.handlers[0].stream is sys.stderr  # type: ignore[attr-defined] # a StreamHandler


def test_a_value_that_is_no_json_is_written_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    """A line is better than a failure to log."""
    logs.set_up()
    logs.event(log, logging.INFO, "odd", address=complex(1, 2))
    assert [line["address"] for line in lines(capsys)] == ["(1+2j)"]
