"""The mapper is a process of its own: its death loses nothing, and it never outlives the hub."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from hub.bench.measure import tree
from hub.paths import room

from .conftest import Site, until

ADMISSION = Path(room("testing")) / "samples" / "adt-a01-admission.er7"


def mapper_of(hub: int) -> int:
    """The number of the mapper of a hub; 0 while there is none."""
    for one in tree(hub):
        if b"hub.commands.mapper" in Path(f"/proc/{one}/cmdline").read_bytes():
            return one
    return 0


def test_a_mapper_that_dies_is_started_again(site: Site) -> None:
    """What was answered meanwhile waits in the store, and is mapped by the next one."""
    first = until(lambda: mapper_of(site.process.pid))
    os.kill(first, signal.SIGKILL)
    sent = ADMISSION.read_bytes().replace(b"\n", b"\r")
    control = sent.split(b"\r", 1)[0].split(b"|")[9]
    assert b"\rMSA|AA|AFTER" in site.send(sent.replace(control, b"AFTER", 1))
    assert until(lambda: site.found("control:AFTER", "status:done"))
    assert mapper_of(site.process.pid) not in (0, first)
