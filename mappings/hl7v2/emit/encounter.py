"""Encounter to PV1, PV2 and ZBE.

HL7 v2.5 §3.4.3 (PV1), §3.4.4 (PV2); IHE PAM France 2.11 (ZBE): one movement a message, that of the Encounter.
"""

from __future__ import annotations

from hub.errors import MappingError

from ...shape import URI_SYSTEM, Element
from .bundle import Bundle, at, items, text
from .datatypes import authority, back, ce, cx, ts, xcn, xon
from .er7 import Repetition, Value, segment

_PARTICIPANTS = {"ATND": 7, "REF": 8, "CON": 9, "ADM": 17}
_CANCELLING = frozenset(("A11", "A12", "A13", "A23", "A25", "A26", "A27", "A32", "A33", "A38", "A52", "A53", "A55"))


def pv1(stay: Element | None, bundle: Bundle) -> str:
    """Encounter to PV1; without one the class is N (not applicable)."""
    if stay is None:
        return "PV1|1|N"
    fields: dict[int, Value] = {
        1: "1",
        2: back("target", "encounter-class").get(text(stay, "class", "code") or "", "U"),
        3: _place(stay, bundle),
        4: [ce(next(iter(items(stay, "type")), None))],
        10: [ce(at(stay, "serviceType"))],
        14: [ce(at(stay, "hospitalization", "admitSource"))],
        16: [ce(_nth(stay, 0))] if _nth(stay, 1) else None,
        22: [ce(_nth(stay, 1) or _nth(stay, 0))],
        19: [cx(i, bundle) for i in items(stay, "identifier")
             if text(i, "type", "coding", 0, "code") in ("VN", None) and not text(i, "type", "text")][:1],
        36: [ce(at(stay, "hospitalization", "dischargeDisposition"))],
        44: ts(text(stay, "period", "start")),
        45: ts(text(stay, "period", "end")),
    }  # fmt: skip
    for participant in items(stay, "participant"):
        field = _PARTICIPANTS.get(text(participant, "type", 0, "coding", 0, "code") or "")
        who = xcn(at(participant, "individual"), bundle)
        if field and who:
            fields[field] = [*_listed(fields.get(field)), who]
    if text(stay, "status") == "planned":
        fields.pop(44), fields.pop(45)
    return segment("PV1", fields)


def _nth(stay: Element, number: int) -> Element | None:
    found = items(stay, "hospitalization", "specialCourtesy")
    return found[number] if len(found) > number else None


def _listed(value: Value | None) -> list[Repetition]:
    return list(value) if isinstance(value, list) else []


def pv2(stay: Element | None) -> str | None:
    """Reason (PV2-3), description (PV2-12), expected dates of a planned stay (PV2-8, 9); None without any."""
    coded = next((r for r in items(stay, "reasonCode") if "coding" in r), None)
    said = next((text(r, "text") for r in items(stay, "reasonCode") if "coding" not in r), None)
    planned = text(stay, "status") == "planned"
    made = segment("PV2", {
        3: [ce(coded)], 12: said,
        8: ts(text(stay, "period", "start")) if planned else None,
        9: ts(text(stay, "period", "end")) if planned else None,
    })  # fmt: skip
    return made if made != "PV2" else None


def zbe(stay: Element | None, bundle: Bundle, event: str) -> str | None:
    """The movement to ZBE; None when the stay does not name one."""
    known = next((i for i in items(stay, "identifier") if text(i, "type", "text") == "Mouvement"), None)
    if stay is None or known is None:
        return None
    where = next(iter(items(stay, "location")), {})
    unit = xon(at(stay, "serviceProvider"), bundle)
    place = bundle.resolve(at(where, "location"))
    care = xon(at(place, "managingOrganization"), bundle)
    ended = text(stay, "period", "end") if text(stay, "status") == "finished" else None
    since = text(where, "period", "start") or ended or text(stay, "period", "start")
    return segment("ZBE", {
        1: (text(known, "value"), *authority(text(known, "system"), bundle)), 2: ts(since) or ts(bundle.timestamp),
        4: "CANCEL" if event in _CANCELLING else "INSERT", 5: "N", 7: [unit] if unit else None,
        8: [care] if care else None, 9: "HMS",
    })  # fmt: skip


def _place(stay: Element, bundle: Bundle) -> Repetition | None:
    """Location to PL: point of care, room, bed; PL-4 is the establishment."""
    where = bundle.resolve(at(next(iter(items(stay, "location")), {}), "location"))
    known = next(iter(items(where, "identifier")), None)
    if known is None:
        house = bundle.resolve(at(stay, "serviceProvider"))
        house = bundle.resolve(at(house, "partOf")) or house
        system = text(house, "identifier", 0, "value") if text(house, "identifier", 0, "system") == URI_SYSTEM else None
        return (None, None, None, authority(system, bundle)) if system else None
    value = text(known, "value") or ""
    parts = value.split("/", 2)
    return (*parts, *([None] * (3 - len(parts))), authority(text(known, "system"), bundle))


def stay_of(bundle: Bundle, *, needed: bool = False) -> Element | None:
    """The Encounter of the message; else what its documents and reports say of it (a number, class unknown).

    :raises MappingError: when the event needs one and there is none.
    """
    found = next(bundle.all("Encounter"), None)
    if found is None and not needed:
        named = [r for d in bundle.all("DocumentReference") for r in items(d, "context", "encounter")]
        named += [at(d, "encounter") or {} for d in bundle.all("DiagnosticReport")]
        known = [i for r in named for i in (at(r, "identifier"),) if isinstance(i, dict)]
        found = {"class": {"code": "?"}, "identifier": known[:1]} if known else None
    if found is None and needed:
        raise MappingError(
            f"{bundle.event} tells of a stay and there is no Encounter", where="Bundle.entry",
            cure="add the Encounter", code="101",
        )  # fmt: skip
    return found
