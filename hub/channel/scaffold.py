"""Writes the first files of a channel: every setting with its comment, a message, a test, a README.

What is written is clean under ``hub lint`` and passes ``hub test`` as it stands.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from hub import registry
from hub.channel.commented import line, settings_lines
from hub.channel.model import files, inspect
from hub.channel.shape import NAME, ChannelShape, DeliverShape, KeepShape, RetryShape, When
from hub.errors import ConfigError
from hub.paths import room
from hub.settings import Settings

# What a required option is set to, by its name; {name} is the channel, {port} one that no channel has.
_FIRST = {
    "path": "/in/{name}",
    "directory": "${{HUB_HOME}}/data/{name}/{way}",
    "host": "127.0.0.1",
    "port": "{port}",
    "url": "https://peer.example/in",
    "to": "https://peer.example/fhir",
    "server": "mail.example",
}
_STEPS = """\
steps:
  - map: {mapping}
    # with: {{}}                        # what this site tells the mapping
  - validate: base                    # what it became: base (R4), profile, off; the body too: [hl7v2, base]
    # otherwise: hold                 # unfit messages: hold, reject, tag
"""


def new_channel(name: str, source: str, mapping: str, to: tuple[str, ...], settings: Settings) -> Path:
    """Write ``channels/NAME`` of a site.

    :param to: where it delivers: ``store``, or connectors; nothing means the store.
    :raises ConfigError: for a name that is taken or cannot be one, and for unknown components.
    """
    if not re.fullmatch(NAME, name):
        raise ConfigError(f"{name!r} cannot name a channel", cure="small letters, digits and hyphens, a letter first")
    folder = settings.channels / name
    if folder.exists():
        raise ConfigError(f"{folder} is there already", cure="choose another name")
    for connector in (source, *(t for t in to if t != "store")):
        registry.connector(connector)
    if registry.connector(source).source is None:
        raise ConfigError(f"{source} is no source: it only sends", cure="see `hub list connectors`")
    known = registry.mappings()
    if mapping and mapping not in known:
        raise registry.unknown("mapping", mapping, known)
    text = channel_text(name, source, mapping, to or (("store",) if mapping else ()), settings)
    tests = folder / "tests"
    (tests / "messages").mkdir(parents=True)
    (folder / "channel.yaml").write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(_readme(name, source, mapping), encoding="utf-8")
    sample = _sample(_format(source, mapping), mapping)
    if sample is None:
        (tests / "messages" / "first.txt").write_text("a message\n", encoding="utf-8")
    else:
        shutil.copyfile(sample, tests / "messages" / f"first{sample.suffix}")
    (tests / "first.yaml").write_text(_case(_format(source, mapping), sample, bool(mapping)), encoding="utf-8")
    return folder


def channel_text(name: str, source: str, mapping: str, to: tuple[str, ...], settings: Settings) -> str:
    """The channel file."""
    whole = {n: f.description or "" for n, f in ChannelShape.model_fields.items()}
    format_ = _format(source, mapping)
    connector = registry.connector(source)
    values = {"name": name, "way": "in", "port": _free_port(settings)}
    lines = [
        "# yaml-language-server: $schema=../channel.schema.json",
        "# Every setting there is; those commented out show their default.",
        line("channel", name, whole["channel"]),
        line("summary", f"What {name} is for, in one line.", whole["summary"]),
        line("enabled", True, whole["enabled"], hidden="# "),
        "source:",
        f"  {source}:" + ("" if connector.source_options.model_fields else " {}"),
        *settings_lines(connector.source_options, _active(connector.source_options, values), 4),
        line("format", format_, whole["format"], hidden="" if format_ != connector.format else "# "),
        line("accept", _accept(mapping), whole["accept"]),
        line("otherwise", "reject", whole["otherwise"], hidden="# "),
    ]
    lines += _STEPS.format(mapping=mapping).splitlines() if mapping else ["# steps: []"]
    lines += ["deliver:"] if to else ["deliver: []"]
    for i, destination in enumerate(to):
        again = to[:i].count(destination)
        name_ = f"{destination}-{again + 1}" if again else destination
        lines += _delivery(destination, name_, values | {"way": "out", "port": "2576"})
    lines += [line("order", "patient", whole["order"], hidden="# "), "# keep:"]
    lines += settings_lines(KeepShape, {}, 2)
    return "\n".join(_days(text) for text in lines) + "\n"


def _delivery(kind: str, name: str, values: dict[str, Any]) -> list[str]:
    if kind == "store":
        return ["  - fhir: {to: store}               # what is mapped, in the FHIR store of this hub"]
    options = registry.connector(kind).destination_options
    common = {n: f.description or "" for n, f in DeliverShape.model_fields.items()}
    return [
        line("- name", name, common["name"], 2),
        f"    {kind}:",
        *settings_lines(options, _active(options, values), 6),
        f"    # when:                             # {common['when']}",
        *settings_lines(When, {}, 6),
        line("send", "fhir" if kind == "fhir" else "original", common["send"], 4, "# "),
        f"    # retry:                            # {common['retry']}",
        *(_seconds(text) for text in settings_lines(RetryShape, {}, 6)),
    ]


def _active(options: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Options that must be written, with a first value; the port always, for two channels cannot share it."""
    active = {}
    for name, info in options.model_fields.items():
        if info.is_required() or (name == "port" and values["way"] == "in"):
            text = _FIRST.get(name, "...").format(**values)
            active[info.alias or name] = int(text) if text.isdigit() else text
    return active


def _free_port(settings: Settings) -> str:
    specs = [one.spec for path in files([settings.channels]) if (one := inspect(path, settings)).spec]
    taken = {getattr(spec.source.options, "port", None) for spec in specs if spec}
    taken |= {settings.http_port, settings.dicom_port}
    port = settings.mllp_port
    if port not in taken:
        return "${HUB_MLLP_PORT}"
    while port in taken:
        port += 1
    return str(port)


def _format(source: str, mapping: str) -> str:
    return str(registry.mapping(mapping).source if mapping else registry.connector(source).format)


def _accept(mapping: str) -> list[str] | str:
    parts = mapping.split(".")
    return [parts[-1].upper()] if parts[:2] == ["hl7v2", "messages"] else "*"


def _sample(format_: str, mapping: str) -> Path | None:
    """A message that comes with the hub: one that suits the mapping, else any of the format."""
    suffix = {"hl7v2": ".hl7", "cda": ".xml", "mail": ".eml"}.get(format_)
    messages = room("channels").glob("*/tests/messages/*")
    # The plainest first: adt-a01.hl7 before adt-a01-no-name.hl7, which is there to be held.
    found = sorted((p for p in messages if p.suffix == suffix), key=lambda p: (p.name.count("-"), p.name))
    kind = mapping.rpartition(".")[2]
    return next((p for p in found if p.name.startswith(f"{kind}-")), found[0] if found else None)


def _case(format_: str, sample: Path | None, mapped: bool) -> str:
    suffix = sample.suffix if sample else ".txt"
    answer = "AA" if format_ == "hl7v2" else "201"
    golden = "    # golden: golden/first.json       # `hub test --update` writes it; read it before it is kept\n"
    return (
        "- case: a first message is taken\n"
        f"  send: messages/first{suffix}\n"
        f'  expect:\n    answer: "{answer}"\n    status: done\n' + (golden if mapped else "")
    )


def _readme(name: str, source: str, mapping: str) -> str:
    made = f", maps them with `{mapping}`" if mapping else ""
    return (
        f"# {name}\n\nReceives messages by {source}{made}. Say here who sends them, who asked for it, and whom to "
        f"call.\n\n```\nhub lint {name}\nhub test {name}\nhub try {name} channels/{name}/tests/messages/FILE\n```\n"
    )


def _seconds(text: str) -> str:
    """Defaults of durations as they are written."""
    return re.sub(r"(first|up_to): ([0-9]+)", lambda m: f"{m[1]}: {m[2]}s", text)


def _days(text: str) -> str:
    return re.sub(r"# (done|held|bodies): 0\b", r"# \1: 0d", text)
