"""A site in a temporary folder, and channel files written into it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from hub.channel.lint import lint
from hub.fhir.draft import Draft, Mapping, Site
from hub.settings import Settings
from hub.source.hl7v2 import Message
from hub.source.origin import derive

SOUND = """\
channel: {name}
summary: admissions
source: {{mllp: {{port: {port}}}}}
accept: [ADT^A01]
steps:
  - map: hl7v2.messages.adt
deliver:
  - fhir: {{to: store}}
"""
ADMISSION = (
    b"MSH|^~\\&|GAP|010000024|HUB|010000024|20260216093000||ADT^A01^ADT_A01|ADT-1|T|2.5|||||FRA|UNICODE UTF-8\r"
    b"EVN||20260216093000\r"
    b"PID|1||IPP-1^^^CH&1.2.250.1.999.1&ISO^PI||ESSAI^ODILE^^^^^L||19580714|F\r"
    b"PV1|1|I|ONCO||||||||||||||||VIS-1^^^CH&1.2.250.1.999.2&ISO^VN\r"
)

Write = Callable[..., Path]


def _map(message: Message, draft: Draft, site: Site) -> None:
    """A patient out of PID, simple enough to be foreseen."""
    pid = message.first(b"PID")
    assert pid is not None
    if pid.text(5) is None:
        draft.error("PID-5", "the patient has no name")
    patient = {
        "resourceType": "Patient",
        "identifier": [{"value": pid.text(3)}],
        "name": [{"family": pid.text(5)}],
        "gender": derive({"M": "male", "F": "female"}.get(pid.text(8) or "", "unknown"), pid.text(8)),
        "birthDate": derive("-".join((pid.text(7) or "")[a:b] for a, b in ((0, 4), (4, 6), (6, 8))), pid.text(7)),
    }
    draft.add(patient, ("urn:oid:1.2.250.1.999.1", pid.text(3) or ""))
    draft.warn("PID-3", "only one identifier is looked at")


@pytest.fixture
def simple_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping whose outcome is known stands in for hl7v2.messages.adt."""
    monkeypatch.setattr("hub.registry.mapping", lambda name: Mapping("hl7v2", _map, name))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith("HUB_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "channels").mkdir()
    return Settings.load(tmp_path)


@pytest.fixture
def write(settings: Settings) -> Write:
    """Write the channel file of a folder; without a text, a sound one."""

    def one(name: str = "adt", text: str | None = None, port: int = 2575, tests: bool = True) -> Path:
        folder = settings.channels / name
        (folder / "tests" / "messages").mkdir(parents=True, exist_ok=True)
        path = folder / "channel.yaml"
        path.write_text(SOUND.format(name=name, port=port) if text is None else dedent(text), encoding="utf-8")
        (folder / "tests" / "messages" / "a01.hl7").write_bytes(ADMISSION)
        if tests:
            (folder / "tests" / "all.yaml").write_text(
                "- {case: taken, send: messages/a01.hl7, expect: {answer: AA}}\n", encoding="utf-8"
            )
        return path

    return one


@pytest.fixture
def codes(settings: Settings) -> Callable[[], list[str]]:
    """``line:column CODE`` of everything that lint finds in the site."""

    def found() -> list[str]:
        return [f"{f.line}:{f.column} {f.code}" for f in lint([settings.channels], settings)]

    return found
