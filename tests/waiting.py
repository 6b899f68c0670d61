"""Waits for something to become true, with a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], within: float = 20.0) -> T:
    """The first true value of ``condition``.

    :raises AssertionError: when it does not become true in time.
    """
    pause = threading.Event()
    deadline = time.monotonic() + within
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not true within {within:g} s"
        pause.wait(0.005)
