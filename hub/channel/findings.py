"""What is found wrong with a channel, and the forms in which it is told.

Text is ``file:line:column CODE what (cure)``, as compilers write it; GitHub workflow commands; SARIF
2.1.0 (OASIS, 2020), which forges and editors read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
_GITHUB: dict[Severity, str] = {"error": "error", "warning": "warning", "note": "notice"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, where, and what to write instead.

    :ivar severity: an ``error`` keeps the channel from running or loses messages; a ``warning`` will
        hurt one day; a ``note`` is advice and does not fail ``hub lint``.
    """

    file: str
    line: int
    column: int
    code: str
    what: str
    cure: str = ""
    severity: Severity = "error"

    def __str__(self) -> str:
        return f"{shown(self.file)}:{self.line}:{self.column} {self.code} {self.message}"

    @property
    def message(self) -> str:
        return f"{self.what}; {self.cure}" if self.cure else self.what


def shown(file: str) -> str:
    """A path as people want to read it: from where they stand, when it lies below."""
    path = Path(file)
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return file


def failing(findings: Iterable[Finding]) -> list[Finding]:
    """Those that fail a check: all but notes."""
    return [f for f in findings if f.severity != "note"]


def as_text(findings: Sequence[Finding]) -> str:
    return "\n".join(map(str, findings))


def as_json(findings: Sequence[Finding]) -> str:
    return json.dumps([asdict(f) | {"file": shown(f.file)} for f in findings], indent=2, ensure_ascii=False)


def as_github(findings: Sequence[Finding]) -> str:
    """Workflow commands, which show a finding beside the line of a pull request."""

    def data(text: str) -> str:
        return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    def prop(text: str) -> str:
        return data(text).replace(":", "%3A").replace(",", "%2C")

    return "\n".join(
        f"::{_GITHUB[f.severity]} file={prop(shown(f.file))},line={f.line},col={f.column},"
        f"title={prop(f.code)}::{data(f.message)}"
        for f in findings
    )


def as_sarif(findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0: §3.19 tool component, §3.27 results, §3.30 regions."""
    from hub import __version__
    from hub.channel.rules import known

    codes = sorted({f.code for f in findings})
    rules: list[dict[str, Any]] = [
        {
            "id": code,
            "shortDescription": {"text": known()[code].summary},
            "fullDescription": {"text": known()[code].explanation},
        }
        for code in codes
    ]
    results = [
        {
            "ruleId": f.code,
            "ruleIndex": codes.index(f.code),
            "level": f.severity,
            "message": {"text": f.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": Path(shown(f.file)).as_posix()},
                        "region": {"startLine": f.line, "startColumn": f.column},
                    }
                }
            ],
        }
        for f in findings
    ]
    driver = {"name": "hub lint", "version": __version__, "rules": rules}
    whole = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


FORMATS: dict[str, Callable[[Sequence[Finding]], str]] = {
    "text": as_text, "json": as_json, "github": as_github, "sarif": as_sarif,
}  # fmt: skip
