"""``hub test``: the tests of channels."""

from __future__ import annotations

from dataclasses import asdict

import click

from hub.commands.options import channel_paths, home_option, json_option, print_json, settings_of


@click.command()
@click.argument("paths", nargs=-1)
@home_option
@click.option("-k", "select", default="", help="Only cases whose name (or channel) holds this text.")
@click.option("--update", is_flag=True, help="Write what came out into the golden files.")
@json_option
def command(paths: tuple[str, ...], home: str | None, select: str, update: bool, as_json: bool) -> int:
    """Run the tests of channels: those of the site, or PATHS (files, folders, names of channels).

    Exit status: 0 all pass, 1 some fail, 2 a channel cannot be read.
    """
    from hub.channel.findings import shown
    from hub.channel.model import files, inspect
    from hub.channel.testing import run_cases

    settings = settings_of(home)
    outcomes, findings, unread = [], [], 0
    for path in files(channel_paths(paths, settings)):
        loaded = inspect(path, settings)
        findings += loaded.findings
        if loaded.spec is None:
            unread += 1
            continue
        ran, wrong = run_cases(loaded.spec, path.parent / "tests", select=select, update=update)
        outcomes += ran
        findings += wrong
    failed = [one for one in outcomes if not one.passed]
    status = 2 if unread else 1 if failed or findings else 0
    if as_json:
        print_json(
            {"cases": [asdict(o) | {"passed": o.passed} for o in outcomes], "findings": list(map(str, findings))}
        )
        return status
    for finding in findings:
        click.echo(str(finding))
    for one in outcomes:
        mark = click.style("pass" if one.passed else "FAIL", fg="green" if one.passed else "red")
        click.echo(f"{mark} {one.channel}: {one.case}" + (" (golden written)" if one.updated else ""))
        if not one.passed:
            click.echo(f"     {shown(one.file)}:{one.line}")
        for problem in one.problems:
            click.echo(f"     {problem}")
    said = f"{len(outcomes) - len(failed)} passed" + (f", {len(failed)} failed" if failed else "")
    click.echo(said if outcomes else "no test was run", err=True)
    return status
