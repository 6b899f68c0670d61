"""Bearer tokens of requests."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from hub.errors import ForbiddenError, UnauthenticatedError
from hub.security import bearer
from hub.security.bearer import authorize, challenge
from hub.store import Store, tokens
from hub.store.tables import token


def ask(secret: str, kind: str = "Bearer") -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"{kind} {secret}"}


def test_the_holder_of_a_good_token_is_known(store: Store) -> None:
    """RFC 6750 §2.1; the scheme has no case (RFC 9110 §11.1)."""
    secret = tokens.issue(store, "viewer", [tokens.READ])
    caller = authorize(store, ask(secret, "bearer"), tokens.READ)
    assert ("viewer", {"system/*.read"}) == (caller.name, caller.scopes)
    assert caller == authorize(store, ask(f" {secret} "), tokens.READ)


@pytest.mark.parametrize("environ", [{}, ask(""), ask("x", "Basic"), {"HTTP_AUTHORIZATION": "Bearer"}])
def test_without_a_token_nothing_is_said_of_errors(sqlite_store: Store, environ: dict[str, str]) -> None:
    """RFC 6750 §3.1: a request without credentials gets no error code."""
    with pytest.raises(UnauthenticatedError) as caught:
        authorize(sqlite_store, environ, tokens.READ)
    assert challenge(caught.value, tokens.READ) == 'Bearer realm="OncoHub"'


def test_a_token_nobody_issued_is_refused(sqlite_store: Store) -> None:
    """RFC 6750 §3.1, invalid_token."""
    with pytest.raises(UnauthenticatedError) as caught:
        authorize(sqlite_store, ask("hub_nothing\udcff"), tokens.READ)
    assert 'error="invalid_token"' in challenge(caught.value)
    assert "hub_nothing" not in str(caught.value)


def test_an_expired_token_is_refused_even_while_believed(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Expiry needs no look into the store, so nothing that is remembered can outlive it."""
    secret = tokens.issue(sqlite_store, "viewer", [tokens.READ], days=1)
    authorize(sqlite_store, ask(secret), tokens.READ)
    later = bearer.clock.now() + 2 * tokens.DAY
    monkeypatch.setattr(bearer.clock, "now", lambda: later)
    with pytest.raises(UnauthenticatedError, match="expired or revoked"):
        authorize(sqlite_store, ask(secret), tokens.READ)


def test_a_good_token_without_the_scope_is_forbidden(sqlite_store: Store) -> None:
    """RFC 6750 §3.1, insufficient_scope, which names the scope that is needed."""
    secret = tokens.issue(sqlite_store, "sender", ["ingest"])
    with pytest.raises(ForbiddenError) as caught:
        authorize(sqlite_store, ask(secret), tokens.READ)
    said = challenge(caught.value, tokens.READ)
    assert 'error="insufficient_scope"' in said
    assert 'scope="system/*.read"' in said


def test_a_revoked_token_is_refused_once_belief_ends(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process asks the store anew after two seconds at most."""
    secret = tokens.issue(sqlite_store, "viewer", [tokens.READ])
    at = 1000.0
    monkeypatch.setattr(bearer.time, "monotonic", lambda: at)
    authorize(sqlite_store, ask(secret), tokens.READ)
    tokens.revoke(sqlite_store, "viewer")
    assert authorize(sqlite_store, ask(secret), tokens.READ).name == "viewer"
    at += bearer.BELIEVED + 0.01
    with pytest.raises(UnauthenticatedError):
        authorize(sqlite_store, ask(secret), tokens.READ)


def test_belief_can_be_ended_at_once(sqlite_store: Store) -> None:
    """What revokes a token in this process need not wait."""
    secret = tokens.issue(sqlite_store, "viewer", [tokens.READ])
    authorize(sqlite_store, ask(secret), tokens.READ)
    tokens.revoke(sqlite_store, "viewer")
    bearer.forget(sqlite_store)
    with pytest.raises(UnauthenticatedError):
        authorize(sqlite_store, ask(secret), tokens.READ)


def test_what_is_believed_is_bounded(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tokens do not fill the memory."""
    monkeypatch.setattr(bearer, "_KEPT", 2)
    bearer.forget(sqlite_store)
    secrets = [tokens.issue(sqlite_store, f"t{i}", [tokens.READ]) for i in range(3)]
    for secret in secrets:
        authorize(sqlite_store, ask(secret), tokens.READ)
    assert len(bearer._known[sqlite_store]._found) == 1


def test_a_busy_client_costs_no_query(sqlite_store: Store) -> None:
    """Within two seconds a token is asked for once: a change behind the back goes unseen until then."""
    secret = tokens.issue(sqlite_store, "viewer", [tokens.READ])
    authorize(sqlite_store, ask(secret), tokens.READ)
    sqlite_store.write(lambda tx: tx.conn.execute(update(token).values(name="renamed")) and None)
    assert authorize(sqlite_store, ask(secret), tokens.READ).name == "viewer"
