"""Files taken out of a folder: when, in which order, and once each whatever happens."""

import os
import threading
import time
from pathlib import Path

import pytest
from hub.adapters import _file_source
from hub.adapters.file import FileSourceOptions

from hub.errors import ConfigError, InvalidError, UnavailableError
from hub.source.hl7v2 import READER
from tests.adapters.drop import Side


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def take(folder):
    """Makes sources that are stopped at the end; started unless told otherwise."""
    made = []

    def make(start=True, **options):
        side = Side(folder, **options)
        made.append(side)
        if start:
            side.source.start()
        return side

    yield make
    for side in made:
        side.intake.release()
        side.source.stop()
        side.intake.close()


def test_a_file_is_taken_and_put_away(take):
    """Octet for octet; then it lies in done, and nothing in .work."""
    side = take()
    side.put("a.hl7", b"\x00\xff\r\n")
    side.until("done/a.hl7")
    assert side.bodies() == [b"\x00\xff\r\n"]
    assert side.intake.received[0].peer == f"file:{side.folder}"
    assert sorted(p.name for p in (side.folder / ".work").iterdir()) == [".lock"]
    assert (side.folder / "done/a.hl7").read_bytes() == b"\x00\xff\r\n"


def test_only_names_of_the_pattern_are_taken(take):
    """Never a name that begins with a dot, a folder, or a link."""
    side = take(start=False, pattern="*.xml")
    outside = side.folder.parent / "secret.xml"
    outside.write_bytes(b"secret")
    (side.folder / "link.xml").symlink_to(outside)
    (side.folder / "folder.xml").mkdir()
    os.mkfifo(side.folder / "pipe.xml")
    for name in (".hidden.xml", "b.hl7", "a.xml"):
        (side.folder / name).write_bytes(name.encode())
    side.source.start()
    side.until("done/a.xml")
    side.put("z.xml")
    side.until("done/z.xml")
    assert side.bodies() == [b"a.xml", b"body"]
    assert sorted(p.name for p in (side.folder / "done").iterdir()) == ["a.xml", "z.xml"]
    assert (side.folder / "link.xml").is_symlink()


@pytest.mark.parametrize(("order", "expected"), [("name", [b"a", b"b", b"c"]), ("mtime", [b"c", b"a", b"b"])])
def test_files_are_taken_in_order(take, order, expected):
    """By name, or by the time of their last change."""
    side = take(start=False, order=order)
    for at, name in enumerate("cab"):
        path = side.folder / name
        path.write_bytes(name.encode())
        os.utime(path, (at, at))
    side.source.start()
    side.until("done/c", "done/b")
    assert expected == side.bodies()


def test_a_file_that_still_grows_is_left_alone(take):
    """settle: size and time must stay the same that long."""
    side = take(settle=0.3)
    with (side.folder / "slow").open("wb", buffering=0) as file:
        for _ in range(20):
            file.write(b"x")
            threading.Event().wait(0.04)
    assert side.bodies() == []
    side.until("done/slow")
    assert side.bodies() == [b"x" * 20]


def test_a_file_that_changes_while_it_is_read_is_not_handed_over(take, monkeypatch):
    """Half a file is no message: it is read again when it is whole."""
    real, first = _file_source._read, []

    def read(path, most):
        found = real(path, most)
        if not first:
            first.append(path)
            with path.open("ab") as file:
                file.write(b" and half")
        return found

    monkeypatch.setattr(_file_source, "_read", read)
    side = take()
    side.put("a", b"half")
    side.until("done/a")
    assert side.bodies() == [b"half and half"]


def test_a_name_that_is_under_way_waits(take, monkeypatch):
    """Two files of one name: the second does not take the place of the first in .work."""
    monkeypatch.setattr(_file_source, "NOT_STORED", 0.02)
    side = take(start=False)
    (side.folder / ".work").mkdir()
    (side.folder / ".work/a").write_bytes(b"first")
    (side.folder / "a").write_bytes(b"second")
    side.intake.fail(UnavailableError("away"))
    side.source.start()
    side.intake.wait_for(2)
    assert side.bodies() == [b"first", b"second"]


def test_a_file_that_changes_while_it_is_taken_is_taken_again(take, monkeypatch):
    """Its writer was not done: what was stored is not put away as if it were all."""
    side = take()
    side.intake.hold()
    (side.folder / "a").write_bytes(b"half")
    side.until(".work/a")
    deadline = time.monotonic() + 5
    while not side.source.status()["received"]:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    with (side.folder / ".work/a").open("ab") as file:
        file.write(b" and half")
    side.intake.release()
    side.until("done/a")
    assert side.bodies()[-1] == b"half and half"
    assert (side.folder / "done/a").read_bytes() == b"half and half"


def test_a_refused_file_lies_in_error_with_the_reason(take):
    """The reason and the number of the message beside it."""
    side = take()
    side.intake.refuse(lambda _: InvalidError("birth date is no date", where="PID-7", cure="send YYYYMMDD"))
    side.put("a.hl7")
    side.until("error/a.hl7")
    text = (side.folder / "error/a.hl7.txt").read_text()
    assert text.splitlines()[0] == "PID-7: birth date is no date (send YYYYMMDD)"
    assert text.splitlines()[1].startswith("message 000")
    assert side.source.status()["refused"] == 1


def test_a_refused_file_that_comes_again_is_refused_again(take, folder):
    """The engine answers a duplicate with the first answer."""
    side = take(start=False)
    side.intake._reader = READER
    body = b"MSH|^~\\&|A|B|C|D|20260105||ADT^A01|1|P|2.5\r"
    side.intake.refuse(lambda _: InvalidError("no", where="PID-7"))
    side.source.start()
    side.put("a", body)
    side.until("error/a")
    side.intake.refuse(lambda _: None)
    side.put("b", body)
    side.until("error/b.txt")
    assert (side.folder / "error/b.txt").read_text().startswith("PID-7: no\n")


def test_a_name_that_comes_again_overwrites_nothing(take):
    """What was put away stays; the later one bears the number of its message."""
    side = take()
    for number in range(3):
        side.put("a.hl7", b"%d" % number)
        side.intake.wait_for(number + 1)
        while (side.folder / ".work/a.hl7").exists() or (side.folder / "a.hl7").exists():
            threading.Event().wait(0.005)
    kept = sorted((side.folder / "done").iterdir())
    assert sorted(p.read_bytes() for p in kept) == [b"0", b"1", b"2"]
    assert sorted(p.name for p in kept)[2] == "a.hl7"
    assert all(p.name.startswith("a.000") for p in kept[:2])


def test_files_may_be_deleted_when_they_were_taken(take):
    """done: ''."""
    side = take(done="")
    side.put("a")
    side.intake.wait_for(1)
    while list(side.folder.rglob("a")):
        threading.Event().wait(0.005)
    assert not (side.folder / "done").exists()


def test_a_file_that_could_not_be_stored_stays_and_is_handed_over_again(take, monkeypatch):
    """The store is away, or a defect: no file is lost, the order is kept."""
    monkeypatch.setattr(_file_source, "NOT_STORED", 0.02)
    monkeypatch.setattr(_file_source, "IN_FLIGHT", 1)
    side = take(start=False)
    side.intake.fail(UnavailableError("away"), RuntimeError("a defect"))
    for name in ("a", "b"):
        (side.folder / name).write_bytes(name.encode())
    side.source.start()
    side.until("done/a", "done/b")
    assert side.bodies() == [b"a", b"b"]


def test_a_file_that_could_not_be_stored_is_not_overtaken(take, monkeypatch):
    """What comes behind it waits for the next round."""
    monkeypatch.setattr(_file_source, "NOT_STORED", 0.02)
    monkeypatch.setattr(_file_source, "IN_FLIGHT", 1)
    side = take(start=False)
    side.intake.fail(UnavailableError("away"))
    for name in ("a", "b"):
        (side.folder / name).write_bytes(name.encode())
    side.source.start()
    side.until("done/a", "done/b")
    assert side.bodies() == [b"a", b"b"]


def test_more_files_than_may_be_under_way_are_all_taken(take, monkeypatch):
    """Bounded in number and octets under way."""
    monkeypatch.setattr(_file_source, "IN_FLIGHT", 3)
    monkeypatch.setattr(_file_source, "OCTETS_IN_FLIGHT", 10)
    monkeypatch.setattr(_file_source, "ROUND", 7)
    side = take(start=False)
    names = [f"{n:02}" for n in range(30)]
    for name in names:
        (side.folder / name).write_bytes(name.encode() * 3)
    side.source.start()
    side.until("done/29")
    assert [n.encode() * 3 for n in names] == side.bodies()


def test_what_was_under_way_is_handed_over_at_the_next_start(take):
    """A hub that was killed left files in .work."""
    side = take(start=False)
    (side.folder / ".work").mkdir()
    (side.folder / ".work/b").write_bytes(b"left over")
    (side.folder / "a").write_bytes(b"new")
    side.source.start()
    side.until("done/a", "done/b")
    assert side.bodies() == [b"left over", b"new"]


def test_a_link_in_place_of_a_file_is_not_followed(take):
    """Not even in .work: no file outside of the folder is ever read."""
    side = take(start=False)
    (side.folder / ".work").mkdir()
    (side.folder / ".work/link").symlink_to("/etc/passwd")
    os.mkfifo(side.folder / ".work/pipe")
    side.source.start()
    side.until("error/link", "error/pipe")
    assert side.bodies() == []
    assert (side.folder / "error/link.txt").read_text() == "no regular file\n"


def test_a_file_the_hub_may_not_read_stops_no_other(take, monkeypatch):
    """It lies in error; the others are taken."""
    real = os.open

    def open_(path, *args, **kwargs):
        if str(path).endswith("/locked"):
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **kwargs)

    side = take(start=False)
    for name in ("locked", "open"):
        (side.folder / name).write_bytes(b"x")
    monkeypatch.setattr(os, "open", open_)
    side.source.start()
    side.until("error/locked", "done/open")
    assert (side.folder / "error/locked.txt").read_text() == "the hub may not read this file\n"


def test_a_folder_that_goes_away_is_waited_for(take, folder, monkeypatch, caplog):
    """A share that is not mounted for a while: told once, taken up again."""
    monkeypatch.setattr(_file_source, "NOT_STORED", 0.01)
    caplog.set_level("INFO", "hub.file")
    side = take()
    away = folder.with_name("away")
    folder.rename(away)
    deadline = time.monotonic() + 5
    while not side.source.status()["trouble"]:
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    threading.Event().wait(0.1)
    away.rename(folder)
    side.put("a")
    side.until("done/a")
    assert side.source.status()["trouble"] == ""
    assert [r.message for r in caplog.records] == ["folder not usable", "folder usable again"]


def test_two_sources_cannot_have_one_folder(take):
    """A lock in .work, which the system frees when its process dies."""
    first, second = take(), take(start=False)
    with pytest.raises(UnavailableError, match="another source"):
        second.source.start()
    first.source.stop()
    second.source.start()


def test_a_folder_that_is_not_there_is_made_only_when_told(take, folder):
    """create: false is for a mounted folder: files must not land below an empty mount point."""
    folder.rmdir()
    with pytest.raises(UnavailableError, match="cannot use") as caught:
        take(create=False)
    assert caught.value.where == "test: source.file.directory"
    take().until("done", "error", ".work")


def test_done_and_error_lie_on_the_same_file_system(take, monkeypatch):
    """A rename is one step only within a file system."""
    real = Path.stat

    def stat(self, **kwargs):
        found = real(self, **kwargs)
        return os.stat_result((*found[:2], 99, *found[3:])) if self.name == "done" else found

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(ConfigError, match="file system"):
        take()


@pytest.mark.parametrize(
    "options", [{"done": "../x"}, {"done": "a/b"}, {"error": ""}, {"error": ".."}, {"done": ".work"}, {"every": 0}]
)
def test_options_that_make_no_sense_are_refused(options):
    """Folders lie in the directory."""
    with pytest.raises(ValueError, match=next(iter(options))):
        FileSourceOptions(directory="/x", **options)


def test_stop_ends_in_time_although_the_store_hangs(take):
    """What is under way stays in .work."""
    side = take()
    side.intake.hold()
    side.put("a")
    side.until(".work/a")
    at = time.monotonic()
    side.source.stop(0.3)
    assert time.monotonic() - at < 3
    side.until(".work/a")
