"""`hub init` and `hub new` write what works as it stands; schemas and comments come from the code."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import yaml

from hub import registry
from hub.channel.commented import scalar, settings_lines
from hub.channel.lint import lint
from hub.channel.loader import parse, typed
from hub.channel.model import load_channel, load_channels
from hub.channel.scaffold import new_channel
from hub.channel.schema import channel_schema, settings_schema
from hub.channel.site import make_site
from hub.channel.testing import run_cases
from hub.errors import ConfigError
from hub.paths import room
from hub.settings import Settings

from .conftest import Write


def _shipped() -> list[str]:
    return sorted(p.parent.name for p in room("channels").glob("*/channel.yaml"))


def test_a_new_site_has_settings_a_secret_and_the_shipped_channels(tmp_path: Path) -> None:
    """It runs at once; the secret is readable by its owner alone and stands in no file that is shared."""
    written = make_site(tmp_path / "site")
    home = tmp_path / "site"
    settings = Settings.load(home)
    secret = (home / "data" / "secret").read_text().strip()
    assert secret == settings.secret.get_secret_value()
    assert len(secret) >= 43  # 256 bits
    assert stat.S_IMODE((home / "data" / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "data").stat().st_mode) == 0o700
    assert secret not in (home / "hub.yaml").read_text()
    assert "data/" in (home / ".gitignore").read_text()
    assert _shipped() == sorted(p.name for p in (home / "channels").iterdir() if p.is_dir())
    assert home / "hub.yaml" in written
    settings.check_profile()
    assert json.loads((home / "channels" / "channel.schema.json").read_text()) == channel_schema()


def test_every_setting_stands_commented_in_hub_yaml(tmp_path: Path) -> None:
    """With its description; uncommented, each default reads back as itself."""
    make_site(tmp_path)
    text = (tmp_path / "hub.yaml").read_text()
    for name, info in Settings.model_fields.items():
        if name not in ("home", "secret"):
            assert f"# {name}:" in text
            assert (info.description or "") in text
    active = "\n".join(
        line[2:] if line.startswith("# ") and ":" in line.split("  #")[0] else line for line in text.splitlines()[2:]
    )
    values = {k: v for k, v in yaml.safe_load(active).items() if v is not None}
    assert Settings.load(tmp_path).model_dump() == Settings(**values | _secret(tmp_path)).model_dump()


def _secret(home: Path) -> dict[str, object]:
    return {"secret": (home / "data" / "secret").read_text().strip(), "home": home}


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    """Only --force adds to it, and nothing there is overwritten."""
    (tmp_path / "hub.yaml").write_text("name: mine\n")
    with pytest.raises(ConfigError, match="is not empty"):
        make_site(tmp_path)
    make_site(tmp_path, force=True)
    assert (tmp_path / "hub.yaml").read_text() == "name: mine\n"
    assert (tmp_path / "data" / "secret").is_file()
    assert make_site(tmp_path, force=True) == []


def test_a_folder_that_cannot_be_written_is_told_as_such(tmp_path: Path) -> None:
    """No traceback."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        make_site(tmp_path / "file")


def test_two_sites_have_two_secrets(tmp_path: Path) -> None:
    """Made from the random source of the system (PEP 506)."""
    make_site(tmp_path / "a"), make_site(tmp_path / "b")
    assert (tmp_path / "a/data/secret").read_text() != (tmp_path / "b/data/secret").read_text()


@pytest.mark.usefixtures("simple_mapping")
@pytest.mark.parametrize("source", [n for n in registry.connectors() if registry.connector(n).source])
def test_what_is_scaffolded_is_clean_and_passes_its_test(settings: Settings, source: str) -> None:
    """Whatever connector receives, and wherever it delivers."""
    mapping = "hl7v2.messages.adt" if source in ("mllp", "channel") else ""
    to = ("store", "mllp", "http", "fhir", "file", "mllp") if mapping else ("http", "mllp")
    folder = new_channel("made", source, mapping, to, settings)
    assert lint([folder], settings) == []
    spec = load_channel(folder, settings)
    assert (source, bool(mapping)) == (spec.source.kind, spec.store)
    assert len(spec.destinations) == len({d.name for d in spec.destinations})
    if spec.format in ("hl7v2", "raw"):
        outcomes, _ = run_cases(spec, folder / "tests")
        assert [o.problems for o in outcomes] == [[]]


def test_a_scaffold_shows_every_option_of_its_connectors(settings: Settings) -> None:
    """Each with its description, and its default commented out."""
    text = (new_channel("made", "mllp", "", ("http",), settings) / "channel.yaml").read_text()
    for model in (registry.connector("mllp").source_options, registry.connector("http").destination_options):
        for name, info in model.model_fields.items():
            assert f"{name}:" in text
            assert " ".join((info.description or "").split()) in text


def test_a_second_channel_gets_a_port_of_its_own(settings: Settings, write: Write) -> None:
    """The first takes the MLLP port of the hub."""
    write("taken")
    specs = [load_channel(new_channel(n, "mllp", "", ("http",), settings), settings) for n in ("one", "two")]
    assert [s.source.options.port for s in specs] == [2576, 2577]
    assert len(load_channels(settings.channels, settings)[0]) == 3


@pytest.mark.parametrize(
    ("name", "source", "mapping", "to", "said"),
    [
        ("Bad", "mllp", "", (), "cannot name a channel"),
        ("../evil", "mllp", "", (), "cannot name a channel"),
        ("taken", "mllp", "", (), "is there already"),
        ("x", "mlpp", "", (), "did you mean 'mllp'"),
        ("x", "fhir", "", (), "fhir is no source"),
        ("x", "mllp", "hl7v2.adt", (), "no mapping is called"),
        ("x", "mllp", "", ("htpp",), "did you mean 'http'"),
    ],
)
def test_a_scaffold_is_refused_before_anything_is_written(
    settings: Settings, write: Write, name: str, source: str, mapping: str, to: tuple[str, ...], said: str
) -> None:
    """Where, what, and what to do."""
    write("taken")
    with pytest.raises(ConfigError, match=said):
        new_channel(name, source, mapping, to, settings)
    assert os.listdir(settings.channels) == ["taken"]  # noqa: PTH208 - names are all that is wanted


@pytest.mark.parametrize(
    "value", ["NO", "010000024", "true", "", "a: b", "x # y", "-", "${A}", "é\"'", "ADT^A01", 0.5, 3, True]
)
def test_a_value_written_as_yaml_reads_back_as_itself(value: object) -> None:
    """In the strict loader and in the one of hub.yaml."""
    assert value == parse(f"x: {scalar(value)}\n".encode()).value["x"]
    assert value == yaml.safe_load(f"x: {scalar(value)}\n")["x"]


def test_lists_and_mappings_are_written_in_flow_style() -> None:
    """One line a setting."""
    assert scalar(("a", "1")) == '[a, "1"]'
    assert scalar({"a": 1, "b": "x y"}) == '{a: 1, b: "x y"}'
    assert settings_lines(Settings, {"name": "x"})[2].startswith("name: x ")
    assert typed("x") == "x"


def test_the_schema_has_a_branch_for_each_connector() -> None:
    """JSON Schema 2020-12: every reference leads somewhere, and `${NAME}` may stand for a number."""
    schema = channel_schema()
    sources = {key for branch in schema["properties"]["source"]["oneOf"] for key in branch["properties"]}
    assert {n for n in registry.connectors() if registry.connector(n).source} == sources
    delivered = [b["required"] for b in schema["properties"]["deliver"]["items"]["anyOf"]]
    assert ["mllp"] in delivered
    assert set(_references(schema)) <= {f"#/$defs/{name}" for name in schema["$defs"]}
    branch = next(b for b in schema["properties"]["source"]["oneOf"] if "mllp" in b["properties"])
    port = branch["properties"]["mllp"]["anyOf"][0]["properties"]["port"]
    assert [one["type"] for one in port["anyOf"]] == ["integer", "string"]
    assert "TCP port" in port["description"]
    assert "hl7v2.messages.adt" in schema["$defs"]["channel.StepShape"]["properties"]["map"]["anyOf"][0]["enum"]


def test_the_schema_of_settings_has_every_setting_but_the_folder_itself() -> None:
    """`hub schema --settings`."""
    assert set(Settings.model_fields) - {"home"} == set(settings_schema()["properties"])


def _references(node: object) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [r for value in node.values() for r in _references(value)]
    return [r for value in node for r in _references(value)] if isinstance(node, list) else []
