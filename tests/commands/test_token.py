"""hub token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub import clock
from hub.cli import main
from hub.commands.token import command
from hub.settings import Settings
from hub.store import open_store, tokens


def run(home: Path, *words: str) -> str:
    verb, *rest = words
    result = CliRunner().invoke(command, [verb, "--home", str(home), *rest], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_token_is_printed_once_and_alone(tmp_path: Path) -> None:
    """`TOKEN=$(hub token issue viewer)`; the warning goes to stderr."""
    secret = run(tmp_path, "issue", "viewer").strip()
    store = open_store(Settings.load(tmp_path))
    with store.reading() as conn:
        found = tokens.find(conn, secret)
    store.close()
    assert found is not None
    assert (found.name, found.scopes) == ("viewer", {"system/*.read"})
    assert found.expires_at is not None
    assert secret not in run(tmp_path, "list")


def test_tokens_are_listed_with_their_state(tmp_path: Path) -> None:
    """In use, expired, revoked."""
    run(tmp_path, "issue", "a", "--scope", "metrics", "--scope", "ingest", "--days", "0")
    run(tmp_path, "issue", "b")
    assert run(tmp_path, "revoke", "b") == "1 revoked\n"
    store = open_store(Settings.load(tmp_path))
    tokens.issue(store, "c", ["ingest"], days=1)
    store.write(
        lambda tx: (
            tx.conn.execute(tokens.token.update().where(tokens.token.c.name == "c").values(expires_at=1)) and None
        )
    )
    store.close()
    listed = json.loads(run(tmp_path, "list", "--json"))
    assert [(t["name"], t["scopes"], t["expires"], t["state"]) for t in listed] == [
        ("a", "ingest metrics", "never", "in use"),
        ("b", "system/*.read", clock.iso(clock.now() + 365 * tokens.DAY)[:10], "revoked"),
        ("c", "ingest", "1970-01-01", "expired"),
    ]
    assert run(tmp_path, "list").splitlines()[0].split()[0] == "a"


def test_an_unknown_name_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit status 2, with what is wrong and where to look."""
    with pytest.raises(SystemExit) as caught:
        main(["token", "revoke", "--home", str(tmp_path), "nobody"])
    assert caught.value.code == 2
    assert "hub token list" in capsys.readouterr().err
