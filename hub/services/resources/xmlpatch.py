"""XML Patch of a resource: RFC 5261, R4 §3.1.0.6 (http://hl7.org/fhir/R4/http.html#patch).

The operations add, replace and remove of a ``diff``, on the FHIR XML of the resource.  A selector names one
place: elements, an index or a value in brackets, and at its end an attribute; it is no XPath that computes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from lxml import etree

from hub.errors import InvalidError, ParseError, TooLargeError, UnprocessableError
from hub.fhir.xml import to_json, to_xml

MAX_OPERATIONS: Final = 1000
MAX_OCTETS: Final = 4 * 1024 * 1024
_FHIR: Final = "http://hl7.org/fhir"
_DEPTH: Final = 100
_NAME: Final = r"(?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*"
_STEP = re.compile(
    rf"/?(?:@(?P<attribute>[A-Za-z]+)|(?P<name>\*|{_NAME})"
    rf"(?P<conditions>(?:\[(?:[1-9]\d{{0,5}}|@?{_NAME}(?:/@[A-Za-z]+)?=(?:'[^']*'|\"[^\"]*\"))\])*))",
    re.ASCII,
)
_CONDITION = re.compile(
    rf"\[(?:(?P<index>\d+)|(?P<path>@?{_NAME})(?:/@(?P<attribute>[A-Za-z]+))?=(?:'(?P<a>[^']*)'|\"(?P<b>[^\"]*)\"))\]",
    re.ASCII,
)
Element = Any  # of lxml


def apply(resource: bytes, patch: bytes) -> bytes:
    """The JSON of a resource after a patch.

    :raises ParseError: when the patch is no XML; InvalidError: when it is no patch; UnprocessableError: when it
        does not fit the resource; TooLargeError: beyond the bounds.
    """
    operations = _read(patch)
    root = etree.fromstring(to_xml(resource), _parser(ours=True))
    for number, operation in enumerate(operations):
        where = f"diff.{etree.QName(operation).localname}[{number}]"
        holder, attribute = _place(root, operation, where)
        _DO[etree.QName(operation).localname](holder, attribute, operation, where)
    made: bytes = to_json(etree.tostring(root))
    return made


def _parser(*, ours: bool = False) -> Element:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True,
                           remove_pis=True, huge_tree=ours)  # fmt: skip


def _read(patch: bytes) -> list[Element]:
    if len(patch) > MAX_OCTETS:
        raise TooLargeError(f"more than {MAX_OCTETS} octets of patch", where="diff", cure="send an update")
    try:
        root = etree.fromstring(patch, _parser())
    except (etree.XMLSyntaxError, ValueError):
        raise ParseError("this is no XML", where="diff", cure="see RFC 5261", code="structure") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise InvalidError("a patch has no DOCTYPE", where="diff", cure="leave it out", code="structure")
    found = list(root)
    if etree.QName(root).localname != "diff" or not found:
        raise InvalidError(
            "an XML Patch is a diff with operations", where="diff", cure="see RFC 5261", code="structure"
        )
    if len(found) > MAX_OPERATIONS:
        raise TooLargeError(f"more than {MAX_OPERATIONS} operations", where="diff", cure="send an update")
    for number, one in enumerate(found):
        if not isinstance(one.tag, str) or etree.QName(one).localname not in _DO:
            cure = f"take one of {', '.join(_DO)}"
            raise InvalidError("is no operation of XML Patch", where=f"diff[{number}]", cure=cure, code="structure")
    return found


def _place(root: Element, operation: Element, where: str) -> tuple[Element, str]:
    """(element, name of its attribute or '') that the selector names; exactly one (RFC 5261 §4.1)."""
    sel = operation.get("sel", "")
    found: list[Element] = [root]
    at, attribute, depth = 0, "", 0
    while at < len(sel):
        step = _STEP.match(sel, at)
        if step is None or attribute or depth > _DEPTH:
            cure = "name elements, [n], [@a='v'] or [child/@value='v'], and @attribute at the end"
            raise InvalidError("the selector is not understood", where=f"{where}.sel", cure=cure, code="value")
        if step["attribute"]:
            attribute = step["attribute"]
        else:
            # The first step is the resource itself (§4.2.2: names are in the namespace of the patch, else of FHIR).
            around = found if depth else [[root]]
            name = _qualified(step["name"], operation)
            found = [e for holder in around for e in _fit(holder, name, step["conditions"], operation)]
        at, depth = step.end(), depth + 1
    if len(found) != 1 or not sel:
        what = "the selector finds several places" if len(found) > 1 else "the selector finds nothing"
        raise UnprocessableError(what, where=f"{where}.sel", cure="see the resource as XML")
    if attribute and attribute not in found[0].attrib:
        raise UnprocessableError("there is no such attribute", where=f"{where}.sel", cure="see the resource as XML")
    return found[0], attribute


def _qualified(name: str, operation: Element) -> str:
    """A name of a selector with its namespace, or '' for any."""
    if name == "*":
        return ""
    prefix, _, local = name.rpartition(":")
    return f"{{{operation.nsmap.get(prefix or None, _FHIR)}}}{local}"


def _fit(holder: Any, name: str, conditions: str, operation: Element) -> list[Element]:
    found = [e for e in holder if not name or e.tag == name]
    for condition in _CONDITION.finditer(conditions):
        if condition["index"]:
            number = int(condition["index"])
            found = found[number - 1 : number]
            continue
        wanted = condition["a"] if condition["a"] is not None else condition["b"]
        path, attribute = condition["path"], condition["attribute"] or "value"
        if path.startswith("@"):
            found = [e for e in found if e.get(path[1:]) == wanted]
        else:
            child = _qualified(path, operation)
            found = [e for e in found if any(c.get(attribute) == wanted for c in e if c.tag == child)]
    return found


def _add(holder: Element, attribute: str, operation: Element, where: str) -> None:
    kind = operation.get("type", "")
    if attribute or kind.startswith("namespace"):
        raise InvalidError("add has a place for an element, or type='@name'", where=where, code="structure")
    if kind.startswith("@"):
        if kind[1:] in holder.attrib:
            raise UnprocessableError("the attribute is there already", where=where, cure="replace it")
        holder.set(kind[1:], operation.text or "")
        return
    made, position = list(operation), operation.get("pos", "")
    parent = holder.getparent()
    if position in ("before", "after") and parent is not None:
        at = parent.index(holder) + (position == "after")
        parent[at:at] = [_own(e) for e in made]
    elif position in ("", "prepend"):
        at = 0 if position else len(holder)
        holder[at:at] = [_own(e) for e in made]
    else:
        raise InvalidError("pos is before, after or prepend", where=f"{where}.pos", code="value")


def _replace(holder: Element, attribute: str, operation: Element, where: str) -> None:
    if attribute:
        holder.set(attribute, (operation.text or "").strip())
        return
    made, parent = list(operation), holder.getparent()
    if len(made) != 1 or parent is None:
        raise InvalidError("an element is replaced by one element, and not the whole resource", where=where,
                           cure="see RFC 5261 §4.4", code="structure")  # fmt: skip
    parent[parent.index(holder)] = _own(made[0])


def _remove(holder: Element, attribute: str, _operation: Element, where: str) -> None:
    if attribute:
        del holder.attrib[attribute]
    elif (parent := holder.getparent()) is None:
        raise UnprocessableError("the whole resource is not removed by a patch", where=where, cure="delete it")
    else:
        parent.remove(holder)


def _own(element: Element) -> Element:
    """An element of a patch in the namespace of FHIR, if it has none."""
    for one in element.iter(etree.Element):
        if etree.QName(one).namespace is None:
            one.tag = f"{{{_FHIR}}}{one.tag}"
    element.tail = None
    return element


_DO: dict[str, Callable[[Element, str, Element, str], None]] = {"add": _add, "replace": _replace, "remove": _remove}
