"""What the options of all connectors have in common: unknown keys are refused, times and sizes are readable.

Times are seconds or ``500ms 30s 5m 2h 1d``; sizes are octets or ``64KiB 10MiB 1GiB``.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_OCTETS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def _unit(units: dict[str, Any], example: str) -> BeforeValidator:
    pattern = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(units)})")

    def read(value: object) -> object:
        if isinstance(value, str) and (match := pattern.fullmatch(value.strip())):
            return float(match[1]) * units[match[2]]
        if isinstance(value, str) and not re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            raise ValueError(f"write a number and one of {', '.join(units)}, such as {example}")
        return value

    return BeforeValidator(read)


def _schema(kind: str, units: dict[str, Any]) -> WithJsonSchema:
    text = {"type": "string", "pattern": rf"^\d+(\.\d+)?\s*({'|'.join(units)})?$"}
    return WithJsonSchema({"anyOf": [{"type": kind, "minimum": 0}, text]})


Seconds = Annotated[float, _unit(_SECONDS, "30s"), _schema("number", _SECONDS)]
Octets = Annotated[int, _unit(_OCTETS, "64MiB"), _schema("integer", _OCTETS)]


class Options(BaseModel):
    """Base of every option model."""

    model_config = ConfigDict(extra="forbid", frozen=True)
