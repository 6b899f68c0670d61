"""Turns the values of a resource into rows of the index tables, one function a data type.

R4 §3.1.1.4 gives for each kind of search parameter the data types it may be of and what of them is
compared.  Every function below makes the rows of one data type for one :class:`Group`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

from hub.fhir.search.paths import type_of
from hub.fhir.search.texts import ENDLESS, FOREVER, both, exact, interval, system_of, target

CURRENCY = "urn:iso:std:iso:4217"
_CONTACT = {"phone", "fax", "email", "pager", "url", "sms", "other"}


class Extracted(NamedTuple):
    """Rows for the index tables, each as (param, values...) in the order of the table's columns."""

    token: list[tuple[int, str, str]]  # code, system
    string: list[tuple[int, str, str]]  # folded, exact
    date: list[tuple[int, int, int]]  # first and last microsecond, UTC
    reference: list[tuple[int, str]]  # "Type/id", absolute URL or urn; '' is none of these
    quantity: list[tuple[int, float, float, str, str]]  # lowest, highest, code, system


Emit = Callable[[Any, Extracted], None]


@cache
def param_id(kind: str, name: str) -> int:
    """The number that stands for a parameter in the index tables, the same for ever.

    CRC-32 of ``type.name``; that no two meet is checked when the table is read.
    """
    return crc32(f"{kind}.{name}".encode()) & 0x7FFFFFFF


class Group(NamedTuple):
    """The parameters of a type that share a value; the value is stored once, under their number.

    :ivar texts: number of the rows that ``:text`` asks, ``logical`` of ``:identifier``, ``typed`` of ``:of-type``.
    """

    number: int
    texts: int
    logical: int
    typed: int

    @classmethod
    def of(cls, kind: str, names: tuple[str, ...]) -> Group:
        name = "+".join(names)
        parts = (name, f"{name}:text", f"{name}:identifier", f"{name}:of-type")
        return cls(*(param_id(kind, part) for part in parts))


def emitter(shape: str, groups: Mapping[str, Group]) -> Emit:
    """The function that indexes one value of the given shape.

    :param groups: by the one type of target or system of contact that is meant; '' is any other.
    """
    if shape in ("reference", "contact"):
        return (_reference if shape == "reference" else _contact)(groups)
    return EMITTERS[shape](groups[""])


def _code(group: Group) -> Emit:
    number = group.number

    def emit(value: str, out: Extracted) -> None:
        out.token.append((number, exact(value), ""))

    return emit


def _boolean(group: Group) -> Emit:
    number = group.number

    def emit(value: bool, out: Extracted) -> None:
        out.token.append((number, "true" if value else "false", ""))

    return emit


def _exists(group: Group) -> Emit:
    number = group.number

    def emit(_value: object, out: Extracted) -> None:
        out.token.append((number, "true", ""))

    return emit


def _identifier(group: Group) -> Emit:
    number, texts, typed = group.number, group.texts, group.typed

    def emit(value: dict[str, Any], out: Extracted) -> None:
        code = value.get("value")
        if code is not None:
            out.token.append((number, exact(code), system_of(value.get("system", ""))))
        kind = value.get("type")
        if kind is not None:
            if "text" in kind:
                out.string.append((texts, *both(kind["text"])))
            if code is not None:
                for coding in kind.get("coding", ()):
                    if "code" in coding:
                        out.token.append((typed, of_type(coding["code"], code), system_of(coding.get("system", ""))))

    return emit


def of_type(code: str, value: str) -> str:
    """What ``:of-type`` compares beside the system of the type (R4 §3.1.1.4.10)."""
    return exact(f"{code}|{value}")


def _coding(group: Group) -> Emit:
    number, texts = group.number, group.texts

    def emit(value: dict[str, Any], out: Extracted) -> None:
        code, display = value.get("code"), value.get("display")
        if code is not None:
            out.token.append((number, exact(code), system_of(value.get("system", ""))))
        if display is not None:
            out.string.append((texts, *both(display)))

    return emit


def _concept(group: Group) -> Emit:
    one, texts = _coding(group), group.texts

    def emit(value: dict[str, Any], out: Extracted) -> None:
        for coding in value.get("coding", ()):
            one(coding, out)
        text = value.get("text")
        if text is not None:
            out.string.append((texts, *both(text)))

    return emit


def _contact(groups: Mapping[str, Group]) -> Emit:
    numbers = {only: group.number for only, group in groups.items()}
    other = numbers.get("")

    def emit(value: dict[str, Any], out: Extracted) -> None:
        code, number = value.get("value"), numbers.get(value.get("system", ""), other)
        if code is not None and number is not None:
            out.token.append((number, exact(code), ""))

    return emit


def _string(group: Group) -> Emit:
    number = group.number

    def emit(value: str, out: Extracted) -> None:
        out.string.append((number, *both(value)))

    return emit


def _date(group: Group) -> Emit:
    number = group.number

    def emit(value: str, out: Extracted) -> None:
        try:
            out.date.append((number, *interval(value)))
        except ValueError:
            return  # what is no date is found by no date; validation is where it is judged

    return emit


def _span(value: dict[str, Any]) -> tuple[int, int] | None:
    """What a Period covers; None when it says nothing or no times."""
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    try:
        low = interval(start)[0] if start else -FOREVER
        high = interval(end)[1] if end else FOREVER
    except ValueError:
        return None
    return (low, high) if low <= high else None  # one that ends before it starts (against per-1) is no time at all


def _period(group: Group) -> Emit:
    number = group.number

    def emit(value: dict[str, Any], out: Extracted) -> None:
        if (span := _span(value)) is not None:
            out.date.append((number, *span))

    return emit


def _timing(group: Group) -> Emit:
    """Of a Timing the outer limits count, not its rhythm (R4 §3.1.1.4.7)."""
    number = group.number

    def emit(value: dict[str, Any], out: Extracted) -> None:
        spans = []
        for event in value.get("event", ()):
            try:
                spans.append(interval(event))
            except (ValueError, TypeError):
                continue
        bounds = value.get("repeat", {}).get("boundsPeriod")
        if bounds is not None and (span := _span(bounds)) is not None:
            spans.append(span)
        if spans:
            out.date.append((number, min(low for low, _ in spans), max(high for _, high in spans)))

    return emit


def _reference(groups: Mapping[str, Group]) -> Emit:
    other = groups.get("")
    narrow = {only: group for only, group in groups.items() if only}

    def emit(value: dict[str, Any], out: Extracted) -> None:
        literal = value.get("reference")
        group = other
        if narrow:
            # Nearly all say Type/id: the type stands in front.
            group = narrow.get(literal.partition("/")[0]) if literal else None
            if group is None:
                group = narrow.get(type_of(value), other)
        if group is None:
            return
        out.reference.append((group.number, target(literal) if literal else ""))
        named = value.get("identifier")
        if named is not None and "value" in named:
            out.token.append((group.logical, exact(named["value"]), system_of(named.get("system", ""))))

    return emit


def _canonical(group: Group) -> Emit:
    """A canonical is found by its URL with and without its version (R4 §3.1.1.4.11)."""
    number = group.number

    def emit(value: str, out: Extracted) -> None:
        to = target(value) if not value.startswith("#") else ""
        out.reference.append((number, to))
        if "|" in to:
            out.reference.append((number, to.partition("|")[0]))

    return emit


def _amount(value: Any) -> float | None:
    kind = value.__class__
    good = (kind is int or kind is float or kind is Decimal) and abs(value) < ENDLESS
    return float(value) if good else None


_BOUNDS: dict[str, Callable[[float], tuple[float, float]]] = {
    "<": lambda v: (-ENDLESS, v),
    "<=": lambda v: (-ENDLESS, v),
    ">": lambda v: (v, ENDLESS),
    ">=": lambda v: (v, ENDLESS),
}


def _measured(number: int, low: float, high: float, unit: dict[str, Any], out: Extracted) -> None:
    code, system, name = unit.get("code"), unit.get("system", ""), unit.get("unit")
    rows = out.quantity
    rows.append((number, low, high, exact(code or name or ""), system_of(system) if code else ""))
    if code and name and name != code:  # 5.4||mg is the unit in words or in code (R4 §3.1.1.4.14)
        rows.append((number, low, high, exact(name), ""))


def _quantity(group: Group) -> Emit:
    number = group.number

    def emit(value: dict[str, Any], out: Extracted) -> None:
        amount = _amount(value.get("value"))
        if amount is not None:
            bounds = _BOUNDS.get(value.get("comparator", ""))
            _measured(number, *(bounds(amount) if bounds else (amount, amount)), value, out)

    return emit


def _range(group: Group, first: str = "low", last: str = "high") -> Emit:
    number = group.number

    def emit(value: dict[str, Any], out: Extracted) -> None:
        low, high = value.get(first) or {}, value.get(last) or {}
        least, most = _amount(low.get("value")), _amount(high.get("value"))
        if least is None and most is None:
            return
        unit = low if least is not None else high
        least, most = -ENDLESS if least is None else least, ENDLESS if most is None else most
        if least <= most:
            _measured(number, least, most, unit, out)

    return emit


def _sampled(group: Group) -> Emit:
    """SampledData lies between its limits, in the unit of its origin."""
    number = group.number

    def emit(value: dict[str, Any], out: Extracted) -> None:
        low, high = _amount(value.get("lowerLimit")), _amount(value.get("upperLimit"))
        if low is not None and high is not None and low <= high:
            _measured(number, low, high, value.get("origin") or {}, out)

    return emit


def _money(group: Group) -> Emit:
    number = group.number

    def emit(value: dict[str, Any], out: Extracted) -> None:
        amount = _amount(value.get("value"))
        if amount is not None:
            out.quantity.append((number, amount, amount, exact(value.get("currency", "")), CURRENCY))

    return emit


def _number(group: Group) -> Emit:
    number = group.number

    def emit(value: float, out: Extracted) -> None:
        amount = _amount(value)
        if amount is not None:
            out.quantity.append((number, amount, amount, "", ""))

    return emit


def _place(group: Group) -> Emit:
    """Location.position: latitude and longitude, each under a number of its own."""
    north, east = group.number, group.texts

    def emit(value: dict[str, Any], out: Extracted) -> None:
        latitude, longitude = _amount(value.get("latitude")), _amount(value.get("longitude"))
        if latitude is not None and longitude is not None:
            out.quantity.append((north, latitude, latitude, "", ""))
            out.quantity.append((east, longitude, longitude, "", ""))

    return emit


def _parts(value: Any) -> list[str]:
    """The texts of a HumanName or an Address (R4 §3.1.1.4.8), or of whatever else holds texts."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [t for k, v in value.items() if k not in ("use", "type", "id", "extension") for t in _parts(v)]
    return [t for v in value for t in _parts(v)] if isinstance(value, list) else []


def _any_string(group: Group) -> Emit:
    one = _string(group)

    def emit(value: Any, out: Extracted) -> None:
        for text in _parts(value):
            one(text, out)

    return emit


def _by_look(group: Group, look: Callable[[Any], str]) -> Emit:
    """Where the type of an element is told by no table, by what the value looks like."""
    made: dict[str, Emit] = {}

    def emit(value: Any, out: Extracted) -> None:
        shape = look(value)
        if shape:
            if shape not in made:
                made[shape] = emitter(shape, {"": group})
            made[shape](value, out)

    return emit


def _token_look(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "code"
    if not isinstance(value, dict):
        return ""
    if "coding" in value:
        return "concept"
    if "value" in value:
        return "contact" if value.get("system") in _CONTACT else "identifier"
    return "coding" if "code" in value else "concept" if "text" in value else ""


def _date_look(value: Any) -> str:
    if isinstance(value, str):
        return "date"
    if isinstance(value, dict):
        return "timing" if "event" in value or "repeat" in value else "period"
    return ""


def _reference_look(value: Any) -> str:
    return "canonical" if isinstance(value, str) else "reference" if isinstance(value, dict) else ""


def _quantity_look(value: Any) -> str:
    if isinstance(value, dict):
        if "currency" in value:
            return "money"
        return "range" if "low" in value or "high" in value else "sampled" if "origin" in value else "quantity"
    return "number" if isinstance(value, int | float | Decimal) and not isinstance(value, bool) else ""


def _uri_look(value: Any) -> str:
    return "code" if isinstance(value, str) else ""


EMITTERS: dict[str, Callable[[Group], Emit]] = {
    "code": _code,
    "boolean": _boolean,
    "exists": _exists,
    "identifier": _identifier,
    "coding": _coding,
    "concept": _concept,
    "string": _string,
    "date": _date,
    "period": _period,
    "timing": _timing,
    "canonical": _canonical,
    "quantity": _quantity,
    "range": _range,
    "sampled": _sampled,
    "money": _money,
    "number": _number,
    "position": _place,
    # of an element whose type no table tells, by the kind of the parameter
    "any-token": lambda group: _by_look(group, _token_look),
    "any-string": _any_string,
    "any-date": lambda group: _by_look(group, _date_look),
    "any-reference": lambda group: _by_look(group, _reference_look),
    "any-quantity": lambda group: _by_look(group, _quantity_look),
    "any-number": lambda group: _by_look(group, _quantity_look),
    "any-uri": lambda group: _by_look(group, _uri_look),
}
