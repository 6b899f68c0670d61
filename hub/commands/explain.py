"""``hub explain``: what a finding of ``hub lint`` means."""

from __future__ import annotations

import click


@click.command()
@click.argument("codes", nargs=-1)
def command(codes: tuple[str, ...]) -> None:
    """Say what CODES mean and what to do; without any, list them all."""
    from hub.channel.lint import explain
    from hub.channel.rules import known
    from hub.commands.options import print_table

    if not codes:
        print_table([(rule.code, rule.severity, rule.summary) for rule in known().values()])
    for code in codes:
        rule = explain(code)
        click.echo(f"{rule.code} ({rule.severity}): {rule.summary}\n\n{rule.explanation}\n")
