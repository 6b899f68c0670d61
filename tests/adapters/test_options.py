"""What the options of all connectors have in common."""

import pytest
from hub.adapters._options import Octets, Seconds
from pydantic import TypeAdapter, ValidationError

from hub import registry

CONNECTORS = ["channel", "fhir", "file", "http", "mllp"]
MODELS = [
    pytest.param(model, id=f"{name}-{side}")
    for name in CONNECTORS
    for side in ("source_options", "destination_options")
    if (model := getattr(registry.connector(name), side)) is not None
]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        (Seconds, "500ms", 0.5), (Seconds, "30s", 30), (Seconds, "5m", 300), (Seconds, "2 h", 7200),
        (Seconds, "1.5d", 129600), (Seconds, "30", 30), (Seconds, 0.25, 0.25),
        (Octets, "100B", 100), (Octets, "64KiB", 65536), (Octets, "1.5MiB", 1572864), (Octets, "1GiB", 1 << 30),
        (Octets, 17, 17),
    ],
)  # fmt: skip
def test_times_and_sizes_are_readable(kind, text, expected):
    """A number and its unit."""
    assert expected == TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize(
    ("kind", "text"), [(Seconds, "soon"), (Seconds, "5 fortnights"), (Octets, "64MB"), (Octets, "")]
)
def test_a_wrong_unit_is_told_with_an_example(kind, text):
    """What to write instead."""
    with pytest.raises(ValidationError, match="such as"):
        TypeAdapter(kind).validate_python(text)


@pytest.mark.parametrize("model", MODELS)
def test_options_are_described_and_closed(model):
    """Every field has a description for hub schema; unknown keys are refused."""
    assert [n for n, f in model.model_fields.items() if not f.description] == []
    assert model.model_config["extra"] == "forbid"
    assert model.model_json_schema()["additionalProperties"] is False


@pytest.mark.parametrize("name", CONNECTORS)
def test_each_file_is_one_connector(name):
    """Found by the name of its file; a source and a destination each with its options."""
    connector = registry.connector(name)
    assert name == connector.name
    assert connector.summary
    assert (connector.source is None) == (connector.source_options is None)
    assert (connector.destination is None) == (connector.destination_options is None)
    assert connector.format in (*registry.readers(), "fhir")


def test_the_room_holds_these_connectors():
    """Private files are no connectors."""
    assert set(CONNECTORS) <= set(registry.connectors())
