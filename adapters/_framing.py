"""MLLP frames out of a stream of octets, whatever the segments it comes in; no I/O.

HL7 v2 Transport Specification: MLLP Release 1, and IHE ITI TF-2 Appendix C: a message stands between
SB (0x0B) and EB CR (0x1C 0x0D), octets that no message holds.  So EB alone ends a frame, and a sender
that forgets the CR is understood.  Anything else between frames is no message and is reported as such.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from hub.errors import HubError, ParseError, TooLargeError

SB, EB, CR = b"\x0b", b"\x1c", b"\r"
_SB = SB[0]
EXCERPT = 64 * 1024

_between = re.compile(rb"[\r\n]*").match


def frame(body: bytes) -> bytes:
    """``body`` between its marks."""
    return b"\x0b%b\x1c\r" % body


@dataclass(frozen=True, slots=True)
class Broken:
    """What came and is no message.

    :ivar fatal: the stream cannot be trusted any more: answer, then close.
    """

    body: bytes
    error: HubError
    fatal: bool = False


def _no_start(octets: bytes) -> Broken:
    what = "octets came outside of an MLLP frame"
    return Broken(octets, ParseError(what, cure="send 0x0B, the message, 0x1C 0x0D", code="207"))


def _no_end(octets: bytes) -> Broken:
    what = "an MLLP frame has no end: a new one started inside it"
    return Broken(octets, ParseError(what, cure="end each frame with 0x1C 0x0D", code="207"))


class Deframer:
    """Cuts a stream into message bodies.

    What comes up to an EB is looked at as one region, so the outcome does not depend on how the
    octets were split on their way.  Every octet is searched once; of a region beyond ``max_size``
    only the first piece is kept while the rest streams by.
    """

    __slots__ = ("_max", "_region", "_size")

    def __init__(self, max_size: int) -> None:
        self._max = max_size
        self._region = bytearray()
        self._size = 0

    @property
    def held(self) -> int:
        """Octets kept of a frame that has not ended."""
        return len(self._region)

    @property
    def outside(self) -> bool:
        """Octets are kept and none of them is an SB."""
        region = self._region
        return bool(region) and region[0] != _SB and SB not in region

    def feed(self, data: bytes) -> list[bytes | Broken]:
        """Bodies (``bytes``) and what is no message (:class:`Broken`), in the order they came."""
        out: list[bytes | Broken] = []
        start, most = 0, self._max
        if self._size:
            end = data.find(EB)
            if end < 0:
                self._keep(data)
                return out
            self._keep(data[:end])
            out += self._take()
            start = end + 1
        while True:
            found = _between(data, start)
            start = found.end() if found else start
            end = data.find(EB, start)
            if end < 0:
                break
            if data[start] == _SB and end - start - 1 <= most and data.find(SB, start + 1, end) < 0:
                out.append(data[start + 1 : end])
            else:
                out += self._read(data[start:end], end - start)
            start = end + 1
        if start < len(data):
            self._keep(data[start:] if start else data)
        return out

    def cut(self, error: HubError) -> list[bytes | Broken]:
        """Give up the frame that has not ended; ``error`` says why."""
        if not self._size:
            return []
        out = self._take()
        if isinstance(out[-1], bytes):
            out[-1] = Broken(out[-1], error)
        return out

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._max + 1:
            self._region += piece
        elif len(self._region) > EXCERPT:
            del self._region[EXCERPT + 1 :]
        else:
            self._region += piece[: EXCERPT + 1 - len(self._region)]

    def _take(self) -> list[bytes | Broken]:
        region, size = self._region, self._size
        self._region, self._size = bytearray(), 0
        return self._read(region, size)

    def _read(self, region: bytes | bytearray, size: int) -> list[bytes | Broken]:
        if size > self._max + 1:
            what = f"a frame of {size - 1} octets is beyond the limit of {self._max}"
            error = TooLargeError(what, where="source.mllp.max_size", cure="raise max_size or send less")
            return [Broken(bytes(region[: EXCERPT + 1]).lstrip(SB)[:EXCERPT], error, fatal=True)]
        outside, *frames = region.split(SB)
        out: list[bytes | Broken] = [_no_start(bytes(outside))] if outside or not frames else []
        out += [_no_end(bytes(body)) for body in frames[:-1]]
        if frames:
            out.append(bytes(frames[-1]))
        return out
