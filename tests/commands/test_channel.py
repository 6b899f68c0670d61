"""hub channel: the revision that runs beside that of the file, and the way back."""

from __future__ import annotations

import pytest

from hub import clock
from hub.channel.watch import Watcher
from hub.store import nodes

from .conftest import CHANNEL, Site

HOUR = 3_600_000_000


def _old(site: Site) -> str:
    return site.file.read_text(encoding="utf-8").replace("admissions of the clinic", "admissions")


def test_what_runs_stands_beside_what_the_file_has(any_site: Site) -> None:
    """State, since when, both revisions, the address; and that they differ."""
    running = any_site.ran(_old(any_site), at=clock.now() - 2 * HOUR)
    file = any_site.spec.revision
    ran = any_site("channel", "list")
    assert ran.lines[1].split(None, 7) == [
        "adt", "running", "2", "h", running, file, "mllp://127.0.0.1:2575", "the file has another revision",
    ]  # fmt: skip
    assert any_site("channel", "list", "--json").json[0]["file"] == file


def test_a_store_without_a_hub_is_said_to_be_one(site: Site) -> None:
    """A hub that was killed leaves its channels as running; the list does not claim that they do."""
    site.ran(_old(site))
    assert site("channel", "list").err.startswith("no hub runs on this store")
    import os
    import socket

    site.store.write(lambda tx: nodes.join(tx, socket.gethostname(), os.getpid(), "hub"))
    assert site("channel", "list").err == ""


def test_what_keeps_a_channel_from_running_is_told(site: Site) -> None:
    """Its failure; its file that is broken or gone; that it never ran."""
    assert [line.split(None, 6)[1:] for line in site("channel", "list").lines[1:]] == [
        ["never", "ran", "-", "-", site.spec.revision, "-"],
    ]  # fmt: skip
    site.ran(_old(site), state="failed", detail="port 2575 is taken")
    assert site("channel", "list", "--json").json[0] | {"since": ""} == {
        "channel": "adt", "state": "failed", "since": "", "running": None, "file": site.spec.revision,
        "address": "mllp://127.0.0.1:2575", "note": "port 2575 is taken",
    }  # fmt: skip
    site.write(CHANNEL.replace("deliver:", "deliverr:"))
    assert "its file is broken: " in site("channel", "list").out
    site.file.unlink()
    assert site("channel", "list").lines[1].endswith("port 2575 is taken; its file is gone")


def test_an_empty_site_is_said_to_be_one(site: Site) -> None:
    """No rows, no heads."""
    site.file.unlink()
    ran = site("channel", "list")
    assert (ran.out, ran.err.splitlines()[-1]) == ("", "no channel has run, and there is no channel file")


def test_revisions_that_ran_are_listed_the_newest_first(site: Site) -> None:
    """With which one runs and which one the file is."""
    now = clock.now()
    first = site.ran(_old(site), at=now - 50 * HOUR)
    second = site.ran(site.file.read_text(), at=now - HOUR)
    lines = site("channel", "revisions", "adt").lines
    assert [(line.split()[0], " ".join(line.split()[3:])) for line in lines[1:]] == [
        (second, "1 h runs file"), (first, "2 d"),
    ]  # fmt: skip
    assert site("channel", "revisions", "adt", "--json").json[1] == {
        "revision": first, "first_run": clock.iso(now - 50 * HOUR), "note": "",
    }  # fmt: skip
    ran = site("channel", "revisions", "atd")
    assert (ran.status, ran.err) == (2, "hub: no channel that ran is called 'atd' (did you mean 'adt'?)\n")


def test_a_diff_goes_from_a_revision_to_the_file_or_to_another(site: Site) -> None:
    """Unified; exit status 1 when there is a difference, as diff(1)."""
    old, new = site.ran(_old(site)), site.ran(site.file.read_text())
    ran = site("channel", "diff", "adt", old[:4])
    assert ran.lines[:5] == [
        f"--- adt {old}", f"+++ {site.file}", "@@ -1,4 +1,4 @@", "-# admissions", "+# admissions of the clinic",
    ]  # fmt: skip
    assert ran.status == 1
    back = site("channel", "diff", "adt", new, old)
    assert back.lines[:5] == [
        f"--- adt {new}", f"+++ adt {old}", "@@ -1,4 +1,4 @@", "-# admissions of the clinic", "+# admissions",
    ]  # fmt: skip
    same = site("channel", "diff", "adt", new)
    assert (same.out, same.status) == ("", 0)


@pytest.mark.parametrize(("start", "what"), [("ffff", "no revision that ran"), ("", "no revision that ran")])
def test_a_revision_that_never_ran_cannot_be_had(site: Site, start: str, what: str) -> None:
    """Nor one whose beginning is nothing."""
    site.ran(_old(site))
    ran = site("channel", "diff", "adt", start)
    assert (ran.status, ran.err.startswith(f"hub: adt: {what} begins with {start!r}")) == (2, True)


def test_a_beginning_that_two_revisions_share_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than taking either."""
    from types import SimpleNamespace

    from hub.commands import revisions

    both = [SimpleNamespace(revision="ab12"), SimpleNamespace(revision="ab34")]
    monkeypatch.setattr(revisions, "ran", lambda store, name: both)
    assert revisions.ran_as(site.store, "adt", "AB3").revision == "ab34"
    with pytest.raises(revisions.NotFoundError, match="more than one revision begins"):
        revisions.ran_as(site.store, "adt", "ab")


def test_a_former_revision_is_written_back_after_a_look(site: Site, somebody: None) -> None:
    """The way back: what changes is shown first, the file is then that revision, octet for octet."""
    text, now = _old(site), site.file.read_text()
    old = site.ran(text)
    site.file.chmod(0o640)
    ran = site("channel", "restore", "adt", old, input="n\n")
    assert (ran.status, site.file.read_text()) == (1, now)
    assert "+# admissions" in ran.lines
    ran = site("channel", "restore", "adt", old, input="y\n")
    assert (ran.status, site.file.read_text(), site.spec.revision) == (0, text, old)
    assert ran.err.endswith(f"adt is revision {old} again\n")
    assert site.file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in site.file.parent.iterdir()] == ["channel.yaml"]
    ran = site("channel", "restore", "adt", old)
    assert (ran.status, ran.err) == (0, f"the file is revision {old} already\n")


def test_a_broken_file_can_be_restored(site: Site) -> None:
    """Which is when it is needed most; the name is then that of its folder."""
    text = site.file.read_text()
    old = site.ran(text)
    site.file.write_text("channel: [\n")
    assert site("channel", "restore", "adt", old, "--yes").status == 0
    assert site.file.read_text() == text


def test_line_ends_are_kept(site: Site) -> None:
    """A file with CRLF is restored with CRLF: its revision is a hash of its octets."""
    octets = site.file.read_bytes().replace(b"\n", b"\r\n")
    site.file.write_bytes(octets)
    old = site.ran(octets.decode())
    site.file.write_bytes(octets + b"# more\r\n")
    site("channel", "restore", "adt", old, "--yes")
    assert site.file.read_bytes() == octets


def test_a_channel_is_paused_by_its_file_and_the_running_hub_follows(site: Site) -> None:
    """`enabled:` is the engine's own switch; the watcher hands it out at its next look."""
    watcher = Watcher(site.store.settings)
    assert [spec.enabled for spec in watcher.scan().changed] == [True]
    assert site("channel", "pause", "adt").out == "adt is paused: `enabled: false` stands in its file\n"
    assert [spec.enabled for spec in watcher.scan().changed] == [False]
    assert site("channel", "resume", "adt").status == 0
    assert [spec.enabled for spec in watcher.scan().changed] == [True]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_only_that_line_of_the_file_changes(site: Site, ending: str) -> None:
    """Comments, order and line ends stay as people wrote them."""
    before = site.file.read_text().replace("\n", ending)
    site.file.write_bytes(before.encode())
    site("channel", "pause", "adt")
    head, rest = before.split(f"channel: adt{ending}")
    assert site.file.read_bytes().decode() == f"{head}channel: adt{ending}enabled: false{ending}{rest}"
    site("channel", "pause", "adt")
    site("channel", "resume", "adt")
    assert site.file.read_bytes().decode() == f"{head}channel: adt{ending}enabled: true{ending}{rest}"


def test_a_comment_beside_enabled_stays(site: Site) -> None:
    """Why it was paused is for whoever reads the file."""
    site.write(CHANNEL.replace("channel: adt\n", "channel: adt\nenabled: true   # until the new PACS\n"))
    site("channel", "pause", "adt")
    assert "\nenabled: false   # until the new PACS\n" in site.file.read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{channel: adt, source: {mllp: {port: 0}}, deliver: [{fhir: {to: store}}]}\n", "cannot stand there"),
        (CHANNEL.replace("accept", "acept"), "the file is broken"),
    ],
)
def test_a_file_that_is_not_written_line_by_line_is_left_alone(site: Site, text: str, says: str) -> None:
    """Said with what to write by hand."""
    site.write(text)
    before = site.file.read_text()
    ran = site("channel", "pause", "adt")
    assert (ran.status, says in ran.err, site.file.read_text()) == (2, True, before)


def test_an_unknown_channel_is_wrong_use(site: Site) -> None:
    """With the nearest that exists."""
    ran = site("channel", "pause", "adtt")
    assert (ran.status, ran.err) == (2, "hub: no channel is called 'adtt' (did you mean 'adt'?)\n")


def test_a_file_that_cannot_be_written_is_said(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what was there stays there."""
    before = site.file.read_text()

    def full(self: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    ran = site("channel", "pause", "adt")
    assert ran.status == 2
    assert "cannot be written: No space left on device (see who may write it)" in ran.err
    assert site.file.read_text() == before
    assert [path.name for path in site.file.parent.iterdir()] == ["channel.yaml"]
