"""``hub validate``: what is wrong with FHIR resources in files."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.commands.options import home_option, settings_of

if TYPE_CHECKING:
    from hub.fhir.draft import Issue

_NDJSON = (".ndjson", ".jsonl")


@click.command()
@click.argument("files", nargs=-1, required=True)
@home_option
@click.option("--profile", "profiles", multiple=True, metavar="URL", help="Judge by this profile; may be repeated.")
@click.option("--base", "level", flag_value="base", help="Judge by R4 alone, not by the profiles that resources name.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
    help="How findings are printed: a line each, or an OperationOutcome a resource (NDJSON).",
)  # fmt: skip
def command(files: tuple[str, ...], home: str | None, profiles: tuple[str, ...], level: str | None, form: str) -> int:
    """Check resources: FILES of JSON (a resource or a Bundle) or NDJSON (one a line), `-` for the input.

    Prints `file:line place severity what is wrong, and what to write`.  Exit status: 0 no error, 1 errors,
    2 a file cannot be read or a profile is not known.
    """
    from hub.services.validation import findings, read_or_issue

    base = settings_of(home).canonical_base
    count = wrong = 0
    for place, body in _resources(files):
        value, found = read_or_issue(body)
        if not found:
            found = findings(value, profiles, level=level or "profile", base=base)
        count += 1
        wrong += any(i.severity in ("error", "fatal") for i in found)
        _print(place, value, found, form)
    if form == "text":
        said = f"{wrong} with errors" if wrong else "no errors"
        click.echo(f"{count} resource{'s' * (count != 1)}: {said}", err=True)
    sys.stdout.flush()
    return 1 if wrong else 0


def _resources(files: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """(where it stands, octets) of each resource.

    :raises ConfigError: when a file cannot be read.
    """
    from hub.errors import ConfigError
    from hub.fhir.validation.reading import MAX_SIZE

    for name in files:
        path = Path(name)
        try:
            if path.suffix in _NDJSON:
                with path.open("rb") as lines:
                    number = 0
                    while line := lines.readline(MAX_SIZE + 1):
                        number += 1
                        if line.strip():
                            yield f"{name}:{number}", line
            elif name == "-":
                yield name, sys.stdin.buffer.read(MAX_SIZE + 1)
            else:
                with path.open("rb") as file:
                    yield name, file.read(MAX_SIZE + 1)
        except OSError as e:
            raise ConfigError(f"cannot be read: {e.strerror}", where=name, cure="name a file of resources") from None


def _print(place: str, value: Any, found: list[Issue], form: str) -> None:
    if form == "json":
        import orjson

        from hub.services.validation import told

        made = told(found)
        made["id"] = _id(value)
        click.echo(orjson.dumps({k: v for k, v in made.items() if v} | {"issue": made["issue"]}))
        return
    from hub.commands.output import plain

    for issue in found:
        where = f" {issue.where}" if issue.where else ""
        click.echo(plain(f"{place}{where} {issue.severity} {issue.what}"))


def _id(value: Any) -> str:
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""
