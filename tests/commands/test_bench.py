"""``hub bench`` runs and prints its table; how fast is no test's business."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from hub.bench import database
from hub.commands import bench
from hub.errors import ConfigError


@pytest.mark.parametrize("name", ["adt-4", "cda-4"])
def test_a_row_is_measured_against_a_real_hub(name: str) -> None:
    """Everything sent is answered well and mapped; the table says how much that was."""
    words = ["--seconds", "0.3", "--database", "sqlite", "--only", name]
    result = CliRunner().invoke(bench.command, words)

    assert (result.exit_code, result.exception) == (0, None), result.output
    head, _, row = result.stdout.partition("\n\n")[2].strip().splitlines()
    cells = dict(zip(map(str.strip, head.split("|")), map(str.strip, row.split("|")), strict=True))
    assert (cells["connections"], cells["database"]) == ("4", "SQLite")
    assert float(cells["mapped/s"]) > 0
    assert float(cells["answered/s"]) >= float(cells["mapped/s"])
    assert float(cells["p50 ms"]) <= float(cells["p99 ms"])
    assert float(cells["peak memory MiB"]) > 10


def test_the_ceiling_can_be_measured_alone() -> None:
    """`--only ceiling` starts no hub."""
    result = CliRunner().invoke(bench.command, ["--seconds", "0.1", "--database", "sqlite", "--only", "ceiling"])

    assert result.exit_code == 0, result.output
    assert result.stdout.count("| SQLite |") == 3
    assert "mapped/s" not in result.stdout


def test_an_unknown_line_is_refused_with_the_nearest() -> None:
    """Wrong use is told before anything is started."""
    with pytest.raises(ConfigError, match="adt-5") as caught:
        CliRunner().invoke(bench.command, ["--only", "adt-5"], catch_exceptions=False)

    assert "did you mean 'adt-" in caught.value.cure


def test_postgresql_is_measured_where_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --database: SQLite always, PostgreSQL when the local server answers; it says so otherwise."""
    answers = iter([True, False])
    monkeypatch.setattr(database, "reachable", lambda _url: next(answers))

    assert [[place.name for place in bench._places(())] for _ in range(2)] == [["SQLite", "PostgreSQL"], ["SQLite"]]
    asked = bench._places(("sqlite", "postgresql+psycopg://host/x"))
    assert [(place.name, place.url) for place in asked] == [
        ("SQLite", ""),
        ("PostgreSQL", "postgresql+psycopg://host/x"),
    ]
