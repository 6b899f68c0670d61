"""Rules about the tests of a channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from hub.channel.rules import Hit, each
from hub.settings import Settings

if TYPE_CHECKING:
    from hub.channel.model import Loaded


@each("T401", "the channel has no tests", "note")
def no_tests(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """A folder `tests/` beside channel.yaml, with a few messages and what should become of them, is what
    lets somebody else change the channel in five years.  `hub new channel` writes one.
    """
    if one.path.name == "channel.yaml" and not any((one.folder / "tests").glob("*.yaml")):
        yield Hit(
            one, (), "no tests", "write tests/first.yaml: `- {case: ..., send: messages/x.hl7, expect: {answer: AA}}`"
        )


@each("T402", "a test that cannot run")
def broken_tests(one: Loaded, _settings: Settings) -> Iterator[Hit]:
    """The file of cases is not well formed, or names a message that is not there."""
    from hub.channel.cases import read_cases

    _cases, findings = read_cases(one.folder / "tests")
    for f in findings:
        yield Hit(one, (), f.what, f.cure, file=f.file, at=(f.line, f.column))
