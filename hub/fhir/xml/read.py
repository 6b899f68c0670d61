"""FHIR XML to FHIR JSON.

R4 §2.6.1, §2.6.2; W3C XML 1.0, XML Namespaces.  One pass over the octets, within bounds, without DTD; numbers
and narrative come out as they are written.  What R4 does not have is refused, with its line.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, NoReturn
from xml.parsers import expat

import orjson

from hub.errors import InvalidError, ParseError, TooLargeError
from hub.fhir.xml.narrative import standalone
from hub.fhir.xml.plan import MAX_DEPTH, MAX_OCTETS, PRIMITIVE, XHTML, Spec, plan, roots

_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})").fullmatch
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch
_NAME = re.compile(rb"[^\s/>]+")
_XSI = "http://www.w3.org/2001/XMLSchema-instance "

MAX_PREFIXES = 64

Tags = dict[str, Spec]
_BESIDE: Tags = {}  # what may stand in a primitive; filled at first use
_NOTHING: Tags = {}


def to_json(octets: bytes) -> bytes:
    """The resource in JSON, its members in the order of the document.

    :raises ParseError: with line and column, when this is no XML of ours; InvalidError: with path and line,
        for what R4 does not have; TooLargeError: beyond the bound.
    """
    if len(octets) > MAX_OCTETS:
        raise TooLargeError(f"more than {MAX_OCTETS} octets of XML", cure="send it in parts")
    octets = octets.removeprefix(codecs.BOM_UTF8)
    declared = _DECLARED.match(octets[:400])
    foreign = declared is not None and declared[1].lower() not in (b"utf-8", b"us-ascii", b"ascii")
    if foreign or octets.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _no_xml("an encoding other than UTF-8", 1, 0, "send UTF-8 (R4 §2.6.1)")
    return orjson.dumps(_Reader(octets).root)


class _Reader:
    """One document being read.

    :ivar tags: what may stand at the present place; ``found``: the object it goes into; ``spec``: the element
        that is open; ``stack``: the same for each element around it.
    """

    def __init__(self, octets: bytes) -> None:
        if not _BESIDE:
            _BESIDE.update(plan("Element").tags)
        self.octets = octets
        self.root: dict[str, Any] = {}
        self.tags: Tags = roots()
        self.found: dict[str, Any] = self.root
        self.spec = Spec("", "root", "", False, 0)
        self.stack: list[tuple[Tags, dict[str, Any], Spec]] = []
        self.div, self.div_at = 0, 0
        self.prefixes: dict[str, tuple[str, int]] = {}
        self.uneven: list[tuple[dict[str, Any], Spec]] = []
        self.parser = parser = expat.ParserCreate("utf-8", " ")
        parser.ordered_attributes = True
        parser.buffer_text = True
        parser.StartElementHandler = self.start
        parser.EndElementHandler = self.end
        parser.CharacterDataHandler = self.text
        parser.StartNamespaceDeclHandler = self.namespace
        parser.StartDoctypeDeclHandler = self.doctype
        try:
            parser.Parse(octets, True)
        except expat.ExpatError as e:
            said = expat.ErrorString(e.code)
            raise _no_xml(f"no well-formed XML: {said}", e.lineno, e.offset, "correct it there") from None
        finally:
            # The handlers are methods of what holds the parser: a circle that would wait for the collector.
            parser.StartElementHandler = parser.EndElementHandler = parser.CharacterDataHandler = None
            parser.StartNamespaceDeclHandler = parser.StartDoctypeDeclHandler = None
        for holder, spec in self.uneven:
            _align(holder, spec)

    def start(self, name: str, attributes: list[str]) -> None:
        if len(self.stack) + self.div >= MAX_DEPTH:
            self.wrong(f"nested deeper than {MAX_DEPTH}", cure="flatten the resource")
        if self.div:
            self.div += 1
            return
        spec = self.tags.get(name)
        if spec is None:
            self.unknown(name)
        holder = self.found
        self.stack.append((self.tags, holder, self.spec))
        self.spec, kind = spec, spec.kind
        if kind in PRIMITIVE:
            self.tags = _BESIDE
            if len(attributes) == 2 and attributes[0] == "value":
                value, beside = self.value(spec, attributes[1]), None
            else:
                value, beside = self.attributes(spec, attributes)
            self.place(holder, spec, value)
            if beside is not None:
                self.beside(holder, spec, beside)
        elif kind == "part":
            known = plan(spec.structure)
            made: dict[str, Any] = {}
            for n in range(0, len(attributes), 2):
                attribute = attributes[n]
                if (attribute == "id" or (known.url and attribute == "url")) and attributes[n + 1]:
                    made[attribute] = attributes[n + 1]
                else:
                    self.attribute(attribute)
            if self.tags is _BESIDE:  # an extension of a primitive
                outer, primitive = holder, self.stack[-1][2]
                holder = self.beside_of(outer, primitive)
            self.tags, self.found = known.tags, made
            self.place(holder, spec, made)
        elif kind == "root":
            self.open_resource(spec, holder, attributes)
        elif kind == "resource":
            self.tags = roots()
            self.attributes_refused(attributes)
        else:
            self.div, self.div_at = 1, self.parser.CurrentByteIndex

    def end(self, _: str) -> None:
        if self.div:
            self.div -= 1
            if self.div:
                return
            self.place(self.found, self.spec, self.narrative())
        elif self.spec.kind == "part" and not self.found:
            self.wrong("an element with nothing in it", cure="give it a content, or leave it out")
        elif self.spec.kind == "resource" and self.tags is not _NOTHING:
            self.wrong("no resource in it", cure="put one in, or leave the element out")
        elif self.tags is _BESIDE and self.empty():
            self.wrong("an element without a value", cure="give it a value, or leave it out")
        self.tags, self.found, self.spec = self.stack.pop()

    def text(self, data: str) -> None:
        if not self.div and not data.isspace():
            self.wrong("text between elements", cure='write values as value="…"')

    def namespace(self, prefix: str | None, uri: str | None) -> None:
        if not self.div:
            if len(self.prefixes) >= MAX_PREFIXES:  # each is looked for in each narrative
                self.wrong(f"more than {MAX_PREFIXES} namespace prefixes", cure="declare what is used")
            self.prefixes[prefix or ""] = uri or "", self.parser.CurrentByteIndex

    def doctype(self, *_: object) -> NoReturn:
        line, column = self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber
        raise _no_xml("the document has a DOCTYPE", line, column, "send it without document type declaration")

    # -- parts of start and end

    def open_resource(self, spec: Spec, holder: dict[str, Any], attributes: list[str]) -> None:
        made: dict[str, Any] = {"resourceType": spec.key}
        wrapper = self.stack[-1][2]
        if len(self.stack) == 1:
            self.root = made
            attributes = [
                a
                for pair in zip(attributes[::2], attributes[1::2], strict=True)
                if not pair[0].startswith(_XSI)
                for a in pair
            ]
        else:
            self.place(holder, wrapper, made)
        self.attributes_refused(attributes)
        self.stack[-1] = _NOTHING, holder, wrapper  # one resource, no more
        self.tags, self.found = plan(spec.structure).tags, made

    def value(self, spec: Spec, text: str) -> Any:
        kind = spec.kind
        if kind == "text":
            if text:
                return text
            self.wrong("an empty value", cure="give it a value, or leave it out")
        if kind == "boolean":
            if text in ("true", "false"):
                return text == "true"
            self.wrong("a boolean that is neither true nor false", cure="write true or false")
        if (_WHOLE if kind == "whole" else _DECIMAL)(text) is None:
            self.wrong("a value that is no number of its type", cure="write digits, as R4 §2.24.0.1 says")
        return orjson.Fragment(text)

    def attributes(self, spec: Spec, attributes: list[str]) -> tuple[Any, dict[str, Any] | None]:
        """Value and what stands beside it, of a primitive that has more than its value."""
        value = beside = None
        for n in range(0, len(attributes), 2):
            name, text = attributes[n], attributes[n + 1]
            if name == "value":
                value = self.value(spec, text)
            elif name == "id" and text:
                beside = {"id": text}
            else:
                self.attribute(name)
        return value, beside

    def attribute(self, name: str) -> NoReturn:
        self.wrong(f"an attribute {_short(name)!r} that is empty or not of R4", cure="take it out")

    def attributes_refused(self, attributes: list[str]) -> None:
        for name in attributes[::2]:
            self.attribute(name)

    def place(self, holder: dict[str, Any], spec: Spec, value: Any) -> None:
        key = spec.key
        if spec.many:
            if key in holder:
                holder[key].append(value)
            else:
                holder[key] = [value]
        elif key in holder:
            self.wrong("an element that R4 allows once only", cure="keep one")
        else:
            holder[key] = value

    def beside(self, holder: dict[str, Any], spec: Spec, beside: dict[str, Any]) -> None:
        """Put ``beside`` next to the value that was placed last."""
        if not spec.many:
            holder[spec.under] = beside
            return
        if spec.under not in holder:
            holder[spec.under] = []
            self.uneven.append((holder, spec))
        listed = holder[spec.under]
        listed.extend([None] * (len(holder[spec.key]) - 1 - len(listed)))
        listed.append(beside)

    def beside_of(self, holder: dict[str, Any], spec: Spec) -> dict[str, Any]:
        """What stands beside the value that was placed last; made when there is nothing yet."""
        there = holder.get(spec.under)
        if spec.many:
            there = there[-1] if there is not None and len(there) == len(holder[spec.key]) else None
        if there is None:
            there = {}
            self.beside(holder, spec, there)
        return there

    def empty(self) -> bool:
        """Whether the primitive that closes has neither value nor extension; a lone ``None`` is taken away."""
        holder, spec = self.found, self.spec
        value = holder[spec.key]
        if spec.many:
            if value[-1] is not None:
                return False
            there = holder.get(spec.under)
            if len(value) == 1:
                self.uneven.append((holder, spec))
            return there is None or len(there) != len(value)
        if value is not None:
            return False
        del holder[spec.key]
        return spec.under not in holder

    def narrative(self) -> str:
        """The ``div`` that closes, as it is written."""
        stop = self.parser.CurrentByteIndex  # before </div>, or behind <div/>
        name = _NAME.match(self.octets, self.div_at + 1)
        if name is not None and self.octets.startswith(b"</" + name[0], stop):
            stop = self.octets.index(b">", stop) + 1
        raw = self.octets[self.div_at : stop].decode()
        outside = {p: uri for p, (uri, at) in self.prefixes.items() if at != self.div_at}
        own = self.prefixes.get("", ("", -1)) == (XHTML, self.div_at)
        if own and not any(f"{prefix}:" in raw for prefix in outside if prefix):
            return raw
        return standalone(raw, outside)

    def unknown(self, name: str) -> NoReturn:
        namespace, _, local = name.rpartition(" ")
        if not self.stack:
            what = "the root is no resource of R4"
            self.wrong(what, cure='begin with a resource in the namespace "http://hl7.org/fhir"')
        inside = f"in the namespace {namespace[:64]!r}" if not namespace.startswith("http://hl7.org/fhir") else "there"
        self.wrong(f"R4 has no element {_short(local)!r} {inside}", cure="correct the name, or take it out")

    def wrong(self, what: str, *, cure: str) -> NoReturn:
        names = [spec.key for *_, spec in self.stack[1:]] + [self.spec.key]
        at = f"line {self.parser.CurrentLineNumber} column {self.parser.CurrentColumnNumber + 1}"
        raise InvalidError(f"{what} ({at})", where=".".join(filter(None, names)), cure=cure, code="structure")


def _no_xml(what: str, line: int, column: int, cure: str) -> ParseError:
    return ParseError(what, where=f"line {line} column {column + 1}", cure=cure, code="structure")


def _short(name: str) -> str:
    return name if len(name) <= 64 else name[:61] + "..."


def _align(holder: dict[str, Any], spec: Spec) -> None:
    """Give values and what stands beside them the same length (R4 §2.6.2.3); no list of nothing but null."""
    values, beside = holder.get(spec.key), holder.get(spec.under)
    if values is None:
        return
    if beside is not None:
        beside.extend([None] * (len(values) - len(beside)))
    if all(value is None for value in values):
        del holder[spec.key]
