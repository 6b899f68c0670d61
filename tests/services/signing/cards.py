"""A card as it is on the computer of a person: it holds the key, and signs what it is given."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization

from .pki import Pair


@dataclass(frozen=True)
class Card:
    """A card simulator: its key never leaves it."""

    pair: Pair

    @property
    def certificate(self) -> bytes:
        return self.pair.certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, to_sign: bytes) -> bytes:
        return self.pair.sign(to_sign)


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
