"""Settings of one hub: ``hub.yaml`` in its home, then ``HUB_*`` variables, which win.

Secrets never stand in the file: ``${file:/run/secrets/x}`` and ``${VAR}`` are read when the hub starts
and are shown as ``***`` wherever settings are printed.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from hub.errors import ConfigError

PREFIX = "HUB_"
_SECRET_OPTIONS = ("password", "sslpassword", "ssl_password")  # of a URL's query
DEMO_SECRET = "demo-secret-change-me"  # noqa: S105 - the well-known value that production refuses


class Settings(BaseModel):
    """One field, one line of ``hub.yaml``, one variable ``HUB_<FIELD>``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    home: Path = Field(Path(), description="folder of this hub: hub.yaml, channels/, data/")
    profile: Literal["development", "production"] = Field(
        "development", description="production refuses demo secrets, open binds without TLS, debug"
    )
    name: str = Field("oncohub", description="name of this hub, as its CapabilityStatement says")
    database_url: str = Field("", repr=False, description="SQLAlchemy URL; default: SQLite in data/hub.db")
    bind: str = Field("127.0.0.1", description="address the listeners bind to")
    http_port: int = Field(8080, ge=0, le=65535, description="FHIR API, HTTP sources, metrics; 0 takes a free one")
    http_workers: int = Field(1, ge=1, le=64, description="processes of the HTTP server")
    mllp_port: int = Field(2575, ge=0, le=65535, description="default port of MLLP sources")
    dicom_port: int = Field(11112, ge=0, le=65535, description="default port of DICOM sources, which are to come")
    canonical_base: str = Field("", description="URL under which the profiles of the hub are published, if changed")
    base_url: str = Field("", description="public URL of the FHIR API; default http://BIND:HTTP_PORT/fhir")
    runner: Literal["threads", "celery"] = Field("threads", description="who maps and delivers")
    redis_url: str = Field("redis://127.0.0.1:6379/0", repr=False, description="broker of the celery runner")
    secret: SecretStr = Field(SecretStr(""), description="key that signs paging tokens; default: made at init")
    update_create: bool = Field(True, description="whether an update through the API may create, with the id it brings")
    require_if_match: bool = Field(False, description="refuse updates through the API that do not say what they saw")
    delete_many: int = Field(0, ge=0, le=10_000, description="resources that one conditional delete may end; 0: one")
    subscription_endpoints: str = Field(
        "", description="where a Subscription may send to: URLs and what is below them, mailto:*@domain; spaces between"
    )
    subscription_mail: Path | None = Field(
        None, description="YAML file of the server that notifications by mail are handed to: options of smtp"
    )
    subscription_private: bool = Field(False, description="whether those may be addresses of a private network")
    tls_certificate: Path | None = Field(None, description="PEM certificate chain of the HTTP server")
    tls_key: Path | None = Field(None, description="PEM key of the HTTP server")
    trust: Path | None = Field(None, description="folder of the authorities that are believed; default: trust")
    seal_certificate: Path | None = Field(None, description="PEM certificate chain of the seal of this hub (ORG SIGN)")
    seal_key: Path | None = Field(None, description="PEM key of the seal")
    behind_proxy: bool = Field(False, description="a TLS proxy on this host stands before an open bind")
    debug: bool = Field(False, description="logs everything, whatever log_level says; never in production")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def verbosity(self) -> str:
        """The level of the logs."""
        return "debug" if self.debug else self.log_level

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def trust_folder(self) -> Path:
        return self.home / (self.trust or "trust")

    @property
    def channels(self) -> Path:
        return self.home / "channels"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.data / 'hub.db').resolve()}"

    @property
    def fhir_base(self) -> str:
        """The public URL of the FHIR API, as set or as it follows from the address of the server."""
        if self.base_url:
            return self.base_url.rstrip("/")
        host = "localhost" if self.bind in ("0.0.0.0", "::") else self.bind  # noqa: S104 - compared, not bound
        scheme = "https" if self.tls_certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.http_port}/fhir"

    @property
    def sqlite(self) -> bool:
        return self.database.startswith("sqlite")

    def shown(self) -> dict[str, Any]:
        """The settings as they may be printed: secrets and database passwords hidden."""
        from sqlalchemy.engine import make_url

        out = {k: str(v) if isinstance(v, Path | SecretStr) else v for k, v in self.model_dump().items()}
        url = make_url(self.database).difference_update_query(_SECRET_OPTIONS)
        out["database_url"] = url.render_as_string(hide_password=True)
        out["redis_url"] = _hide_password(self.redis_url)
        return out

    def check_profile(self) -> None:
        """Refuse to run in production with what is only fit for a demonstration.

        :raises ConfigError: naming every setting to change.
        """
        if self.profile != "production":
            return
        wrong = []
        secret = self.secret.get_secret_value()
        if not secret or secret == DEMO_SECRET or len(secret) < 32:
            wrong.append("secret: set HUB_SECRET to 32 random characters or more")
        if self.debug:
            wrong.append("debug: set it to false")
        if self.bind not in ("127.0.0.1", "::1", "localhost") and not (self.tls_certificate or self.behind_proxy):
            wrong.append(
                f"bind: {self.bind} is open and the HTTP server has no TLS; set tls_certificate and "
                "tls_key, or behind_proxy when a TLS proxy stands before it"
            )
        if wrong:
            raise ConfigError("not fit for production: " + "; ".join(wrong), code="production")

    @classmethod
    def load(cls, home: Path | str | None = None, **overrides: Any) -> Self:
        """Read ``hub.yaml`` and the environment.

        :param home: folder of the hub; default ``HUB_HOME``, then the present folder.
        :raises ConfigError: with the file, the setting and the cure.
        """
        folder = Path(home or os.environ.get(f"{PREFIX}HOME") or ".").resolve()
        file = folder / "hub.yaml"
        values: dict[str, Any] = {}
        if file.is_file():
            import yaml

            try:
                read = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            except (yaml.YAMLError, UnicodeDecodeError) as e:
                mark = getattr(e, "problem_mark", None)  # never the line itself: it may hold a secret
                line = f", line {mark.line + 1}" if mark else ""
                raise ConfigError("this is no YAML", where=f"{file}{line}", cure="write `name: value` lines") from None
            if not isinstance(read, dict):
                raise ConfigError("settings are `name: value` lines", where=str(file))
            values = {str(k): expand(v) if isinstance(v, str) else v for k, v in read.items()}
        for name in cls.model_fields:
            env = os.environ.get(PREFIX + name.upper())
            if env is not None and env != "":
                values[name] = env
        values.update({k: v for k, v in overrides.items() if v is not None})
        values["home"] = folder
        try:
            return cls(**values)
        except ValidationError as e:
            first = e.errors(include_url=False, include_input=False)[0]
            name = ".".join(map(str, first["loc"]))
            if first["type"] == "extra_forbidden":
                from hub.registry import unknown

                raise unknown("setting", name, sorted(cls.model_fields)) from None
            raise ConfigError(first["msg"], where=f"{file}: {name}", cure=f"or unset {PREFIX}{name.upper()}") from None


def expand(text: str) -> str:
    """Replace ``${VAR}``, ``${VAR:-default}`` and ``${file:/path}`` in one value.

    :raises ConfigError: when the variable or the file is not there.
    """

    def one(match: re.Match[str]) -> str:
        inside = match.group(1)
        if inside.startswith("file:"):
            path = Path(inside[5:])
            try:
                return path.read_text(encoding="utf-8").strip()
            except OSError as e:
                raise ConfigError(f"cannot read the secret file {path}: {e.strerror}") from None
        name, _, default = inside.partition(":-")
        value = os.environ.get(name)
        if value is None and ":-" not in inside:
            raise ConfigError(f"the variable {name} is not set", cure=f"set it, or write ${{{name}:-default}}")
        return value if value is not None else default

    return re.sub(r"\$\{([^}]*)\}", one, text)


def _hide_password(url: str) -> str:
    url = re.sub(rf"([?&](?:{'|'.join(_SECRET_OPTIONS)})=)[^&#]*", r"\1***", url)
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, _user = head.partition("://")
    return f"{scheme}://***@{tail}"
