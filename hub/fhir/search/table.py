"""Search parameters as data: what each type of resource can be searched by.

R4 §3.1.3 (SearchParameter).  ``params.csv`` holds, for each parameter, the paths its expression comes down
to; ``exchange.csv`` the same of those that IHE MHD 4.2.3 and ANS PDSm 3.1.1 add (a name with a point is what a
chain finds in contained resources); ``composites.csv`` those made of two others; ``types.csv`` the resource
types.  ``_id`` and ``_lastUpdated`` need no row: they are columns of the resource table.

A value that several parameters share (``family`` and ``name``, ``patient`` and ``subject``) is stored once,
under a number of the group they form; each parameter knows the numbers of all its groups.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import urljoin

from hub.fhir.search.values import Group, param_id

HERE = Path(__file__).parent
DEFINITIONS = "http://hl7.org/fhir/SearchParameter/"
COMMON = "Resource"  # rows of this type hold for every type
SOURCE = "_source"  # of meta.source, which the store writes; see hub.fhir.search.plan.extract
_SYSTEMLESS = {"code", "boolean", "exists", "contact"}  # a system in the query is implicit in these
# A parameter through which resources of a type form a tree (R4 §3.1.1.4.11, :above and :below).
PARENTS = {
    "Location": "partof", "Organization": "partof", "Encounter": "part-of", "Procedure": "part-of",
    "Task": "part-of", "Observation": "part-of", "Communication": "part-of", "ResearchStudy": "partof",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pair:
    """One way to meet a composite: two parameters of the resource, or two values of one element.

    :ivar root: where both values lie together; '' when it is the resource itself.
    :ivar first: ``name`` of a parameter, or ``path:shape`` below the root; so ``second``.
    """

    root: str
    first: str
    second: tuple[str, ...]
    kind: str  # of the second: token, quantity, reference, date or string


@dataclass(frozen=True, slots=True)
class Param:
    """One search parameter of one type.

    :ivar kind: token, string, date, reference, uri, number, quantity, composite or special.
    :ivar paths: (JSON path, shape of the value, only the given target type or contact system).
    :ivar targets: types a reference may point to; empty is any.
    :ivar definition: canonical URL of its SearchParameter.
    :ivar groups: under whose numbers its values are stored.
    :ivar pairs: of a composite.
    """

    type: str
    name: str
    kind: str
    paths: tuple[tuple[str, str, str], ...]
    targets: tuple[str, ...]
    definition: str
    groups: tuple[Group, ...] = ()
    pairs: tuple[Pair, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """Numbers of its rows in the index tables."""
        return tuple(g.number for g in self.groups)

    @property
    def logical(self) -> tuple[int, ...]:
        """Numbers of the rows of identifiers inside references (``:identifier``)."""
        return tuple(g.logical for g in self.groups)

    @property
    def texts(self) -> tuple[int, ...]:
        """Numbers of the rows of displays and texts (``:text``)."""
        return tuple(g.texts for g in self.groups)

    @property
    def typed(self) -> tuple[int, ...]:
        """Numbers of the rows of identifiers with their type (``:of-type``)."""
        return tuple(g.typed for g in self.groups)

    @property
    def systemless(self) -> bool:
        """Whether no value of it carries a system (code, boolean, ContactPoint)."""
        return all(shape in _SYSTEMLESS for _, shape, _ in self.paths)

    @property
    def shapes(self) -> frozenset[str]:
        return frozenset(shape for _, shape, _ in self.paths)


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of a table beside this module."""
    with (HERE / name).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


@cache
def _table() -> Mapping[str, Mapping[str, Param]]:
    """Type -> name -> parameter, as the tables have them."""
    found: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    for row in (*rows("params.csv"), *rows("exchange.csv")):
        found.setdefault((row["type"], row["name"], row["kind"]), []).append(row)
    made: dict[str, dict[str, Param]] = {}
    for (kind, name, sort), same in found.items():
        paths = tuple((r["path"], r["shape"], r["only"]) for r in same)
        targets = tuple(dict.fromkeys(t for r in same for t in r["targets"].split("|") if t))
        definition = urljoin(DEFINITIONS, same[0]["definition"])
        made.setdefault(kind, {})[name] = Param(kind, name, sort, paths, targets, definition)
    for row in rows("composites.csv"):
        of_type = made.setdefault(row["type"], {})
        known = of_type.get(row["name"])
        pair = Pair(row["root"], row["first"], tuple(row["second"].split("|")), row["kind"])
        of_type[row["name"]] = Param(
            row["type"], row["name"], "composite", (), (), DEFINITIONS + row["definition"],
            pairs=(*(known.pairs if known else ()), pair),
        )  # fmt: skip
    return made


@cache
def types() -> tuple[str, ...]:
    """All resource types of R4, in alphabetical order."""
    return tuple(row["type"] for row in rows("types.csv"))


@cache
def generation() -> str:
    """Changes whenever stored index rows would have to be made anew: from the tables and this number."""
    code = b"2"  # of what hub.fhir.search makes of a value
    tables = ("params.csv", "exchange.csv", "composites.csv")
    return sha256(code + b"".join((HERE / n).read_bytes() for n in tables)).hexdigest()[:16]


# Which parameters index a value: (path, shape) -> only -> names.
Leaves = dict[tuple[str, str], dict[str, list[str]]]


@cache
def leaves(kind: str) -> Mapping[tuple[str, str], Mapping[str, tuple[str, ...]]]:
    """What of a resource of a type is indexed: (path, shape) -> target or system meant ('' other) -> names."""
    found: Leaves = {}
    for name, param in _of(kind).items():
        for path, shape, only in param.paths:
            found.setdefault((path, shape), {}).setdefault(only, []).append(name)
    return {
        leaf: {only: tuple(sorted({*names, *by.get("", ())})) for only, names in by.items()}
        for leaf, by in found.items()
    }


def _of(kind: str) -> dict[str, Param]:
    common = {n: replace(p, type=kind) for n, p in _table()[COMMON].items()}
    source = Param(kind, SOURCE, "uri", (), (), f"{DEFINITIONS}Resource-source")
    return common | {SOURCE: source} | dict(_table().get(kind, {}))


of_site: Mapping[str, Mapping[str, Param]] = {}  # type -> name -> parameter; see hub.fhir.search.custom


@cache
def params(kind: str) -> Mapping[str, Param]:
    """Search parameters of a type by name, those of this site among them."""
    more = of_site.get(kind)
    return {**standard(kind), **more} if more else standard(kind)


@cache
def standard(kind: str) -> Mapping[str, Param]:
    """Search parameters that R4 gives a type, by name; a type without any of its own has the common ones.

    :raises AssertionError: when two parameters would share a number (a fault of the table).
    """
    groups: dict[str, dict[Group, None]] = {SOURCE: {Group.of(kind, (SOURCE,)): None}}
    for by in leaves(kind).values():
        for names in by.values():
            for name in names:
                groups.setdefault(name, {})[Group.of(kind, names)] = None
    made = {n: replace(p, groups=tuple(groups.get(n, ()))) for n, p in sorted(_of(kind).items())}
    every = {g for p in made.values() for g in p.groups}
    if len({number for g in every for number in g}) != 4 * len(every):
        raise AssertionError(f"two search parameters of {kind} share a number")
    return made


def pair_id(kind: str, name: str, code: str, system: str | None) -> int:
    """The number of the rows of a composite for one value of its first part: beyond all of :func:`param_id`,
    of 62 bits, so that no two meet.

    :param system: None when the query does not say.
    """
    text = f"{kind}.{name}|{code}" if system is None else f"{kind}.{name}|{code}|{system}|"
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") >> 2 | 1 << 40


__all__ = ["COMMON", "PARENTS", "SOURCE", "Group", "Pair", "Param", "generation", "leaves", "pair_id", "param_id"]
__all__ += ["params", "rows", "standard", "types"]
