"""The systems around the hub in a demonstration: one that speaks MLLP, one that speaks HTTP, one that drops files.

HL7 v2 Transport Specification: MLLP Release 1; RFC 9110; RFC 6750.
"""

from __future__ import annotations

import socket
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

SB, EB = b"\x0b", b"\x1c\r"


class MllpPeer:
    """One connection that is kept."""

    def __init__(self, address: tuple[str, int], within: float = 30.0) -> None:
        self._socket = socket.create_connection(address, within)
        self._buffer = b""

    def ask(self, message: bytes) -> bytes:
        """Send a message; return its acknowledgement.

        :raises ConnectionError: when the hub closes the connection first.
        """
        self._socket.sendall(SB + message + EB)
        while EB not in self._buffer:
            more = self._socket.recv(65536)
            if not more:
                raise ConnectionError("the hub closed the connection")
            self._buffer += more
        frame, _, self._buffer = self._buffer.partition(EB)
        return frame.lstrip(SB)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class HttpPeer:
    """One connection with a bearer token."""

    def __init__(self, address: tuple[str, int], token: str, within: float = 30.0) -> None:
        self._connection = HTTPConnection(*address, timeout=within)
        self._headers = {"Authorization": f"Bearer {token}"}

    def post(self, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        """(status, body)."""
        self._connection.request("POST", path, body, self._headers | {"Content-Type": content_type})
        return self._answer(self._connection.getresponse())

    def get(self, path: str, accept: str = "application/fhir+json", **query: str) -> tuple[int, bytes]:
        """(status, body)."""
        target = f"{path}?{urlencode(query)}" if query else path
        self._connection.request("GET", target, headers=self._headers | {"Accept": accept})
        return self._answer(self._connection.getresponse())

    @staticmethod
    def _answer(response: HTTPResponse) -> tuple[int, bytes]:
        return response.status, response.read()

    def close(self) -> None:
        self._connection.close()


def drop(folder: Path, name: str, body: bytes) -> None:
    """Leave a file in a folder as a careful sender does: whole, by renaming."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.part"
    part.write_bytes(body)
    part.replace(folder / name)
