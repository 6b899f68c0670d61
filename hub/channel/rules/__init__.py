"""Rules of ``hub lint``: one function each, registered with its code, summary and explanation.

A module of this package is found by being here.  The letter of a code says what it is about: ``Y`` the
YAML, ``C`` the channel, ``S`` security, ``T`` tests.  A rule yields :class:`Hit` values; its docstring is
what ``hub explain CODE`` prints.  Codes that the reading of a file gives out are described in ``reading``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from inspect import cleandoc
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from hub.channel.findings import Finding, Severity
from hub.channel.loader import Place
from hub.settings import Settings

if TYPE_CHECKING:
    from hub.channel.model import Loaded


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule found in one channel file; ``file`` and ``line`` when it is in a file beside it."""

    channel: Loaded
    place: Place
    what: str
    cure: str
    severity: Severity | None = None
    key: bool = False
    file: str = ""
    at: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class Context:
    """What rules look at: every channel that could be read, and the settings they would run under."""

    channels: Sequence[Loaded]
    settings: Settings


Check = Callable[[Context], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class LintRule:
    """One rule.  ``check`` is None for what is found while a file is read."""

    code: str
    summary: str
    explanation: str
    severity: Severity = "error"
    check: Check | None = None


_RULES: dict[str, LintRule] = {}


def _add(rule: LintRule) -> None:
    if rule.code in _RULES:
        raise ValueError(f"two rules are called {rule.code}")
    _RULES[rule.code] = rule


def describe(code: str, summary: str, explanation: str) -> None:
    """Describe a code that the reading of a file gives out."""
    _add(LintRule(code, summary, cleandoc(explanation)))


def rule(code: str, summary: str, severity: Severity = "error") -> Callable[[Check], Check]:
    """Register a rule that looks at all channels together; its docstring is the explanation."""

    def register(check: Check) -> Check:
        _add(LintRule(code, summary, cleandoc(check.__doc__ or summary), severity, check))
        return check

    return register


def each(
    code: str, summary: str, severity: Severity = "error"
) -> Callable[[Callable[[Loaded, Settings], Iterator[Hit]]], Check]:
    """Register a rule that looks at one channel at a time."""

    def register(check: Callable[[Loaded, Settings], Iterator[Hit]]) -> Check:
        def across(context: Context) -> Iterator[Hit]:
            for channel in context.channels:
                yield from check(channel, context.settings)

        across.__doc__ = check.__doc__
        return rule(code, summary, severity)(across)

    return register


@cache
def known() -> dict[str, LintRule]:
    """Every rule by its code."""
    for module in iter_modules(__path__):
        import_module(f"{__name__}.{module.name}")
    return dict(sorted(_RULES.items()))


def apply(context: Context, codes: str = "") -> list[Finding]:
    """What the rules (those whose code starts with ``codes``) find, less what a comment allows."""
    found = []
    for one in known().values():
        if one.check is None or not one.code.startswith(codes):
            continue
        for hit in one.check(context):
            document = hit.channel.document
            line, column = hit.at if hit.file else document.at(hit.place, hit.key)
            finding = Finding(hit.file or document.file, line, column, one.code, hit.what, hit.cure, one.severity)
            if hit.severity:
                finding = replace(finding, severity=hit.severity)
            if hit.file or one.code not in document.allowed(line):
                found.append(finding)
    return found
