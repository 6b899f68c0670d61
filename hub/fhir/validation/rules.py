"""The invariants of R4 that the hub checks, each a function of the object it holds for.

FHIR R4 (4.0.1), ``constraint`` of the definitions of data types and resources; ``elements.csv`` says by key
where each applies.  Written as Python rather than FHIRPath because they run on every message; the tests
compare them with the published expressions.  A rule sees an object whose parts may be of the wrong type: it
must not raise, only hold or not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

Object = dict[str, Any]


class Rule(NamedTuple):
    """:ivar holds: whether an object obeys; :ivar what: what to tell when it does not."""

    holds: Callable[[Object], bool]
    what: str
    severity: str = "error"


UCUM = "http://unitsofmeasure.org"
_TERMS = "http://terminology.hl7.org/CodeSystem/"
_name = re.compile(r"[A-Z][A-Za-z0-9_]{0,254}").fullmatch
# The length of each precision of a date: comparison stops at the coarser one (FHIRPath §6.2).
_PRECISIONS = (19, 10, 7, 4)


def objects(value: Any) -> list[Object]:
    """The objects of an element that repeats."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def has(name: str, o: Object) -> bool:
    """Whether an element is there, as itself or as its extensions."""
    return name in o or f"_{name}" in o


def choice(name: str, o: Object) -> bool:
    """Whether a choice element (``value[x]``) is there."""
    size = len(name)
    for key in o:
        at = key.lstrip("_")
        if at.startswith(name) and len(at) > size and at[size].isupper():
            return True
    return False


def ordered(first: Any, second: Any) -> bool:
    """``first <= second`` of two dates; of those that cannot be compared nothing is said."""
    if not isinstance(first, str) or not isinstance(second, str):
        return True
    size = next((n for n in _PRECISIONS if len(first) >= n and len(second) >= n), 0)
    if size < 19:
        return first[:size] <= second[:size]
    try:
        return datetime.fromisoformat(first) <= datetime.fromisoformat(second)
    except (ValueError, TypeError):  # malformed, or a leap second: nothing to compare
        return True


def coded(concept: Any, system: str, *wanted: str) -> bool:
    """Whether a CodeableConcept, or one of a list, has a coding of ``system`` with one of the codes."""
    concepts = concept if isinstance(concept, list) else [concept]
    return any(
        c.get("system") == system and c.get("code") in wanted
        for one in concepts if isinstance(one, dict)
        for c in objects(one.get("coding"))
    )  # fmt: skip


def _number(o: Any) -> Any:
    value = o.get("value") if isinstance(o, dict) else None
    return value if type(value) in (int, float, Decimal) else None


def _negative(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and value < 0


def _range(o: Object) -> bool:
    low, high = o.get("low"), o.get("high")
    first, second = _number(low), _number(high)
    if first is None or second is None or not isinstance(low, dict) or not isinstance(high, dict):
        return True
    return low.get("code") != high.get("code") or bool(first <= second)


def _links(items: Any) -> Iterator[Any]:
    for item in objects(items):
        yield item.get("linkId")
        yield from _links(item.get("item"))


def _distinct(values: Iterator[Any]) -> bool:
    seen = [v for v in values if isinstance(v, str)]
    return len(seen) == len(set(seen))


def _measured(o: Object) -> bool:
    return ("code" in o or "value" not in o) and o.get("system", UCUM) == UCUM


def _components_differ(o: Object) -> bool:
    if not choice("value", o):
        return True
    own = _pairs(o.get("code"))
    return not any(pair in own for part in objects(o.get("component")) for pair in _pairs(part.get("code")))


def _pairs(concept: Any) -> list[tuple[Any, Any]]:
    codings = objects(concept.get("coding")) if isinstance(concept, dict) else []
    return [(c.get("system"), c.get("code")) for c in codings if "code" in c]


def _with_request(o: Object) -> bool:
    wanted = o.get("type") in ("batch", "transaction", "history")
    return all(("request" in e) == wanted for e in objects(o.get("entry")))


def _with_response(o: Object) -> bool:
    wanted = o.get("type") in ("batch-response", "transaction-response", "history")
    return all(("response" in e) == wanted for e in objects(o.get("entry")))


def _full_urls_differ(o: Object) -> bool:
    if o.get("type") == "history":
        return True
    seen = set()
    for entry in objects(o.get("entry")):
        if isinstance(url := entry.get("fullUrl"), str):
            resource = entry.get("resource")
            meta = resource.get("meta") if isinstance(resource, dict) else None
            key = (url, str(meta.get("versionId")) if isinstance(meta, dict) else "")
            if key in seen:
                return False
            seen.add(key)
    return True


def _first_is(kind: str, o: Object) -> bool:
    entries = objects(o.get("entry"))
    first = entries[0].get("resource") if entries else None
    return isinstance(first, dict) and first.get("resourceType") == kind


def _identified(o: Object) -> bool:
    i = o.get("identifier")
    return isinstance(i, dict) and "system" in i and "value" in i


def _exclusive(o: Object, *names: str) -> bool:
    return sum(n in o for n in names) < 2


def _no_expected(o: Object, entry: str) -> bool:
    return all(entry not in e for e in objects(o.get("entry")))


def _preferred(o: Object) -> bool:
    return _distinct(iter([u.get("type") for u in objects(o.get("uniqueId")) if u.get("preferred") is True]))


def _parameter(o: Object) -> bool:
    value, resource = choice("value", o), "resource" in o
    return not (value or resource) if "part" in o else value != resource


CONDITION = f"{_TERMS}condition-clinical"
VERIFIED = f"{_TERMS}condition-ver-status"
ALLERGY = f"{_TERMS}allergyintolerance-verification"
_ERRONEOUS = "entered-in-error"
_ANSWERED = "choice open-choice decimal integer date dateTime time string quantity".split()  # noqa: SIM905
_MEASURED = "boolean decimal integer string text url open-choice".split()  # noqa: SIM905
_NAMED = "the name must begin with a capital and hold letters, digits and _ only, so that programs can use it"

RULES: dict[str, Rule] = {
    # data types
    "age-1": Rule(lambda o: _measured(o) and not ((n := _number(o)) is not None and n <= 0),
                  "an age has a code and a value above 0, in UCUM"),
    "att-1": Rule(lambda o: not has("data", o) or has("contentType", o), "data needs a contentType"),
    "cnt-3": Rule(lambda o: _measured(o) and o.get("code", "1") == "1" and type(o.get("value", 0)) is int,
                  "a count is a whole number with the UCUM code 1"),
    "cpt-2": Rule(lambda o: not has("value", o) or has("system", o), "value needs a system (phone, email, ...)"),
    "dis-1": Rule(_measured, "a distance has a UCUM code"),
    "drq-1": Rule(lambda o: has("path", o) != has("searchParam", o), "either path or searchParam"),
    "drq-2": Rule(lambda o: has("path", o) != has("searchParam", o), "either path or searchParam"),
    "drt-1": Rule(lambda o: "code" not in o or (o.get("system") == UCUM and "value" in o),
                  "a duration with a code has a value and the system of UCUM"),
    "exp-1": Rule(lambda o: has("expression", o) or has("reference", o), "either expression or reference is needed"),
    "per-1": Rule(lambda o: ordered(o.get("start"), o.get("end")), "start must not be after end"),
    "qty-3": Rule(lambda o: not has("code", o) or has("system", o), "code needs a system"),
    "rng-2": Rule(_range, "low must not be above high"),
    "rat-1": Rule(lambda o: ("numerator" in o) == ("denominator" in o) and ("numerator" in o or "extension" in o),
                  "numerator and denominator go together"),
    "tim-1": Rule(lambda o: "duration" not in o or "durationUnit" in o, "duration needs a durationUnit"),
    "tim-2": Rule(lambda o: "period" not in o or "periodUnit" in o, "period needs a periodUnit"),
    "tim-4": Rule(lambda o: not _negative(o.get("duration")), "duration is not negative"),
    "tim-5": Rule(lambda o: not _negative(o.get("period")), "period is not negative"),
    "tim-6": Rule(lambda o: "periodMax" not in o or "period" in o, "periodMax needs a period"),
    "tim-7": Rule(lambda o: "durationMax" not in o or "duration" in o, "durationMax needs a duration"),
    "tim-8": Rule(lambda o: "countMax" not in o or "count" in o, "countMax needs a count"),
    "tim-9": Rule(lambda o: "offset" not in o or (bool(o.get("when")) and isinstance(o["when"], list)
                  and not {"C", "CM", "CD", "CV"} & {w for w in o["when"] if isinstance(w, str)}),
                  "offset needs a when other than C, CM, CD, CV"),
    "tim-10": Rule(lambda o: _exclusive(o, "timeOfDay", "when"), "either timeOfDay or when"),
    "trd-1": Rule(lambda o: not ("data" in o and choice("timing", o)), "either data or timing"),
    "trd-2": Rule(lambda o: "condition" not in o or "data" in o, "condition needs data"),
    # resources; ppc-2 to ppc-5 are published with a system that does not exist, and so never fail: warnings here
    "ait-1": Rule(lambda o: "clinicalStatus" in o or coded(o.get("verificationStatus"), ALLERGY, _ERRONEOUS),
                  "clinicalStatus is needed, but for an entry made in error"),
    "ait-2": Rule(lambda o: "clinicalStatus" not in o or not coded(o.get("verificationStatus"), ALLERGY, _ERRONEOUS),
                  "an entry made in error has no clinicalStatus"),
    "app-1": Rule(lambda o: "type" in o or "actor" in o, "a participant has a type or an actor"),
    "app-2": Rule(lambda o: has("start", o) == has("end", o), "start and end go together"),
    "app-3": Rule(lambda o: (has("start", o) and has("end", o)) or o.get("status") in ("proposed", "cancelled",
                  "waitlist"), "start and end are needed, but when proposed, cancelled or on a waiting list"),
    "app-4": Rule(lambda o: "cancelationReason" not in o or o.get("status") in ("noshow", "cancelled"),
                  "cancelationReason is for status cancelled or noshow"),
    "apr-1": Rule(lambda o: "participantType" in o or "actor" in o, "participantType or actor is needed"),
    "sev-1": Rule(lambda o: not (has("name", o) and has("query", o)), "either name or query"),
    "bdl-1": Rule(lambda o: "total" not in o or o.get("type") in ("searchset", "history"),
                  "total is for searchset and history"),
    "bdl-2": Rule(lambda o: o.get("type") == "searchset" or _no_expected(o, "search"), "entry.search is for searchset"),
    "bdl-3": Rule(_with_request, "entry.request is needed in batch, transaction and history, and nowhere else"),
    "bdl-4": Rule(_with_response, "entry.response is needed in responses and history, and nowhere else"),
    "bdl-5": Rule(lambda o: bool({"resource", "request", "response"} & o.keys()),
                  "an entry has a resource, a request or a response"),
    "bdl-7": Rule(_full_urls_differ, "two entries have one fullUrl: each may stand once, unless versions differ"),
    "bdl-8": Rule(lambda o: "/_history/" not in str(o.get("fullUrl", "")), "fullUrl names no version"),
    "bdl-9": Rule(lambda o: o.get("type") != "document" or _identified(o),
                  "a document has an identifier with system and value"),
    "bdl-10": Rule(lambda o: o.get("type") != "document" or "timestamp" in o, "a document has a timestamp"),
    "bdl-11": Rule(lambda o: o.get("type") != "document" or _first_is("Composition", o),
                   "the first entry of a document is its Composition"),
    "bdl-12": Rule(lambda o: o.get("type") != "message" or _first_is("MessageHeader", o),
                   "the first entry of a message is its MessageHeader"),
    "cpl-3": Rule(lambda o: _exclusive(o, "detail", "reference"), "either detail or reference"),
    "cmp-1": Rule(lambda o: bool({"text", "entry", "section"} & o.keys()), "a section has text, entries or sections"),
    "cmp-2": Rule(lambda o: _exclusive(o, "emptyReason", "entry"), "emptyReason is for a section without entries"),
    "cmd-1": Rule(lambda o: has("comment", o) or o.get("equivalence") not in ("narrower", "inexact"),
                  "a narrower or inexact map has a comment"),
    "cmd-2": Rule(lambda o: o.get("mode") != "fixed" or "code" in o, "mode fixed needs a code"),
    "cmd-3": Rule(lambda o: o.get("mode") != "other-map" or "url" in o, "mode other-map needs a url"),
    "con-1": Rule(lambda o: "summary" in o or "assessment" in o, "a stage has a summary or an assessment"),
    "con-2": Rule(lambda o: "code" in o or "detail" in o, "evidence has a code or a detail"),
    "con-4": Rule(lambda o: not choice("abatement", o)
                  or coded(o.get("clinicalStatus"), CONDITION, "resolved", "remission", "inactive"),
                  "with an abatement, clinicalStatus is resolved, remission or inactive"),
    "con-5": Rule(lambda o: "clinicalStatus" not in o or not coded(o.get("verificationStatus"), VERIFIED, _ERRONEOUS),
                  "an entry made in error has no clinicalStatus"),
    "con-3": Rule(lambda o: "clinicalStatus" in o or coded(o.get("verificationStatus"), VERIFIED, _ERRONEOUS)
                  or not coded(o.get("category"), f"{_TERMS}condition-category", "problem-list-item"),
                  "an item of the problem list should have a clinicalStatus", "warning"),
    "ppc-1": Rule(lambda o: "policy" in o or "policyRule" in o, "policy or policyRule is needed"),
    "ppc-2": Rule(lambda o: "patient" in o or not coded(o.get("scope"), f"{_TERMS}consentscope", "patient-privacy"),
                  "a consent of the scope patient-privacy has a patient", "warning"),
    "ppc-3": Rule(lambda o: "patient" in o or not coded(o.get("scope"), f"{_TERMS}consentscope", "research"),
                  "a consent of the scope research has a patient", "warning"),
    "ppc-4": Rule(lambda o: "patient" in o or not coded(o.get("scope"), f"{_TERMS}consentscope", "adr"),
                  "an advance directive has a patient", "warning"),
    "ppc-5": Rule(lambda o: "patient" in o or not coded(o.get("scope"), f"{_TERMS}consentscope", "treatment"),
                  "a consent of the scope treatment has a patient", "warning"),
    "fhs-1": Rule(lambda o: not (choice("age", o) and choice("born", o)), "either age or born"),
    "fhs-2": Rule(lambda o: choice("age", o) or "estimatedAge" not in o, "estimatedAge needs an age"),
    "grp-1": Rule(lambda o: "member" not in o or o.get("actual") is True, "only an actual group has members"),
    "imm-1": Rule(lambda o: has("documentType", o) or has("reference", o), "documentType or reference is needed"),
    "lst-1": Rule(lambda o: _exclusive(o, "emptyReason", "entry"), "emptyReason is for a list without entries"),
    "lst-2": Rule(lambda o: o.get("mode") == "changes" or _no_expected(o, "deleted"),
                  "entry.deleted is for the mode changes"),
    "lst-3": Rule(lambda o: o.get("mode") == "working" or _no_expected(o, "date"),
                  "entry.date is for the mode working"),
    "mad-1": Rule(lambda o: "dose" in o or choice("rate", o), "dose or rate is needed"),
    "nsd-1": Rule(lambda o: o.get("kind") != "root" or all(u.get("type") != "uuid" for u in objects(o.get("uniqueId"))),
                  "a root has no uuid"),
    "nsd-2": Rule(_preferred, "one identifier of each type is preferred, not several"),
    "obs-3": Rule(lambda o: "low" in o or "high" in o or has("text", o), "a reference range has low, high or text"),
    "obs-6": Rule(lambda o: "dataAbsentReason" not in o or not choice("value", o),
                  "dataAbsentReason is for an observation without value"),
    "obs-7": Rule(_components_differ, "a component has the code of the observation, which has a value already"),
    "org-1": Rule(lambda o: "identifier" in o or has("name", o), "an organisation has an identifier or a name"),
    "org-2": Rule(lambda o: o.get("use") != "home", "the address of an organisation is not of use home"),
    "org-3": Rule(lambda o: o.get("use") != "home", "the telecom of an organisation is not of use home"),
    "par-1": Rule(_parameter, "a parameter has one of value, resource and part"),
    "pat-1": Rule(lambda o: bool({"name", "telecom", "address", "organization"} & o.keys()),
                  "a contact has a name, a telecom, an address or an organization"),
    "que-1": Rule(lambda o: (o.get("type") != "group" or "item" in o) and (o.get("type") != "display" or "item"
                  not in o), "a group has items, a display has none"),
    "que-2": Rule(lambda o: _distinct(_links(o.get("item"))), "each linkId stands once"),
    "que-3": Rule(lambda o: o.get("type") != "display" or "code" not in o, "a display has no code"),
    "que-4": Rule(lambda o: _exclusive(o, "answerOption", "answerValueSet"), "either answerOption or answerValueSet"),
    "que-5": Rule(lambda o: o.get("type") in _ANSWERED or not {"answerValueSet", "answerOption"} & o.keys(),
                  "an item of this type has no list of answers"),
    "que-6": Rule(lambda o: o.get("type") != "display" or not {"required", "repeats"} & o.keys(),
                  "a display is neither required nor repeated"),
    "que-7": Rule(lambda o: o.get("operator") != "exists" or "answerBoolean" in o,
                  "the operator exists is answered by a boolean"),
    "que-8": Rule(lambda o: o.get("type") not in ("group", "display") or "initial" not in o,
                  "groups and displays have no initial value"),
    "que-9": Rule(lambda o: o.get("type") != "display" or "readOnly" not in o, "a display is not readOnly"),
    "que-10": Rule(lambda o: o.get("type") in _MEASURED or "maxLength" not in o, "maxLength is for simple questions"),
    "que-11": Rule(lambda o: _exclusive(o, "answerOption", "initial"), "with answerOption there is no initial"),
    "que-12": Rule(lambda o: len(objects(o.get("enableWhen"))) < 3 or "enableBehavior" in o,
                   "several enableWhen need an enableBehavior"),
    "que-13": Rule(lambda o: o.get("repeats") is True or len(objects(o.get("initial"))) < 2,
                   "several initial values are for a repeating item"),
    "qrs-1": Rule(lambda o: _exclusive(o, "answer", "item"), "an item has answers or items, and those of an answer "
                  "stand in it"),
    "spd-1": Rule(lambda o: not has("xpath", o) or has("xpathUsage", o), "xpath needs an xpathUsage"),
    "spd-2": Rule(lambda o: "chain" not in o or o.get("type") == "reference", "chain is for type reference"),
    "prr-1": Rule(lambda o: "orderDetail" not in o or "code" in o, "orderDetail needs a code"),
    "tsk-1": Rule(lambda o: ordered(o.get("authoredOn"), o.get("lastModified")),
                  "lastModified must not be before authoredOn"),
    "vsd-1": Rule(lambda o: has("valueSet", o) or has("system", o), "valueSet or system is needed"),
    "vsd-2": Rule(lambda o: not {"concept", "filter"} & o.keys() or has("system", o),
                  "concepts and filters need a system"),
    "vsd-3": Rule(lambda o: _exclusive(o, "concept", "filter"), "either concept or filter"),
    "vsd-6": Rule(lambda o: has("code", o) or has("display", o), "code or display is needed"),
    "vsd-9": Rule(lambda o: has("code", o) or o.get("abstract") is True, "what has no code is abstract"),
    "vsd-10": Rule(lambda o: not has("code", o) or has("system", o), "code needs a system"),
    # definitions
    **{key: Rule(lambda o: not isinstance(n := o.get("name"), str) or _name(n) is not None, _NAMED, "warning")
       for key in ("cmd-0", "cpb-0", "csd-0", "nsd-0", "opd-0", "que-0", "sdf-0", "spd-0", "vsd-0")},
    "eld-4": Rule(lambda o: "aggregation" not in o or o.get("code") in ("Reference", "canonical"),
                  "aggregation is for references"),
    "eld-8": Rule(lambda o: not (choice("pattern", o) and choice("fixed", o)), "either pattern or fixed"),
    "eld-12": Rule(lambda o: not isinstance(v := o.get("valueSet"), str) or v.startswith(("http:", "https:", "urn:")),
                   "valueSet is an absolute URL"),
    "eld-17": Rule(lambda o: "targetProfile" not in o or o.get("code") in ("Reference", "canonical"),
                   "targetProfile is for references"),
    "eld-18": Rule(lambda o: o.get("isModifier") is not True or has("isModifierReason", o),
                   "isModifier needs an isModifierReason"),
    "sdf-4": Rule(lambda o: o.get("abstract") is True or has("baseDefinition", o), "baseDefinition is needed"),
    "sdf-5": Rule(lambda o: o.get("type") != "Extension" or o.get("derivation") == "specialization" or "context" in o,
                  "an extension says its context"),
    "sdf-6": Rule(lambda o: "snapshot" in o or "differential" in o, "snapshot or differential is needed"),
}  # fmt: skip
