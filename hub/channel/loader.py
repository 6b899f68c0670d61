"""Reads YAML so that codes stay text, and every value knows its line and column.

YAML 1.2 §10.2 (JSON schema), narrowed: YAML 1.1 readers make 2097172 of the FINESS number ``010000024``,
512 of the post code ``01000``, false of the country ``NO`` and 1342 of ``22:22``.  Here a plain scalar is
text unless it is ``true``, ``false``, ``null``, ``~``, an integer of at most nine digits without leading
zero, or ``digits.digits``.  Duplicate keys, tags, merge keys and second documents are refused; size, depth
and the number of values after aliases were followed are bounded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from hub.channel.findings import Finding
from hub.errors import ConfigError
from hub.settings import PREFIX, Settings, expand

Place = tuple[str | int, ...]

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 10_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where the wheel has it
_TYPED = (
    (re.compile(r"true|false"), lambda text: text == "true"),
    (re.compile(r"null|~|"), lambda _text: None),
    (re.compile(r"0|-?[1-9][0-9]{0,8}"), int),
    (re.compile(r"-?(0|[1-9][0-9]{0,8})\.[0-9]{1,9}"), float),
)
# A reason must follow: whoever reads the file later wants to know why.
_ALLOW = re.compile(r"#\s*lint:\s*allow\s+([CS][0-9]{3}(?:\s*,\s*[CS][0-9]{3})*)\s+\S")
_VARIABLE = re.compile(r"\$\{" + PREFIX + r"([A-Z_]+)(?::-[^}]*)?\}")


@dataclass(slots=True)
class Document:
    """A file as it was read.

    :ivar value: plain Python values, variables not yet replaced; None when nothing could be read.
    :ivar values: line and column of each value; ``keys`` those of the key that leads to it.
    """

    file: str
    text: str = ""
    revision: str = ""
    value: Any = None
    values: dict[Place, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Place, tuple[int, int]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def at(self, place: Place, key: bool = False) -> tuple[int, int]:
        """Where a value (or its key) stands; for what is not there, where its parent stands."""
        if key and place in self.keys:
            return self.keys[place]
        if place in self.values:
            return self.values[place]
        while place := place[:-1]:
            if found := self.keys.get(place) or self.values.get(place):
                return found
        return self.values.get((), (1, 1))

    def raw(self, place: Place) -> Any:
        """The value as written, or None."""
        value = self.value
        for part in place:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def find(self, code: str, place: Place, what: str, cure: str = "", *, key: bool = False) -> None:
        """Add an error at a place, unless a variable is missing there: that is the one to mend first."""
        line, column = self.at(place, key)
        if not any(f.code == "Y005" and (f.line, f.column) == (line, column) for f in self.findings):
            self.findings.append(Finding(self.file, line, column, code, what, cure))

    def allowed(self, line: int) -> frozenset[str]:
        """Codes that a comment on the line allows: ``# lint: allow S302 the VPN ends here``."""
        lines = self.text.splitlines()
        match = _ALLOW.search(lines[line - 1]) if 0 < line <= len(lines) else None
        return frozenset(re.split(r"[,\s]+", match.group(1))) if match else frozenset()


def read(path: Path) -> Document:
    """Read a file; what is wrong with it is in ``findings``, never raised."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as e:
        why = (e.strerror or "unreadable").lower()
        return Document(str(path), findings=[Finding(str(path), 1, 1, "Y001", f"cannot be read: {why}")])
    return parse(data, str(path))


def parse(data: bytes, file: str = "channel.yaml") -> Document:
    """Read the octets of a file."""
    document = Document(file, revision=hashlib.sha256(data).hexdigest()[:12])
    if len(data) > MAX_BYTES:
        document.find("Y003", (), f"larger than {MAX_BYTES // 1024} KiB", "split it in several channels")
        return document
    try:
        document.text = data.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        column = e.start - data.rfind(b"\n", 0, e.start)
        document.findings.append(Finding(file, line, column, "Y001", "not UTF-8", "save the file as UTF-8"))
        return document
    try:
        events = _bounded(yaml.parse(document.text, Loader=_LOADER))
        document.value = _Composer(document, events).whole()
    except yaml.YAMLError as e:
        line, column, what = _explain(e, document.text)
        document.findings.append(Finding(file, line, column, "Y001", what, "see `hub explain Y001`"))
        document.value = None
    except _RefusedError as e:
        document.findings.append(Finding(file, *e.at, e.code, e.what, e.cure))
        document.value = None
    return document


_Valued = yaml.ScalarEvent | yaml.CollectionStartEvent


class _RefusedError(Exception):
    def __init__(self, event: yaml.Event, code: str, what: str, cure: str) -> None:
        super().__init__(what)
        self.at = _at(event)
        self.code, self.what, self.cure = code, what, cure


def _at(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _bounded(events: Iterable[yaml.Event]) -> list[yaml.Event]:
    kept = []
    for event in events:
        kept.append(event)
        if len(kept) > 3 * MAX_NODES:
            raise _RefusedError(event, "Y003", f"more than {MAX_NODES} values", "split the file")
    return kept


class _Composer:
    """Makes values out of events, noting where each stands."""

    def __init__(self, document: Document, events: list[yaml.Event]) -> None:
        self.document, self.events = document, events
        self.next = 0
        self.count = 0
        self.anchors: dict[str, int] = {}
        self.open: set[str] = set()

    def whole(self) -> Any:
        starts = [e for e in self.events if isinstance(e, yaml.DocumentStartEvent)]
        if not starts:
            raise _RefusedError(self.events[-1], "C102", "the file is empty", "start with `channel: its-name`")
        if len(starts) > 1:
            raise _RefusedError(starts[1], "Y004", "a second document", "one file holds one channel: drop `---`")
        self.next = self.events.index(starts[0]) + 1
        return self.node(())

    def node(self, place: Place) -> Any:
        event = self.events[self.next]
        self.next += 1
        self.count += 1
        if self.count > MAX_NODES or len(place) > MAX_DEPTH:
            what = f"more than {MAX_NODES} values" if self.count > MAX_NODES else f"deeper than {MAX_DEPTH} levels"
            raise _RefusedError(event, "Y003", what, "write it flatter, with fewer aliases")
        self.document.values[place] = _at(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, place)
        if not isinstance(event, _Valued) or event.tag not in (None, "!"):
            raise _RefusedError(event, "Y004", "a tag", "write the value plainly, or in quotes when it is text")
        if event.anchor is None:
            return self.content(event, place)
        if event.anchor in self.open:
            raise _RefusedError(event, "Y004", f"&{event.anchor} holds itself", "write the values out")
        self.anchors[event.anchor] = self.next - 1
        self.open.add(event.anchor)
        value = self.content(event, place)
        self.open.discard(event.anchor)
        return value

    def content(self, event: _Valued, place: Place) -> Any:
        if isinstance(event, yaml.ScalarEvent):
            return typed(event.value) if event.implicit[0] else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return self.sequence(place)
        return self.mapping(place)

    def alias(self, event: yaml.AliasEvent, place: Place) -> Any:
        if event.anchor not in self.anchors or event.anchor in self.open:
            what = "holds itself" if event.anchor in self.open else "is not written before"
            raise _RefusedError(event, "Y004", f"*{event.anchor} {what}", f"write &{event.anchor} before its use")
        back, self.next = self.next, self.anchors[event.anchor]
        value = self.node(place)
        self.next = back
        return value

    def sequence(self, place: Place) -> list[Any]:
        made: list[Any] = []
        while not isinstance(self.events[self.next], yaml.SequenceEndEvent):
            made.append(self.node((*place, len(made))))
        self.next += 1
        return made

    def mapping(self, place: Place) -> dict[str, Any]:
        made: dict[str, Any] = {}
        while not isinstance(event := self.events[self.next], yaml.MappingEndEvent):
            self.next += 1
            if not isinstance(event, yaml.ScalarEvent) or not event.value or event.tag not in (None, "!"):
                raise _RefusedError(event, "Y004", "a key that is no text", "write `name: value`")
            key = event.value
            if key == "<<":
                raise _RefusedError(event, "Y004", "a merge key", "write the settings out, or use an alias")
            again = key in made
            if again:
                first = self.document.keys[(*place, key)][0]
                self.document.findings.append(
                    Finding(
                        self.document.file, *_at(event), "Y002", f"{key!r} stands twice", f"line {first} has it too"
                    )
                )
                self.node((*place, f"{key} (again)"))
                continue
            self.document.keys[(*place, key)] = _at(event)
            made[key] = self.node((*place, key))
        self.next += 1
        return made


def typed(text: str) -> Any:
    """The value of a plain scalar."""
    for pattern, make in _TYPED:
        if pattern.fullmatch(text):
            return make(text)
    return text


def expanded(document: Document, settings: Settings) -> Any:
    """The value with ``${...}`` replaced in its texts; what cannot be is added to the findings."""

    def walk(value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return {k: walk(v, (*place, k)) for k, v in value.items()}
        if isinstance(value, list):
            return [walk(v, (*place, i)) for i, v in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            return variables(value, settings)
        except ConfigError as e:
            document.find("Y005", place, e.what, e.cure)
            return value

    return walk(document.value, ())


def variables(text: str, settings: Settings) -> str:
    """``text`` with its variables replaced; ``HUB_*`` are the settings of this hub.

    :raises ConfigError: when a variable or a secret file is not there.
    """

    def setting(match: re.Match[str]) -> str:
        name = match.group(1).lower()
        # The secret and what is unset are left to the environment, and to the default that is written.
        value = getattr(settings, name, None) if name in Settings.model_fields and name != "secret" else None
        return match.group(0) if value is None or value == "" else str(value)

    # Settings first: a hub run with other ports than its environment says gives its channels its own.
    return expand(_VARIABLE.sub(setting, text))


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, int, str]:
    """Place and words of what libyaml says."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", "") or getattr(error, "reason", "") or "not YAML")
    if mark is None:
        position = min(int(getattr(error, "position", 0) or 0), len(text))
        line = text.count("\n", 0, position) + 1
        return line, position - text.rfind("\n", 0, position), f"not YAML: {problem}"
    line, column = mark.line + 1, mark.column + 1
    lines = text.splitlines()
    here = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in here[: len(here) - len(here.lstrip())]:
        return line, column, "a tab in the indentation: YAML wants spaces"
    return line, column, f"not YAML: {problem}"
