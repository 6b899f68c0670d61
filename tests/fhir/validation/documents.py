"""Sound resources to start from: one of each of the types the hub makes, and random changes to them."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import orjson
from hypothesis import strategies as st

HERE = Path(__file__).parent
GOLDEN = HERE.parents[2] / "channels"


def sound() -> list[dict[str, Any]]:
    """The bases of the cases, rich ones written here, and what the shipped channels make."""
    table = orjson.loads((HERE / "cases.json").read_bytes())
    found = [{"resourceType": kind, **base} for kind, base in table["bases"].items()]
    found += orjson.loads((HERE / "rich.json").read_bytes())
    for file in sorted(GOLDEN.glob("*/tests/golden/*.json")):
        made = orjson.loads(file.read_bytes())["resources"].values()  # "(...)" are remarks beside the resource
        found += [{k: v for k, v in r.items() if k[0] != "("} for r in made if "resourceType" in r]
    return found


SOUND = sound()
ODD: list[Any] = [
    None, "", " ", "x", "1", 0, -1, 1.5, True, [], {}, [None], [""], {"a": 1}, "2026-02-30", "1960-02", "Patient/1",
    "#a", "urn:oid:x", {"id": "a"}, {"extension": []}, ["x"], [{"text": "x"}], "\x00", 10**12, {"reference": "x"},
]  # fmt: skip
NAMES = ["x", "id", "_id", "extension", "contained", "value", "valueString", "_status", "text", "resourceType", "_x"]


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    found: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        at = waiting.pop()
        items = at.items() if isinstance(at, dict) else enumerate(at) if isinstance(at, list) else ()
        for key, below in items:
            found.append((at, key))
            waiting.append(below)
    return found


@st.composite
def changed(draw: st.DrawFn) -> dict[str, Any]:
    """A sound resource with one to three changes: something replaced, taken away, added or doubled."""
    resource: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(SOUND)))
    kind = resource["resourceType"]
    for _ in range(draw(st.integers(1, 3))):
        spots = places(resource)
        holder, key = spots[draw(st.integers(0, len(spots) - 1))]
        action = draw(st.sampled_from(["replace", "drop", "add", "wrap"]))
        if action == "replace":
            holder[key] = copy.deepcopy(draw(st.sampled_from(ODD) | st.text(max_size=8)))
        elif action == "drop":
            del holder[key]
        elif action == "wrap":
            holder[key] = [holder[key]]
        elif isinstance(holder, dict):
            holder[draw(st.sampled_from(NAMES))] = copy.deepcopy(draw(st.sampled_from(ODD)))
        if not places(resource):
            break
    return {**resource, "resourceType": kind}
