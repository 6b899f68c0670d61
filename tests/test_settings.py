"""Settings: the file, then the environment, which wins; secrets are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.errors import ConfigError
from hub.settings import DEMO_SECRET, Settings, expand

GOOD = "s" * 32


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No ``HUB_*`` variable of whoever runs the tests."""
    import os

    for name in list(os.environ):
        if name.startswith("HUB_"):
            monkeypatch.delenv(name)


def write(home: Path, text: str) -> Path:
    (home / "hub.yaml").write_text(text, encoding="utf-8")
    return home


def test_without_a_file_all_have_a_value(tmp_path: Path) -> None:
    """A hub starts in an empty folder, open to nobody else."""
    found = Settings.load(tmp_path)
    assert (tmp_path, "development", "127.0.0.1", "threads") == (found.home, found.profile, found.bind, found.runner)
    assert (tmp_path / "data", tmp_path / "channels") == (found.data, found.channels)
    assert (f"sqlite:///{tmp_path}/data/hub.db", True) == (found.database, found.sqlite)


def test_the_file_then_the_environment_then_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wins over what stands before it; an empty variable is none."""
    write(tmp_path, "http_port: 81\nmllp_port: 82\ndicom_port: 83\nname: file\n")
    monkeypatch.setenv("HUB_MLLP_PORT", "92")
    monkeypatch.setenv("HUB_DICOM_PORT", "93")
    monkeypatch.setenv("HUB_NAME", "")
    found = Settings.load(tmp_path, dicom_port=103, name=None)
    assert (found.http_port, found.mllp_port, found.dicom_port, found.name) == (81, 92, 103, "file")


def test_the_home_is_named_or_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given, then HUB_HOME, then the present folder; a file cannot move it."""
    monkeypatch.chdir(tmp_path)
    assert Settings.load().home == tmp_path
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", "home: /elsewhere\n")
    monkeypatch.setenv("HUB_HOME", str(tmp_path / "other"))
    assert Settings.load().home == tmp_path / "other"
    assert Settings.load(tmp_path).home == tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http_prot: 81\n", r"no setting is called 'http_prot' \(did you mean 'http_port'\?\)"),
        ("http_port: many\n", r"hub\.yaml: http_port: Input should be a valid integer.*\(or unset HUB_HTTP_PORT\)"),
        ("http_port: 99999\n", "less than or equal to 65535"),
        ("profile: prod\n", "'development' or 'production'"),
        ("- a list\n", r"hub\.yaml: settings are `name: value` lines"),
        ("on: 1\n", "no setting is called 'True'"),
        (
            "name: ${HUB_NO_SUCH}\n",
            r"the variable HUB_NO_SUCH is not set \(set it, or write \$\{HUB_NO_SUCH:-default\}\)",
        ),
        ("name: ${file:/no/such/file}\n", "cannot read the secret file /no/such/file: No such file"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, expected: str) -> None:
    """The file, the setting and the cure."""
    with pytest.raises(ConfigError, match=expected):
        Settings.load(write(tmp_path, text))


@pytest.mark.parametrize("octets", [b"secret: 'pass-word\nname: [\n", b"secret: pass-word\nname: \xff\n"])
def test_a_file_that_is_no_yaml(tmp_path: Path, octets: bytes) -> None:
    """Where, without quoting the line: it may hold a secret."""
    (tmp_path / "hub.yaml").write_bytes(octets)
    with pytest.raises(ConfigError, match=r"hub\.yaml.*this is no YAML") as caught:
        Settings.load(tmp_path)
    assert "pass-word" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_value_that_is_wrong_is_not_quoted(tmp_path: Path) -> None:
    """It may be a secret in the wrong place."""
    with pytest.raises(ConfigError) as caught:
        Settings.load(write(tmp_path, "http_port: pass-word\n"))
    assert "pass-word" not in str(caught.value)


def test_values_from_variables_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets never stand in hub.yaml."""
    (tmp_path / "secret").write_text(f"{GOOD}\n", encoding="utf-8")
    monkeypatch.setenv("SITE", "lille")
    home = write(tmp_path, f"secret: ${{file:{tmp_path}/secret}}\nname: hub-${{SITE}}-${{ROOM:-1}}\n")
    found = Settings.load(home)
    assert (found.secret.get_secret_value(), found.name) == (GOOD, "hub-lille-1")
    assert expand("plain $HOME {x}") == "plain $HOME {x}"
    monkeypatch.setenv("EMPTY", "")
    assert expand("${EMPTY:-default}") == ""


def test_secrets_are_never_shown(tmp_path: Path) -> None:
    """Neither in the list of settings nor in the text of the object's secret."""
    found = Settings.load(
        tmp_path, secret="pass-word", database_url="postgresql+psycopg://hub:pass-word@db/hub?password=pass-word",
        redis_url="redis://:pass-word@cache:6379/0?password=pass-word",
    )  # fmt: skip
    shown = found.shown()
    assert "pass-word" not in str(shown)
    assert shown["database_url"] == "postgresql+psycopg://hub:***@db/hub"
    assert shown["redis_url"] == "redis://***@cache:6379/0?password=***"
    assert "pass-word" not in repr(found)
    assert str(tmp_path) == shown["home"]
    assert Settings.load(tmp_path).shown()["redis_url"] == "redis://127.0.0.1:6379/0"


def test_development_runs_with_anything(tmp_path: Path) -> None:
    """For a demonstration."""
    Settings.load(tmp_path, secret=DEMO_SECRET, debug=True, bind="0.0.0.0").check_profile()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"secret": ""}, "secret: set HUB_SECRET to 32 random characters"),
        ({"secret": DEMO_SECRET}, "secret: "),
        ({"secret": "s" * 31}, "secret: "),
        ({"debug": True}, "debug: set it to false"),
        ({"bind": "0.0.0.0"}, r"bind: 0\.0\.0\.0 is open and the HTTP server has no TLS"),
        ({"bind": "::", "secret": ""}, "secret: .*; bind: "),
    ],
)
def test_production_refuses(tmp_path: Path, values: dict[str, object], expected: str) -> None:
    """What is only fit for a demonstration; all of it at once."""
    settings = Settings.load(tmp_path, **({"profile": "production", "secret": GOOD} | values))
    with pytest.raises(ConfigError, match=f"not fit for production: .*{expected}") as caught:
        settings.check_profile()
    assert caught.value.code == "production"


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"bind": "::1"},
        {"bind": "localhost"},
        {"bind": "0.0.0.0", "tls_certificate": "/etc/hub/tls.pem"},
        {"bind": "0.0.0.0", "behind_proxy": True},
    ],
)
def test_production_runs(tmp_path: Path, values: dict[str, object]) -> None:
    """With a secret of its own, closed or behind TLS."""
    Settings.load(tmp_path, profile="production", secret=GOOD, **values).check_profile()


def test_settings_do_not_change(tmp_path: Path) -> None:
    """They are read once, when the hub starts."""
    from pydantic import ValidationError

    settings = Settings.load(tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        settings.name = "other"


def test_debug_logs_everything(tmp_path: Path) -> None:
    """It wins over log_level, in every process of the hub."""
    assert Settings.load(tmp_path, log_level="error").verbosity == "error"
    assert Settings.load(tmp_path, log_level="error", debug=True).verbosity == "debug"
