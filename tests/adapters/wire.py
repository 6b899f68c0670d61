"""HL7 v2 messages, their frames and acknowledgements, and an MLLP source to send them to."""

import threading
from contextlib import contextmanager

from hub.adapters.mllp import MllpSource, MllpSourceOptions

from hub.source.hl7v2 import READER, read_ack
from hub.testing.context import MemoryIntake

END = b"\x1c\r"


def adt(control_id="M1", accept=""):
    fields = ["MSH", "^~\\&", "GAM", "CHU-X", "HUB", "HUB", "20260105", "", "ADT^A01^ADT_A01", control_id, "P", "2.5"]
    msh = "|".join([*fields, "", "", accept]).rstrip("|")
    return f"{msh}\rPID|1||12345^^^IPP^PI||TEST\r".encode()


def framed(*bodies):
    return b"".join(b"\x0b" + b + END for b in bodies)


@contextmanager
def running(reader=READER, **options):
    """A source on a free port, with its intake and its address."""
    intake = MemoryIntake(reader)
    source = MllpSource(MllpSourceOptions(**{"port": 0} | options), intake)
    source.start()
    try:
        host, port = source.address.partition("://")[2].rsplit(":", 1)
        source.at = (host, int(port))
        yield source, intake
    finally:
        intake.release()
        source.stop()
        intake.close()


def acks(heard):
    return [read_ack(f.removeprefix(b"\x0b")) for f in heard.split(END)[:-1]]


def codes(heard):
    return [a.code for a in acks(heard)]


def connected(source, count):
    """Wait until so many connections are up."""
    while source.status()["connections"] != count:
        threading.Event().wait(0.01)
