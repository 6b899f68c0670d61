"""Parameters of the terminology operations, as they come by URL, by form or in a Parameters resource."""

from __future__ import annotations

from typing import Any

import orjson

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import Call
from hub.fhir.terminology import Catalogue, Coding, catalogue
from hub.services.terminology.asked import codings


def text(call: Call, *names: str, default: str = "") -> str:
    """The first of the parameters that is given, as text.

    :raises InvalidError: when it is no text.
    """
    for name in names:
        found = call.first(name)
        if found is not None:
            if not isinstance(found, str):
                raise InvalidError("text is expected", where=f"http.{name}", cure="send a string", code="value")
            return found
    return default


def flag(call: Call, name: str) -> bool:
    """A boolean, false when it is not given.

    :raises InvalidError: when it is neither true nor false.
    """
    found = call.first(name, False)
    if found in (True, False, "true", "false"):
        return found in (True, "true")
    raise InvalidError("true or false is expected", where=f"http.{name}", cure="send true or false", code="value")


def number(call: Call, name: str) -> int | None:
    """A whole number from 0, or None.

    :raises InvalidError: when it is something else.
    """
    found = call.first(name)
    if found is None:
        return None
    said = str(found)
    if isinstance(found, bool) or not (said.isascii() and said.isdigit() and len(said) < 10):
        raise InvalidError("a whole number from 0 is expected", where=f"http.{name}", cure="send digits", code="value")
    return int(said)


def given(facade: Facade, call: Call, name: str, kind: str) -> dict[str, Any] | None:
    """The resource the question is about, when it was sent or is the one of the URL."""
    if call.fid:
        found: dict[str, Any] = orjson.loads(facade.current(f"{call.kind}/{call.fid}").content)
        return found
    sent: dict[str, Any] | None = call.first(name)
    if sent is None and call.resource is not None and call.resource.value.get("resourceType") == kind:
        return call.resource.value
    return sent


def asked(call: Call) -> list[Coding]:
    """The codes the question is about."""
    system, display = text(call, "system"), text(call, "display")
    return codings(text(call, "code"), system, display, call.first("coding"), call.first("codeableConcept"))


def known(facade: Facade) -> Catalogue:
    """What this hub knows of terminology."""
    return catalogue(facade.settings.canonical_base)


def language(call: Call) -> str:
    """The language displays are wanted in."""
    return text(call, "displayLanguage", default="fr")
