"""What may stand in a channel file, key by key; the options of connectors are their own models.

Field descriptions are what ``hub schema`` gives to editors and ``hub new channel`` writes as comments.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
# A delivery is described by these keys and one more: its connector.
DELIVERY_KEYS: Final = ("name", "when", "send", "retry")
NAME: Final = r"^[a-z][a-z0-9-]{0,62}$"


def seconds(value: Any) -> float:
    """``10s``, ``5m``, ``2h``, ``90d`` in seconds."""
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)([smhd])", value)):
        return float(match.group(1)) * SECONDS[match.group(2)]
    raise ValueError("a duration is written 10s, 5m, 2h or 90d")


def days(value: Any) -> int:
    """``90d`` in days."""
    if isinstance(value, str) and (match := re.fullmatch(r"([0-9]{1,5})d", value)):
        return int(match.group(1))
    raise ValueError("a time to keep is written in days: 90d (0d keeps for ever)")


def listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_DURATION = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?[smhd]$", "examples": ["10s", "5m", "2h"]}
_DAYS = {"type": "string", "pattern": "^[0-9]+d$", "examples": ["90d"]}


Seconds = Annotated[float, BeforeValidator(seconds), WithJsonSchema(_DURATION)]
Days = Annotated[int, BeforeValidator(days), WithJsonSchema(_DAYS)]
Text = Annotated[str, Field(min_length=1, max_length=199)]
_LIST = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
    "examples": ["ADT^A01", ["ADT^A0*", "ORU"]],
}
Patterns = Annotated[list[Text], BeforeValidator(listed), Field(min_length=1), WithJsonSchema(_LIST)]
LEVELS: Final = ("off", "base", "profile")
BODIES: Final = ("hl7v2", "cda")  # checks of the body itself
_WORDS: Final = (*BODIES, *LEVELS, "fhir")  # fhir: the former word for base


def checks(value: Any) -> dict[str, str]:
    """``{"hl7v2": "hl7v2"}`` (or ``cda``) for the body; type of resource (``*``) -> level for what it became."""
    if isinstance(value, dict) and value and all(isinstance(v, str) and v for v in value.values()):
        for key, level in value.items():
            if level not in LEVELS and ":" not in level:
                raise ValueError(f"{key} is off, base, profile or the URL of a profile")
        return {str(key): level for key, level in value.items()}
    words = listed(value)
    if isinstance(words, list) and words and all(word in _WORDS for word in words):
        levels = [word for word in words if word not in BODIES]
        of_body = {word: word for word in BODIES if word in words}
        if len(levels) < 2 and len(of_body) < 2:
            return of_body | ({"*": "base" if levels[0] == "fhir" else levels[0]} if levels else {})
    raise ValueError(
        "write off, base or profile, hl7v2 or cda, or both as [hl7v2, base]; "
        "or {type of resource: off, base or profile}"
    )


_CHECK = {"enum": list(_WORDS)}
_CHECKS = {
    "anyOf": [
        _CHECK,
        {"type": "array", "items": _CHECK, "minItems": 1},
        {"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
    ],
    "examples": ["base", ["hl7v2", "base"], {"*": "base", "Patient": "profile"}],
}
Checks = Annotated[dict[str, str], BeforeValidator(checks), WithJsonSchema(_CHECKS)]


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class When(Base):
    """Only messages that fit every line given; patterns are literals with `*`."""

    type: Patterns = Field([], description="types of message: ADT^A03, ADT^A0*, ADT")
    sender: Patterns = Field([], description="sending application and facility: GAM|CHU-*")
    document: Patterns = Field([], description="codes of the document carried: 34794-8")
    establishment: Patterns = Field([], description="identifiers of the establishment: 010000024")


class RetryShape(Base):
    """How a delivery that found its peer away is tried again."""

    times: int = Field(0, ge=0, le=10_000, description="attempts before a person is asked; 0 tries for ever")
    first: Seconds = Field(1.0, description="pause before the second attempt; it doubles each time")
    up_to: Seconds = Field(300.0, description="longest pause")


class KeepShape(Base):
    """How long messages are kept."""

    done: Days = Field(0, description="days until finished messages are pruned; 0d keeps them for ever")
    held: Days = Field(0, description="days until messages that wait for a person are pruned")
    bodies: Days = Field(0, description="days until the bodies of finished messages are pruned")


class StepShape(Base):
    """One step: `map` (with its options in `with`) or `validate` (and `otherwise`)."""

    map_: Text | dict[str, Text] | None = Field(
        None, alias="map", description="a mapping, or mappings by type of message (`hub list mappings`)"
    )
    with_: dict[str, Any] = Field({}, alias="with", description="what this site tells the mapping")
    checks: Checks | None = Field(
        None,
        alias="validate",
        description="hl7v2 or cda (the body); base (R4), profile or off, also by type of resource",
    )
    otherwise: Literal["hold", "reject", "tag"] | None = Field(
        None, description="unfit messages: hold (a person is asked), reject (refused for good), tag (stored, marked)"
    )


class DeliverShape(Base):
    """Where messages go; beside these keys stands one connector with its options."""

    name: str | None = Field(None, pattern=NAME, description="name in the console; default: the connector's")
    when: When = Field(When(), description="which messages; default: all")
    send: Literal["original", "fhir", "document"] | None = Field(
        None, description="original: as received; fhir: a transaction Bundle; document: the octets of the document"
    )
    retry: RetryShape = Field(RetryShape(), description="how it is tried again when the peer is away")


class ChannelShape(Base):
    """A channel file."""

    channel: str = Field(pattern=NAME, description="name of the channel: that of its folder")
    summary: str = Field("", max_length=400, description="one line for whoever reads the list of channels")
    enabled: bool = Field(True, description="false: checked and tested, not run")
    source: dict[str, Any] = Field(description="one connector and its options: where messages come from")
    format: str | None = Field(None, description="how bodies are read; default: what the connector carries")
    accept: Patterns = Field([], description="types of message taken; default: all")
    otherwise: Literal["reject", "filter"] = Field(
        "reject", description="other types: reject (negative answer, kept in hold) or filter (taken, not used)"
    )
    signature: Literal["required", "optional", "record-only"] | None = Field(
        None, description="signatures are verified first: required, optional (good when there is one), record-only"
    )
    steps: list[StepShape] = Field([], description="what is done to a message, in order")
    deliver: list[dict[str, Any]] = Field([], description="where messages go")
    order: Literal["patient", "visit", "document", "channel", "none"] = Field(
        "patient", description="messages of one patient (visit, document, channel) are handled in their order"
    )
    keep: KeepShape = Field(KeepShape(), description="how long messages are kept")
