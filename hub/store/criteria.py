"""Reads the criteria of a search into a :class:`hub.store.query.Query`.

R4 §3.1.1.3 (parameters, escapes), §3.1.1.4 (kinds, prefixes, modifiers), §3.1.1.4.17 (chains), §3.1.1.4.18
(``_has``).  A parameter that the hub does not know is refused: ignoring it would answer with more than was
asked for.  Errors name the parameter, never its value, which may identify a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NoReturn

from hub import clock
from hub.errors import InvalidError
from hub.fhir.search import Param, exact, fold, interval, number, params, target, types
from hub.fhir.search.table import PARENTS, SOURCE, pair_id
from hub.fhir.search.values import of_type
from hub.store.query import (
    Amount,
    Both,
    Chain,
    Criterion,
    Has,
    Ids,
    Listed,
    Look,
    Present,
    Query,
    Ref,
    Test,
    Text,
    Token,
    When,
)

MAX_CRITERIA = 64
MAX_VALUES = 1000
MAX_CHAIN = 4
_MAX_CODES = 5000  # of a value set
_MAX_WORDS = 16

_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}", re.ASCII)
_PREFIX = "(eq|ne|gt|ge|lt|le|sa|eb|ap)?"
_DATED = re.compile(rf"{_PREFIX}(\d.*)", re.ASCII | re.DOTALL)
_NUMBER = re.compile(rf"{_PREFIX}([-+]?\d.*)", re.ASCII | re.DOTALL)
# R4 §3.1.1.4.3: which modifiers go with which kind; "missing" goes with all but composites.
MODIFIERS: Mapping[str, frozenset[str]] = {
    "token": frozenset(("", "not", "text", "in", "not-in", "above", "below", "of-type")),
    "string": frozenset(("", "exact", "contains")),
    "date": frozenset(("",)),
    "number": frozenset(("",)),
    "quantity": frozenset(("",)),
    "reference": frozenset(("", "identifier", "above", "below")),  # and the types of its targets
    "uri": frozenset(("", "above", "below")),
    "composite": frozenset(("",)),
    "special": frozenset(("",)),
}
_INDEX = {"uri": "token", "number": "quantity"}  # kinds that share an index table
_EARTH = 111.195  # kilometres a degree of latitude


class UnknownError(InvalidError):
    """A parameter or modifier that the hub does not have."""


def bad(name: str, what: str, cure: str = "") -> InvalidError:
    return InvalidError(what, where=f"http.{name[:64]}", cure=cure, code="value")


def unknown(name: str, what: str, cure: str = "see the CapabilityStatement") -> UnknownError:
    return UnknownError(what, where=f"http.{name[:64]}", cure=cure, code="not-supported")


def common(kinds: Sequence[str]) -> dict[str, tuple[Param, ...]]:
    """The parameters that all of the types have, of one kind each (R4 §3.1.1.4.1 for several types)."""
    named = [params(k) for k in kinds]
    shared = {n for n in named[0] if all(n in one and one[n].kind == named[0][n].kind for one in named)}
    return {n: tuple(one[n] for one in named) for n in named[0] if n in shared}


class Reader:
    """Reads the criteria of one search.

    :param base: URL of this server; references that begin with it are local.
    :param now: the present, for what is near to it.
    """

    def __init__(self, base: str, now: int | None = None) -> None:
        self._base = base.rstrip("/") + "/"
        self._now = clock.now() if now is None else now
        self.values = 0

    def query(self, kinds: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Query:
        """A query of nothing but criteria."""
        made = Query(tuple(kinds))
        for name, value in pairs:
            made = self.add(made, name, value)
        return made

    def add(self, query: Query, name: str, value: str) -> Query:
        """The query with one criterion more.

        :raises InvalidError: naming the parameter.
        """
        if "\0" in value or "\0" in name:
            raise bad(name, "has a NUL character")
        code = name.partition(":")[0]
        if code in ("_text", "_content", SOURCE):
            made = replace(query, looks=(*query.looks, self._look(code, name, value)))
        else:
            made = replace(query, criteria=(*query.criteria, self.criterion(query.types, name, value, name, MAX_CHAIN)))
        if len(made.criteria) + len(made.looks) > MAX_CRITERIA or self.values > MAX_VALUES:
            raise InvalidError("the search has too many values", cure="ask in several searches", code="too-costly")
        return made

    def _look(self, code: str, full: str, value: str) -> Look:
        if code == SOURCE:
            modifier = full.partition(":")[2]
            if modifier not in ("", "below", "above"):
                raise unknown(full, "the hub does not have this modifier")
            return Look("source", tuple(unescape(v) for v in self._split(value, full)), modifier)
        if ":" in full:
            raise unknown(full, "it takes no modifier", "leave it out")
        words = tuple(dict.fromkeys(fold(value.replace('"', " ")).split()))[:_MAX_WORDS]
        if not words:
            raise bad(full, "has no words")
        return Look(code[1:], words)

    def criterion(self, kinds: Sequence[str], name: str, value: str, full: str, depth: int) -> Criterion:
        """One parameter of resources of some types; ``full`` is its name as the client wrote it."""
        if name.startswith("_has:"):
            return self._has(name, value, full, depth)
        head, dot, rest = name.partition(".")
        code, _, modifier = head.partition(":")
        if dot and "." in modifier:
            raise unknown(full, "is no chain")
        if code in ("_id", "_lastUpdated", "_list") and not dot:
            return self._of_store(kinds, code, modifier, value, full)
        found = self._param(kinds, code, full)
        param = found[0]
        if dot:
            tests: list[Test] = [self._chain(found, modifier, rest, value, full, depth)]
            if len(kinds) == 1 and (held := params(kinds[0]).get(name)) is not None:  # in contained resources
                tests += [t for part in self._split(value, full) for t in self._string((held,), "", part, full)]
            return Criterion(tuple(tests))
        if modifier == "missing" and param.kind not in ("composite", "special"):
            if value not in ("true", "false"):
                raise bad(full, "is true or false")
            return Criterion((_present(found),), negated=value == "true")
        if modifier not in MODIFIERS[param.kind] and not (param.kind == "reference" and modifier in types()):
            raise unknown(full, "the hub does not have this modifier")
        make: Callable[[Sequence[Param], str, str, str], list[Test]] = getattr(self, f"_{param.kind}")
        tests = [t for part in self._split(value, full) for t in make(found, modifier, part, full)]
        return Criterion(_joined(tests), modifier in ("not", "not-in"))

    def _param(self, kinds: Sequence[str], code: str, full: str) -> tuple[Param, ...]:
        if len(kinds) == 1:
            one = params(kinds[0]).get(code)
            found: tuple[Param, ...] | None = (one,) if one else None
        else:
            found = common(kinds or types()).get(code)
        if found is None:
            whom = kinds[0] if len(kinds) == 1 else "not every type asked for"
            raise unknown(
                full, f"{whom} has no such search parameter here", "see searchParam in the CapabilityStatement"
            )
        return found

    def _split(self, value: str, full: str) -> list[str]:
        parts = split(value, ",")
        if not all(parts):
            raise bad(full, "has an empty value", "write a value, or leave the parameter out")
        self.values += len(parts)
        return parts

    def _of_store(self, kinds: Sequence[str], code: str, modifier: str, value: str, full: str) -> Criterion:
        if modifier:
            raise unknown(full, f"{code} takes no modifier", "leave it out")
        parts = self._split(value, full)
        if code == "_lastUpdated":
            return Criterion(tuple(self._when((), v, full) for v in parts))
        ids = [unescape(v) for v in parts]
        if not all(_ID.fullmatch(i) for i in ids):
            if code == "_list" and any(i.startswith("$") for i in ids):
                raise unknown(full, "the hub has no functional lists", "name a List by its id")
            raise bad(full, "is no logical id")
        if code == "_list":
            item = params("List")["item"].ids
            return Criterion(tuple(Listed(item, f"List/{i}") for i in ids))
        return Criterion((Ids(tuple(f"{k}/{i}" for i in ids for k in kinds or types())),))

    # --- one value of each kind -----------------------------------------------------------------------

    def _token(self, found: Sequence[Param], modifier: str, value: str, full: str) -> list[Test]:
        numbers = _ids(found)
        if modifier == "text":
            return [Text(tuple(n for p in found for n in p.texts), self._words(value, full))]
        if modifier == "of-type":
            return [_typed(found, value, full)]
        if modifier in ("in", "not-in"):
            return list(_members(numbers, unescape(value), full))
        if modifier in ("above", "below"):
            return [_lineage(numbers, modifier, value, full)]
        rare = found[0].shapes <= {"identifier"}
        if all(p.systemless for p in found):
            # The system of a code, boolean or contact is implied by the element (R4 §3.1.1.4.10).
            made = _token(numbers, value, full)
            return [replace(made, system="") if made.codes else replace(made, system=None)]
        return [_token(numbers, value, full, rare=rare)]

    def _uri(self, found: Sequence[Param], modifier: str, value: str, _full: str) -> list[Test]:
        text = exact(unescape(value))
        if modifier == "below":
            return [Token(_ids(found), (text,), begins=True)]
        ways = _above(text) if modifier == "above" else (text,)
        return [Token(_ids(found), ways, "", rare=True)]

    def _words(self, value: str, full: str) -> str:
        folded = fold(unescape(value))
        if not folded:
            raise bad(full, "has an empty value", "write a value, or leave the parameter out")
        return folded

    def _string(self, found: Sequence[Param], modifier: str, value: str, full: str) -> list[Test]:
        if modifier == "exact":
            return [Text(_ids(found), exact(unescape(value)), "exact")]
        return [Text(_ids(found), self._words(value, full), modifier or "starts")]

    def _date(self, found: Sequence[Param], _modifier: str, value: str, full: str) -> list[Test]:
        return [self._when(_ids(found), value, full)]

    def _when(self, numbers: tuple[int, ...], value: str, full: str) -> When:
        match = _DATED.fullmatch(unescape(value))
        try:
            # An unescaped + of a zone arrives as a space.
            low, high = interval(match[2].replace(" ", "+")) if match else (0, -1)
        except (ValueError, OverflowError):
            match = None
        if match is None:
            raise bad(full, "is no date", "write YYYY-MM-DD or a date-time with its zone, after a prefix or none")
        prefix = match[1] or "eq"
        if prefix == "ap":  # 10 % of the gap to now (R4 §3.1.1.4.5)
            gap = abs(self._now - (low + high) // 2) // 10
            low, high = low - gap, high + gap
        return When(numbers, prefix, low, high)

    def _number(self, found: Sequence[Param], _modifier: str, value: str, full: str) -> list[Test]:
        return [_amount(_ids(found), value, full)]

    def _quantity(self, found: Sequence[Param], _modifier: str, value: str, full: str) -> list[Test]:
        parts = [unescape(p) for p in split(value, "|")]
        if len(parts) not in (1, 3):
            raise bad(full, "is no quantity", "write number, number|system|code or number||code")
        made = _amount(_ids(found), parts[0], full)
        if len(parts) == 1:
            return [made]
        system, code = exact(parts[1]), exact(parts[2])
        return [replace(made, code=code or None, system=system or None)]

    def _reference(self, found: Sequence[Param], modifier: str, value: str, full: str) -> list[Test]:
        if modifier == "identifier":
            return [_token(tuple(n for p in found for n in p.logical), value, full, rare=True)]
        text = target(unescape(value))
        if text.startswith(self._base):
            text = text.removeprefix(self._base)
        if not text:
            raise bad(full, "is no reference", "write id, Type/id or a URL")
        numbers = _ids(found)
        if modifier in ("above", "below"):
            return self._tree(found, modifier, text, full)
        if _ID.fullmatch(text) and not all(p.shapes <= {"canonical"} for p in found):
            kinds: Sequence[str] = (modifier,) if modifier else _targets(found)
            return [Ref(numbers, tuple(f"{k}/{text}" for k in kinds))]
        if modifier and not text.startswith(f"{modifier}/"):
            raise bad(full, f"is no id of a {modifier}")
        return [Ref(numbers, (text,))]

    def _tree(self, found: Sequence[Param], modifier: str, text: str, full: str) -> list[Test]:
        if all(p.shapes <= {"canonical"} for p in found):  # versions of an artefact (R4 §3.1.1.4.12)
            ways = (text,) if modifier == "below" else _above(text)
            return [Ref(_ids(found), ways, begins=modifier == "below")]
        kinds = [k for k in _targets(found) if k in PARENTS]
        if _ID.fullmatch(text):
            text = f"{kinds[0]}/{text}" if len(kinds) == 1 else ""
        kind = text.partition("/")[0]
        if kind not in kinds:
            raise unknown(full, "what it points to forms no tree", "ask without :above or :below")
        return [Ref(_ids(found), (text,), (params(kind)[PARENTS[kind]].ids, modifier))]

    def _composite(self, found: Sequence[Param], _modifier: str, value: str, full: str) -> list[Test]:
        param = found[0]
        parts = split(value, "$")
        if len(parts) != 2 or not all(parts):
            raise bad(full, "is no composite", "write both values with a $ between them")
        made: list[Test] = []
        for pair in param.pairs:
            kind_of = params(param.type)
            if not pair.root:
                first, second = kind_of[pair.first], kind_of[pair.second[0]]
                pairs = [
                    Both(a, b)
                    for a in getattr(self, f"_{first.kind}")([first], "", parts[0], full)
                    for b in getattr(self, f"_{second.kind}")([second], "", parts[1], full)
                ]
                made += pairs
                continue
            head = _token((0,), parts[0], full)
            if not head.codes:
                raise bad(full, "has no code before the $", "write code or system|code before the $")
            systemless = pair.first.endswith((":code", ":boolean"))
            number_ = pair_id(param.type, param.name, head.codes[0], "" if systemless else head.system)
            stand_in = replace(
                param, kind=pair.kind, paths=tuple((*s.partition(":")[::2], "") for s in pair.second), targets=()
            )
            for test in getattr(self, f"_{pair.kind}")([stand_in], "", parts[1], full):
                made.append(replace(test, params=(number_,)))
        return made

    def _special(self, found: Sequence[Param], _modifier: str, value: str, full: str) -> list[Test]:
        """Location.near: within a box of the distance around the place (R4 §8.7.5.1), in km unless said."""
        parts = [unescape(p) for p in split(value, "|")]
        try:
            latitude, longitude = (float(number(p)[0]) for p in parts[:2])
            away = number(parts[2])[0] if len(parts) > 2 and parts[2] else 10.0
            scale = {"km": 1.0, "m": 0.001, "mi": 1.609344, "[mi_i]": 1.609344}[parts[3] if len(parts) > 3 else "km"]
        except (ValueError, KeyError):
            raise bad(full, "is no place", "write latitude|longitude|distance|km") from None
        if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 <= away * scale <= 20_000):
            raise bad(full, "is no place on earth", "write latitude|longitude|distance|km")
        from math import cos, radians

        high = away * scale / _EARTH
        wide = min(360.0, high / max(0.01, cos(radians(latitude))))
        north, east = tuple(g.number for p in found for g in p.groups), tuple(g.texts for p in found for g in p.groups)
        return [Both(Amount(north, "in", latitude - high, latitude + high),
                     Amount(east, "in", longitude - wide, longitude + wide))]  # fmt: skip

    # --- other resources ------------------------------------------------------------------------------

    def _chain(self, found: Sequence[Param], modifier: str, rest: str, value: str, full: str, depth: int) -> Chain:
        if found[0].kind != "reference":
            raise unknown(full, "only a reference can be followed")
        _deep(depth, full)
        kinds: Sequence[str] = (modifier,) if modifier else _targets(found)
        wanted = rest.partition(".")[0].partition(":")[0]
        queries = [
            Query((k,), (self.criterion((k,), rest, value, full, depth - 1),))
            for k in kinds
            if k in types() and (wanted in params(k) or wanted in ("_id", "_lastUpdated", "_has"))
        ]
        if not queries:
            raise unknown(full, "nothing it points to has such a search parameter")
        return Chain(_ids(found), tuple(queries))

    def _has(self, name: str, value: str, full: str, depth: int) -> Criterion:
        """``_has:Observation:patient:code`` (R4 §3.1.1.4.18); the last part may be a chain or another ``_has``."""
        _deep(depth, full)
        parts = name.split(":", 3)
        if len(parts) != 4 or parts[1] not in types():
            raise unknown(full, "is no reverse chain", "write _has:Type:reference:parameter")
        _, kind, by, rest = parts
        param = params(kind).get(by)
        if param is None or param.kind != "reference":
            raise unknown(full, f"{kind} has no such reference parameter")
        inner = Query((kind,), (self.criterion((kind,), rest, value, full, depth - 1),))
        return Criterion((Has(param.ids, inner),))


def _deep(depth: int, full: str) -> None:
    if depth == 0:
        raise unknown(full, "the chain is too long", f"follow {MAX_CHAIN} references at most")


def _ids(found: Sequence[Param]) -> tuple[int, ...]:
    return found[0].ids if len(found) == 1 else tuple(n for p in found for n in p.ids)


def _targets(found: Sequence[Param]) -> Sequence[str]:
    """Types that a reference may point to."""
    if not all(p.targets for p in found):
        return types()
    return tuple(dict.fromkeys(t for p in found for t in p.targets))


def _present(found: Sequence[Param]) -> Present:
    kind = found[0].kind
    where = [(_INDEX.get(kind, kind), _ids(found))]
    if kind == "token":  # a concept may have nothing but its text
        where.append(("string", tuple(n for p in found for n in p.texts)))
    return Present(tuple(where))


def _token(numbers: tuple[int, ...], value: str, full: str, *, rare: bool = False) -> Token:
    parts = [unescape(p) for p in split(value, "|")]
    if len(parts) > 2 or not any(parts):
        raise bad(full, "is no token", "write code, system|code, |code or system|")
    if len(parts) == 1:
        return Token(numbers, (exact(parts[0]),), rare=rare)
    system, code = parts
    return Token(numbers, (exact(code),) if code else (), exact(system), rare=rare and bool(code))


def _typed(found: Sequence[Param], value: str, full: str) -> Token:
    parts = [unescape(p) for p in split(value, "|")]
    if len(parts) != 3 or not all(parts):
        raise bad(full, "is no typed identifier", "write system|code|value, of the type and then the value")
    numbers = tuple(n for p in found for n in p.typed)
    return Token(numbers, (of_type(parts[1], parts[2]),), exact(parts[0]), rare=True)


def _amount(numbers: tuple[int, ...], value: str, full: str) -> Amount:
    match = _NUMBER.fullmatch(unescape(value).replace(" ", "+", 1))
    try:
        middle, low, high = number(match[2]) if match else _none()
    except ValueError:
        raise bad(full, "is no number", "write a decimal, after a prefix or none") from None
    prefix = (match[1] if match else "") or "eq"
    if prefix == "ap":
        low, high = middle - abs(middle) / 10, middle + abs(middle) / 10
    elif prefix not in ("eq", "ne"):  # others compare with the number as if it had all digits (R4 §3.1.1.4.6)
        low = high = middle
    return Amount(numbers, prefix, low, high)


def _none() -> NoReturn:
    raise ValueError


def _above(text: str) -> tuple[str, ...]:
    """The URI and what it lies below: every beginning that ends before a slash, with and without it."""
    cuts = [at for at, letter in enumerate(text) if letter == "/" and text[at - 1 : at] not in ("", "/", ":")]
    return tuple(dict.fromkeys((text, *(text[:at] for at in cuts), *(text[: at + 1] for at in cuts))))[:64]


def _members(numbers: tuple[int, ...], url: str, full: str) -> list[Token]:
    """What ``:in`` asks: a code of the value set."""
    from hub.fhir.terminology import catalogue

    found = catalogue().value_set(url)
    if found is None:
        raise unknown(full, "the hub has no such value set", "name one by its canonical URL")
    by_system: dict[str, list[str]] = {}
    for system, code in found.codings:
        by_system.setdefault(exact(system), []).append(exact(code))
    if len(found.codings) > _MAX_CODES:
        raise InvalidError("the value set has too many codes", where=f"http.{full[:64]}", code="too-costly")
    # A stored code element has no system of its own: its binding implies one.
    every = tuple(dict.fromkeys(c for codes in by_system.values() for c in codes))
    named = [Token(numbers, tuple(c), s) for s, c in by_system.items() if s not in found.open]
    return [*named, *(Token(numbers, (), exact(s)) for s in sorted(found.open)), Token(numbers, every or ("",), "")]


def _lineage(numbers: tuple[int, ...], modifier: str, value: str, full: str) -> Token:
    """What ``:above`` and ``:below`` ask: the code, and those over or under it in its code system."""
    from hub.fhir.terminology import catalogue

    parts = [unescape(p) for p in split(value, "|")]
    if len(parts) != 2 or not all(parts):
        raise bad(full, "is no code with its system", "write system|code")
    url, code = parts
    known = catalogue().code_system(url)
    if known is None or not known.hierarchical:
        raise unknown(full, "the hub knows no hierarchy of this code system", "ask without :above or :below")
    if modifier == "above":
        return Token(numbers, tuple(map(exact, (code, *known.ancestors(code)))), exact(url))
    if known.lengths:  # the codes themselves say what lies under them
        return Token(numbers, (exact(code),), exact(url), begins=True)
    below = tuple(exact(c) for c in known.concepts if c != code and known.subsumes(code, c))
    return Token(numbers, (exact(code), *below)[:_MAX_CODES], exact(url))


def _joined(tests: list[Test]) -> tuple[Test, ...]:
    """Tokens and references that differ in their values only, as one test each."""
    made: dict[object, Test] = {}
    for test in tests:
        key: object = test
        if isinstance(test, Token) and test.codes and not test.begins:
            key = (test.params, test.system, test.rare)
            if key in made:
                test = replace(test, codes=tuple(dict.fromkeys((*made[key].codes, *test.codes))))  # type: ignore[union-attr] # noqa: PLW2901
        elif isinstance(test, Ref) and not test.tree and not test.begins:
            key = test.params
            if key in made:
                test = replace(test, targets=tuple(dict.fromkeys((*made[key].targets, *test.targets))))  # type: ignore[union-attr] # noqa: PLW2901
        made[key] = test
    return tuple(made.values())


def split(text: str, mark: str) -> list[str]:
    """Split at every ``mark`` that no backslash escapes; escapes stay."""
    if "\\" not in text:
        return text.split(mark)
    parts, start, at = [], 0, 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == mark:
            parts.append(text[start:at])
            start = at + 1
        at += 1
    return [*parts, text[start:]]


def unescape(text: str) -> str:
    r"""Undo ``\,``, ``\|``, ``\$`` and ``\\`` (R4 §3.1.1.4.4)."""
    return re.sub(r"\\([,|$\\])", r"\1", text) if "\\" in text else text
