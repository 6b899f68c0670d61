"""Reads the values of one channel file: shape, connectors and their options, steps, destinations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hub import registry
from hub.channel.loader import Document, Place, variables
from hub.channel.shape import BODIES, DELIVERY_KEYS, ChannelShape, DeliverShape, StepShape, When
from hub.channel.words import dotted, nearest, tell
from hub.engine.model import ChannelSpec, CheckRule, DestinationSpec, Keep, MapRule, Part, Retry, Rule, Signature
from hub.errors import ConfigError
from hub.fhir.validation.artefacts import BASE
from hub.fhir.validation.definition import definition
from hub.fhir.validation.tables import resource_types
from hub.settings import Settings

SIGNED_FORMATS = ("cda", "xdm", "fhir")  # that can carry a signature which the hub verifies
M = TypeVar("M", bound=BaseModel)
Placed = tuple[DestinationSpec, Place]


@dataclass(slots=True)
class Reading:
    """One file being read; each method adds what is wrong to the findings of the document."""

    document: Document
    settings: Settings

    def channel(self, value: dict[str, Any]) -> tuple[ChannelSpec | None, list[Placed]]:
        """What the engine runs, with the place of each destination; None when the shape is wrong."""
        shape = self._shape(ChannelShape, value, ())
        source = self._source(value.get("source"))
        deliver = value.get("deliver")
        store, destinations = self._deliver(deliver if isinstance(deliver, list) else [])
        if shape is None or source is None:
            return None, destinations
        maps, checks = self._steps(shape.steps)
        return ChannelSpec(
            name=shape.channel, source=source, revision=self.document.revision, summary=shape.summary,
            path=self.document.file, text=self.document.text, enabled=shape.enabled,
            format=self._format(shape.format, source.kind), accept=tuple(shape.accept), otherwise=shape.otherwise,
            signature=self._signature(shape), map=maps, validate=checks, store=store,
            destinations=tuple(d for d, _ in destinations), order=shape.order,
            keep=Keep(shape.keep.done, shape.keep.held, shape.keep.bodies),
        ), destinations  # fmt: skip

    def _signature(self, shape: ChannelShape) -> Signature | None:
        if shape.signature is None:
            return None
        form = shape.format or next(
            (registry.connector(k).format for k in shape.source if k in registry.connectors()), ""
        )
        if form not in SIGNED_FORMATS:
            what = f"signatures are in {', '.join(SIGNED_FORMATS)}, not in {form}"
            self.document.find("C103", ("signature",), what, "drop it, or use a channel for documents", key=True)
        return Signature(shape.signature, str(self.settings.trust_folder))

    def _shape(self, model: type[M], value: Any, place: Place) -> M | None:
        context = {"expand": lambda text: variables(text, self.settings)}  # for options that fill in their defaults
        try:
            return model.model_validate(value, context=context)
        except ValidationError as e:
            tell(self.document, e, model, place)
        except ConfigError as e:
            if not any(f.code == "Y005" for f in self.document.findings):
                self.document.find("Y005", place, e.what, e.cure, key=True)
        return None

    def _source(self, value: Any) -> Part | None:
        if not isinstance(value, dict):
            return None  # the shape has said so
        if len(value) != 1:
            self.document.find(
                "C103", ("source",), "source is one connector with its options", "write `source: {mllp: {}}`"
            )
            return None
        kind = next(iter(value))
        return self._part(kind, value[kind], ("source", kind), "source")

    def _part(self, kind: str, options: Any, place: Place, side: str) -> Part | None:
        """A connector and its options, for the side ``source`` or ``destination``."""
        names = registry.connectors()
        if kind not in names:
            self.document.find("C104", place, f"no connector is called {kind!r}", nearest(kind, names), key=True)
            return None
        connector = registry.connector(kind)
        model = getattr(connector, f"{side}_options")
        if getattr(connector, side) is None or model is None:
            other = "only sends" if side == "source" else "only receives"
            self.document.find("C107", place, f"{kind} is no {side}: it {other}", "see `hub list connectors`", key=True)
            return None
        if options is not None and not isinstance(options, dict):
            self.document.find("C103", place, f"{dotted(place)} is a mapping", f"write `{kind}: {{name: value}}`")
            return None
        checked = self._shape(model, self._defaults(model, options or {}, place), place)
        return None if checked is None else Part(kind, checked)

    def _defaults(self, model: type[BaseModel], options: dict[str, Any], place: Place) -> dict[str, Any]:
        """The options, with the defaults that name a variable replaced."""
        for name, field in model.model_fields.items():
            key = field.alias or name
            if isinstance(field.default, str) and "${" in field.default and key not in options:
                try:
                    options = {**options, key: variables(field.default, self.settings)}
                except ConfigError as e:
                    self.document.find("Y005", place, f"{dotted((*place, key))}: {e.what}", e.cure, key=True)
        return options

    def _format(self, name: str | None, kind: str) -> str:
        if name is None:
            return str(registry.connector(kind).format)
        if name not in (known := registry.readers()):
            self.document.find("C106", ("format",), f"no format is called {name!r}", nearest(name, known))
        return name

    def _steps(self, steps: list[StepShape]) -> tuple[tuple[MapRule, ...], tuple[CheckRule, ...]]:
        maps: list[MapRule] = []
        checks: list[CheckRule] = []
        for i, step in enumerate(steps):
            if (step.map_ is None) == (step.checks is None):
                self.document.find(
                    "C103", ("steps", i), "a step is either `map` (and `with`) or `validate`", "write two steps"
                )
            if step.with_ and step.map_ is None:
                self.document.find("C103", ("steps", i, "with"), "`with` belongs to a `map`", key=True)
            rules = {"*": step.map_} if isinstance(step.map_, str) else step.map_ or {}
            for pattern, mapping in rules.items():
                at: Place = ("steps", i, "map") if isinstance(step.map_, str) else ("steps", i, "map", pattern)
                if mapping not in (known := registry.mappings()):
                    self.document.find("C105", at, f"no mapping is called {mapping!r}", nearest(mapping, known))
                maps.append(MapRule(pattern, mapping, step.with_))
            checks += self._checks(step, ("steps", i))
        return tuple(maps), tuple(checks)

    def _checks(self, step: StepShape, place: Place) -> list[CheckRule]:
        """What a ``validate`` step asks for: the body first, for it is what the resources came from."""
        if step.otherwise and step.checks is None:
            self.document.find("C103", (*place, "otherwise"), "`otherwise` belongs to a `validate`", key=True)
        levels = {kind: level for kind, level in (step.checks or {}).items() if kind not in BODIES}
        known = resource_types() if levels.keys() - {"*"} else frozenset()
        for kind in levels.keys() - known - {"*"}:
            cure = nearest(kind, sorted(known))
            at = (*place, "validate", kind)
            self.document.find("C103", at, f"{kind!r} is no type of resource of R4", cure, key=True)
        for kind, level in levels.items():
            if ":" in level and definition(level, self.settings.canonical_base or BASE) is None:
                at = (*place, "validate", kind)
                self.document.find("C103", at, f"no profile of the hub is {level}", "write its URL, or `profile`")
        of_body = next((kind for kind in BODIES if kind in (step.checks or {})), None)
        if of_body == "hl7v2" and step.otherwise == "tag":
            what = "a body cannot be tagged: `otherwise: tag` is for resources and CDA documents"
            self.document.find("C103", (*place, "otherwise"), what, "write two steps", key=True)
        otherwise = step.otherwise or "hold"
        made = [CheckRule(of_body, {}, otherwise)] if of_body else []
        if not levels or set(levels.values()) == {"off"}:
            return made
        return [*made, CheckRule("fhir", levels, otherwise, self.settings.canonical_base)]

    def _deliver(self, items: list[Any]) -> tuple[bool, list[Placed]]:
        """Whether the hub's own store is written, and the destinations with their places."""
        store, made = False, []
        for i, item in enumerate(items):
            place: Place = ("deliver", i)
            if not isinstance(item, dict):
                continue  # the shape has said so
            kinds = [key for key in item if key not in DELIVERY_KEYS]
            if len(kinds) != 1:
                self._no_connector(kinds, place)
                continue
            kind = kinds[0]
            common = self._shape(DeliverShape, {k: v for k, v in item.items() if k != kind}, place)
            options = item[kind]
            if kind == "fhir" and isinstance(options, dict) and options.get("to") == "store":
                store = True
                self._only_store(item, options, place)
                continue
            part = self._part(kind, options, (*place, kind), "destination")
            if part is not None and common is not None:
                send = common.send or ("fhir" if kind == "fhir" else "original")
                retry = Retry(common.retry.times, common.retry.first, common.retry.up_to)
                made.append((DestinationSpec(common.name or kind, part, _when(common.when), send, retry), place))
        return store, made

    def _no_connector(self, kinds: list[str], place: Place) -> None:
        """No connector in an item of deliver, or several: probably one is a misspelt key."""
        wrong = [k for k in kinds if k not in registry.connectors()]
        if not kinds:
            self.document.find("C102", place, f"{dotted(place)} names no connector", "write `mllp: {host: ...}`")
        elif len(kinds) > len(wrong) > 0:
            for key in wrong:
                at = (*place, key)
                cure = nearest(key, list(DELIVERY_KEYS))
                self.document.find("C101", at, f"unknown setting {dotted(at)}", cure, key=True)
        else:
            what = f"{dotted(place)} names several connectors: {', '.join(kinds)}"
            self.document.find("C103", place, what, "one item of deliver is one destination")

    def _only_store(self, item: dict[str, Any], options: dict[str, Any], place: Place) -> None:
        # All that is mapped is stored with the message, in one transaction: there is nothing to choose.
        for key in [k for k in item if k != "fhir"]:
            at = (*place, key)
            self.document.find("C101", at, f"{dotted(at)} has no effect on `fhir: {{to: store}}`", "drop it", key=True)
        for key in [k for k in options if k != "to"]:
            at = (*place, "fhir", key)
            self.document.find("C101", at, f"{dotted(at)} has no effect on `to: store`", "drop it", key=True)


def _when(when: When) -> Rule:
    return Rule(tuple(when.type), tuple(when.sender), tuple(when.document), tuple(when.establishment))
