"""What ``hub doctor`` looks at, one function a matter; each says what it saw and, if need be, the cure.

To add one: a function of ``look`` that yields :class:`Check`, and its line in ``CHECKS``.  A check is
bounded in time, changes nothing, and tells nothing of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from hub.errors import HubError

if TYPE_CHECKING:
    from hub.channel.model import Loaded
    from hub.commands.processes import Process
    from hub.settings import Settings
    from hub.store import Store

Level = Literal["ok", "warn", "fail"]
DAY = 86_400_000_000

# In the order in which they are told; "store" ones are left out while the store does not answer.
CHECKS = (
    ("host", "settings"), ("host", "profile"), ("host", "home"), ("host", "disk"), ("host", "time"),
    ("database", "store"), ("database", "sqlite"), ("database", "postgresql"),
    ("files", "channels"), ("files", "certificates"), ("signatures", "trust"), ("signatures", "seal"),
    ("work", "processes"), ("work", "running"), ("work", "waiting"), ("work", "held"), ("work", "queues"),
    ("network", "ports"), ("network", "http"), ("network", "redis"), ("network", "peers"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor."""

    name: str
    level: Level
    what: str
    cure: str = ""


@dataclass
class Look:
    """What checks share; what is costly is looked up once.

    :ivar store: the store, when it answers and has the right version.
    :ivar problem: why there is none.
    :ivar peers: whether peers may be called.
    """

    settings: Settings
    store: Store | None = None
    problem: HubError | None = None
    peers: bool = False
    facts: dict[str, str] = field(default_factory=dict)

    @cached_property
    def channels(self) -> list[Loaded]:
        from hub.channel.model import inspect
        from hub.commands.asking import channel_files

        return [inspect(path, self.settings) for path in channel_files(self.settings)]

    @cached_property
    def processes(self) -> list[Process]:
        from hub.commands.processes import living

        return living(self.store) if self.store is not None else []

    @property
    def hub_here(self) -> bool:
        """Whether the hub runs on this host."""
        import socket

        here = socket.gethostname()
        return any(one.role == "hub" and one.host == here for one in self.processes)


def examine(look: Look) -> Iterator[Check]:
    """All checks, in order.  One that fails by itself says so and holds up no other."""
    for module, name in CHECKS:
        check: Callable[[Look], Iterator[Check]] = getattr(import_module(f"{__name__}.{module}"), name)
        try:
            yield from check(look)
        except HubError as error:
            where = f"{error.where}: " if error.where else ""
            yield Check(name, "fail", f"{where}{error.what}", error.cure)
        except Exception as error:  # a defect of one check must not hide what the others see
            yield Check(name, "fail", f"could not be looked at ({type(error).__name__})", "report it")
