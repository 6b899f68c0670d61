"""The peers of the demonstration speak their protocols whole."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.demo.peers import MllpPeer, drop


@pytest.fixture
def serve() -> Callable[..., tuple[str, int]]:
    """A server that takes one connection and writes pieces, one for each read."""

    def start(*pieces: bytes) -> tuple[str, int]:
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with listener, listener.accept()[0] as peer:
                peer.recv(65536)
                for piece in pieces:
                    peer.sendall(piece)

        threading.Thread(target=run, daemon=True).start()
        return listener.getsockname()[:2]

    return start


def test_an_acknowledgement_is_read_whole(serve: Callable[..., tuple[str, int]]) -> None:
    """MLLP: an answer ends with FS CR, in however many pieces it comes; what follows is of the next."""
    address = serve(b"\x0bMSH|", b"...\x1c", b"\r\x0bMSH|next\x1c\r")

    with MllpPeer(address, 5) as peer:
        assert (peer.ask(b"MSH|1"), peer.ask(b"MSH|2")) == (b"MSH|...", b"MSH|next")


def test_a_closed_connection_is_told_of(serve: Callable[..., tuple[str, int]]) -> None:
    """Half an answer is none."""
    with MllpPeer(serve(b"\x0bMSH|"), 5) as peer, pytest.raises(ConnectionError):
        peer.ask(b"MSH|1")


def test_a_file_is_dropped_whole(tmp_path: Path) -> None:
    """A reader of the folder sees the file under its name only when it is complete."""
    drop(tmp_path / "in", "a.xml", b"<a/>")

    assert [(path.name, path.read_bytes()) for path in (tmp_path / "in").iterdir()] == [("a.xml", b"<a/>")]
