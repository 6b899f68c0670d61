"""A search that reads each resource in turn, written from R4 §3.1.1 alone: no index, no SQL, nothing of the hub.

It knows a handful of types and their parameters, some of every kind, and takes the parameters of a search as the
client writes them.
"""

from __future__ import annotations

import calendar
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Resource = dict[str, Any]
END = datetime.max.replace(tzinfo=UTC)
START = datetime.min.replace(tzinfo=UTC)
TICK = timedelta(microseconds=1)


def some(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def at(resource: Any, path: str) -> list[Any]:
    """Everything at a dotted path."""
    found = [resource]
    for name in path.split("."):
        found = [v for item in found for v in some(item.get(name))]
    return found


@dataclass
class Param:
    kind: str
    values: Callable[[Resource], list[Any]]
    targets: tuple[str, ...] = ()


def path(kind: str, *paths: str, targets: tuple[str, ...] = ()) -> Param:
    return Param(kind, lambda r: [v for p in paths for v in at(r, p)], targets)


def patients(values: list[Any]) -> list[Any]:
    return [v for v in values if v.get("reference", "").startswith("Patient/") or v.get("type") == "Patient"]


def names(r: Resource) -> list[str]:
    return [t for n in some(r.get("name")) for k in ("family", "given", "text") for t in some(n.get(k))]


PARAMS: dict[str, dict[str, Param]] = {
    "Patient": {
        "identifier": path("token", "identifier"),
        "active": path("token", "active"),
        "gender": path("token", "gender"),
        "family": path("string", "name.family"),
        "given": path("string", "name.given"),
        "name": Param("string", names),
        "birthdate": path("date", "birthDate"),
        "organization": path("reference", "managingOrganization", targets=("Organization",)),
        "language": path("token", "communication.language"),
    },
    "Observation": {
        "code": path("token", "code"),
        "status": path("token", "status"),
        "date": path("date", "effectiveDateTime", "effectivePeriod"),
        "subject": path("reference", "subject", targets=("Patient", "Group", "Device", "Location")),
        "patient": Param("reference", lambda r: patients(at(r, "subject")), ("Patient",)),
        "value-quantity": path("quantity", "valueQuantity"),
        "value-concept": path("token", "valueCodeableConcept"),
        "value-string": Param("string", lambda r: [*at(r, "valueString"), *at(r, "valueCodeableConcept.text")]),
        "component-code": path("token", "component.code"),
    },
    "Location": {
        "name": path("string", "name", "alias"),
        "partof": path("reference", "partOf", targets=("Location",)),
    },
    "Organization": {"name": path("string", "name", "alias")},
    "List": {"item": path("reference", "entry.item"), "title": path("string", "title")},
}
for _type in PARAMS.values():
    _type["_profile"] = path("uri", "meta.profile")
    _type["_tag"] = path("token", "meta.tag")


# --- values (R4 §3.1.1.4) ---------------------------------------------------------------------------------


def plain(text: str) -> str:
    """§3.1.1.4.8: without case, accents and superfluous spaces."""
    bare_text = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return " ".join(bare_text.casefold().split())


def span(text: str) -> tuple[datetime, datetime]:
    """§3.1.1.4.7: the first and the last instant that a date may mean."""
    day, _, clock = text.partition("T")
    if not clock:
        parts = [int(p) for p in day.split("-")]
        year = parts[0]
        month = parts[1] if len(parts) > 1 else None
        low = datetime(year, month or 1, parts[2] if len(parts) > 2 else 1, tzinfo=UTC)
        if len(parts) == 3:
            return low, low + timedelta(days=1) - TICK
        last = month or 12
        end = datetime(year, last, calendar.monthrange(year, last)[1], tzinfo=UTC) + timedelta(days=1)
        return low, end - TICK
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    time = clock.replace("Z", "").split("+")[0].split("-")[0]
    if "." in time:
        width = timedelta(microseconds=10 ** (6 - len(time.split(".")[1])))
    else:
        width = timedelta(seconds=1) if time.count(":") == 2 else timedelta(minutes=1)
    return moment, moment + width - TICK


def spans(values: Iterable[Any]) -> list[tuple[datetime, datetime]]:
    found = []
    for v in values:
        if isinstance(v, str):
            found.append(span(v))
        elif v:
            low = span(v["start"])[0] if "start" in v else START
            high = span(v["end"])[1] if "end" in v else END
            if low <= high:
                found.append((low, high))
    return found


def cut(text: str, mark: str) -> list[str]:
    """§3.1.1.4.4: split where no backslash stands before the mark."""
    parts, now, escaped = [], "", False
    for c in text:
        if escaped:
            now += "\\" + c
            escaped = False
        elif c == "\\":
            escaped = True
        elif c == mark:
            parts.append(now)
            now = ""
        else:
            now += c
    return [*parts, now]


def bare(text: str) -> str:
    """§3.1.1.4.4: without the backslashes."""
    out, escaped = "", False
    for c in text:
        if not escaped and c == "\\":
            escaped = True
            continue
        out += c
        escaped = False
    return out


def codings(value: Any) -> list[tuple[str | None, str]]:
    """(system, code) of a value; None: the system is implied by the element."""
    if isinstance(value, bool):
        return [(None, "true" if value else "false")]
    if isinstance(value, str):
        return [(None, value)]
    if "coding" in value or "text" in value:
        return [c for one in some(value.get("coding")) for c in codings(one)]
    code = value.get("value", value.get("code"))
    return [] if code is None else [(value.get("system", ""), code)]


def texts(value: Any) -> list[str]:
    """§3.1.1.4.3, :text: CodeableConcept.text, Coding.display, Identifier.type.text."""
    if not isinstance(value, dict):
        return []
    found = [*some(value.get("text")), *some(value.get("display"))]
    found += [t for c in some(value.get("coding")) for t in texts(c)]
    kind = value.get("type")
    return found + (some(kind.get("text")) if isinstance(kind, dict) else [])


def is_token(values: list[Any], wanted: str) -> bool:
    parts = [bare(p) for p in cut(wanted, "|")]
    for system, code in (c for v in values for c in codings(v)):
        if len(parts) == 1:
            fits = code == parts[0]
        elif system is None:
            fits = parts[1] in ("", code)
        else:
            fits = system == parts[0] and parts[1] in ("", code)
        if fits:
            return True
    return False


def of_type(values: list[Any], wanted: str) -> bool:
    system, code, value = (bare(p) for p in cut(wanted, "|"))
    return any(
        v.get("value") == value and (system, code) in codings({"coding": some(v.get("type", {}).get("coding"))})
        for v in values
    )


def is_string(values: list[str], wanted: str, modifier: str) -> bool:
    text = bare(wanted)
    if modifier == "exact":
        return text in values
    if modifier == "contains":
        return any(plain(text) in plain(v) for v in values)
    return any(plain(v).startswith(plain(text)) for v in values)


def is_date(found: list[tuple[datetime, datetime]], wanted: str) -> bool:
    prefix = wanted[:2] if wanted[:2].isalpha() else "eq"
    first, last = span(wanted.removeprefix(prefix).replace(" ", "+"))
    return any(
        {
            "eq": first <= low and high <= last,
            "ne": not (first <= low and high <= last),
            "gt": high > last,
            "lt": low < first,
            "ge": high > last or (first <= low and high <= last),
            "le": low < first or (first <= low and high <= last),
            "sa": low > last,
            "eb": high < first,
        }[prefix]
        for low, high in found
    )


def is_quantity(values: list[Any], wanted: str) -> bool:
    prefix = wanted[:2] if wanted[:2].isalpha() else "eq"
    parts = [bare(p) for p in cut(wanted.removeprefix(prefix), "|")]
    number = Decimal(parts[0])
    half = Decimal(5).scaleb(int(number.as_tuple().exponent) - 1)
    for v in values:
        value = Decimal(str(v["value"]))
        if len(parts) == 3:
            if parts[1] and v.get("system") != parts[1]:
                continue
            if parts[2] and parts[2] not in ((v.get("code"),) if parts[1] else (v.get("code"), v.get("unit"))):
                continue
        sign = v.get("comparator", "")
        low = Decimal("-Infinity") if sign in ("<", "<=") else value
        high = Decimal("Infinity") if sign in (">", ">=") else value
        inside = number - half <= low and high < number + half
        near = abs(number) / 10
        if {
            "eq": inside, "ne": not inside, "gt": high > number, "lt": low < number, "ge": high >= number,
            "le": low <= number, "sa": low > number, "eb": high < number,
            "ap": low <= number + near and high >= number - near,
        }[prefix]:  # fmt: skip
            return True
    return False


class Oracle:
    """All resources; ``ask`` gives the references of those that a search finds, in no order."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.all = {f"{r['resourceType']}/{r['id']}": r for r in resources}

    def ask(self, kind: str, pairs: Iterable[tuple[str, str]]) -> set[str]:
        pairs = list(pairs)
        return {
            ref for ref, r in self.all.items()
            if r["resourceType"] == kind and all(self.meets(ref, r, n, v) for n, v in pairs)
        }  # fmt: skip

    def meets(self, ref: str, r: Resource, name: str, value: str) -> bool:
        kind = r["resourceType"]
        if name.startswith("_has:"):
            _, other, by, rest = name.split(":", 3)
            return any(
                self.points(PARAMS[other][by], o, ref) and self.meets(oref, o, rest, value)
                for oref, o in self.all.items()
                if o["resourceType"] == other
            )
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if code == "_id":
            return r["id"] in value.split(",")
        if code == "_list":
            return any(
                ref in [v.get("reference") for v in at(self.all.get(f"List/{one}", {"entry": []}), "entry.item")]
                for one in value.split(",")
            )
        param = PARAMS[kind][code]
        if dot:
            return any(
                self.points(param, r, oref) and self.meets(oref, o, rest, value)
                for oref, o in self.all.items()
                if o["resourceType"] in ((modifier,) if modifier else param.targets)
                and rest.split(".")[0].split(":")[0] in {*PARAMS[o["resourceType"]], "_id", "_has"}
            )
        values = param.values(r)
        if modifier == "missing":
            return (not values) == (value == "true")
        if modifier == "not":
            return not any(is_token(values, v) for v in cut(value, ","))
        return any(self.fits(param, values, modifier, v) for v in cut(value, ","))

    @staticmethod
    def points(param: Param, r: Resource, ref: str) -> bool:
        return any(v.get("reference", "").partition("/_history")[0] == ref for v in param.values(r))

    def fits(self, param: Param, values: list[Any], modifier: str, wanted: str) -> bool:
        match param.kind:
            case "token":
                if modifier == "text":
                    return is_string([t for v in values for t in texts(v)], wanted, "")
                return of_type(values, wanted) if modifier == "of-type" else is_token(values, wanted)
            case "string":
                return is_string(values, wanted, modifier)
            case "date":
                return is_date(spans(values), wanted)
            case "quantity":
                return is_quantity(values, wanted)
            case "uri":
                text = bare(wanted)
                if modifier == "below":
                    return any(v.startswith(text) for v in values)
                if modifier == "above":
                    return any(text == v or text.startswith(v.rstrip("/") + "/") for v in values)
                return text in values
        return self.refers(param, values, modifier, bare(wanted))

    def refers(self, param: Param, values: list[Any], modifier: str, wanted: str) -> bool:
        if modifier == "identifier":
            return is_token([v["identifier"] for v in values if "identifier" in v], wanted)
        literals = {v.get("reference", "").partition("/_history")[0] for v in values}
        if modifier in ("below", "above"):
            kin = self.family(wanted if "/" in wanted else f"{param.targets[0]}/{wanted}", modifier)
            return bool(kin & literals)
        if "/" in wanted or ":" in wanted:
            return wanted.partition("/_history")[0] in literals
        return any(f"{t}/{wanted}" in literals for t in ((modifier,) if modifier else param.targets))

    def family(self, ref: str, modifier: str) -> set[str]:
        found, fresh = {ref}, [ref]
        while fresh:
            one = fresh.pop()
            if modifier == "above":
                near = [v["reference"] for v in at(self.all.get(one, {}), "partOf")]
            else:
                near = [k for k, r in self.all.items() if one in [v.get("reference") for v in at(r, "partOf")]]
            fresh += [n for n in near if n not in found]
            found |= set(near)
        return found
