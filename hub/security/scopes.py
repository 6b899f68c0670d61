"""What a token may do: SMART App Launch 2.x scopes of backend services.

https://hl7.org/fhir/smart-app-launch/STU2/scopes-and-launch-context.html: ``system/`` then a resource type
or ``*``, then ``cruds`` letters in that order (create, read, update, delete, search); of version 1, ``read`` is
``rs``, ``write`` is ``cud`` and ``*`` is all.  A search may show resources of other types than the one asked
(chains, includes), so it needs the letter ``s`` on every type.
"""

from __future__ import annotations

from functools import lru_cache

from hub.errors import ForbiddenError


class ScopeError(ForbiddenError):
    """The token is good, but not for this.

    :ivar scope: that would do.
    """

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"the token has not the scope {scope}",
            cure="issue one that has: hub token issue",
            code="insufficient_scope",
        )
        self.scope = scope


_LETTERS = {"read": "rs", "write": "cud", "*": "cruds"}


@lru_cache(maxsize=1024)
def permits(scopes: frozenset[str], kind: str, letter: str) -> bool:
    """Whether the scopes allow an interaction (a letter of ``cruds``) with a type; ``*`` is every type."""
    for scope in scopes:
        context, _, rest = scope.partition("/")
        of, dot, what = rest.partition(".")
        if context == "system" and dot and of in ("*", kind) and letter in _LETTERS.get(what, what):
            return True
    return False


def demand(scopes: frozenset[str], kind: str, letter: str) -> None:
    """See that they do.

    :raises ScopeError: naming the scope that is missing.
    """
    if not permits(scopes, "*" if letter == "s" else kind, letter):
        raise ScopeError(wanted(kind, letter))
    if kind == "Subscription" and letter in "cu":
        demand(scopes, kind, "s")  # who subscribes is sent what a search would show


def wanted(kind: str, letter: str) -> str:
    """The narrowest scope that would do, in the words of version 1 where it has them."""
    if letter == "s" or kind == "*":
        return "system/*.read" if letter in "rs" else "system/*.write"
    return f"system/{kind}.{letter}"
