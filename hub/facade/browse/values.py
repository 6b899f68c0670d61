"""Values of FHIR elements as a person reads them, with the place they link to.

R4 §2.24 (datatypes).  What is stored may be anything: a value of an unforeseen shape is left out, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from hub.facade.browse.words import say

_LOCAL = re.compile(r"[A-Z][A-Za-z]{2,39}/[A-Za-z0-9\-.]{1,64}(/_history/[0-9]{1,9})?", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?.*", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
MOST = 5  # values of one cell


class Shown(NamedTuple):
    """A value; ``href`` is '' when there is nowhere to go."""

    text: str
    href: str = ""


def at(resource: Any, path: str) -> list[Any]:
    """The values at a path of elements, in their order."""
    found = [resource]
    for name in path.split("."):
        inside = (one[name] for one in found if isinstance(one, dict) and name in one)
        found = [v for value in inside for v in (value if isinstance(value, list) else [value])]
    return found


def shown(values: list[Any], base: str, language: str) -> list[Shown]:
    """Values as a person reads them, each once."""
    made = (_one(value, base, language) for value in values[: 4 * MOST])
    return list(dict.fromkeys(one for one in made if one.text))[:MOST]


def link(reference: Any, base: str) -> str:
    """Where a reference leads inside this server; '' when it leads elsewhere."""
    if not isinstance(reference, str):
        return ""
    inside = reference.removeprefix(f"{base}/")
    return f"/fhir/{inside}" if _LOCAL.fullmatch(inside) else ""


def title(resource: dict[str, Any], language: str) -> str:
    """What a resource is called by people; its id when it says nothing."""
    for path in ("name", "title", "description", "code", "type", "vaccineCode", "medicationCodeableConcept"):
        found = shown(at(resource, path), "", language)
        if found:
            return found[0].text
    return str(resource.get("id", ""))


def _one(value: Any, base: str, language: str) -> Shown:
    if isinstance(value, bool):
        return Shown(say("yes" if value else "no", language))
    if isinstance(value, str):
        return Shown(_text(value, language))
    if isinstance(value, int | float | Decimal):
        return Shown(str(value))
    if not isinstance(value, dict):
        return Shown("")
    text = " ".join(_words(value, language)).strip()
    reference = value.get("reference")
    if isinstance(reference, str):
        return Shown(text or reference, link(reference, base))
    return Shown(text, link(value.get("url"), base))


def _text(value: str, language: str) -> str:
    instant = _INSTANT.fullmatch(value)
    day = instant[1] if instant else value
    written = _DAY.sub(r"\3/\2/\1", day) if language == "fr" and _DAY.fullmatch(day) else day
    if instant:
        return f"{written} {instant[2]}"
    from_table = say(value, language) if value.islower() and len(value) < 20 and value.isascii() else value
    return written if written != value else from_table


def _words(value: dict[str, Any], language: str) -> Iterator[str]:
    """The words of a datatype, by the elements it has."""
    get = value.get
    if "family" in value or "given" in value:
        yield from (str(g) for g in _strings(get("given"))[:2])
        yield str(get("family") or "").upper()
    elif "start" in value or "end" in value:
        yield _text(str(get("start") or "…"), language)
        yield "→"
        yield _text(str(get("end") or "…"), language)
    elif "low" in value or "high" in value:
        low, high = (
            " ".join(_words(one, language)) if isinstance(one, dict) else "" for one in (get("low"), get("high"))
        )
        yield f"{low} … {high}" if low and high else f"≥ {low}" if low else f"≤ {high}"
    elif "coding" in value or "text" in value:
        codings = [c for c in get("coding") or () if isinstance(c, dict)] if isinstance(get("coding"), list) else []
        yield str(get("text") or next((c[k] for k in ("display", "code") for c in codings if c.get(k)), ""))
    elif "line" in value or "city" in value:
        yield from (str(part) for part in [*_strings(get("line")), get("postalCode"), get("city")] if part)
    else:
        first = next((get(k) for k in ("display", "title", "value", "code", "url") if get(k) is not None), "")
        yield (str(get("comparator") or "") + str(first)) if not isinstance(first, dict | list) else ""
        yield str(get("unit") or "") if "value" in value else ""


def _strings(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
