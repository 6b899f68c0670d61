"""Asks every rule of every channel: what ``hub lint`` prints.

Codes of findings are told by ``hub explain``; a finding of a rule is silenced, with its reason, by a
comment on its line: ``# lint: allow S302 the VPN ends on this host``.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from hub.channel.findings import Finding
from hub.channel.model import files, inspect
from hub.channel.rules import Context, LintRule, apply, known
from hub.errors import NotFoundError
from hub.settings import Settings


def lint(paths: Iterable[Path], settings: Settings) -> list[Finding]:
    """Everything that is found in channel files, folders of channels, or folders of such folders."""
    read = [inspect(path, settings) for path in files(paths)]
    found = [f for one in read for f in one.findings]
    found += apply(Context([one for one in read if one.spec], settings))
    return sorted(set(found))


def explain(code: str) -> LintRule:
    """The rule with that code.

    :raises NotFoundError: when there is none.
    """
    rules = known()
    if code.upper() not in rules:
        near = get_close_matches(code.upper(), rules, 1)
        cure = f"did you mean {near[0]}?" if near else "codes stand behind the place in what `hub lint` prints"
        raise NotFoundError(f"no rule has the code {code!r}", cure=cure)
    return rules[code.upper()]
