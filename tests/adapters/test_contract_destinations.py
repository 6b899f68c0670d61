"""The contract of :mod:`hub.engine.connector` for every connector that is a destination."""

from contextlib import ExitStack, contextmanager

import orjson
import pytest
from hub.adapters.channel import ChannelDestination, ChannelDestinationOptions
from hub.adapters.fhir import FhirDestination, FhirDestinationOptions
from hub.adapters.file import FileDestination, FileDestinationOptions
from hub.adapters.http import HttpDestination, HttpDestinationOptions
from hub.adapters.mllp import MllpDestination, MllpDestinationOptions

from hub.errors import RefusedError, UnavailableError
from hub.testing.context import MemoryOutlet
from hub.testing.contract import DESTINATION_CHECKS, MARK
from hub.testing.parrot import Parrot, drop, each, each_request, expect, silent

HL7 = b"MSH|^~\\&|HUB|HUB|DPI|CHU|20260105||ADT^A01^ADT_A01|M1|P|2.5\rPID|1||9^^^X||" + MARK + b"^\xe9\r"
FHIR = orjson.dumps({"resourceType": "Bundle", "type": "transaction", "note": MARK.decode()})


class SocketPeer:
    """A peer that misbehaves on its first connection, or is not there, and takes everything when it recovers."""

    def __init__(self, stack, harness, behaviour):
        self.outlet, self._stack, self._make, self._bodies = MemoryOutlet(), stack, harness.destination, []
        self._takes = [harness.answers(True, self._bodies)]
        first = {
            "refuses": [harness.answers(False, self._bodies)],
            "silent": [expect(harness.head), silent()],
            "drops": [expect(harness.head), drop()],
        }.get(behaviour, self._takes)
        parrot = Parrot(first, self._takes)
        self.port = parrot.port
        self._away = behaviour == "away"
        if self._away:
            parrot.stop()
        else:
            stack.enter_context(parrot)
        self._harness = harness

    def destination(self):
        return self._make(self.port, self.outlet)

    def recover(self):
        self._harness.says_yes = True
        if self._away:
            self._stack.enter_context(Parrot(self._takes, port=self.port))

    def taken(self):
        return self._bodies


class Sockets:
    behaviours = frozenset({"takes", "refuses", "silent", "drops", "away"})

    def __init__(self, tmp_path):
        self.says_yes = False

    @contextmanager
    def peer(self, behaviour):
        with ExitStack() as stack:
            yield SocketPeer(stack, self, behaviour)


class Mllp(Sockets):
    body, content_type, head = HL7, "x-application/hl7-v2+er7", b"\x1c\r"

    def answers(self, yes, bodies):
        def answer(frame):
            taken = yes or self.says_yes
            if taken:
                bodies.append(frame[1:-2])
            said = b"MSA|%b|M1|%b\r" % (b"AA" if taken else b"AE", MARK)
            return b"\x0bMSH|^~\\&|DPI|CHU|HUB|HUB|20260105||ACK|A1|P|2.5\r" + said + b"\x1c\r"

        return each(b"\x1c\r", answer)

    def destination(self, port, outlet):
        return MllpDestination(MllpDestinationOptions(host="127.0.0.1", port=port, timeout=0.3), outlet)


OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "diagnostics": MARK.decode(), "expression": ["Patient.name"]}],
}


class Http(Sockets):
    body, content_type, head = FHIR, "application/fhir+json", b"\r\n\r\n"
    kind, options, place = HttpDestination, HttpDestinationOptions, "url"

    def answers(self, yes, bodies):
        def answer(head, body):
            taken = yes or self.says_yes
            if taken and body:
                bodies.append(body)
            said = b"" if head.startswith(b"HEAD") else orjson.dumps({} if taken else OUTCOME)
            return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (200 if taken else 422, len(said), said)

        return each_request(answer)

    def destination(self, port, outlet):
        options = self.options(timeout=0.3, connect_timeout=0.3, **{self.place: f"http://127.0.0.1:{port}/x"})
        return self.kind(options, outlet)


class Fhir(Http):
    kind, options, place = FhirDestination, FhirDestinationOptions, "to"


class FilePeer:
    def __init__(self, folder, away):
        self.outlet, self._folder = MemoryOutlet(), folder
        if not away:
            folder.mkdir()

    def destination(self):
        return FileDestination(FileDestinationOptions(directory=self._folder), self.outlet)

    def recover(self):
        self._folder.mkdir()

    def taken(self):
        return [f.read_bytes() for f in sorted(self._folder.iterdir())]


class File:
    behaviours, body, content_type = frozenset({"takes", "away"}), HL7, "x-application/hl7-v2+er7"

    def __init__(self, tmp_path):
        self._folder = tmp_path / "out"

    @contextmanager
    def peer(self, behaviour):
        yield FilePeer(self._folder, behaviour == "away")


class ChannelPeer:
    def __init__(self, *errors):
        self.outlet = MemoryOutlet()
        self.outlet.fail(*errors)

    def destination(self):
        return ChannelDestination(ChannelDestinationOptions(to="other"), self.outlet)

    def recover(self):
        pass

    def taken(self):
        return [item.body for _, item in self.outlet.fed]


class Channel:
    behaviours, body, content_type = frozenset({"takes", "refuses", "away"}), HL7, "x-application/hl7-v2+er7"

    def __init__(self, tmp_path):
        pass

    @contextmanager
    def peer(self, behaviour):
        errors = {"refuses": [RefusedError("no", where="other")], "away": [UnavailableError("away", where="store")]}
        yield ChannelPeer(*errors.get(behaviour, []))


HARNESSES = {"mllp": Mllp, "http": Http, "fhir": Fhir, "file": File, "channel": Channel}
CASES = [
    pytest.param(HARNESSES[name], check, id=f"{name}-{check.name}")
    for name in HARNESSES
    for check in DESTINATION_CHECKS
    if check.applies(HARNESSES[name])
]


@pytest.mark.parametrize(("harness", "check"), CASES)
def test_destination_keeps_the_contract(harness, check, tmp_path):
    """hub.engine.connector, executed."""
    check.run(harness(tmp_path))
