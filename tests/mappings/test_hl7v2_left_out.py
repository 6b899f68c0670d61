"""Every field of our samples becomes something, or stands in the table of what is left out with its reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hub.channel.lineage import unmapped
from hub.errors import HubError
from hub.paths import room
from hub.registry import reader
from hub.source.hl7v2 import document_octets, document_of

from .run import SAMPLES, SHARED, mapped

NAMES = {"ADT": "adt", "MDM": "mdm", "ORU": "oru", "ZAM": "zam", "ACK": "ack"}
MESSAGES = room("channels") / "hospital-hl7v2" / "tests" / "messages"
FILES = [*SAMPLES.glob("*.hl7"), *MESSAGES.glob("*.hl7"), *SHARED.glob("hl7v2/*.*")]


def left_out() -> dict[str, str]:
    from hub.registry import mapping

    mapping("hl7v2.messages.adt")  # the room is known by name only
    from hub.mappings.codes import table

    return {row.source: row.display for row in table("hl7v2-left-out").rows.values()}


def places(file: Path) -> list[str] | None:
    """Fields of which nothing is made; None of a message that is refused."""
    known = reader("hl7v2")
    body = file.read_bytes()
    try:
        envelope = known.peek(body)
        known.check(body, envelope)
        name = f"hl7v2.messages.{NAMES[envelope.type[:3]]}"
        draft = mapped(name, body, origins=True)
    except (HubError, KeyError):
        return None
    message = known.parse(body, True)
    found = [c for obx in message.segments(b"OBX") if (c := document_of(message, obx))]
    cda = any(b"ClinicalDocument" in document_octets(c)[:8192] for c in found)
    return [
        f"document:{place}" if cda and f"document:{place}" in left_out() else place
        for place in (re.sub(r"\[\d+\]", "", p) for p in unmapped("hl7v2", message, draft))
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda f: f.name)
def test_what_is_left_out_is_left_out_on_purpose(file: Path) -> None:
    """A field that nobody thought of is a defect."""
    assert [place for place in places(file) or [] if place not in left_out()] == []


def test_every_reason_is_needed() -> None:
    """A row of the table that no sample of ours needs would hide a field that is mapped by now."""
    if not (SHARED / "hl7v2").is_dir():
        pytest.skip("some rows are those of the published examples (../shared/data)")
    seen = {place for file in FILES for place in places(file) or []}
    assert set(left_out()) - seen == set()
