"""What is measured, on what, and how it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hub.bench import ceiling, measure, report
from hub.bench.database import SQLITE, Place, reachable
from hub.bench.rows import ROWS, Figures, Row, maker
from hub.source.hl7v2 import READER


def test_this_process_is_in_its_own_tree() -> None:
    """proc(5): processor time and peak memory are counted over a process and what it started."""
    pid = os.getpid()

    assert measure.tree(pid)[0] == pid
    assert measure.peak_mib(pid) > 1
    assert measure.cpu_seconds(pid) > 0
    measure.reset_peak(pid)


def test_a_process_that_is_gone_counts_nothing() -> None:
    """Children end while they are looked at."""
    gone = 2**22 - 1

    assert (measure.peak_mib(gone), measure.cpu_seconds(gone)) == (0, 0)
    measure.reset_peak(gone)


def test_the_machine_is_told(tmp_path: Path) -> None:
    """Figures without the machine they hang on mean nothing."""
    facts = measure.machine(tmp_path)

    assert set(facts) == {"processor", "memory", "disk", "system"}
    assert "cores" in facts["processor"]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_row_sends_new_messages(row: Row) -> None:
    """No two messages of a row are the same, or the hub would give the first answer again and do nothing."""
    make = maker(row.name, "B")
    first, second = make(1), make(2)

    assert first != second
    if row.way == "mllp":
        heads = [READER.peek(message) for message in (first, second)]
        assert len({head.control_id for head in heads}) == 2
        same = row.name.startswith(("adt-same", "mdm"))
        assert (heads[0].order_key == heads[1].order_key) is same


@pytest.mark.parametrize(("name", "least"), [("adt-1", 800), ("mdm-4", 325_000), ("cda-4", 160_000)])
def test_messages_have_the_size_that_the_table_tells(name: str, least: int) -> None:
    """1 KB of ADT, 330 KB of MDM, 160 KB of CDA; a twentieth more at most."""
    assert least <= len(maker(name, "B")(1)) <= max(1100, least * 1.05)


def test_the_table_is_markdown() -> None:
    """One head, one line of marks, one line a row, all of the same width; what went wrong is told."""
    fine = Figures(ROWS[0], "SQLite", 1038, 100, 0, 1000.4, 990.6, 0.514, 1.0, 2.0, 198.7, 0.9, 0)
    poor = Figures(ROWS[-1], "SQLite", 160_113, 100, 3, 100, 90, 1, 2, 3, 200, 1, 2)

    lines = report.table([fine, poor]).splitlines()

    assert {line.count("|") for line in lines} == {len(report.HEAD) + 1}
    assert lines[2] == (
        "| ADT^A01, a new patient each | 1.0 KB | 1 | SQLite | 1000 | 991 | 0.51 | 1.00 | 2.00 | 199 | 0.90 |"
    )
    assert lines[3].startswith("| CDA over HTTP (3 bad answers) (2 held) | 160 KB | 4 |")
    assert report.ceilings([("SQLite", 16, 4607.2)]).splitlines()[-1] == "| SQLite | 16 | 4607 |"


def test_the_heading_names_revision_and_machine() -> None:
    """A revision, the machine, how the load was made."""
    lines = report.heading({"processor": "X, 2 cores"}, 10).splitlines()

    assert [line.partition(":")[0] for line in lines] == ["- revision", "- processor", "- load"]
    assert "10 s a line" in lines[-1]


def test_without_git_the_version_is_the_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed hub has no commit to name."""
    from hub import __version__

    monkeypatch.setattr(report.shutil, "which", lambda _: None)

    assert report.revision() == __version__


def test_the_ceiling_counts_what_is_on_disk() -> None:
    """Every row that is counted was committed; some are, in a tenth of a second."""
    assert ceiling.inserts(SQLITE, 4, 0.1) > 0


@pytest.mark.postgres
def test_a_schema_is_made_and_goes(postgres_server: str) -> None:
    """What a measured hub leaves on a server is its own schema, and that goes."""
    import psycopg

    server = postgres_server.replace("+psycopg", "", 1)
    query = "SELECT count(*) FROM information_schema.schemata WHERE schema_name = %s"
    with Place("PostgreSQL", postgres_server).fresh() as url:
        schema = url.rpartition("%3D")[2]
        with psycopg.connect(server) as conn:
            assert conn.execute(query, (schema,)).fetchone() == (1,)
    with psycopg.connect(server) as conn:
        assert conn.execute(query, (schema,)).fetchone() == (0,)
    assert reachable(postgres_server)


def test_a_server_that_is_not_there_is_not_reachable() -> None:
    """Port 1 of this host answers nobody."""
    assert not reachable("postgresql+psycopg://nobody@127.0.0.1:1/none")
