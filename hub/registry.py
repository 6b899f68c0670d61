"""Finds connectors, mappings and source readers by name; nothing in ``hub`` imports a room.

A name is imported when it is used, never before: a command pays only for what it touches.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from hub.errors import ConfigError
from hub.paths import room


def _names(package: str) -> list[str]:
    return sorted(m.name for m in iter_modules([str(room(package))]) if not m.name.startswith("_"))


def unknown(kind: str, name: str, known: list[str]) -> ConfigError:
    """The error for a name nobody has, with the nearest one that exists."""
    near = get_close_matches(name, known, 1)
    cure = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return ConfigError(f"no {kind} is called {name!r}", cure=cure, code="unknown-name")


def connectors() -> list[str]:
    """Names of the connectors: one module of ``adapters/`` each."""
    return _names("adapters")


def connector(name: str) -> Any:
    """The :class:`hub.engine.connector.Connector` called ``name``.

    :raises ConfigError: when no connector has that name.
    """
    if name not in connectors():
        raise unknown("connector", name, connectors())
    return import_module(f"hub.adapters.{name}").CONNECTOR


@cache
def mappings() -> list[str]:
    """Dotted names of the mappings a channel may use, such as ``hl7v2.messages.adt``."""
    top = room("mappings")
    files = (p.relative_to(top).with_suffix("") for p in top.glob("*/*/*.py"))
    return sorted(
        ".".join(p.parts) for p in files if p.parts[1] in ("messages", "documents") and not p.name.startswith("_")
    )


@cache
def mapping(name: str) -> Any:
    """The :class:`hub.fhir.draft.Mapping` called ``name`` (``hl7v2.messages.adt``).

    :raises ConfigError: when no mapping has that name.
    """
    path = f"hub.mappings.{name}"
    try:
        found = find_spec(path) is not None
    except ModuleNotFoundError:
        found = False
    if found:
        made = getattr(import_module(path), "MAPPING", None)
        if made is not None:
            return made
    raise unknown("mapping", name, mappings())


def writers() -> list[str]:
    """Names of the models of CDA documents that can be written from FHIR (``frcp``)."""
    files = (room("mappings") / "cda" / "out").glob("*.py")
    return sorted(p.stem for p in files if "\ndef write(" in p.read_text(encoding="utf-8"))


def writer(name: str) -> Any:
    """The function that writes a document of the model ``name`` from a Bundle: its octets.

    :raises ConfigError: when no model has that name.
    """
    if name not in writers():
        raise unknown("document that can be written", name, writers())
    return import_module(f"hub.mappings.cda.out.{name}").write


def readers() -> list[str]:
    """Names of the formats a channel can read: modules of ``hub/source`` that have a READER."""
    here = Path(__file__).parent / "source"
    return sorted(p.stem for p in here.glob("*.py") if "\nREADER" in p.read_text(encoding="utf-8"))


@cache
def reader(name: str) -> Any:
    """The :class:`hub.source.reader.Reader` called ``name`` (``hl7v2``, ``cda``).

    :raises ConfigError: when no reader has that name.
    """
    if name.isidentifier() and find_spec(f"hub.source.{name}") is not None:
        made = getattr(import_module(f"hub.source.{name}"), "READER", None)
        if made is not None:
            return made
    raise unknown("format", name, readers())
