"""Bearer tokens in the store."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select, update

from hub import clock
from hub.errors import ConfigError, ConflictError, NotFoundError
from hub.store import Store, tokens
from hub.store.tables import token


def test_a_token_is_found_by_its_secret(store: Store) -> None:
    """The holder is known by name and scopes."""
    secret = tokens.issue(store, "viewer", ["metrics", tokens.READ], days=30)
    with store.reading() as conn:
        found = tokens.find(conn, secret)
        assert tokens.find(conn, secret + "x") is None
    assert found is not None
    assert ("viewer", {"metrics", "system/*.read"}) == (found.name, found.scopes)
    assert found.good(clock.now())
    assert not found.good(clock.now() + 31 * tokens.DAY)


def test_only_the_digest_is_kept(sqlite_store: Store) -> None:
    """RFC 6819 §5.1.4.1.3: no secret lies in the store; it has 256 random bits and a telling prefix."""
    secret = tokens.issue(sqlite_store, "viewer", [tokens.READ])
    with sqlite_store.reading() as conn:
        row = conn.execute(select(token)).one()
    assert hashlib.sha256(secret.encode()).digest() == row.sha
    assert secret.removeprefix("hub_") not in str(tuple(row))
    assert len(secret.removeprefix("hub_")) == 43
    database = Path(sqlite_store.settings.data / "hub.db").read_bytes()
    assert secret.encode() not in database


def test_a_token_may_live_for_ever(sqlite_store: Store) -> None:
    """days=None is what `--days 0` asks for."""
    secret = tokens.issue(sqlite_store, "viewer", [tokens.READ], days=None)
    with sqlite_store.reading() as conn:
        found = tokens.find(conn, secret)
    assert found is not None
    assert found.good(clock.now() + 10_000 * tokens.DAY)


def test_revoked_tokens_are_no_good_and_stay_listed(store: Store) -> None:
    """What was given out can be looked up later."""
    secret = tokens.issue(store, "viewer", [tokens.READ])
    tokens.issue(store, "other", ["ingest"])
    assert tokens.revoke(store, "viewer") == 1
    with store.reading() as conn:
        found = tokens.find(conn, secret)
        listed = tokens.listing(conn)
    assert found is not None
    assert not found.good(clock.now())
    assert [(t.name, t.revoked_at is not None) for t in listed] == [("other", False), ("viewer", True)]
    assert len({t.number for t in listed}) == 2


def test_revoking_what_nobody_has_is_told(sqlite_store: Store) -> None:
    """A typing error must not pass for a revocation."""
    with pytest.raises(NotFoundError, match="'viewer'"):
        tokens.revoke(sqlite_store, "viewer")


def test_a_name_is_taken_until_its_token_is_revoked_or_expired(sqlite_store: Store) -> None:
    """A name tells who it is; two good tokens of one name could not be told apart."""
    tokens.issue(sqlite_store, "viewer", [tokens.READ])
    with pytest.raises(ConflictError, match="revoke it"):
        tokens.issue(sqlite_store, "viewer", [tokens.READ])
    tokens.revoke(sqlite_store, "viewer")
    tokens.issue(sqlite_store, "viewer", [tokens.READ])
    sqlite_store.write(lambda tx: tx.conn.execute(update(token).values(expires_at=1)) and None)
    tokens.issue(sqlite_store, "viewer", [tokens.READ])


@pytest.mark.parametrize(
    ("name", "scopes", "days", "says"),
    [
        ("x", ["system/*.reed"], 1, "did you mean 'system/\\*.read'"),
        ("x", [], 1, "without scope"),
        ("", ["ingest"], 1, "1 to 64"),
        ("x" * 65, ["ingest"], 1, "1 to 64"),
        ("a\nb", ["ingest"], 1, "printable"),
        ("x", ["ingest"], 0, "a day at least"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_issued(
    sqlite_store: Store, name: str, scopes: list[str], days: int, says: str
) -> None:
    """The message says what to write instead."""
    with pytest.raises(ConfigError, match=says):
        tokens.issue(sqlite_store, name, scopes, days)
