"""Which fields of a message became something, and which are there and became nothing.

The mapping is run over values that remember where they were read (:mod:`hub.source.origin`); a field is
present when it holds anything at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from hub.fhir.draft import Draft
from hub.source.origin import lineage as walk

_FIELD = re.compile(r"([A-Z][A-Z0-9]{2}(?:\[\d+\])?-\d+)")


def traces(draft: Draft) -> list[tuple[str, str]]:
    """(FHIR path, source place) of every value that was read from the message."""
    return [
        (path, origin)
        for entry in draft.entries.values()
        for path, origin in walk(entry.resource, f"{entry.type}/{entry.id[:8]}")
    ]


def unmapped(format_: str, source: Any, draft: Draft) -> list[str]:
    """Places of the source that hold something of which nothing was made, in the order of the source."""
    present = _PRESENT.get(format_)
    if present is None or source is None:
        return []
    used = {part for _, origin in traces(draft) for place in origin.split("+") for part in _forms(place)}
    return [place for place in dict.fromkeys(present(source)) if place not in used]


def _forms(place: str) -> Iterator[str]:
    yield place
    if match := _FIELD.match(place):
        yield match.group(1)


def _hl7v2_fields(message: Any) -> Iterator[str]:
    """``PID-3`` for each field that is filled; MSH-1, MSH-2 are separators, not data."""
    for segment in message.ordered():
        first = 3 if segment.name == b"MSH" else 1
        for number, octets in enumerate(segment.fields[first:], first):
            if octets.strip(b' "'):
                yield f"{segment.place}-{number}"


_PRESENT: dict[str, Callable[[Any], Iterator[str]]] = {"hl7v2": _hl7v2_fields}
