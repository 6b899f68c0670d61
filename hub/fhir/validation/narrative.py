"""The narrative of a resource: XHTML of a harmless kind.

R4 §2.25 (Narrative; txt-1, txt-2): one ``div`` in the namespace of XHTML, with the elements of chapters 7 to
11 of HTML 4.0 (but for forms), ``a``, ``img`` and ``style``; no script, no event, nothing loaded from
elsewhere; and there is something to read in it.
"""

from __future__ import annotations

from typing import Any

from hub.fhir.validation.finding import Context, Found, error
from hub.fhir.validation.primitives import MAX_STRING

XHTML = "{http://www.w3.org/1999/xhtml}"
_ELEMENTS = frozenset(
    XHTML + name
    for name in """a abbr acronym address b bdo big blockquote br caption center cite code col colgroup dd del dfn
    div dl dt em font h1 h2 h3 h4 h5 h6 hr i img ins kbd li map area ol p pre q s samp small span strike strong style
    sub sup table tbody td tfoot th thead tr tt u ul var""".split()  # noqa: SIM905 - sixty quotes say it no better
)
_ATTRIBUTES = frozenset(
    """abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset
    cite class clear color colspan compact coords dir face frame headers height href hreflang hspace id lang longdesc
    name noshade nowrap rel rev rowspan rules scope shape size span src start style summary tabindex title type
    usemap valign value vspace width""".split()  # noqa: SIM905 - one long line of quotes says it no better
)
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SCRIPT = ("javascript:", "vbscript:", "data:text")


def narrative(value: Any, _context: Context, _parent: dict[str, Any]) -> Found | None:
    """What is wrong with a ``div``."""
    if not isinstance(value, str) or not value.strip():
        return error("value", "is XHTML: <div xmlns='http://www.w3.org/1999/xhtml'>...</div>")
    if len(value) > MAX_STRING:
        return error("too-long", "is longer than 1 MB")
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True)
    try:
        root = etree.fromstring(value.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError):
        return error("invalid", "is no well-formed XHTML: write entities such as &nbsp; as characters, close each tag")
    if "<!DOCTYPE" in value or root.tag != f"{XHTML}div":
        return error("invariant", "txt-1: is one <div xmlns='http://www.w3.org/1999/xhtml'>, without DOCTYPE")
    readable = False
    for node in root.iter():
        if node.tag not in _ELEMENTS:
            return error("invariant", "txt-1: holds an element that a narrative may not hold (script, form, ...)")
        readable = readable or bool((node.text or "").strip() or (node.tail or "").strip()) or node.tag == f"{XHTML}img"
        for name, said in node.attrib.items():
            text = str(said).strip().lower()
            if (name not in _ATTRIBUTES and name != _LANG) or text.startswith(_SCRIPT):
                return error("invariant", "txt-1: holds an attribute that a narrative may not hold (events, scripts)")
    return None if readable else error("invariant", "txt-2: there is nothing to read in it")
