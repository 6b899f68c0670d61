"""JSON Schema of channel files and of settings, for editors.

JSON Schema 2020-12.  An editor that is told of it (``# yaml-language-server: $schema=...``) completes keys,
shows their descriptions and marks what does not fit, before ``hub lint`` is run.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from hub import registry
from hub.channel.shape import ChannelShape, DeliverShape

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_VARIABLE = {"type": "string", "pattern": r"\$\{[^}]+\}"}
Schema = dict[str, Any]


def channel_schema() -> Schema:
    """The schema of ``channel.yaml``: one branch a connector."""
    definitions: Schema = {}
    whole = _model(ChannelShape, "channel", definitions)
    sources, destinations = [], []
    for name in registry.connectors():
        connector = registry.connector(name)
        if connector.source is not None and connector.source_options is not None:
            options = _model(connector.source_options, f"{name}.source", definitions)
            sources.append(_one_key(name, connector.summary, _optional(options)))
        if connector.destination is not None and connector.destination_options is not None:
            options = _model(connector.destination_options, f"{name}.destination", definitions)
            common = _model(DeliverShape, "deliver", definitions)
            own = {name: _optional(options) | {"description": connector.summary}}
            destinations.append(common | {"properties": own | common["properties"], "required": [name]})
    properties = whole["properties"]
    properties["source"] = {"description": properties["source"]["description"], "oneOf": sources}
    store = _one_key("fhir", "the FHIR store of this hub", {"type": "object", "properties": {"to": {"const": "store"}}})
    properties["deliver"]["items"] = {"anyOf": [store, *destinations]}
    properties["format"] = {"description": properties["format"]["description"], "enum": registry.readers()}
    step = definitions["channel.StepShape"]["properties"]
    named = {"enum": registry.mappings()}
    step["map"] = {
        "description": step["map"]["description"],
        "anyOf": [named, {"type": "object", "additionalProperties": named, "minProperties": 1}],
    }
    return {"$schema": _DIALECT, "title": "OncoHub channel", **whole, "$defs": definitions}


def settings_schema() -> Schema:
    """The schema of ``hub.yaml``."""
    from hub.settings import Settings

    definitions: Schema = {}
    whole = _model(Settings, "settings", definitions)
    whole["properties"].pop("home", None)  # the folder of the file itself
    return {"$schema": _DIALECT, "title": "OncoHub settings", **whole, "$defs": definitions}


def _model(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """The schema of a model; what it refers to goes into ``definitions`` under names of its own."""
    made = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    for name, schema in made.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = _with_variables(schema)
    whole: Schema = _with_variables(made)
    whole.pop("description", None)
    return whole


def _with_variables(schema: Any) -> Any:
    """Let ``${NAME}`` stand where a number or a truth value is wanted, and drop titles nobody needs."""
    if isinstance(schema, list):
        return [_with_variables(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {k: _with_variables(v) for k, v in schema.items() if not (k == "title" and isinstance(v, str))}
    if made.get("type") in ("integer", "number", "boolean"):
        kept = {k: made.pop(k) for k in ("description", "default") if k in made}
        return {**kept, "anyOf": [made, dict(_VARIABLE)]}
    return made


def _optional(options: Schema) -> Schema:
    """``mllp:`` with nothing behind it is ``mllp: {}``, where nothing is required."""
    return options if options.get("required") else {"anyOf": [options, {"type": "null"}]}


def _one_key(name: str, summary: str, value: Schema) -> Schema:
    return {
        "type": "object",
        "description": summary,
        "properties": {name: value},
        "required": [name],
        "additionalProperties": False,
    }
