"""All that is known of a patient, as a search: what is in the compartments of all identities that are one.

R4 §8.1.20.2 (Patient/$everything): ``start`` and ``end`` are of the care, ``_since`` of the record.  What has no
date of care is part of every span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hub.errors import InvalidError
from hub.fhir.search import params
from hub.fhir.search.compartments import compartments, membership
from hub.store.includes import Include
from hub.store.query import Criterion, Ids, Query, Ref, When

# What tells when care took place, the first that a type has.
CARE = (
    "date", "occurrence", "onset-date", "effective-time", "performed", "authored", "authoredon", "authored-on",
    "whenhandedover", "started", "sent", "period", "created",
)  # fmt: skip
# Not of the compartment, but the record cannot be understood without them (R4: "at least practitioners...").
SUPPORT = ("Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Substance", "Device")

Span = tuple[int, int]  # first and last microsecond


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    :ivar types: only these; () for all.
    :ivar start: care that did not end before; ``end``: that did not begin after; ``since``: written since.
    """

    types: tuple[str, ...] = ()
    start: Span | None = None
    end: Span | None = None
    since: int | None = None


def query(patients: Sequence[str], wanted: Wanted) -> Query:
    """The search for it.

    :param patients: references of identities that are one.
    :raises InvalidError: when nothing of the types can belong to a patient.
    """
    kinds = [k for k in compartments()["Patient"] if not wanted.types or k in wanted.types]
    numbers = tuple(n for k in kinds for n in _numbers(k))
    tests = [*([Ref(numbers, tuple(patients))] if numbers else ()), Ids(tuple(patients))]
    if not kinds:
        raise InvalidError("nothing of these types is a patient's", where="http._type", code="value")
    criteria = [Criterion(tuple(tests))]
    dates = tuple(n for k in kinds for n in _care(k))
    outside = [When(dates, "eb", *wanted.start)] if wanted.start and dates else []
    outside += [When(dates, "sa", *wanted.end)] if wanted.end and dates else []
    if outside:
        criteria.append(Criterion(tuple(outside), negated=True))
    if wanted.since is not None:
        criteria.append(Criterion((When((), "ge", wanted.since, wanted.since),)))
    return Query(tuple(kinds), tuple(criteria))


def support(kinds: Sequence[str], types: Sequence[str]) -> list[Include]:
    """What comes along with hits of some kinds: who, where and what they name."""
    return [
        Include(kind, numbers, target)
        for target in SUPPORT
        if not types or target in types
        for kind in kinds
        if (numbers := _pointing(kind, target))
    ]


def _numbers(kind: str) -> tuple[int, ...]:
    # A patient that only links here is another's identity until somebody merges the two.
    found = None if kind == "Patient" else membership("Patient", kind)
    return found[0] if found is not None else ()


def _care(kind: str) -> tuple[int, ...]:
    known = params(kind)
    if kind == "Patient":
        return ()
    return next((known[name].ids for name in CARE if name in known and known[name].kind == "date"), ())


def _pointing(kind: str, target: str) -> tuple[int, ...]:
    return tuple(
        n
        for p in params(kind).values()
        if p.kind == "reference" and (not p.targets or target in p.targets)
        for n in p.ids
    )
