"""The command ``hub``: finds its verbs, imports the one that is used, and words what goes wrong.

Exit status: 0 fine, 1 findings or failed tests, 2 wrong use or broken configuration.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from hub import __version__
from hub.errors import HubError

# verb -> (module of hub.commands, what it does); the order is that of the help.
COMMANDS = {
    "init": ("init", "Make a folder in which a hub can run."),
    "new": ("new", "Write the first files of a channel."),
    "lint": ("lint", "Check channel files."),
    "explain": ("explain", "Say what a finding of `hub lint` means."),
    "test": ("test", "Run the tests of channels."),
    "try": ("try_", "Show what a channel makes of a message; nothing is stored or sent."),
    "map": ("map", "Show what became of every part of a CDA document."),
    "validate": ("validate", "Check FHIR resources in files, by R4 and by profiles."),
    "conformance": ("conformance", "Check documents by the content rules of their model."),
    "verify": ("verify", "Verify the signature of a file, check by check."),
    "list": ("list", "List channels, connectors, mappings or formats."),
    "schema": ("schema", "Print the JSON Schema of channel files, for editors."),
    "demo": ("demo", "Run a hub with fictitious patients and peers."),
    "run": ("run", "Run the hub."),
    "worker": ("worker", "Run a worker of the wide runner."),
    "doctor": ("doctor", "Check what the hub needs: store, ports, certificates, peers, disk."),
    "channel": ("channel", "See, pause and resume channels; go back to a former revision."),
    "queue": ("queue", "See, pause and resume the queues of destinations; send again."),
    "tail": ("tail", "Follow messages as they come in."),
    "find": ("find", "List messages by what is known of them."),
    "show": ("show", "Show one message."),
    "replay": ("replay", "Handle messages again."),
    "hold": ("hold", "Keep messages that wait from being worked on."),
    "release": ("release", "Let held messages go on."),
    "cancel": ("cancel", "End messages for good."),
    "token": ("token", "Issue, list and revoke tokens of the API."),
    "db": ("db", "Upgrade and check the store."),
    "prune": ("prune", "Delete what has been kept long enough."),
    "metrics": ("metrics", "Print the metrics."),
    "bench": ("bench", "Measure how fast a channel is on this machine."),
}


class Verbs(click.Group):
    """Verbs that are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return [verb for verb, (module, _) in COMMANDS.items() if find_spec(f"hub.commands.{module}")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command: click.Command = import_module(f"hub.commands.{COMMANDS[cmd_name][0]}").command
        command.name = cmd_name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, 1)
            cure = f"did you mean `hub {near[0]}`?" if near else "see `hub --help`"
            raise click.UsageError(f"no command is called {args[0]!r}: {cure}", ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            done = super().invoke(ctx)
            sys.stdout.flush()
            return done
        except BrokenPipeError:
            # Whoever read our output has seen enough; nothing more may be written at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise click.exceptions.Exit(128 + 13) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The summaries stand in the table, so that the help imports no verb.
        with formatter.section("Commands"):
            formatter.write_dl([(verb, COMMANDS[verb][1]) for verb in self.list_commands(ctx)])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hub")
def hub() -> None:
    """OncoHub: HL7 v2, CDA-R2 and DICOM in, FHIR R4 out."""


def main(args: list[str] | None = None) -> Any:
    """Run the command; what the hub says of itself goes to stderr as one line."""
    try:
        status = hub.main(args, prog_name="hub", standalone_mode=False)
    except click.ClickException as e:
        e.show()
        sys.exit(e.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except HubError as e:
        click.echo(f"hub: {e}", err=True)
        sys.exit(2)
    sys.exit(status if isinstance(status, int) else 0)
