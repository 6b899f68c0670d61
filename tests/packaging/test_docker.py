"""The image and the Compose file, as far as they can be checked without a container engine.

Dockerfile reference (instructions, exec form), Compose specification (services, secrets, networks).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from hub.adapters.http import HttpSourceOptions
from sqlalchemy.engine import make_url

from hub.cli import COMMANDS
from hub.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
INSTRUCTIONS = {
    "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "STOPSIGNAL", "USER", "VOLUME",
    "WORKDIR",
}  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    """(instruction, rest), with continued lines joined and comments left out."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def stages() -> list[list[tuple[str, str]]]:
    found: list[list[tuple[str, str]]] = []
    for word, rest in instructions():
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    made: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return made


def values(stage: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for word, rest in stage if word == name]


def test_the_dockerfile_holds_known_instructions_only() -> None:
    """A typing error in an instruction is found before somebody builds."""
    assert {word for word, _ in instructions()} <= INSTRUCTIONS
    assert instructions()[0][0] == "ARG"


def test_the_image_runs_as_nobody_special() -> None:
    """The last stage drops root, by number so that an orchestrator can check it."""
    (user,) = values(stages()[-1], "USER")

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)


def test_the_health_check_asks_the_hub() -> None:
    """HEALTHCHECK is in exec form and calls /health on the port of the settings."""
    (check,) = values(stages()[-1], "HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])

    assert command[0] == "python"
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/health" in command[2]
    assert f'"HUB_HTTP_PORT", {Settings().http_port}' in command[2]


def test_the_image_is_built_in_two_stages() -> None:
    """What builds does not run: pip's caches and the sources stay behind."""
    build, last = stages()

    assert build[0][1].endswith("AS build")
    assert [rest for rest in values(last, "RUN") if "pip" in rest] == []
    assert values(last, "COPY")[:1] == ["--from=build /opt/hub /opt/hub"]


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    """Each source of COPY exists in the checkout and passes .dockerignore."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    let_in = [line[1:] for line in ignored if line.startswith("!")]
    copied = [
        source
        for stage in stages()
        for rest in values(stage, "COPY")
        if "--from" not in rest
        for source in rest.split()[:-1]
    ]

    assert {"hub", "adapters", "mappings", "channels", "pyproject.toml"} <= set(copied)
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert [source for source in copied if not any(fnmatch(source, pattern) for pattern in let_in)] == []
    assert "*" in ignored


def test_the_ports_are_those_of_the_settings() -> None:
    """EXPOSE names the default ports of the FHIR API and of MLLP."""
    settings = Settings()

    assert [f"{settings.http_port} {settings.mllp_port}"] == values(stages()[-1], "EXPOSE")


@pytest.mark.parametrize("name", ["hub", "worker"])
def test_variables_of_the_services_are_settings(compose: dict[str, Any], name: str) -> None:
    """A variable nobody reads would be a setting that does nothing."""
    for variable in compose["services"][name]["environment"]:
        assert variable.removeprefix("HUB_").lower() in Settings.model_fields
    for _, rest in instructions():
        for variable in re.findall(r"\bHUB_([A-Z_]+)=", rest):
            assert variable.lower() in Settings.model_fields


@pytest.mark.parametrize("name", ["hub", "worker"])
def test_the_services_start_a_verb_of_the_command(compose: dict[str, Any], name: str) -> None:
    """``hub run`` and ``hub worker``; the entry point is the command itself."""
    assert values(stages()[-1], "ENTRYPOINT") == ['["hub"]']
    assert compose["services"][name]["command"][0] in COMMANDS


def test_the_hub_cannot_write_where_it_need_not(compose: dict[str, Any]) -> None:
    """Read-only root, no capability, no way to gain one."""
    for name in ("hub", "worker"):
        service = compose["services"][name]
        assert (
            service["read_only"], service["cap_drop"], service["security_opt"],
        ) == (True, ["ALL"], ["no-new-privileges:true"])  # fmt: skip
        assert service["volumes"] == ["hub-data:/srv/hub/data"]


def test_only_the_proxy_is_open_to_the_network(compose: dict[str, Any]) -> None:
    """Hub, database and Redis have no port on the host; the last two are on the inner network alone."""
    services = compose["services"]

    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    assert compose["networks"]["inside"] == {"internal": True}
    assert ["inside"] == services["database"]["networks"] == services["redis"]["networks"]


def test_secrets_are_files_that_git_ignores(compose: dict[str, Any]) -> None:
    """No secret in a variable; each used one is declared, lies under docker/secrets, and is told of."""
    used = {name for service in compose["services"].values() for name in service.get("secrets", ())}
    told = (DOCKER / "README.md").read_text(encoding="utf-8")

    assert set(compose["secrets"]) == used
    assert {f"./secrets/{name}" for name in used} == {one["file"] for one in compose["secrets"].values()}
    assert [name for name in used if name not in told] == []
    assert (DOCKER / "secrets" / ".gitignore").read_text(encoding="utf-8").splitlines()[0] == "*"


def test_services_and_files_that_are_named_exist(compose: dict[str, Any]) -> None:
    """depends_on, volumes, networks and mounted files lead somewhere."""
    services = compose["services"]
    for service in services.values():
        assert set(service.get("depends_on", ())) <= set(services)
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            assert (DOCKER / source).exists() if source.startswith(".") else source in compose["volumes"]
    assert (ROOT / "docker" / services["hub"]["build"]["context"] / services["hub"]["build"]["dockerfile"]).is_file()


def test_who_is_waited_for_has_a_health_check(compose: dict[str, Any]) -> None:
    """``service_healthy`` waits for ever on a service without one; the image has that of the hub."""
    services = compose["services"]
    waited = {
        name
        for service in services.values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_healthy"
    }

    assert {"hub", "database", "redis"} == waited
    assert all("healthcheck" in services[name] for name in waited - {"hub"})


def test_the_settings_of_the_image_are_fit_for_production(
    compose: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docker/hub.yaml loads with the secrets in place, passes the production check, and names the services."""
    for variable in [name for name in os.environ if name.startswith("HUB_")]:
        monkeypatch.delenv(variable)
    text = (DOCKER / "hub.yaml").read_text(encoding="utf-8")
    for name in set(re.findall(r"/run/secrets/(\w+)", text)):
        assert name in compose["services"]["hub"]["secrets"]
        (tmp_path / name).write_text("s" * 40, encoding="ascii")
    (tmp_path / "hub.yaml").write_text(text.replace("/run/secrets/", f"{tmp_path}/"), encoding="utf-8")

    settings = Settings.load(tmp_path)
    settings.check_profile()

    database = make_url(settings.database)
    environment = compose["services"]["database"]["environment"]
    assert ("database", environment["POSTGRES_USER"], environment["POSTGRES_DB"]) == (
        database.host, database.username, database.database,
    )  # fmt: skip
    assert "@redis:6379/" in settings.redis_url
    assert (settings.profile, settings.runner, settings.behind_proxy) == ("production", "celery", True)


def test_nginx_forwards_to_the_hub_and_takes_as_much(compose: dict[str, Any]) -> None:
    """Ports, upstream and the largest body are those of the hub; no query string reaches a log."""
    text = (DOCKER / "nginx.conf").read_text(encoding="utf-8")
    settings = Settings()
    inner = {port.rpartition(":")[2] for port in compose["services"]["proxy"]["ports"]}

    assert f"server hub:{settings.http_port};" in text
    assert f"proxy_pass hub:{settings.mllp_port};" in text
    assert inner == set(re.findall(r"listen (\d+) ssl;", text))
    assert f"client_max_body_size {HttpSourceOptions.model_fields['max_size'].default >> 20}m;" in text
    assert "ssl_verify_client on;" in text
    for variable in ("$request ", "$request_uri", "$args", "$http_authorization"):
        assert variable not in text


def test_nginx_accepts_its_configuration(tmp_path: Path) -> None:
    """``nginx -t`` finds the syntax right, where nginx is installed."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    import trustme

    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.private_key_pem.write_to_path(str(tmp_path / "tls_key"))
    made.cert_chain_pems[0].write_to_path(str(tmp_path / "tls_certificate"))
    authority.cert_pem.write_to_path(str(tmp_path / "mllp_client_ca"))
    text = (DOCKER / "nginx.conf").read_text(encoding="utf-8")
    text = re.sub(r"\bhub:(\d)", r"127.0.0.1:\1", text.replace("/run/secrets/", f"{tmp_path}/"))
    text = text.replace("/tmp/nginx.pid", f"{tmp_path}/nginx.pid")
    for module in Path("/usr/lib/nginx/modules").glob("ngx_stream_module.so"):
        text = f"load_module {module};\n{text}"
    (tmp_path / "nginx.conf").write_text(text, encoding="utf-8")

    done = subprocess.run(
        [nginx, "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert "syntax is ok" in done.stderr, done.stderr
