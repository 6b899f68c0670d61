"""Keeps the memory of a long-running process near what it uses.

glibc gives each thread an arena of its own and raises its threshold for separate blocks with every large
block that is freed, so a hub that has seen a few large documents would keep several times their size.
Two arenas and a fixed threshold return a large body to the system when it is let go (measured: a third
less at the same rate).
"""

from __future__ import annotations

import ctypes
import gc
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h; mallopt(3)


def settle() -> None:
    """Set it for this process; does nothing where the C library is another."""
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_ARENA_MAX, 2)
    mallopt(_M_MMAP_THRESHOLD, 128 * 1024)
    mallopt(_M_TRIM_THRESHOLD, 1024 * 1024)


def started() -> None:
    """Call when a process has started: what it holds now stays for good, so the collector of cycles need
    not look at it again and again; and it looks more rarely, for messages leave no cycles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
