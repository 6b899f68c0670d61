"""Logs as JSON lines: ids, channels, stages and counts; never a body, a name or an identifier.

A caller gives facts as ``extra={"facts": {...}}``; only values of a closed set of keys are written, so
that a slip cannot put personal data into a log.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

FACTS = frozenset({
    "message", "delivery", "channel", "destination", "connector", "stage", "revision", "category", "code", "where",
    "attempt", "count", "bytes", "ms", "address", "port", "peer", "pid", "lane", "state", "route", "status", "method",
    "error", "version", "runner", "number", "scope",
})  # fmt: skip


class JsonLines(logging.Formatter):
    """``{"at": …, "level": …, "log": …, "event": …, facts…}``; a traceback only as its exception type."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "log": record.name,
            "event": record.msg if record.args is None or record.args == () else record.getMessage(),
        }
        facts = getattr(record, "facts", None) or {}
        line |= {k: v for k, v in facts.items() if k in FACTS}
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            trace = record.exc_info[2]
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            if trace is not None:
                line["at_code"] = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(level: str = "info") -> None:
    """Send every log of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("alembic", "celery.redirected", "httpx", "httpcore", "sqlalchemy", "pynetdicom"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def event(log: logging.Logger, level: int, what: str, **facts: Any) -> None:
    """Write one event with its facts."""
    log.log(level, what, extra={"facts": facts})
