"""Changes of channel files are seen, and a slip never stops what runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.channel.watch import Watcher
from hub.errors import ConfigError
from hub.settings import Settings

from .conftest import SOUND, Write


def test_the_first_look_hands_out_every_channel(settings: Settings, write: Write) -> None:
    """And the second one nothing, for nothing changed."""
    write("a"), write("b", port=2600)
    watcher = Watcher(settings)
    assert [s.name for s in watcher.scan().changed] == ["a", "b"]
    again = watcher.scan()
    assert (list(again.changed), list(again.removed), dict(again.broken)) == ([], [], {})


def test_a_changed_file_is_handed_out_with_its_new_revision(settings: Settings, write: Write) -> None:
    """Touching a file without changing its octets is no change."""
    path = write("a")
    watcher = Watcher(settings)
    old = watcher.scan().changed[0].revision
    path.touch()
    assert list(watcher.scan().changed) == []
    write("a", SOUND.format(name="a", port=2600))
    changed = watcher.scan().changed
    assert [s.source.options.port for s in changed] == [2600]
    assert old != changed[0].revision


def test_a_file_that_goes_takes_its_channel_with_it(settings: Settings, write: Write) -> None:
    """And a channel that is renamed is a new one."""
    path = write("a")
    write("b", port=2600)
    watcher = Watcher(settings)
    watcher.scan()
    path.unlink()
    assert list(watcher.scan().removed) == ["a"]
    write("b", SOUND.format(name="c", port=2600))
    changes = watcher.scan()
    assert ([s.name for s in changes.changed], list(changes.removed)) == (["c"], ["b"])


def test_a_broken_change_keeps_the_running_revision_and_is_told_once(settings: Settings, write: Write) -> None:
    """House: a mistake in a file must not stop a hospital's feed."""
    path = write("a")
    watcher = Watcher(settings)
    good = watcher.scan().changed[0]
    path.write_text("channel: a\nsource: {mlpp: {}}\n")
    changes = watcher.scan()
    assert (list(changes.changed), list(changes.removed)) == ([], [])
    assert [line.split()[1] for line in changes.broken.values()] == ["C104"]
    assert dict(watcher.scan().broken) == {}
    assert [f.code for f in watcher.findings] == ["C104"]
    write("b", port=2600)
    assert [s.name for s in watcher.scan().changed] == ["b"]
    assert {"a": good} == {n: s for n, s in watcher.running.items() if n == "a"}
    write("a")
    changes = watcher.scan()
    assert (list(changes.changed), watcher.findings) == ([], [])  # mended to what runs already


def test_a_second_channel_of_a_name_does_not_take_the_place_of_the_first(settings: Settings, write: Write) -> None:
    """Not even when its folder comes first."""
    write("m")
    watcher = Watcher(settings)
    first = watcher.scan().changed[0]
    write("a", SOUND.format(name="m", port=2600))
    changes = watcher.scan()
    assert (list(changes.changed), list(changes.removed)) == ([], [])
    assert {"m": first} == watcher.running
    assert [f.code for f in watcher.findings] == ["C201"]


def test_a_change_that_takes_the_name_of_another_keeps_what_ran(settings: Settings, write: Write) -> None:
    """A rule that is broken is a slip like any other."""
    write("a"), write("b", port=2600)
    watcher = Watcher(settings)
    watcher.scan()
    write("b", SOUND.format(name="a", port=2600))
    changes = watcher.scan()
    assert (list(changes.changed), list(changes.removed)) == ([], [])
    assert sorted(watcher.running) == ["a", "b"]
    write("c", port=2700)
    assert sorted([*watcher.running, *(s.name for s in watcher.scan().changed)]) == ["a", "b", "c"]


def test_a_change_that_opens_a_channel_is_refused_in_production(tmp_path: Path, write: Write) -> None:
    """The last good revision goes on."""
    write("a")
    watcher = Watcher(Settings.load(tmp_path, profile="production"))
    watcher.scan()
    write("a", SOUND.format(name="a", port="2575, bind: 0.0.0.0"))
    assert [line.split()[1] for line in watcher.scan().broken.values()] == ["S302"]
    assert watcher.running["a"].source.options.bind == ""


def test_only_the_channels_named_are_watched(settings: Settings, write: Write) -> None:
    """`hub run a`; a name that no file has is refused, with the nearest."""
    write("admissions"), write("b", port=2600)
    assert [s.name for s in Watcher(settings, ("b",)).scan().changed] == ["b"]
    with pytest.raises(ConfigError, match="did you mean 'admissions'"):
        Watcher(settings, ("admission",)).scan()


def test_a_site_without_channels_is_watched_too(settings: Settings, write: Write) -> None:
    """The first channel may come later."""
    watcher = Watcher(settings)
    assert list(watcher.scan().changed) == []
    write("a")
    assert [s.name for s in watcher.scan().changed] == ["a"]
