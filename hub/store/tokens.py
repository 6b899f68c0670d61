"""Bearer tokens of the API: issued once, shown once, kept as their SHA-256.

RFC 6750 (use), RFC 6819 §5.1.4.1.3 (no clear text in the store).  A token is 256 random bits, so a plain
digest cannot be searched backwards and a look-up by digest tells nothing by the time it takes.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from sqlalchemy import Connection, select, update

from hub import clock
from hub.errors import ConfigError, ConflictError, NotFoundError
from hub.registry import unknown
from hub.store.handle import Store
from hub.store.tables import token
from hub.store.writer import Tx

# Others of SMART: system/Patient.cud, system/Binary.r, ... (see hub.security.scopes)
_SMART = re.compile(r"system/(\*|[A-Z][A-Za-z]{2,39})\.(read|write|\*|(?=[cruds])c?r?u?d?s?)")
PREFIX = "hub_"  # lets scanners of code and logs find a token that leaked
DAY = 86_400_000_000

# What a token may be good for. ``system/*.read`` is of SMART App Launch 2.x (backend services).
READ, WRITE, INGEST, METRICS = "system/*.read", "system/*.write", "ingest", "metrics"
SCOPES = {
    READ: "read and search every FHIR resource",
    WRITE: "create, update and delete every FHIR resource",
    INGEST: "hand messages to HTTP sources",
    METRICS: "read /metrics",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token as the store knows it; the secret itself is nowhere.

    :ivar number: first 8 hex digits of its SHA-256, to tell tokens of one name apart.
    """

    name: str
    scopes: frozenset[str]
    made_at: int
    expires_at: int | None
    revoked_at: int | None
    number: str = ""

    def good(self, at: int) -> bool:
        """Whether it may be used at this time."""
        return self.revoked_at is None and (self.expires_at is None or at < self.expires_at)


def digest(secret: str) -> bytes:
    """What the store keeps of a token."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()


def issue(store: Store, name: str, scopes: Iterable[str], days: int | None = 365) -> str:
    """Make a token; the only time that it is seen.

    :param days: until it expires; None for never.
    :raises ConfigError: for a scope that does not exist, or none, or a name that cannot be stored.
    :raises ConflictError: when a good token has the name already.
    """
    wanted = sorted(set(scopes))
    for scope in wanted:
        if scope not in SCOPES and not _SMART.fullmatch(scope):
            raise unknown("scope", scope, sorted(SCOPES))
    if not wanted:
        raise ConfigError("a token without scope is good for nothing", cure=f"known: {', '.join(SCOPES)}")
    if not 0 < len(name) <= 64 or not name.isprintable():
        raise ConfigError("a token's name has 1 to 64 printable letters", where="name")
    if days is not None and days < 1:
        raise ConfigError("a token lives for a day at least", where="days")
    secret = PREFIX + secrets.token_urlsafe(32)
    at = clock.now()
    expires = None if days is None else at + days * DAY
    row = (digest(secret), name, " ".join(wanted), at, expires, None)

    def write(tx: Tx) -> None:
        named = tx.conn.execute(select(token).where(token.c.name == name)).all()
        if any(_token(r).good(at) for r in named):
            raise ConflictError(f"a good token is called {name!r} already", cure="revoke it, or take another name")
        tx.insert(token, [row])

    store.write(write)
    return secret


def find(conn: Connection, secret: str) -> Token | None:
    """The token behind a secret, good or not; None when it was never issued."""
    sha = digest(secret)
    row = conn.execute(select(token).where(token.c.sha == sha)).first()
    return _token(row) if row is not None and compare_digest(bytes(row.sha), sha) else None


def listing(conn: Connection) -> list[Token]:
    """All tokens, by name and age."""
    return [_token(r) for r in conn.execute(select(token).order_by(token.c.name, token.c.made_at))]


def revoke(store: Store, name: str) -> int:
    """Revoke the good tokens of a name at once; return how many.

    :raises NotFoundError: when no good token has it.
    """
    at = clock.now()

    def write(tx: Tx) -> int:
        found = tx.conn.execute(
            update(token).where(token.c.name == name, token.c.revoked_at.is_(None)).values(revoked_at=at)
        )
        return int(found.rowcount)

    count = store.write(write)
    if not count:
        raise NotFoundError(f"no token in use is called {name!r}", cure="see hub token list")
    return count


def _token(row: Any) -> Token:
    number = bytes(row.sha).hex()[:8]
    return Token(row.name, frozenset(row.scopes.split()), row.made_at, row.expires_at, row.revoked_at, number)
