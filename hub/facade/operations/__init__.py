"""Operations: R4 §3.2 (http://hl7.org/fhir/R4/operations.html).  One file an operation, found by listing.

To add one, put a module into this folder that has::

    OPERATION = Operation(
        name="everything", definition="http://hl7.org/fhir/OperationDefinition/Patient-everything",
        types=("Patient",), levels=("instance",), run=run, letters="s",
        parameters=(Parameter("start", "date"), Parameter("return", "Bundle", "out", 1)),
    )

    def run(facade: Facade, call: Call) -> dict[str, Any] | bytes | Response: ...

It is then mounted, in the CapabilityStatement and in the OpenAPI description.  ``run`` raises a
:class:`hub.errors.HubError` for what is wrong; rules are in ``hub.services``, imported inside ``run`` when
they are heavy.  What it returns is a resource: as a dict, as JSON octets, or a Response of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import orjson
from flask import Flask, Response, request

from hub.errors import InvalidError, UnsupportedError
from hub.facade import body
from hub.facade.context import Facade, json, served
from hub.fhir.jsontext import Json

SYSTEM, TYPE, INSTANCE = "system", "type", "instance"
_NOT_PARAMETERS = {"_format", "_pretty", "_summary", "_elements"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter, in or out; ``most`` is a number or ``*``."""

    name: str
    type: str
    use: str = "in"
    least: int = 0
    most: str = "1"
    text: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """How an operation was called.

    :ivar kind: resource type of the URL, '' at system level; ``fid``: id, '' above instance level.
    :ivar parameters: name, value: strings from a URL; from a Parameters resource the value of ``value[x]``, the
        ``resource``, or the list of ``part``.
    :ivar resource: the body, when it is another resource than Parameters.
    """

    kind: str
    fid: str
    parameters: tuple[tuple[str, Any], ...] = ()
    resource: Json | None = None

    def first(self, name: str, default: Any = None) -> Any:
        """The first value of a parameter."""
        return next((value for key, value in self.parameters if key == name), default)

    def all(self, name: str) -> list[Any]:
        return [value for key, value in self.parameters if key == name]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation.

    :ivar definition: canonical URL of its OperationDefinition.
    :ivar types: resource types it is for; () at system level only, ("*",) for all that are served.
    :ivar levels: of ``system``, ``type``, ``instance``.
    :ivar letters: what a token must be good for (:mod:`hub.security.scopes`).
    :ivar affects: whether it changes anything: then it is called by POST only.
    """

    name: str
    definition: str
    run: Callable[[Facade, Call], Any] = field(repr=False)
    levels: tuple[str, ...]
    types: tuple[str, ...] = ()
    letters: str = "r"
    affects: bool = False
    parameters: tuple[Parameter, ...] = ()
    text: str = ""

    def on(self, kind: str) -> bool:
        """Whether it is for a type (or one of its instances)."""
        return (kind in self.types or "*" in self.types) and bool({TYPE, INSTANCE} & set(self.levels))


@cache
def operations() -> tuple[Operation, ...]:
    """All operations, by name."""
    names = sorted(m.name for m in iter_modules(__path__) if not m.name.startswith("_"))
    found = (import_module(f"{__name__}.{name}").OPERATION for name in names)
    return tuple(sorted(found, key=lambda o: o.name))


LETTERS: dict[str | None, str] = {}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``[base]/$name``, ``[base]/[type]/$name`` and ``[base]/[type]/[id]/$name`` as each says."""
    for one in operations():
        methods = ["POST"] if one.affects else ["GET", "POST"]
        paths = {SYSTEM: "/fhir/$", TYPE: "/fhir/<fhirtype:kind>/$", INSTANCE: "/fhir/<fhirtype:kind>/<fhirid:fid>/$"}
        for level in one.levels:
            endpoint = f"operation-{level}-{one.name}"
            LETTERS[endpoint] = one.letters
            app.add_url_rule(paths[level] + one.name, endpoint, _view(facade, one), methods=methods)


def _view(facade: Facade, operation: Operation) -> Callable[..., Response]:
    def view(kind: str = "", fid: str = "") -> Response:
        if kind and not operation.on(kind):
            raise UnsupportedError(
                f"${operation.name} is not for {kind}", cure=f"it is for {', '.join(operation.types) or 'no type'}"
            )
        made = operation.run(facade, call(kind, fid))
        if isinstance(made, Response):
            return made
        return json(made if isinstance(made, bytes) else orjson.dumps(made))

    return view


def call(kind: str, fid: str) -> Call:
    """The call that the present request makes (R4 §3.2.0.4)."""
    given: list[tuple[str, Any]] = [(n, v) for n, v in request.args.items(multi=True) if n not in _NOT_PARAMETERS]
    if request.method == "GET" or not (request.content_length or request.headers.get("Transfer-Encoding")):
        return Call(kind, fid, tuple(given))
    if request.mimetype == "application/x-www-form-urlencoded":
        given += [(n, v) for n, v in request.form.items(multi=True) if n not in _NOT_PARAMETERS]
        return Call(kind, fid, tuple(given))
    sent = body.resource(request)
    if sent.value.get("resourceType") != "Parameters":
        return Call(kind, fid, tuple(given), sent)
    return Call(kind, fid, (*given, *_parameters(sent.value)))


def _parameters(resource: dict[str, Any]) -> list[tuple[str, Any]]:
    listed = resource.get("parameter", [])
    if not isinstance(listed, list) or not all(isinstance(p, dict) and isinstance(p.get("name"), str) for p in listed):
        cure = "send a list of {name, value[x] | resource | part}"
        raise InvalidError("is no list of parameters", where="Parameters.parameter", cure=cure, code="structure")
    return [(p["name"], next((v for k, v in p.items() if k.startswith("value") or k in ("resource", "part")), None))
            for p in listed]  # fmt: skip


def mounted(kind: str) -> list[Operation]:
    """Operations of a type; '' for those of the system."""
    if not kind:
        return [o for o in operations() if SYSTEM in o.levels]
    return [o for o in operations() if kind in served() and o.on(kind)]
