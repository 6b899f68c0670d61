"""``hub demo``: a hub of its own on free ports, real traffic, a tour of what became of it."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hub.settings import Settings
    from hub.testing.child import ChildHub

_MLLP = "hospital-hl7v2"
_MARK = "This hub belongs to `hub demo`: nobody in it exists.\n"


@click.command()
@click.option("--once", is_flag=True, help="Stop after the tour.")
@click.option(
    "--home", type=click.Path(file_okay=False, path_type=Path), help="Where to keep it. Default: a folder that goes."
)
@click.option("--http-port", type=click.IntRange(0, 65535), default=0, help="0, the default, takes a free one.")
@click.option("--mllp-port", type=click.IntRange(0, 65535), default=0, help="0, the default, takes a free one.")
def command(once: bool, home: Path | None, http_port: int, mllp_port: int) -> int:
    """Run a hub with fictitious patients and peers, on SQLite and free ports, and show what it does."""
    from hub.settings import Settings
    from hub.testing.child import ChildHub, alone

    with contextlib.ExitStack() as stack:
        stack.enter_context(alone())
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hub-demo-")))
        home = home.resolve()
        _make(home)
        child = ChildHub(home, {"HUB_HTTP_PORT": str(http_port), "HUB_MLLP_PORT": str(mllp_port)})
        stack.callback(child.stop)
        child.start()
        click.echo(f"A hub runs in {home} (SQLite, threads); it was ready in {child.ready_in:.1f} s.")
        wrong, token = _tour(child, Settings.load(home))
        for line in wrong:
            click.echo(f"not as promised: {line}", err=True)
        if not wrong:
            click.echo("\nAll as promised.")
        ended = 0 if once else _stay(child, home, token)
        return 1 if wrong or ended else 0


def _make(home: Path) -> None:
    """The folder of the hub, as `hub init` makes it.

    :raises ConfigError: when it is that of a hub which is no demonstration.
    """
    from hub.channel.site import make_site
    from hub.errors import ConfigError

    mark = home / "data" / "demo"
    if not mark.exists():
        if (home / "hub.yaml").exists():
            raise ConfigError("a hub lives here already", where=str(home), cure="name a folder for the demonstration")
        make_site(home, force=True)
        mark.write_text(_MARK, encoding="ascii")


def _tour(child: ChildHub, settings: Settings) -> tuple[list[str], str]:
    """Send and look; return what was not as promised, and the token used."""
    from hub.demo.peers import HttpPeer, MllpPeer
    from hub.demo.tour import Tour
    from hub.errors import NotFoundError
    from hub.store import open_store, tokens

    with contextlib.closing(open_store(settings)) as store:
        with contextlib.suppress(NotFoundError):
            tokens.revoke(store, "demo")  # of the last time, when the folder was kept
        token = tokens.issue(store, "demo", (tokens.READ, tokens.INGEST), 1)
        folder = Path(child.addresses["document-drop"].removeprefix("file:"))
        with (
            contextlib.closing(MllpPeer(child.address(_MLLP))) as mllp,
            contextlib.closing(HttpPeer(child.address("http"), token)) as http,
        ):
            tour = Tour(store, mllp, http, folder, click.echo, f"hub show {{id}} --home {settings.home}")
            tour.send()
            tour.look()
    return tour.wrong, token


def _stay(child: ChildHub, home: Path, token: str) -> int:
    """Say how to look further, and wait for Ctrl-C; return the status of a hub that ended by itself."""
    from urllib.parse import quote

    from hub.testing import samples

    url = child.addresses["http"]
    ins = quote(f"{samples.INS_SYSTEM}|{samples.INS.decode()}")
    click.echo("\nThe hub stays up. Addresses:")
    for name, address in child.addresses.items():
        click.echo(f"   {name:16} {address}")
    click.echo(f"   {'FHIR':16} {url}/fhir\n\nToken (one day, this hub only):\n   {token}\n\nLook further:")
    click.echo(f'   curl -H "Authorization: Bearer {token}" "{url}/fhir/Patient?identifier={ins}&_pretty=true"')
    click.echo(f"   curl {url}/fhir/metadata?_pretty=true")
    click.echo(f"   hub tail --home {home}\n   hub find status:held --home {home}")
    click.echo("\nCtrl-C ends it.")
    with contextlib.suppress(KeyboardInterrupt):
        return child.wait()
    return 0
