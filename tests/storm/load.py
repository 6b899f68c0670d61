"""A hospital that insists: several connections, each message sent again until it is answered AA."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field

ADT = (
    "MSH|^~\\&|GAM|CHU-STORM|HUB|HUB|20260115101500||ADT^A01^ADT_A01|{control}|P|2.5^FRA^2.11|||||FRA|UNICODE UTF-8\r"
    "EVN||20260115101500\r"
    "PID|1||{patient}^^^CHU-STORM&1.2.250.1.999.7&ISO^PI||MARTIN{letters}^CAMILLE^CAMILLE^^^^L||19{year}0412|F|||"
    "3 RUE DES TILLEULS^^LILLE^^59000^FRA^H|||||||V{patient}^^^CHU-STORM&1.2.250.1.999.7&ISO^AN|||||||||||||N|PROV\r"
    "PV1|1|I|||||||||||||||||V{patient}^^^CHU-STORM&1.2.250.1.999.7&ISO^VN\r"
    "ZBE|{patient}^CHU-STORM|20260115101500||INSERT|N||Chir A^^^^^CHU-STORM&1.2.250.1.999.7&ISO^UF^^^1234|||HMS\r"
)
PATIENTS = 400


def message(number: int) -> bytes:
    """Message ``number``: the patients come round again and again, each always with the same data."""
    who = number % PATIENTS
    letters = "".join(chr(ord("A") + int(d)) for d in f"{who:03d}")
    text = ADT.format(control=f"S{number:06d}", patient=f"{who:05d}", letters=letters, year=40 + who % 50)
    return text.encode()


@dataclass
class Load:
    """Sends ``total`` messages over ``connections`` connections; counts the answered ones."""

    port: int
    total: int
    connections: int = 8
    answered: int = 0
    refused: list[bytes] = field(default_factory=list)
    finished: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._next = iter(range(self.total))
        self._mutex = threading.Lock()
        self._threads = [threading.Thread(target=self._client, daemon=True) for _ in range(self.connections)]
        self.give_up = threading.Event()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_answered(self, count: int, within: float) -> None:
        deadline = time.monotonic() + within
        while self.answered < count:
            assert time.monotonic() < deadline, f"{self.answered} of {count} answered"
            time.sleep(0.002)

    def _client(self) -> None:
        sock: socket.socket | None = None
        while not self.give_up.is_set():
            with self._mutex:
                number = next(self._next, None)
            if number is None:
                break
            body = message(number)
            while not self.give_up.is_set():
                try:
                    if sock is None:
                        sock = socket.create_connection(("127.0.0.1", self.port), 1)
                        sock.settimeout(10)
                    answer = _exchange(sock, body)
                except OSError:
                    if sock is not None:
                        sock.close()
                    sock = None
                    self.give_up.wait(0.02)
                    continue
                if b"\rMSA|AA|S%06d" % number in answer:
                    with self._mutex:
                        self.answered += 1
                    break
                self.refused.append(answer)  # AR: the hub asks to send again
                self.give_up.wait(0.02)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.close()

    def stop(self) -> None:
        self.give_up.set()
        for thread in self._threads:
            thread.join(15)


def _exchange(sock: socket.socket, body: bytes) -> bytes:
    sock.sendall(b"\x0b" + body + b"\x1c\r")
    buffer = b""
    while not buffer.endswith(b"\x1c\r"):
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionError("closed")
        buffer += piece
    return buffer
