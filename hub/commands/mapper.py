"""The mapper: maps what the other processes of a hub take in, and sends what follows of it.

``python -m hub.commands.mapper --home HOME --parent PID``, started by ``hub run``; it ends with it
(:mod:`hub.process`).  When it dies it is started again, and goes on with what waits in the store.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading


def main(arguments: list[str] | None = None) -> None:
    """Map until told to end."""
    parser = argparse.ArgumentParser(prog="python -m hub.commands.mapper")
    parser.add_argument("--home", required=True)
    parser.add_argument("--parent", type=int, default=0, help="end with the process of this number")
    parser.add_argument("--only", default="", help="names of channels, with commas")
    given = parser.parse_args(arguments)

    from hub import logs, memory
    from hub.channel.watch import Watcher
    from hub.commands.run import prune
    from hub.engine import engine
    from hub.process import end_with
    from hub.services.export.exporter import Exporter
    from hub.services.subscriptions.service import Service
    from hub.settings import Settings
    from hub.store import open_store

    memory.settle()
    end_with(given.parent)
    stop = threading.Event()
    for number, action in ((signal.SIGTERM, lambda *_: stop.set()), (signal.SIGINT, signal.SIG_IGN)):
        signal.signal(number, action)  # Ctrl-C reaches the whole group; the parent ends us in its order
    settings = Settings.load(given.home)
    settings.check_profile()
    logs.set_up(settings.verbosity)
    sys.setswitchinterval(0.0001)
    store = open_store(settings, "mapper")
    only = tuple(filter(None, given.only.split(",")))
    it = engine.mapper(settings, store, Watcher(settings, only).scan, [(60, lambda: prune(store, it.host))])
    subscriptions = Service(store, it.host.counters)
    exporter = Exporter(store)
    try:
        it.start()
        subscriptions.start()
        exporter.start()
        memory.started()
        print("ready", flush=True)
        stop.wait()
    finally:
        exporter.stop()
        subscriptions.stop()
        it.stop()
        store.close()


if __name__ == "__main__":
    main()
