"""A public-key infrastructure and a folder of trust for the session; documents that are signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hub.security import trust
from hub.services.signing.examination import Given, Signed
from hub.services.signing.verify import verify

from . import forge
from .pki import Pki

MESSAGES = Path(__file__).parents[3] / "channels/cda-documents/tests/messages"


@dataclass(frozen=True)
class Bench:
    """What tests of signatures work with."""

    pki: Pki
    folder: Path
    trust: trust.Trust
    cda: bytes

    def given(self, **more) -> Given:
        return Given(self.trust, more.pop("at", datetime.now(UTC)), **more)

    def judge(self, octets: bytes, documents=None, submission: str = "", **more) -> Signed:
        return verify(octets, self.given(**more), documents, submission)

    def refused(self, octets: bytes, code: str, **more) -> None:
        """It is refused for this reason, and nothing of it may be used."""
        found = self.judge(octets, **more)
        assert (found.verdict.status, found.verdict.code) == ("invalid", code), found.verdict.what
        assert not found.documents
        assert found.signer is None

    def sign(self, leaf: str = "doctor", octets: bytes | None = None, **more) -> bytes:
        return forge.sign(self.cda if octets is None else octets, self.pki[leaf], **more)


@pytest.fixture(scope="session")
def pki() -> Pki:
    return Pki()


@pytest.fixture(scope="session")
def bench(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = pki.write(tmp_path_factory.mktemp("trust"))
    cda = forge.cda((MESSAGES / "pathology.xml").read_bytes())
    return Bench(pki, folder, trust.load(folder), cda)
