"""OBX-2 and OBX-5 to Observation.value[x], one function a data type; OBX-7 to referenceRange.

HL7 v2.5 §7.4.2.2 (OBX-2, table 0125), §2.A.72 (SN), §2.A.47 (NM); HL7 v2-to-FHIR, OBX map; R4 Observation.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Final

from hub.source.hl7v2 import Rep, Segment

from ...shape import Element, clean, keep
from ...systems import code_system
from ...times import ts_datetime
from ..context import Context
from ..datatypes import cwe_concept

UCUM: Final = "http://unitsofmeasure.org"
_NUMBER: Final = re.compile(r"[+-]?(\d{1,18}(\.\d{0,15})?|\.\d{1,15})")
_COMPARATORS: Final = {"<": "<", "<=": "<=", ">": ">", ">=": ">="}
_MARKED: Final = re.compile(r"(<=|>=|<|>)\s*(\S.*)")
_TIME: Final = re.compile(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)?(\.\d{1,4})?([+-]\d{4})?")
_RANGE: Final = re.compile(r"\s*([+-]?[\d.]+)\s*-\s*([+-]?[\d.]+)\s*")


def number(text: str | None) -> int | Decimal | None:
    """A NM as a JSON number with the digits it was sent with (R4 §2.24.0.1); None when it is none, or too long."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text) if "." in text else int(text)


def quantity(text: str | None, units: Element, comparator: str | None = None) -> Element | None:
    value = number(text)
    return None if value is None else {
        "value": value, **({"comparator": comparator} if comparator else {}), **units,
    }  # fmt: skip


def units_of(obx: Segment) -> Element:
    """OBX-6 (CE) as the unit of a Quantity; a code without a system is that of UCUM when it says so."""
    x = obx.rep(6)
    if x is None:
        return {}
    code, shown, named = x(1), x(2), x(3)
    system = UCUM if named in ("UCUM", "2.16.840.1.113883.6.8") else code_system(named or "")
    return clean({
        "unit": shown or code, "system": system, "code": code if system else None,
    })  # fmt: skip


def _numeric(reps: list[Rep], obx: Segment, c: Context) -> Element:
    text, units = reps[0](), units_of(obx)
    if made := quantity(text, units):
        return {"valueQuantity": made}
    marked = _MARKED.fullmatch(text or "")  # "<5" in the place of a number: met everywhere
    if marked and (made := quantity(marked[2].strip(), units, marked[1])):
        return {"valueQuantity": made}
    c.draft.warn(reps[0].place(), "not a number: kept as text", "102")
    return _text(reps, obx, c)


def _structured(reps: list[Rep], obx: Segment, _c: Context) -> Element:
    """SN: comparator ^ number ^ separator ^ number."""
    x, units = reps[0], units_of(obx)
    comparator, first, separator, second = x(1), x(2), x(3), x(4)
    low, high = quantity(first, units), quantity(second, units)
    if separator == "-" and low and high:
        return {"valueRange": {"low": low, "high": high}}
    if separator in (":", "/") and low and high:
        return {"valueRatio": {"numerator": low, "denominator": high}}
    if low and not second and (comparator in _COMPARATORS or comparator in (None, "=")):
        if comparator in _COMPARATORS:
            low = quantity(first, units, comparator)
        return {"valueQuantity": low}
    said = " ".join(p for p in (comparator, first, separator, second) if p)
    return {"valueString": keep(said, first or comparator)} if said else {}


def _coded(reps: list[Rep], _obx: Segment, _c: Context) -> Element:
    found = [made for made in map(cwe_concept, reps) if made]
    if not found:
        return {}
    if len(found) == 1:
        return {"valueCodeableConcept": found[0]}
    # Several answers to one question: the components of the observation say one each.
    return {"several": found}


def _text(reps: list[Rep], _obx: Segment, _c: Context) -> Element:
    lines = [line for line in (rep.whole() for rep in reps) if line]
    return {"valueString": keep("\n".join(lines), lines[0])} if lines else {}


def _moment(reps: list[Rep], obx: Segment, c: Context) -> Element:
    made = ts_datetime(reps[0](), c.zone)
    return {"valueDateTime": made} if made else _text(reps, obx, c)


def _time(reps: list[Rep], obx: Segment, c: Context) -> Element:
    text = reps[0]()
    found = _TIME.fullmatch(text or "")
    if not found or text is None:
        return _text(reps, obx, c)
    return {"valueTime": keep(f"{found[1]}:{found[2]}:{found[3] or '00'}", text)}


_KINDS: Final[dict[str, Callable[[list[Rep], Segment, Context], Element]]] = {
    "NM": _numeric, "SN": _structured, "CE": _coded, "CWE": _coded, "CNE": _coded, "CF": _coded,
    "IS": _text, "ID": _text, "ST": _text, "TX": _text, "FT": _text, "DT": _moment, "TS": _moment, "DTM": _moment,
    "TM": _time,
}  # fmt: skip


def obx_value(obx: Segment, c: Context) -> Element:
    """``value[x]`` of an OBX, or ``several`` coded answers; nothing when OBX-5 is empty."""
    reps = obx.reps(5)
    if not reps:
        return {}
    kind = obx.text(2)
    read = _KINDS.get(kind or "ST")
    if read is None:
        c.draft.warn(f"{obx.place}-2", "a data type that is not mapped: kept as text", "102")
        read = _text
    return read(reps, obx, c)


def obx_range(obx: Segment) -> list[Element]:
    """OBX-7: ``low-high``, ``< high``, ``> low``, or words."""
    x = obx.rep(7)
    said = x.whole() if x is not None else None
    if not said:
        return []
    units = units_of(obx)
    if found := _RANGE.fullmatch(said):
        low, high = quantity(found[1], units), quantity(found[2], units)
        return [clean({"low": low, "high": high, "text": said})]
    if found := _MARKED.fullmatch(said):
        made = quantity(found[2].strip(), units)
        return [clean({"high" if found[1][0] == "<" else "low": made, "text": said})]
    return [{"text": said}]
