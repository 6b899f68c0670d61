"""Search parameters of a site: SearchParameter resources that somebody stored.

R4 §3.1.3 (http://hl7.org/fhir/R4/searchparameter.html).  What an expression may be is said in
:mod:`hub.fhir.search.paths`.  A process indexes by ``indexed`` and searches by what :func:`use` was given as
active; :mod:`hub.store.customs` keeps both in step with the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hub.errors import InvalidError
from hub.fhir.search import table
from hub.fhir.search.paths import Way, compile_path, values
from hub.fhir.search.table import Param, params, types
from hub.fhir.search.values import Emit, Extracted, Group, emitter

KINDS = ("token", "string", "date", "reference", "uri", "number", "quantity")
_EVERY = ("Resource", "DomainResource")


@dataclass(frozen=True, slots=True)
class Definition:
    """A search parameter of a site.

    :ivar bases: the resource types it is for.
    """

    url: str
    code: str
    kind: str
    bases: tuple[str, ...]
    ways: tuple[Way, ...]
    targets: tuple[str, ...]

    def group(self, kind: str) -> Group:
        """Under which numbers its values are stored for a type."""
        return Group.of(kind, (f"site:{self.url}",))

    def param(self, kind: str) -> Param:
        """As a parameter of a type."""
        shape = ("", f"any-{self.kind}", "")
        return Param(kind, self.code, self.kind, (shape,), self.targets, self.url, (self.group(kind),))


# Type -> what to index of it; replaced as a whole, never changed, by use().
indexed: Mapping[str, tuple[tuple[Definition, Emit], ...]] = {}


def read(resource: Mapping[str, Any]) -> Definition:
    """A SearchParameter as a definition the hub can index.

    :raises InvalidError: naming the element that is in the way.
    """
    url, code, kind = (str(resource.get(name) or "") for name in ("url", "code", "type"))
    if not url or len(url) > 255:
        raise _bad("url", "is the name the parameter is known by, of 255 letters at most", "write its canonical URL")
    if kind not in KINDS:
        raise _bad("type", "is not one the hub indexes for a site", f"take {', '.join(KINDS)}")
    bases = tuple(str(b) for b in resource.get("base") or ())
    if set(bases) & set(_EVERY):
        bases = types()
    if not bases or not set(bases) <= set(types()):
        raise _bad("base", "names no resource type of R4", "name at least one")
    if not code or not all(c.isalnum() or c in "-_" for c in code) or len(code) > 64:
        raise _bad("code", "is no name of a parameter", "take letters, digits, - and _")
    taken = [b for b in bases if code in table.standard(b)]
    if taken or code.startswith("_"):
        raise _bad("code", f"is a parameter of R4 already{f', of {taken[0]}' if taken else ''}", "take another code")
    try:
        ways = compile_path(str(resource.get("expression") or ""))
    except (ValueError, RecursionError) as error:
        raise _bad("expression", f"cannot be indexed: {error}", "see hub.fhir.search.paths for what can") from None
    meant = {w.type for w in ways}
    if not meant <= {*bases, *_EVERY}:
        raise _bad("expression", "begins with a type that base does not name", "name it in base")
    return Definition(url, code, kind, bases, ways, tuple(str(t) for t in resource.get("target") or ()))


def _bad(element: str, what: str, cure: str) -> InvalidError:
    return InvalidError(what, where=f"SearchParameter.{element}", cure=cure, code="invariant")


def use(to_index: Iterable[Definition], active: Iterable[Definition]) -> None:
    """From now on, index by these in this process, and search by those."""
    global indexed  # noqa: PLW0603 - one process, one set of search parameters
    made: dict[str, list[tuple[Definition, Emit]]] = {}
    for definition in to_index:
        for kind in definition.bases:
            emit_one = emitter(f"any-{definition.kind}", {"": definition.group(kind)})
            made.setdefault(kind, []).append((definition, emit_one))
    indexed = {kind: tuple(found) for kind, found in made.items()}
    named: dict[str, dict[str, Param]] = {}
    for definition in active:
        for kind in definition.bases:
            named.setdefault(kind, {})[definition.code] = definition.param(kind)
    if named != table.of_site:
        table.of_site = named
        params.cache_clear()


def emit(resource: Mapping[str, Any], out: Extracted) -> None:
    """Add the rows of all parameters of the site."""
    for definition, one in indexed.get(resource["resourceType"], ()):
        rows(definition, one, resource, out)


def rows(definition: Definition, one: Emit, resource: Mapping[str, Any], out: Extracted) -> None:
    """Add the rows of one of them; what is of no use to it is left out."""
    kind = resource["resourceType"]
    for way in definition.ways:
        if way.type not in (kind, *_EVERY):
            continue
        for value in values(way, dict(resource)):
            try:
                one(value, out)
            except (AttributeError, TypeError, KeyError):
                continue
