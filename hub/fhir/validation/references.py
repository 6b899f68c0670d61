"""References: what they may point to, and whether it is there.

R4 §2.3 (Reference, ref-1): a literal reference is relative (``Patient/1``), absolute, a ``urn:`` of the
Bundle around, a fragment that names a contained resource, or a search (``Patient?identifier=...``) in a
transaction.  Of what lies elsewhere only the type can be judged, and only when the reference shows it.
"""

from __future__ import annotations

import re
from typing import Any

from hub.fhir.validation.finding import Check, Context, Found, error, under
from hub.fhir.validation.tables import resource_types

_usual = re.compile(r"[A-Za-z]+/[A-Za-z0-9\-.]{1,64}").fullmatch
_restful = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?").fullmatch
_search = re.compile(r"(?:.*/)?([A-Z][A-Za-z]+)\?.+").fullmatch


def reference(whole: Check, targets: frozenset[str]) -> Check:
    """A Reference to one of ``targets`` (empty: any type); ``whole`` checks its own elements."""
    allowed = targets or resource_types()

    def check(value: Any, context: Context, parent: dict[str, Any]) -> Found | None:
        found = whole(value, context, parent)
        if found is None and "reference" in value:
            text = value["reference"]
            if text.partition("/")[0] not in allowed or "type" in value or not _usual(text):
                wrong = _judged(text, value.get("type"), allowed, context)
                if wrong:
                    return under("", wrong, found)
        elif found is None and targets and value.get("type", "") in resource_types() - targets:
            return error("structure", f"refers to a {value['type']}; it may refer to {_several(targets)}", ".type")
        return found

    return check


def type_named(value: dict[str, Any], root: dict[str, Any]) -> str:
    """The type a Reference shows that it refers to; '' when it shows none."""
    text = value.get("reference")
    if isinstance(text, str):
        if text.startswith("#"):
            inside = root.get("contained", ())
            return next((str(c.get("resourceType")) for c in inside if c.get("id") == text[1:]), "")
        if match := _restful(text) or _search(text):
            return match[1] if match[1] in resource_types() else ""
    said = value.get("type")
    return said if isinstance(said, str) and said in resource_types() else ""


def _several(targets: frozenset[str]) -> str:
    return ", ".join(sorted(targets)) if len(targets) < 12 else "another type"


def _judged(text: str, said: Any, allowed: frozenset[str], context: Context) -> Found | None:
    """What is wrong with a literal reference whose form is not the usual one."""
    where = ".reference"
    if text.startswith("#"):
        if text == "#":  # the resource around, which this one is contained in
            return None if context.inside else error("invariant", "ref-1: # is for contained resources", where)
        kind = context.contained.get(text[1:])
        if kind is None:
            return error("invariant", "ref-1: no contained resource has this id; add it, or refer elsewhere", where)
    elif text.startswith("urn:"):
        if context.bundle is None:
            return None
        kind = context.bundle.get(text)
        if kind is None:
            return error("not-found", "no entry of the Bundle has this fullUrl; add it, or refer elsewhere", where)
    elif match := _restful(text) or _search(text):
        kind = match[1]
        if kind not in resource_types():
            # An absolute URL may be of a server that is not FHIR's; a relative one may not.
            return None if "://" in text else error("value", "does not name a type of resource of R4", where)
    elif "://" in text or text.startswith(("urn:", "mailto:")):
        return None
    else:
        return error("value", "is written Type/id, as an absolute URL, urn:uuid: or #id", where)
    if kind and kind not in allowed:
        return error("structure", f"refers to a {kind}; it may refer to {_several(allowed)}", where)
    if isinstance(said, str) and kind and said in resource_types() and said != kind:
        return error("value", f"type is {said} and reference is to a {kind}; make them agree", ".type")
    return None
