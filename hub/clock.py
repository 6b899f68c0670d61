"""Time, and the ids that are made of it.

Times inside the hub are whole microseconds since the Unix epoch, UTC, so that they sort, subtract and
store alike in every database.  Only what a person or a peer reads is formatted.
"""

import os
import threading
import time
from datetime import UTC, datetime, timedelta

_EPOCH = datetime.fromtimestamp(0, UTC)
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {c: i for i, c in enumerate(_CROCKFORD)} | {"O": 0, "I": 1, "L": 1}


def now() -> int:
    """The present, in microseconds since the epoch."""
    return time.time_ns() // 1000


def iso(us: int) -> str:
    """``2026-11-20T09:30:00.123Z``: a FHIR instant (R4 §2.24.0.1), milliseconds, UTC."""
    return datetime.fromtimestamp(us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{us // 1000 % 1000:03d}Z"


def from_iso(text: str) -> int:
    """Microseconds of an ISO 8601 date-time; one without a zone is taken as UTC.

    :raises ValueError: when it is no ISO 8601 date-time.
    """
    at = datetime.fromisoformat(text)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


class Ids:
    """Makes 63-bit ids that sort by time and never meet those of another process.

    Layout: microseconds since the epoch (55 bits) and the number of the process (8 bits), given by
    the store to each process that runs.  Within a process ids rise strictly, even when the clock is
    set back.
    """

    def __init__(self, node: int) -> None:
        if not 0 <= node < 256:
            raise ValueError("a node number is 0 to 255")
        self._node = node
        self._last = 0
        self._lock = threading.Lock()

    @property
    def node(self) -> int:
        return self._node

    def start_after(self, number: int) -> None:
        """Make only ids that sort after ``number``."""
        with self._lock:
            self._last = max(self._last, number >> 8)

    def take(self) -> int:
        """The next id."""
        with self._lock:
            self._last = max(now(), self._last + 1)
            return self._last << 8 | self._node


def id_time(number: int) -> int:
    """When an id was made, in microseconds since the epoch."""
    return number >> 8


def show_id(number: int) -> str:
    """An id as 13 letters and digits (Crockford base 32), as people and URLs carry it."""
    out = []
    for _ in range(13):
        number, low = divmod(number, 32)
        out.append(_CROCKFORD[low])
    return "".join(reversed(out))


def read_id(text: str) -> int:
    """The id that :func:`show_id` wrote, forgiving case and O/I/L.

    :raises ValueError: when the text is no id.
    """
    clean = text.strip().upper()
    if len(clean) != 13 or any(c not in _VALUE for c in clean):
        raise ValueError(f"{text!r} is no message id: it has 13 letters and digits")
    number = 0
    for c in clean:
        number = number * 32 + _VALUE[c]
    return number


def process_started(pid: int | None = None) -> str:
    """A mark that tells a process from a later one with the same number (Linux: start ticks).

    Empty for one that is dead, though nobody has asked for its end yet (a zombie).
    """
    pid = pid or os.getpid()
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - /proc
            fields = file.read().rsplit(")", 1)[1].split()
        return "" if fields[0] in "ZX" else fields[19]
    except OSError:
        return ""
