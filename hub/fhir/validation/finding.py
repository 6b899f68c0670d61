"""What a check finds, and how findings climb from the element to the resource.

A check that finds nothing returns None and costs nothing more; paths are only put together for what is
wrong.  A finding never holds a value: it is stored with the message and shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# (path below the element that was checked, severity, code of the issue-type value set, what is wrong)
Found = list[tuple[str, str, str, str]]
MOST = 100  # findings kept of one resource: nobody reads more


class Context:
    """What a check must know of the resource around the element.

    :ivar contained: id -> type of the contained resources, which ``#id`` refers to.
    :ivar bundle: what a ``urn:`` reference may mean in the Bundle around; None outside of Bundles.
    """

    __slots__ = ("bundle", "contained", "inside")

    def __init__(self, contained: Mapping[str, str], bundle: Mapping[str, str] | None = None) -> None:
        self.contained = contained
        self.bundle = bundle
        self.inside = False


# (value, context, the object it stands in) -> what is wrong with it
Check = Callable[[Any, Context, dict[str, Any]], Found | None]


def error(code: str, what: str, below: str = "") -> Found:
    return [(below, "error", code, what)]


def under(step: str, found: Found, all_found: Found | None) -> Found:
    """``found`` one step higher, added to what was found before."""
    if all_found is None:
        all_found = []
    room = MOST - len(all_found)
    all_found += [(step + below, severity, code, what) for below, severity, code, what in found[:room]]
    return all_found
