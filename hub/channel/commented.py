"""Writes a pydantic model as YAML in which every setting stands, most of them commented out.

Descriptions become comments, so the file explains itself and never says other than the code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_WIDTH = 34


def settings_lines(
    model: type[BaseModel], active: Mapping[str, Any], indent: int = 0, skip: tuple[str, ...] = ()
) -> list[str]:
    """One line a field: active with the value given, else commented out with its default."""
    lines = []
    for name, info in model.model_fields.items():
        key = info.alias or name
        if key in skip:
            continue
        value, hidden = (active[key], "") if key in active else (_default(info), "# ")
        if info.is_required() and key not in active:
            value = "..."
        lines.append(line(key, value, info.description or "", indent, hidden))
    return lines


def line(key: str, value: Any, description: str = "", indent: int = 0, hidden: str = "") -> str:
    """``key: value  # description``, commented out by ``hidden``."""
    written = f"{' ' * indent}{hidden}{key}: {scalar(value)}".rstrip()
    return f"{written:<{_WIDTH}}  # {' '.join(description.split())}" if description else written


def scalar(value: Any) -> str:
    """A value in YAML's flow style, texts in quotes where another reader could take them for something."""
    if value is None or value == "...":
        return "..." if value else ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, BaseModel):
        value = {}
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {scalar(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple | set | frozenset):
        return "[" + ", ".join(scalar(v) for v in value) + "]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    safe = text and text[0].isalpha() and all(c.isalnum() or c in "-_./^" for c in text)
    return text if safe and text not in _WORDS else json.dumps(text, ensure_ascii=False)


_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n", "NO", "ON", "OFF"})


def _default(info: FieldInfo) -> Any:
    default = info.get_default(call_default_factory=False)
    return None if default is PydanticUndefined or default == Path() else default
