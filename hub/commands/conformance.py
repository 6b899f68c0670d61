"""``hub conformance``: documents against the rules of their model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hub.source.cda_validate import Finding


@click.group()
def command() -> None:
    """Check documents by the rules that are stated for them; nothing is stored or sent."""


@command.command()
@click.argument("files", nargs=-1, required=True)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
def cda(files: tuple[str, ...], form: str) -> int:
    """Check CDA-R2 documents: FILES, `-` for the input.

    Prints `file:line severity rule: what is expected (source) at: path`; with `--format json` an object a file
    (NDJSON).  FRCP, FIDD and IMG-CR are checked entry by entry, of other models the header and the order of elements.
    Exit status: 0 no error, 1 errors, 2 a file cannot be read.
    """
    from hub.errors import ParseError
    from hub.source.cda_validate import Finding, validate

    wrong = 0
    for name in files:
        body = _octets(name)
        try:
            found = validate(body)
        except ParseError as e:
            line = int(e.where.partition(":")[0] or 1)
            found = [
                Finding("error", "", f"{e.what} ({e.cure})" if e.cure else e.what, "CDA-READ", line, "W3C XML 1.0")
            ]
        wrong += any(f.severity == "error" for f in found)
        _print(name, found, form)
    if form == "text":
        said = f"{wrong} with errors" if wrong else "no errors"
        click.echo(f"{len(files)} document{'s' * (len(files) != 1)}: {said}", err=True)
    sys.stdout.flush()
    return 1 if wrong else 0


def _octets(name: str) -> bytes:
    """:raises ConfigError: when the file cannot be read."""
    from hub.errors import ConfigError
    from hub.source.xml import MAX_OCTETS

    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_OCTETS + 1)
        with Path(name).open("rb") as file:
            return file.read(MAX_OCTETS + 1)
    except OSError as e:
        raise ConfigError(f"cannot be read: {e.strerror}", where=name, cure="name a CDA document") from None


def _print(name: str, found: list[Finding], form: str) -> None:
    if form == "json":
        import orjson

        told = [
            {"rule": f.code, "severity": f.severity, "line": f.line, "path": f.where, "expected": f.what,
             "source": f.source}
            for f in found
        ]  # fmt: skip
        click.echo(orjson.dumps({"file": name, "findings": told}))
        return
    from hub.commands.output import plain

    for f in found:
        at = f" at: {f.where}" if f.where else ""
        click.echo(plain(f"{name}:{f.line} {f.severity} {f.code}: {f.what} ({f.source}){at}"))
