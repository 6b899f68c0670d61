"""The contract of :mod:`hub.engine.connector` for every connector that is a source."""

import io
import os
import threading
from pathlib import Path

import pytest
from hub.adapters.channel import ChannelSource, ChannelSourceOptions
from hub.adapters.file import FileSource, FileSourceOptions
from hub.adapters.http import HttpSource, HttpSourceOptions
from hub.adapters.mllp import MllpSource, MllpSourceOptions

from hub.source.hl7v2 import READER, read_ack
from hub.testing import parrot
from hub.testing.context import MemoryIntake
from hub.testing.contract import MARK, SOURCE_CHECKS

HL7 = b"MSH|^~\\&|GAM|CHU-X|HUB|HUB|20260105||ADT^A01^ADT_A01|M1|P|2.5\rPID|1||9^^^X||" + MARK + b"^\xe9\r"
LARGE = 128 * 1024


def address(source):
    host, _, port = source.address.partition("://")[2].rpartition(":")
    return host.strip("[]"), int(port)


class Mllp:
    traits = frozenset({"answers", "exclusive", "broken", "bounded"})
    body = HL7

    def __init__(self, tmp_path):
        self.port = 0

    def intake(self):
        return MemoryIntake(READER)

    def make(self, intake, *, like=None):
        port = address(like)[1] if like else 0
        return MllpSource(MllpSourceOptions(port=port, max_size=LARGE), intake)

    def deliver(self, source, intake, body):
        return self._say(source, b"\x0b" + body + b"\x1c\r")

    def positive(self, answer):
        return read_ack(answer).code == "AA"

    def deliver_broken(self, source, intake):
        return self._say(source, HL7 + b"\x1c\r")

    def deliver_too_large(self, source, intake):
        return self._say(source, b"\x0b" + b"x" * (LARGE + 1) + b"\x1c\r")

    def _say(self, source, octets):
        heard = parrot.call(address(source), parrot.say(octets), parrot.expect(b"\x1c\r"))
        return heard[1:-2]


class Http:
    traits = frozenset({"answers", "broken", "bounded"})
    body = HL7

    def __init__(self, tmp_path):
        pass

    def intake(self):
        return MemoryIntake()

    def make(self, intake, *, like=None):
        return HttpSource(HttpSourceOptions(path="/in/x", auth="none", max_size=LARGE), intake)

    def deliver(self, source, intake, body):
        return self._post(intake, body, len(body))

    def positive(self, answer):
        return answer[:1] == b"2"

    def deliver_broken(self, source, intake):
        return self._post(intake, b"half of it", 20)

    def deliver_too_large(self, source, intake):
        return self._post(intake, b"x" * (LARGE + 1), LARGE + 1)

    def _post(self, intake, body, length):
        told = []
        environ = {"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(length)}
        answer = intake.mounts["/in/x"](environ, lambda status, headers: told.append(status))
        return told[0].encode() + b"".join(answer)


class File:
    traits = frozenset({"exclusive", "bounded"})
    body = HL7

    def __init__(self, tmp_path):
        self.folder, self.count = tmp_path / "in", 0

    def intake(self):
        return MemoryIntake()

    def make(self, intake, *, like=None):
        options = FileSourceOptions(directory=self.folder, settle=0, every=0.02, max_size=LARGE)
        return FileSource(options, intake)

    def deliver(self, source, intake, body):
        self.count += 1
        part = Path(self.folder, f".{self.count}")
        part.write_bytes(body)
        part.rename(self.folder / f"{self.count}.hl7")
        return b""

    def positive(self, answer):
        return answer != b"error"

    def deliver_too_large(self, source, intake):
        self.deliver(source, intake, b"x" * (LARGE + 1))
        intake.wait_for(1)
        while not os.path.lexists(self.folder / "error" / f"{self.count}.hl7"):
            threading.Event().wait(0.01)
        return b"error"


class Channel:
    """Fed by the engine itself: a peer hands over to the intake."""

    traits = frozenset()
    body = HL7

    def __init__(self, tmp_path):
        pass

    def intake(self):
        return MemoryIntake()

    def make(self, intake, *, like=None):
        return ChannelSource(ChannelSourceOptions(), intake)

    def deliver(self, source, intake, body):
        try:
            intake.receive_now(body, peer="channel:other", answer=lambda _: b"")
        except RuntimeError:
            return b""
        return b""


HARNESSES = {"mllp": Mllp, "http": Http, "file": File, "channel": Channel}
CASES = [
    pytest.param(HARNESSES[name], check, id=f"{name}-{check.name}")
    for name in HARNESSES
    for check in SOURCE_CHECKS
    if check.applies(HARNESSES[name])
]


@pytest.mark.parametrize(("harness", "check"), CASES)
def test_source_keeps_the_contract(harness, check, tmp_path):
    """hub.engine.connector, executed."""
    check.run(harness(tmp_path))
