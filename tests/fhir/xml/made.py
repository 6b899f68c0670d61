"""Resources of every R4 type, made from the element table: what property tests turn around."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import strategies as st

from hub.fhir import structures

# Characters that are allowed in XML, with those that have to be escaped more often than chance would have it.
TEXT = st.text(
    st.one_of(
        st.sampled_from("&<>\"'\t\n\r é"),
        st.characters(exclude_categories=["Cs"], exclude_characters=[chr(n) for n in range(32)] + ["\ufffe", "\uffff"]),
    ),
    min_size=1,
    max_size=12,
)
DECIMALS = st.sampled_from(["0", "-0.0", "5.270", "1E-7", "0.10", "12345678901234567890.123456789", "100"])
DIVS = st.sampled_from(
    [
        '<div xmlns="http://www.w3.org/1999/xhtml">x</div>',
        '<div xmlns="http://www.w3.org/1999/xhtml"/>',
        '<div xmlns="http://www.w3.org/1999/xhtml" title="a &gt; b">a<br/>b &amp; &#160;c <p></p><!-- seen --></div>',
        "<div xmlns='http://www.w3.org/1999/xhtml'>\n <div><table><tr><td> 1 </td></tr></table></div>\n</div>",
    ]
)


@st.composite
def resources(draw: st.DrawFn, kind: str | None = None, depth: int = 3) -> dict[str, Any]:
    """A resource: any elements of it, in any order, with values of the right kind."""
    name = kind or draw(st.sampled_from(sorted(structures.resource_types())))
    made = {"resourceType": name, **draw(parts(name, depth))}
    keys = draw(st.permutations(list(made)))
    return {key: made[key] for key in keys}


@st.composite
def parts(draw: st.DrawFn, structure: str, depth: int) -> dict[str, Any]:
    """Some elements of a structure; at least one."""
    known = [e for e in structures.elements(structure) if depth > 0 or e.types[0] in structures.PRIMITIVES]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=4, unique=True))
    made: dict[str, Any] = {}
    for element in chosen:
        forms = [f for f in element.forms() if depth > 0 or f[1] in structures.PRIMITIVES]
        key, kind = draw(st.sampled_from(forms))
        many = draw(st.integers(1, 2)) if element.many else 0
        if kind == "xhtml":
            made[key] = draw(DIVS)
        elif kind in structures.PRIMITIVES:
            made |= draw(primitives(structure, key, kind, many))
        else:
            values = [
                draw(resources(None if kind == "Resource" else kind, depth - 1))
                if structures.is_resource(kind)
                else draw(parts(kind, depth - 1))
                for _ in range(many or 1)
            ]
            made[key] = values if many else values[0]
    return made


@st.composite
def primitives(draw: st.DrawFn, structure: str, key: str, kind: str, many: int) -> dict[str, Any]:
    """A primitive, with or without what stands beside it."""
    attribute = (key == "id" and not structures.is_resource(structure)) or (key == "url" and structure == "Extension")
    values, beside = [], []
    for _ in range(many or 1):
        ext = None
        if not attribute and draw(st.integers(0, 4)) == 0:
            ext = draw(st.sampled_from([{"id": "a1"}, {"extension": [{"url": "urn:x", "valueCode": "y"}]}]))
        beside.append(ext)
        values.append(None if ext and draw(st.booleans()) else draw(value(kind)))
    made: dict[str, Any] = {}
    if any(v is not None for v in values):
        made[key] = values if many else values[0]
    if any(beside):
        made["_" + key] = beside if many else beside[0]
    return made


def value(kind: str) -> st.SearchStrategy[Any]:
    """A value of a primitive type; numbers as they are written."""
    if kind == "boolean":
        return st.booleans()
    if kind == "decimal":
        return DECIMALS.map(orjson.Fragment)
    if kind in ("integer", "positiveInt", "unsignedInt"):
        return st.integers(0, 2**31 - 1)
    return TEXT
