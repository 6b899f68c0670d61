"""DiagnosticReport with its Observations to ORC, OBR, OBX, NTE and SPM.

HL7 v2.5 §7.3.1 (ORU_R01), §7.4; HL7 v2-to-FHIR, OBR and OBX maps read backwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ...codes import table
from ...shape import Element
from .bundle import Bundle, at, codes, items, text
from .datatypes import ce, ei, ts, xcn, xon
from .er7 import Components, Repetition, Value, segment

_REPORT: Final = {"registered": "O", "partial": "A", "preliminary": "P", "final": "F", "amended": "C",
                  "corrected": "C", "appended": "C", "cancelled": "X", "entered-in-error": "X"}  # fmt: skip
_VALUE: Final = {"registered": "I", "preliminary": "P", "final": "F", "amended": "C", "corrected": "C",
                 "cancelled": "X", "entered-in-error": "D"}  # fmt: skip
_UCUM: Final = "http://unitsofmeasure.org"
_V2_0074: Final = "http://terminology.hl7.org/CodeSystem/v2-0074"
STATUS = table("hl7v2-result-status")


def report_segments(report: Element, bundle: Bundle) -> list[str]:
    """One order group."""
    numbers = {text(i, "type", "coding", 0, "code"): i for i in items(report, "identifier")}
    order = bundle.resolve(next(iter(items(report, "basedOn")), None))
    placer, filler = (ei(numbers.get(k), bundle) for k in ("PLAC", "FILL"))
    asker = xcn(at(order, "requester"), bundle)
    reader = next((xcn(r, bundle) for r in items(report, "resultsInterpreter")), None)
    section = next((text(c, "code") for c in codes(items(report, "category")) if text(c, "system") == _V2_0074), None)
    made = [
        segment("ORC", {1: "RE", 2: placer, 3: filler, 9: ts(text(order, "authoredOn"))}),
        segment("OBR", {
            1: "1", 2: placer, 3: filler, 4: [ce(at(report, "code"))],
            7: ts(text(report, "effectiveDateTime") or text(report, "effectivePeriod", "start")),
            8: ts(text(report, "effectivePeriod", "end")), 16: [asker] if asker else None,
            22: ts(text(report, "issued")), 24: section,
            25: _REPORT.get(text(report, "status") or "", "F"),
            31: [ce(next(iter(items(order, "reasonCode")), None))], 32: _ndl(reader),
        }),
    ]  # fmt: skip
    made += _notes(text(report, "conclusion"))
    results = [found for r in items(report, "result") if (found := bundle.resolve(r))]
    for number, observation in enumerate(results, 1):
        made.append(_obx(observation, number, bundle))
        for note in items(observation, "note"):
            made += _notes(text(note, "text"))
    for number, reference in enumerate(items(report, "specimen"), 1):
        specimen = bundle.resolve(reference)
        if specimen is not None:
            made.append(_spm(specimen, number, bundle))
    return made


def _ndl(who: Repetition | None) -> Components | None:
    """NDL: number, family and given name in the subcomponents of one component."""
    if not isinstance(who, tuple):
        return None
    return (tuple(part if isinstance(part, str) else None for part in who[:3]),)


def _notes(said: str | None) -> list[str]:
    return [segment("NTE", {1: str(n), 3: line}) for n, line in enumerate((said or "").split("\n"), 1) if line]


def _obx(observation: Element, number: int, bundle: Bundle) -> str:
    kind, value, unit = _value(observation)
    performers = items(observation, "performer")
    people = [who for p in performers if _is(p, "Practitioner", bundle) and (who := xcn(p, bundle))]
    house = next((p for p in performers if not _is(p, "Practitioner", bundle)), None)
    lab = xon(house, bundle) if bundle.resolve(house) else None
    shown = (None, text(house, "display")) if house and not lab and "display" in house else None
    return segment("OBX", {
        1: str(number), 2: kind, 3: [ce(at(observation, "code"))], 5: value, 6: unit,
        7: text(observation, "referenceRange", 0, "text"),
        8: [text(c, "code") for c in codes(items(observation, "interpretation"))],
        11: _VALUE.get(text(observation, "status") or "", "F"), 14: ts(text(observation, "effectiveDateTime")),
        15: shown, 16: people, 17: [ce(at(observation, "method"))], 19: ts(text(observation, "issued")),
        23: [lab] if lab else None,
    })  # fmt: skip


def _is(reference: Element, kind: str, bundle: Bundle) -> bool:
    found = bundle.resolve(reference)
    return (found or {}).get("resourceType") == kind


Made = tuple[str | None, Value, Components | None]


def _unit(quantity: Any) -> Components | None:
    code, shown = text(quantity, "code"), text(quantity, "unit")
    if not (code or shown):
        return None
    if code is None:
        return (shown,)
    named = "UCUM" if text(quantity, "system") == _UCUM else text(quantity, "system")
    return code, shown if shown != code else None, named


def _quantity(value: Any) -> Made:
    comparator, number = text(value, "comparator"), text(value, "value")
    if comparator:
        return "SN", (comparator, number), _unit(value)
    return "NM", number, _unit(value)


def _range(value: Any) -> Made:
    low, high = at(value, "low"), at(value, "high")
    return "SN", (None, text(low, "value"), "-", text(high, "value")), _unit(low) or _unit(high)


def _ratio(value: Any) -> Made:
    low, high = at(value, "numerator"), at(value, "denominator")
    return "SN", (None, text(low, "value"), ":", text(high, "value")), _unit(low) or _unit(high)


_READ: Final[dict[str, Callable[[Any], Made]]] = {
    "valueQuantity": _quantity, "valueRange": _range, "valueRatio": _ratio,
    "valueCodeableConcept": lambda value: ("CWE", [ce(value)], None),
    "valueString": lambda value: ("TX", [line or None for line in str(value).split("\n")], None),
    "valueDateTime": lambda value: ("TS", ts(str(value)), None),
    "valueTime": lambda value: ("TM", str(value).replace(":", ""), None),
    "valueInteger": lambda value: ("NM", text(value), None),
    "valueBoolean": lambda value: ("ID", "Y" if value is True else "N", None),
}  # fmt: skip


def _value(observation: Element) -> Made:
    """OBX-2, OBX-5, OBX-6; several coded answers come from the components."""
    for name, read in _READ.items():
        if name in observation:
            return read(observation[name])
    several = [ce(at(c, "valueCodeableConcept")) for c in items(observation, "component")]
    return ("CWE", several, None) if several else (None, None, None)


def _spm(specimen: Element, number: int, bundle: Bundle) -> str:
    known = next(iter(items(specimen, "identifier")), None)
    held = tuple(part if isinstance(part, str) else None for part in ei(known, bundle))
    return segment("SPM", {
        1: str(number), 2: (None, held) if held else None, 4: [ce(at(specimen, "type"))],
        8: [ce(at(specimen, "collection", "bodySite"))],
        17: ts(text(specimen, "collection", "collectedDateTime")), 18: ts(text(specimen, "receivedTime")),
    })  # fmt: skip
