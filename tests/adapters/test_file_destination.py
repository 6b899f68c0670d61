"""Files written into a folder: whole or not at all, the same delivery the same file."""

import errno
import os

import pytest
from hub.adapters import file as file_
from hub.adapters.file import FileDestination, FileDestinationOptions

from hub.errors import RefusedError, UnavailableError
from hub.testing.context import MemoryOutlet, outgoing


def to(folder, **options):
    return FileDestination(FileDestinationOptions(directory=folder, **options), MemoryOutlet(channel="adt"))


def test_a_delivery_is_one_file(tmp_path):
    """Named by its key; sent twice, it is the same file."""
    destination = to(tmp_path)
    for _ in range(2):
        answer = destination.send(outgoing(b"\x00body", idempotency_key="0A-peer-1"))
        assert answer.body == b"0A-peer-1.hl7"
    assert [p.name for p in tmp_path.iterdir()] == ["0A-peer-1.hl7"]
    assert (tmp_path / "0A-peer-1.hl7").read_bytes() == b"\x00body"
    assert (tmp_path / "0A-peer-1.hl7").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("{id}.{ext}", "application/fhir+json", "k.json"),
        ("{id}.{ext}", "text/xml; charset=utf-8", "k.xml"),
        ("{id}.{ext}", "application/x-unknown", "k.bin"),
        ("{channel}-{type}-{id}", "text/xml", "adt-ADT_A01-k"),
    ],
)
def test_the_name_is_made_of_the_delivery(tmp_path, name, kind, expected):
    """{id}, {ext}, {type}, {channel}."""
    to(tmp_path, name=name, mode="600").send(outgoing(b"x", kind, idempotency_key="k", type="ADT^A01"))
    assert expected in [p.name for p in tmp_path.iterdir()]


@pytest.mark.parametrize("key", ["../../etc/x", "a/b", "\x00", "..", "é" * 300])
def test_no_name_leaves_the_folder(tmp_path, key):
    """Whatever stands in a message: no path, no NUL, no endless name."""
    inside = tmp_path / "out"
    inside.mkdir()
    to(inside, name="{type}-{id}").send(outgoing(b"x", idempotency_key=key, type=key))
    assert len(list(inside.iterdir())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    "name", ["x.hl7", "{type}", "{id.x}", "{id!r}", "{id:>9}", "{0}{id}", "a/{id}", ".{id}", "{id", "{unknown}{id}"]
)
def test_a_template_that_makes_no_sense_is_refused(name):
    """{id} must be in it, and only known fields."""
    with pytest.raises(ValueError, match="name"):
        FileDestinationOptions(directory="/x", name=name)


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    """Flushed before it gets its name, and its folder after; what is left of a failure is taken away."""
    steps = []
    real_fsync, real_rename = os.fsync, file_.Path.rename
    monkeypatch.setattr(
        os,
        "fsync",
        lambda fd: (steps.append(("fsync", str(file_.Path(f"/proc/self/fd/{fd}").readlink()))), real_fsync(fd)),
    )
    monkeypatch.setattr(
        file_.Path, "rename", lambda self, target: (steps.append(("rename", str(target))), real_rename(self, target))
    )
    to(tmp_path).send(outgoing(b"x", idempotency_key="k"))
    target = str(tmp_path / "k.hl7")
    assert steps == [("fsync", str(tmp_path / ".k.hl7.part")), ("rename", target), ("fsync", str(tmp_path))]


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, UnavailableError), (errno.EIO, UnavailableError), (errno.ENAMETOOLONG, RefusedError)],
)
def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch, number, kind):
    """A full disk is waited for; an impossible name is held."""

    def fail(_fd):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=str(tmp_path) if kind is UnavailableError else "name"):
        to(tmp_path).send(outgoing(b"x"))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_attempt_left_is_written_over(tmp_path):
    """And a link put in its place is not followed."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".k.hl7.part").symlink_to(victim)
    to(tmp_path).send(outgoing(b"x", idempotency_key="k"))
    assert victim.read_bytes() == b"precious"
    assert (tmp_path / "k.hl7").read_bytes() == b"x"
    assert not (tmp_path / "k.hl7").is_symlink()


def test_probe_says_what_is_free(tmp_path):
    """A folder that is not there is unavailable."""
    assert "MiB free" in to(tmp_path).probe()
    with pytest.raises(UnavailableError, match="not there"):
        to(tmp_path / "none").probe()
