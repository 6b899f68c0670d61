"""Connectors, mappings and readers by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hub import registry
from hub.engine.connector import Connector
from hub.errors import ConfigError
from hub.fhir.draft import Mapping
from hub.paths import room
from hub.source.reader import Reader


def test_every_connector_can_be_had() -> None:
    """One module of ``adapters/`` each, of the name that channels write."""
    assert {"channel", "fhir", "file", "http", "mllp"} <= set(registry.connectors())
    for name in registry.connectors():
        found = registry.connector(name)
        assert isinstance(found, Connector)
        assert name == found.name


def test_every_mapping_can_be_had() -> None:
    """Named by their place."""
    assert "hl7v2.messages.adt" in registry.mappings()
    for name in registry.mappings():
        found = registry.mapping(name)
        assert isinstance(found, Mapping)
        assert name.partition(".")[0] == found.source
        assert found.summary


def test_every_format_can_be_had() -> None:
    """Modules of ``hub/source`` that have a READER."""
    assert {"cda", "hl7v2", "raw"} <= set(registry.readers())
    for name in registry.readers():
        found = registry.reader(name)
        assert isinstance(found, Reader)
        assert name == found.name


@pytest.mark.parametrize(
    ("ask", "name", "expected"),
    [
        (registry.connector, "mlp", r"no connector is called 'mlp' \(did you mean 'mllp'\?\)"),
        (registry.connector, "_tls", r"no connector is called '_tls'"),
        (registry.connector, "zzz", r"\(known: channel, "),
        (registry.mapping, "hl7v2.messages.adtt", r"did you mean 'hl7v2.messages.adt'\?"),
        (registry.mapping, "nowhere.at.all", "no mapping is called"),
        (registry.mapping, "hl7v2.datatypes", "no mapping is called"),
        (registry.reader, "hl7v", r"did you mean 'hl7v2'\?"),
        (registry.reader, "reader", "no format is called 'reader'"),
        (registry.reader, "../etc", "no format is called"),
    ],
)
def test_a_name_that_nobody_has(ask: object, name: str, expected: str) -> None:
    """The nearest one that exists, or all of them."""
    with pytest.raises(ConfigError, match=expected) as caught:
        ask(name)  # type: ignore[operator] # one of the functions above
    assert caught.value.code == "unknown-name"


def test_rooms() -> None:
    """In a checkout beside ``hub``, in a wheel below it."""
    assert (room("channels") / "__init__.py").is_file()
    with pytest.raises(LookupError, match="no room called 'nowhere'"):
        room("nowhere")


def test_a_name_is_imported_when_it_is_used() -> None:
    """A command pays only for what it touches: asking for names imports no connector and no mapping."""
    program = (
        "import sys; from hub import registry; registry.connectors(); registry.mappings(); registry.readers();"
        "print([m for m in sys.modules if m.startswith(('hub.adapters.', 'hub.mappings.', 'celery', 'sqlalchemy'))])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
