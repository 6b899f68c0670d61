"""A file source that is killed, again and again, loses nothing."""

import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.adapters.drop import Side

# Takes files in a process of its own and writes down, durably, what was stored before the answer.
CHILD = """
import os, sys, threading, time
from hub.adapters.file import FileSource, FileSourceOptions
from hub.engine.connector import Receipt, Verdict
from hub.source.reader import Envelope

class Intake:
    channel, bind = "kill", ""
    def __init__(self):
        self.ledger = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    def receive(self, body, *, peer, answer, done, wait=False):
        os.write(self.ledger, body + b"\\n")
        done(Receipt(Verdict("accepted", 1, Envelope()), b"accepted"))

FileSource(FileSourceOptions(directory=sys.argv[1], settle=0, every=0.01), Intake()).start()
print("started", flush=True)
time.sleep(60)
"""


def test_killed_at_any_instant_no_file_is_lost(tmp_path):
    """SIGKILL, again and again: every file is stored at least once and put away, none twice or half."""
    folder = tmp_path / "in"
    folder.mkdir()
    count, ledger, chance = 300, tmp_path / "ledger", random.Random(5)
    for number in range(count):
        (folder / f"{number:04}").write_bytes(b"%04d" % number)
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(folder), str(ledger)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert child.stdout.readline() == b"started\n"
        threading.Event().wait(chance.random() * 0.03)
        child.send_signal(signal.SIGKILL)
        child.communicate()
    side = Side(folder)
    side.source.start()
    try:
        deadline = time.monotonic() + 20
        while len(list((folder / "done").iterdir())) < count:
            assert time.monotonic() < deadline
            threading.Event().wait(0.01)
    finally:
        side.source.stop()
        side.intake.close()
    expected = {b"%04d" % n for n in range(count)}
    assert expected == {p.read_bytes() for p in (folder / "done").iterdir()}
    assert expected == {*ledger.read_bytes().split(), *side.bodies()}
    assert [p.name for p in (folder / ".work").iterdir()] == [".lock"]
