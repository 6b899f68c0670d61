"""The tree of an ER7 message: segments, fields, repetitions, components, subcomponents.

HL7 v2.5 §2.5 to §2.8.  Octets are split where somebody looks and decoded when somebody reads, so a
document of megabytes in OBX-5 costs nothing until it is wanted, and what came in goes out unchanged.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from hub.errors import ParseError
from hub.source.hl7v2_text import BOM, Separators, charset, printable, separators, undecodable, unescape
from hub.source.origin import Text

MAX_SEGMENTS: Final = 20_000
MAX_FIELDS: Final = 2_000
MAX_REPETITIONS: Final = 1_000
MAX_COMPONENTS: Final = 10_000
_LONG: Final = 4_096

_NAME = re.compile(rb"[A-Z][A-Z0-9]{2}")
_COMMON = frozenset(b"MSH EVN PID PD1 ROL PV1 PV2 ZBE ZFA ZFD ZFM OBX PRT ORC OBR TXA NTE".split())
# Segments that come once are named alone (PID-3); those made to repeat carry their number (OBX[2]-5).
_REPEATED = frozenset((b"OBX", b"PRT", b"NTE", b"ROL", b"NK1", b"DG1", b"AL1", b"TQ1", b"TQ2"))


def pieces(octets: bytes, sign: bytes, most: int) -> list[bytes]:
    """``octets.split(sign, most)``; beyond a page, a search that does not look at every octet one by one."""
    if len(octets) < _LONG:
        return octets.split(sign, most)
    found: list[bytes] = []
    start = 0
    while len(found) < most and (end := octets.find(sign, start)) >= 0:
        found.append(octets[start:end])
        start = end + 1
    found.append(octets[start:])
    return found


def _lines(body: bytes) -> list[bytes]:
    """Segments end with CR (§2.4); LF and CRLF are met everywhere and taken too."""
    if len(body) < _LONG:
        return body.splitlines()
    most = 2 * MAX_SEGMENTS  # empty lines are forgiven, but not without end
    for end, other in ((b"\r", b"\n"), (b"\n", b"\r")):
        if other not in body:
            return pieces(body, end, most)
    lines = (line for part in pieces(body, b"\n", most) for line in pieces(part, b"\r", most))
    return list(islice(lines, most + 1))


def _too_many(what: str, most: int, where: str) -> ParseError:
    return ParseError(f"more than {most} {what}", where=where, cure="check the separators of the sender", code="102")


class Context:
    """What reading a field of one message needs to know: separators, character set, whether to tell places.

    Segments hold this rather than their message, so that nothing points back at the body and it is
    freed the moment the message is done with.
    """

    __slots__ = ("_charset", "component", "declared", "origins", "sep")

    def __init__(self, sep: Separators, declared: bytes, origins: bool) -> None:
        self.sep, self.declared, self.origins = sep, declared, origins
        self.component = sep.component
        self._charset: str | None = None

    @property
    def charset(self) -> str:
        """The codec of MSH-18.

        :raises ParseError: when the hub does not read it.
        """
        if self._charset is None:
            self._charset = charset(self.declared)
        return self._charset

    def finish(self, value: str, rep: Rep, component: int, sub: int) -> str | None:
        """A decoded text as mappings want it: unescaped, trimmed, None when there is nothing."""
        escape = self.sep.escape.decode()
        if escape and escape in value:
            value = unescape(value, self.sep, self.charset)
        if not value.isprintable():
            value = printable(value)
        value = value.strip()
        if not value or value == '""':
            return None
        return Text(value, rep.place(component, sub)) if self.origins else value


class Rep:
    """One repetition of a field; ``rep(4, 2)`` is the text of its component 4, subcomponent 2."""

    __slots__ = ("_number", "_parts", "field", "raw", "segment")

    def __init__(self, segment: Segment, field: int, number: int, raw: bytes) -> None:
        self.segment, self.field, self.raw = segment, field, raw
        self._number = number
        self._parts: list[bytes] | None = None

    @property
    def parts(self) -> list[bytes]:
        """The components, still octets."""
        if self._parts is None:
            segment = self.segment
            whole = self.field < 3 and segment.name == b"MSH"  # MSH-1, MSH-2 are the separators themselves
            split = segment.context.sep.component
            self._parts = [self.raw] if whole else pieces(self.raw, split, MAX_COMPONENTS)
            if len(self._parts) > MAX_COMPONENTS:
                raise _too_many("components", MAX_COMPONENTS, f"{segment.place}-{self.field}")
        return self._parts

    def octets(self, component: int = 1) -> bytes:
        """A component as it was received; ``b''`` when it is not there."""
        parts = self.parts
        return parts[component - 1] if component <= len(parts) else b""

    def __call__(self, component: int = 1, sub: int = 1) -> str | None:
        """The text of a component, or None when it is absent, empty, blank or ``""`` (§2.5.3)."""
        context = self.segment.context
        parts = self._parts
        if parts is None:
            if len(self.raw) < _LONG and self.field > 2:  # MSH-1 and MSH-2 are not split: the property knows
                parts = self._parts = self.raw.split(context.component)
            else:
                parts = self.parts
        if component > len(parts):
            return None
        octets = parts[component - 1]
        if not octets:
            return None
        if octets.isalnum() and not context.origins:  # most codes and identifiers: nothing to undo
            return octets.decode("ascii") if sub == 1 else None
        split = context.sep.sub
        if split and split in octets:
            if self.field < 3 and self.segment.name == b"MSH":
                return octets.decode("ascii")
            subs = octets.split(split, sub)
            if sub > len(subs):
                return None
            octets = subs[sub - 1]
        elif sub > 1:
            return None
        try:
            value = octets.decode(context._charset or context.charset)
        except UnicodeDecodeError:
            raise undecodable(self.place(component, sub), context.charset) from None
        if context.origins or context.sep.escape in octets or not value.isprintable():
            return context.finish(value, self, component, sub)
        value = value.strip()
        return value if value and value != '""' else None

    def whole(self) -> str | None:
        """The whole repetition as one text, for free text in which separators were left unescaped."""
        context = self.segment.context
        try:
            value = self.raw.decode(context.charset)
        except UnicodeDecodeError:
            raise undecodable(self.place(), context.charset) from None
        return context.finish(value, self, 0, 0)

    def place(self, component: int = 0, sub: int = 0) -> str:
        """Where this stands: ``PID-7``, ``PID-3[2].4.2``, ``OBX[1]-5.5``."""
        at = f"{self.segment.place}-{self.field}"
        if self._number:
            at += f"[{self._number + 1}]"
        if component and (component > 1 or len(self.parts) > 1):
            at += f".{component}"
            if sub > 1 or (self.segment.context.sep.sub or b"\0") in self.octets(component):
                at += f".{sub}"
        return at


class Field:
    """One field: ``field.reps()``, or ``field(1)`` for the text of its first repetition."""

    __slots__ = ("number", "raw", "segment")

    def __init__(self, segment: Segment, number: int) -> None:
        self.segment, self.number = segment, number
        fields = segment.fields
        self.raw = fields[number] if number < len(fields) else b""

    def __bool__(self) -> bool:
        return bool(self.raw)

    def reps(self) -> list[Rep]:
        return self.segment.reps(self.number)

    def __call__(self, component: int = 1, sub: int = 1) -> str | None:
        return self.segment.text(self.number, component, sub)


class Segment:
    """One segment; fields are numbered as in the standard, MSH-1 being the separator."""

    __slots__ = ("_fields", "context", "line", "name", "number")

    def __init__(
        self, context: Context, name: bytes, line: bytes, number: int, fields: list[bytes] | None = None
    ) -> None:
        self.context, self.name, self.line, self.number = context, name, line, number
        self._fields = fields

    @property
    def fields(self) -> list[bytes]:
        """The fields, still octets; ``fields[0]`` is the name of the segment."""
        if self._fields is None:
            self._fields = pieces(self.line, self.context.sep.field, MAX_FIELDS + 1)
            if len(self._fields) > MAX_FIELDS + 1:
                raise _too_many("fields in one segment", MAX_FIELDS, self.place)
        return self._fields

    @property
    def place(self) -> str:
        name = self.name.decode()
        return f"{name}[{self.number}]" if self.number > 1 or self.name in _REPEATED else name

    def __getitem__(self, number: int) -> Field:
        return Field(self, number)

    def rep(self, number: int) -> Rep | None:
        """The first repetition that has something in it."""
        reps = self.reps(number)
        return reps[0] if reps else None

    def reps(self, number: int) -> list[Rep]:
        """The repetitions of a field; none when it is empty.

        :raises ParseError: beyond the bound on repetitions.
        """
        fields = self._fields or self.fields
        if number >= len(fields) or not (raw := fields[number]):
            return []
        split = self.context.sep.repetition
        if not split or split not in raw or (number < 3 and self.name == b"MSH"):
            return [Rep(self, number, 0, raw)]
        parts = pieces(raw, split, MAX_REPETITIONS)
        if len(parts) > MAX_REPETITIONS:
            raise _too_many("repetitions", MAX_REPETITIONS, f"{self.place}-{number}")
        return [Rep(self, number, n, part) for n, part in enumerate(parts) if part]

    def text(self, number: int, component: int = 1, sub: int = 1) -> str | None:
        """The text of a component of the first repetition that has something in it."""
        fields = self._fields or self.fields
        if number >= len(fields) or not (raw := fields[number]):
            return None
        if component == 1 and raw.isalnum() and not self.context.origins:
            return raw.decode("ascii") if sub == 1 else None
        reps = self.reps(number)
        return reps[0](component, sub) if reps else None


class Message:
    """A message, read where it is looked at.

    :param origins: texts remember their place (:class:`hub.source.origin.Text`).
    :raises ParseError: when it does not start with an MSH segment that names its separators.
    """

    __slots__ = ("_index", "context", "lines", "msh", "raw")

    def __init__(self, raw: bytes, origins: bool = False) -> None:
        self.raw = raw
        body = raw[3:] if raw.startswith(BOM) else raw
        self.lines = _lines(body)
        first = next((line for line in self.lines if line), b"")
        end = first.find(first[3:4], 4) if first.startswith(b"MSH") and len(first) > 4 else -1
        if end < 0:
            raise ParseError(
                "this is no HL7 v2 message: it does not start with an MSH segment",
                where="MSH",
                cure=r"send one message that starts MSH|^~\&| (batches FHS/BHS are sent message by message)",
                code="100",
            )
        sep = separators(first[3:4], first[4:end])
        fields = pieces(first, sep.field, MAX_FIELDS + 1)
        if len(fields) > MAX_FIELDS + 1:
            raise _too_many("fields in one segment", MAX_FIELDS, "MSH")
        declared = fields[17].split(sep.repetition, 1)[0] if len(fields) > 17 else b""
        fields.insert(1, sep.field)
        self.context = Context(sep, declared, origins)
        self.msh = Segment(self.context, b"MSH", first, 1, fields)
        self._index: dict[bytes, list[Segment]] | None = None

    @property
    def charset(self) -> str:
        return self.context.charset

    @property
    def sep(self) -> Separators:
        return self.context.sep

    @property
    def index(self) -> dict[bytes, list[Segment]]:
        """Segments by name, in the order of the message.

        :raises ParseError: for a line that is no segment, and beyond the bounds.
        """
        if self._index is None:
            self._index = self._read_lines()
        return self._index

    def _read_lines(self) -> dict[bytes, list[Segment]]:
        context = self.context
        split = context.sep.field
        found: dict[bytes, list[Segment]] = {}
        count = 0
        if len(self.lines) > 2 * MAX_SEGMENTS:  # the last piece then holds the rest
            raise _too_many("segments", MAX_SEGMENTS, "MSH")
        for line in self.lines:
            if not line:
                continue
            count += 1
            name = line[:3]
            if (
                line[3:4] not in (split, b"")
                or (name not in _COMMON and not _NAME.fullmatch(name))
                or (name == b"MSH" and count > 1)
            ):
                raise ParseError(
                    "a second message in the same frame" if name == b"MSH" else "a line that is no segment",
                    where=f"segment {count}",
                    cure="one message a frame" if name == b"MSH" else r"write a line break inside a field as \.br\ ",
                    code="100",
                )
            known = found.setdefault(name, [])
            segment = self.msh if count == 1 else Segment(context, name, line, len(known) + 1)
            known.append(segment)
            if len(line) > MAX_FIELDS:
                _ = segment.fields  # within the bound, or refused here
        if count > MAX_SEGMENTS:
            raise _too_many("segments", MAX_SEGMENTS, "MSH")
        return found

    def segments(self, name: bytes) -> list[Segment]:
        return self.index.get(name, [])

    def first(self, name: bytes) -> Segment | None:
        found = self.index.get(name)
        return found[0] if found else None

    def ordered(self) -> list[Segment]:
        """All segments in the order of the message."""
        later = {name: iter(found) for name, found in self.index.items()}
        return [next(later[line[:3]]) for line in self.lines if line]

    def encode(self) -> bytes:
        """The message octet for octet as it was received."""
        return self.raw
