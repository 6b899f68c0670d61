"""``hub lint``: what is wrong with channel files."""

from __future__ import annotations

import sys

import click

from hub.commands.options import channel_paths, home_option, settings_of


@click.command()
@click.argument("paths", nargs=-1)
@home_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "github", "sarif"]), default="text", show_default=True,
    help="How findings are printed.",
)  # fmt: skip
def command(paths: tuple[str, ...], home: str | None, form: str) -> int:
    """Check channel files: those of the site, or PATHS (files, folders, names of channels).

    Prints `file:line:col CODE what is wrong, what to write`.  Exit status: 0 nothing found (notes
    aside), 1 findings, 2 nothing could be checked.
    """
    from hub.channel.findings import FORMATS, failing
    from hub.channel.lint import lint
    from hub.channel.model import files
    from hub.errors import ConfigError

    settings = settings_of(home)
    where = channel_paths(paths, settings)
    count = len(files(where))
    if not count:
        raise ConfigError(f"no channel.yaml in {where[0]}", cure="run `hub new channel NAME`, or name a path")
    findings = lint(where, settings)
    text = FORMATS[form](findings)
    if text:
        click.echo(text)
    if form == "text":
        wrong = len(failing(findings))
        notes = len(findings) - wrong
        said = f"{count} channel{'s' * (count > 1)}: " + (f"{wrong} to mend" if wrong else "nothing to mend")
        click.echo(said + (f", {notes} note{'s' * (notes > 1)}" if notes else ""), err=True)
    sys.stdout.flush()
    return 1 if failing(findings) else 0
