"""Whether a resource is what a profile says: cardinality, values, types, bindings, slices, invariants.

R4 §5.1.  The resource has passed base validation, so its shape is known to be right.  Invariants are FHIRPath,
run by fhirpathpy and compiled once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hub.fhir.validation.definition import Constraint, Definition, Node, definition, type_of
from hub.fhir.validation.fhirpath import predicate
from hub.fhir.validation.finding import MOST, Found
from hub.fhir.validation.references import type_named
from hub.fhir.validation.slicing import belongs, holds
from hub.fhir.validation.valuesets import bare, members

# an element that is there by its extensions only: it counts, and has no value to look at
_NO_VALUE = object()


class Judge:
    """Judges one resource; findings are collected, with paths below its type."""

    def __init__(self, root: dict[str, Any], base: str) -> None:
        self.root, self.base = root, base
        self.found: Found = []

    def judge(self, profile: Definition) -> Found:
        self._value(profile.root, self.root, {}, "", self.root["resourceType"], profile)
        return self.found

    def _tell(self, where: str, code: str, what: str, severity: str = "error") -> None:
        if len(self.found) < MOST:
            self.found.append((where, severity, code, what))

    # ---------------------------------------------------------------------------------------- elements

    def _children(self, node: Node, value: dict[str, Any], where: str, profile: Definition) -> None:
        for child in node.children.values():
            found = list(_values(value, child.name))
            self._count(child, len(found), f"{where}.{child.name.removesuffix('[x]')}", profile)
            for below, step, kind, sibling in found:
                self._value(child, below, sibling, where + step, kind, profile)
            if child.slices:
                self._sliced(child, found, where, profile)

    def _count(self, node: Node, count: int, where: str, profile: Definition, of: str = "") -> None:
        if count < node.min:
            code = "required" if count == 0 else "structure"
            what = f"is required by {profile.name}: add it" if node.min == 1 else f"stands at least {node.min} times"
            self._tell(where, code, f"{of}{what}")
        elif node.max != "*" and count > int(node.max):
            what = "is not allowed: take it out" if node.max == "0" else f"stands at most {node.max} times"
            self._tell(where, "structure", f"{of}{what} ({profile.name})")

    def _sliced(self, node: Node, found: list[tuple[Any, str, str, Any]], where: str, profile: Definition) -> None:
        counts = dict.fromkeys(node.slices, 0)
        for value, step, kind, sibling in found:
            for name, part in node.slices.items():
                if belongs(value, kind, node, part, self._conforms):
                    counts[name] += 1
                    self._value(part, value, sibling, where + step, kind, profile)
                    break
            else:
                if node.closed:
                    some = ", ".join(node.slices)
                    self._tell(where + step, "structure", f"is none of {some}, which {profile.name} allows alone")
        for name, part in node.slices.items():
            self._count(part, counts[name], f"{where}.{node.name.removesuffix('[x]')}", profile, f"the slice {name} ")

    def _value(self, node: Node, value: Any, sibling: Any, where: str, kind: str, profile: Definition) -> None:
        if value is not _NO_VALUE:
            if node.value is not None and not holds(value, node.value):
                self._tell(where, "value", f"is not what {profile.name} fixes: {_shown(node.value[1])}")
            if node.binding is not None:
                self._bound(node.binding, value, where, profile)
            if node.kinds:
                self._typed(node, value, where, kind, profile)
            for rule in node.constraints:
                if not holds_true(rule, value, self.root):
                    self._tell(where, "invariant", f"{rule.key}: {rule.human}", rule.severity)
        if isinstance(value, dict):
            self._children(node, value, where, profile)
        elif node.children and isinstance(sibling, dict):
            self._children(node, sibling, where, profile)  # extensions of a primitive

    # ------------------------------------------------------------------------------- types and bindings

    def _typed(self, node: Node, value: Any, where: str, kind: str, profile: Definition) -> None:
        fitting = [k for k in node.kinds if not kind or k.code == kind]
        if not fitting:
            allowed = ", ".join(k.code for k in node.kinds)
            self._tell(where, "structure", f"is of type {kind}; {profile.name} allows {allowed}")
            return
        # Extensions of the hub are judged wherever they stand, not once more by who names them.
        profiles = [p for k in fitting for p in k.profiles if k.code != "Extension"]
        if profiles and not any(self._conforms(value, p) for p in profiles):
            first = definition(profiles[0], self.base)
            for below, severity, code, what in self.errors(value, first) if first and len(profiles) == 1 else ():
                self._tell(where + below, code, what, severity)
            if len(profiles) > 1:
                self._tell(where, "structure", f"conforms to none of the profiles that {profile.name} allows")
        targets = {t for k in fitting for p in k.targets if (t := type_of(p, self.base))}
        if targets and "Resource" not in targets and isinstance(value, dict):
            named = type_named(value, self.root)
            if named and named not in targets:
                what = f"refers to a {named}; {profile.name} allows {', '.join(sorted(targets))}"
                self._tell(f"{where}.reference", "structure", what)

    def _conforms(self, value: Any, canonical: str) -> bool:
        made = definition(canonical, self.base)
        return made is None or not any(one[1] == "error" for one in self.errors(value, made))

    def errors(self, value: Any, made: Definition) -> Found:
        """What is wrong with a part of the resource, by a profile of its own."""
        inner = Judge(self.root, self.base)
        inner._value(made.root, value, {}, "", made.type, made)
        return inner.found

    def _bound(self, binding: tuple[str, str], value: Any, where: str, profile: Definition) -> None:
        strength, canonical = binding
        if strength not in ("required", "extensible"):
            return
        name = canonical.partition("|")[0].rpartition("/")[2]
        if isinstance(value, str):
            codes = bare(canonical, self.base)
            if codes is not None and value not in codes:
                self._unbound(strength, f"is no code of {name}", where, profile)
            return
        has = members(canonical, self.base)
        if has is None or not isinstance(value, dict):
            return
        codings = value.get("coding", ()) if "coding" in value or "text" in value else [value]
        if any(has(str(c.get("system", "")), str(c.get("code", ""))) for c in codings):
            return
        if strength == "required" or codings:  # text alone may stand for what an extensible set has not
            self._unbound(strength, f"has no coding of {name}", where, profile)

    def _unbound(self, strength: str, what: str, where: str, profile: Definition) -> None:
        severity = "error" if strength == "required" else "warning"
        self._tell(where, "code-invalid", f"{what}, the {strength} value set of {profile.name}", severity)


def _shown(value: Any) -> str:
    """What a profile fixes, in few words: it is the profile's, not the sender's."""
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 160 else f"{text[:157]}..."


def _values(parent: dict[str, Any], name: str) -> Iterator[tuple[Any, str, str, Any]]:
    """(value, step of its path, type when it is a choice, its ``_name`` sibling) of each value of an element."""
    if name.endswith("[x]"):
        stem = name[:-3]
        for key, value in parent.items():
            kind = key[len(stem) :]
            if key.startswith(stem) and kind[:1].isupper():
                kind = kind if kind in _CAPITAL else kind[0].lower() + kind[1:]
                yield value, f".{stem}.ofType({kind})", kind, parent.get(f"_{key}")
        return
    value, sibling = parent.get(name), parent.get(f"_{name}")
    if isinstance(value, list):
        for index, one in enumerate(value):
            beside = sibling[index] if isinstance(sibling, list) and index < len(sibling) else None
            yield _NO_VALUE if one is None else one, f".{name}[{index}]", "", beside
    elif value is not None:
        yield value, f".{name}", "", sibling
    elif isinstance(sibling, dict):
        yield _NO_VALUE, f".{name}", "", sibling


# types of a choice that begin with a capital; the others are primitives
_CAPITAL = frozenset(
    """Address Age Annotation Attachment CodeableConcept Coding ContactDetail ContactPoint Contributor Count
    DataRequirement Distance Dosage Duration Expression HumanName Identifier Meta Money ParameterDefinition Period
    Quantity Range Ratio Reference RelatedArtifact SampledData Signature Timing TriggerDefinition
    UsageContext""".split()  # noqa: SIM905 - a list would take thirty lines
)


def holds_true(rule: Constraint, value: Any, root: dict[str, Any]) -> bool:
    """Whether an invariant is true of a value; of primitives the base types say enough."""
    return not isinstance(value, dict) or predicate(rule.expression)(value, rule.path, root)
