"""``hub worker``: a Celery worker of the wide runner."""

from __future__ import annotations

import click


@click.command()
@click.option("--home", type=click.Path(file_okay=False), help="Folder of the hub. Default: HUB_HOME, or here.")
@click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that work.")
def command(home: str | None, processes: int) -> None:
    """Map and deliver for a hub that runs with runner: celery."""
    import socket

    from hub import logs
    from hub.channel.watch import Watcher
    from hub.engine.model import ChannelSpec
    from hub.engine.workers import make_worker
    from hub.settings import Settings
    from hub.store import open_store

    settings = Settings.load(home)
    settings.check_profile()
    logs.set_up(settings.verbosity)
    store = open_store(settings)
    store.check_version()
    store.close()
    watcher = Watcher(settings)
    specs: dict[str, ChannelSpec] = {}

    def load() -> dict[str, ChannelSpec]:
        changes = watcher.scan()
        for name in changes.removed:
            specs.pop(name, None)
        specs.update({spec.name: spec for spec in changes.changed})
        return dict(specs)

    app = make_worker(settings, load)
    app.worker_main(
        ["worker", "--pool=prefork", f"--concurrency={processes}", "--without-gossip", "--without-mingle",
         "--without-heartbeat", f"--hostname=hub-{socket.gethostname()}", f"--loglevel={settings.verbosity}"]
    )  # fmt: skip
