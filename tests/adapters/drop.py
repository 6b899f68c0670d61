"""A file source, its folder and its intake."""

import os
import threading
import time

from hub.adapters.file import FileSource, FileSourceOptions

from hub.testing.context import MemoryIntake


class Side:
    """A source, its folder and its intake."""

    def __init__(self, folder, **options):
        self.folder = folder
        self.intake = MemoryIntake()
        chosen = {"directory": folder, "settle": 0, "every": 0.01, "order": "name"} | options
        self.source = FileSource(FileSourceOptions(**chosen), self.intake)

    def put(self, name, body=b"body"):
        part = self.folder / f".{name}.part"
        part.write_bytes(body)
        part.rename(self.folder / name)

    def until(self, *names):
        """Wait until these files are there; return what lies in the folders."""
        deadline = time.monotonic() + 10
        while not all(os.path.lexists(self.folder / n) for n in names):
            assert time.monotonic() < deadline, sorted(str(p) for p in self.folder.rglob("*"))
            threading.Event().wait(0.005)

    def bodies(self):
        return [r.body for r in self.intake.received]
