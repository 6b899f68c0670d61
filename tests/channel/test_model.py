"""Channel files become what the engine runs, or findings with their places."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from hub.channel.model import files, inspect, load_channel, load_channels
from hub.engine.model import ChannelSpec, CheckRule, Keep, MapRule, Retry, Rule
from hub.errors import ConfigError
from hub.settings import Settings

from .conftest import Write

FULL = """\
    channel: full
    summary: everything at once
    enabled: false
    source:
      mllp: {port: "${HUB_MLLP_PORT}", answer: application}
    format: hl7v2
    accept: [ADT^A01, ADT^A08]
    otherwise: filter
    steps:
      - map: {ADT^A01: hl7v2.messages.adt, "*": hl7v2.messages.adt}
        with: {finess: 010000024}
      - validate: [hl7v2, fhir]
      - validate: {"*": base, Patient: profile, Binary: off}
        otherwise: tag
    deliver:
      - fhir: {to: store}
      - name: dpi
        mllp: {host: 127.0.0.1, port: 2600}
        when: {type: ADT^A01, sender: [GAP|*], document: 11526-1, establishment: 010000024}
        send: original
        retry: {times: 8, first: 1s, up_to: 10m}
      - fhir: {to: "https://peer.example/fhir"}
    order: visit
    keep: {done: 90d, held: 365d, bodies: 30d}
    """


def _found(settings: Settings, path: Path) -> list[str]:
    return [f"{f.line}:{f.column} {f.code} {f.message}" for f in inspect(path, settings).findings]


def test_a_full_channel_becomes_what_the_engine_runs(settings: Settings, write: Write) -> None:
    """Every key of the file has its place in ChannelSpec."""
    path = write("full", FULL)
    spec = load_channel(path, settings)
    assert (spec.name, spec.summary, spec.enabled) == ("full", "everything at once", False)
    assert (spec.source.kind, spec.source.options.port, spec.source.options.answer) == ("mllp", 2575, "application")
    assert (spec.format, spec.accept, spec.otherwise) == ("hl7v2", ("ADT^A01", "ADT^A08"), "filter")
    site = {"finess": "010000024"}
    assert (MapRule("ADT^A01", "hl7v2.messages.adt", site), MapRule("*", "hl7v2.messages.adt", site)) == spec.map
    assert (True, "visit", Keep(90, 365, 30)) == (spec.store, spec.order, spec.keep)
    by_type = CheckRule("fhir", {"*": "base", "Patient": "profile", "Binary": "off"}, "tag")
    assert (CheckRule("hl7v2"), CheckRule("fhir", {"*": "base"}), by_type) == spec.validate
    dpi, fhir = spec.destinations
    assert (dpi.name, dpi.part.kind, dpi.part.options.port, dpi.send) == ("dpi", "mllp", 2600, "original")
    assert Rule(("ADT^A01",), ("GAP|*",), ("11526-1",), ("010000024",)) == dpi.when
    assert Retry(8, 1.0, 600.0) == dpi.retry
    assert ("fhir", "fhir", Rule(), Retry()) == (fhir.name, fhir.send, fhir.when, fhir.retry)
    assert hashlib.sha256(path.read_bytes()).hexdigest()[:12] == spec.revision
    assert (str(path), path.read_text(encoding="utf-8")) == (spec.path, spec.text)


def test_what_is_not_written_has_its_default(settings: Settings, write: Write) -> None:
    """The format is the connector's; without `fhir: {to: store}` nothing is stored."""
    write("least", "channel: least\nsource: {mllp: }\n")
    spec = load_channel(settings.channels / "least", settings)
    assert ChannelSpec("least", spec.source, spec.revision, "", spec.path, spec.text, store=False) == spec
    assert spec.source.options.port == 2575


def test_ports_follow_the_settings_of_the_hub(tmp_path: Path, write: Write) -> None:
    """A hub started with another MLLP port gives it to its channels, written or by default."""
    other = Settings.load(tmp_path, mllp_port=7777)
    assert load_channel(write("a", "channel: a\nsource: {mllp: {}}\n"), other).source.options.port == 7777
    assert load_channel(write("full", FULL), other).source.options.port == 7777


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("channel: Bad Name\nsource: {mllp: {}}\n", "1:10 C103 channel has small letters"),
        ("channel: c\nsoucre: {mllp: {}}\n", "2:1 C101 unknown setting soucre; did you mean 'source'?"),
        ("channel: c\n", "1:1 C102 source is missing; one connector and its options"),
        ("channel: c\nsource: mllp\n", "2:9 C103 source is a mapping"),
        ("channel: c\nsource: {mllp: {}, http: {}}\n", "2:9 C103 source is one connector"),
        ("channel: c\nsource: {mlpp: {}}\n", "2:10 C104 no connector is called 'mlpp'; did you mean 'mllp'?"),
        ("channel: c\nsource: {fhir: {to: store}}\n", "2:10 C107 fhir is no source: it only sends"),
        ("channel: c\nsource: {mllp: 2575}\n", "2:16 C103 source.mllp is a mapping"),
        ("channel: c\nsource: {mllp: {prot: 1}}\n", "2:17 C101 unknown setting source.mllp.prot; did you mean 'port'?"),
        ("channel: c\nsource: {mllp: {port: 99999}}\n", "2:23 C103 source.mllp.port is at most 65535"),
        ("channel: c\nsource: {mllp: {port: many}}\n", "2:23 C103 source.mllp.port is a whole number"),
        (
            "channel: c\nsource: {mllp: {tls: {certificate: a, key: b, ca: c}}}\n",
            "2:47 C101 unknown setting source.mllp.tls.ca; known here: certificate, client_ca, key",
        ),
        ("channel: c\nsource: {mllp: {}}\nformat: hl7\n", "3:9 C106 no format is called 'hl7'; did you mean 'hl7v2'?"),
        ("channel: c\nsource: {mllp: {}}\naccept: []\n", "3:9 C103 accept has at least 1 item(s)"),
        ("channel: c\nsource: {mllp: {}}\naccept: [12]\n", "3:10 C103 accept[0] is a text: put it in quotes"),
        ("channel: c\nsource: {mllp: {}}\nenabled: NO\n", None),
        ("channel: c\nsource: {mllp: {}}\nenabled: perhaps\n", "3:10 C103 enabled is true or false"),
        ("channel: c\nsource: {mllp: {}}\norder: patients\n", "3:8 C103 order is 'patient', 'visit'"),
        (
            "channel: c\nsource: {mllp: {}}\nkeep: {done: 12h}\n",
            "3:14 C103 keep.done: a time to keep is written in days",
        ),
        (
            "channel: c\nsource: {mllp: {}}\nsteps:\n  - map: hl7v2.message.adt\n",
            "4:10 C105 no mapping is called 'hl7v2.message.adt'; did you mean 'hl7v2.messages.adt'?",
        ),
        (
            "channel: c\nsource: {mllp: {}}\nsteps:\n  - mpa: x\n",
            "4:5 C101 unknown setting steps[0].mpa; did you mean 'map'?",
        ),
        ("channel: c\nsource: {mllp: {}}\nsteps:\n  - map: 3\n", "4:10 C103 steps[0].map is a text: put it in quotes"),
        ("channel: c\nsource: {http: {path: /out}}\n", "2:23 C103 source.http.path: string should match pattern"),
        (
            "channel: c\nsource: {channel: {to: x}}\n",
            "2:20 C101 unknown setting source.channel.to; it takes no settings",
        ),
        (
            "channel: c\nsource: {mllp: {}}\ndeliver: [{fhir: {to: a, tls: {ac: x}}}]\n",
            "3:32 C101 unknown setting deliver[0].fhir.tls.ac",
        ),
        ("channel: c\nsource: {mllp: {}}\nsteps:\n  - with: {a: b}\n", "4:5 C103 a step is either `map`"),
        ("channel: c\nsource: {mllp: {}}\nsteps:\n  - {validate: fhir, with: {a: b}}\n", "4:22 C103 `with` belongs"),
        (
            "channel: c\nsource: {mllp: {}}\nsteps: [{validate: hl7}]\n",
            "3:20 C103 steps[0].validate: write off, base or profile, hl7v2 or cda, or both",
        ),
        (
            "channel: c\nsource: {mllp: {}}\nsteps: [{validate: {Patent: base}}]\n",
            "3:21 C103 'Patent' is no type of resource of R4; did you mean 'Patient'?",
        ),
        (
            "channel: c\nsource: {mllp: {}}\nsteps: [{validate: {Patient: bse}}]\n",
            "3:20 C103 steps[0].validate: Patient is off, base, profile or the URL of a profile",
        ),
        (
            "channel: c\nsource: {mllp: {}}\nsteps:\n  - validate: {Patient: 'https://x.example/p'}\n",
            "4:25 C103 no profile of the hub is https://x.example/p",
        ),
        (
            "channel: c\nsource: {mllp: {}}\nsteps: [{map: cda.documents.header, otherwise: tag}]\n",
            "3:37 C103 `otherwise` belongs to a `validate`",
        ),
        (
            "channel: c\nsource: {mllp: {}}\nsteps: [{validate: hl7v2, otherwise: tag}]\n",
            "3:27 C103 a body cannot be tagged",
        ),
        ("channel: c\nsource: {mllp: {}}\ndeliver: [{name: x}]\n", "3:11 C102 deliver[0] names no connector"),
        (
            "channel: c\nsource: {mllp: {}}\ndeliver: [{whne: {}, channel: {to: x}}]\n",
            "3:12 C101 unknown setting deliver[0].whne; did you mean 'when'?",
        ),
        (
            "channel: c\nsource: {mllp: {}}\ndeliver: [{channel: {to: x}, http: {url: y}}]\n",
            "3:11 C103 deliver[0] names several",
        ),
        ("channel: c\nsource: {mllp: {}}\ndeliver: [{channel: {}}]\n", "3:12 C102 deliver[0].channel.to is missing"),
        ("channel: c\nsource: {mllp: {}}\ndeliver: [x]\n", "3:11 C103 deliver[0] is a mapping"),
        (
            "channel: c\nsource: {mllp: {}}\ndeliver: [{name: a, fhir: {to: store}}]\n",
            "3:12 C101 deliver[0].name has no effect",
        ),
        (
            "channel: c\nsource: {mllp: {}}\ndeliver: [{fhir: {to: store, timeout: 3s}}]\n",
            "3:30 C101 deliver[0].fhir.timeout has no effect",
        ),
        (
            "channel: c\nsource: {mllp: {}}\ndeliver: [{channel: {to: x}, retry: {first: soon}}]\n",
            "3:45 C103 deliver[0].retry.first: a duration is written 10s",
        ),
        (
            "channel: c\nsource: {mllp: {}}\ndeliver: [{channel: {to: x}, when: {typ: A}}]\n",
            "3:37 C101 unknown setting deliver[0].when.typ; did you mean 'type'?",
        ),
        ("[1, 2]\n", "1:1 C103 a channel is `name: value` lines"),
        ("null\n", "1:1 C102 the file is empty"),
        ('channel: c\nsource: {mllp: {port: "${NOBODY}"}}\n', "2:23 Y005 the variable NOBODY is not set"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_its_cure(
    settings: Settings, write: Write, text: str, found: str | None
) -> None:
    """`file:line:column CODE what; what to write`, once for each mistake."""
    said = _found(settings, write("c", text))
    if found is None:
        assert said == []
    else:
        assert 1 <= len(said) <= 2
        assert said[0].startswith(found) or said[-1].startswith(found), said


def test_all_mistakes_of_a_file_are_told_at_once(settings: Settings, write: Write) -> None:
    """Nobody mends a file one run of lint at a time; a shape that is wrong hides no wrong option."""
    text = "channel: c\nordr: none\nsource: {mllp: {prot: 1}}\ndeliver: [{htpp: {}}, {mllp: {host: a}}]\nkeep: 3\n"
    assert [" ".join(line.split()[:2]) for line in _found(settings, write("c", text))] == [
        "2:1 C101",
        "3:17 C101",
        "4:12 C104",
        "4:24 C102",
        "5:7 C103",
    ]


def test_loading_one_channel_raises_with_the_first_mistake(settings: Settings, write: Write) -> None:
    """The error names the place, the cure and how much more there is."""
    path = write("c", "channel: c\nordr: none\nsource: {mllp: {prot: 1}}\n")
    with pytest.raises(ConfigError) as caught:
        load_channel(path.parent, settings)
    assert f"{path}:2:1" == caught.value.where
    assert caught.value.what == "unknown setting ordr (and 1 more: run `hub lint`)"
    assert (caught.value.cure, caught.value.code) == ("did you mean 'order'?", "C101")


def test_a_file_that_is_not_there_is_told_as_such(settings: Settings) -> None:
    """No traceback for a folder without channel.yaml, nor for a folder of that name."""
    with pytest.raises(ConfigError, match="cannot be read: no such file"):
        load_channel(settings.channels, settings)


def test_a_broken_channel_stops_no_other(settings: Settings, write: Write) -> None:
    """House: channels are isolated from each other, beginning with their files."""
    write("a-good"), write("b-broken", "channel: [\n"), write("c-good", port=2600)
    specs, findings = load_channels(settings.channels, settings)
    assert [spec.name for spec in specs] == ["a-good", "c-good"]
    assert [f.code for f in findings] == ["Y001"]


def test_of_two_channels_with_one_name_the_first_runs(settings: Settings, write: Write) -> None:
    """Their messages would be mixed up."""
    write("a"), write("b", "channel: a\nsource: {mllp: {}}\n")
    specs, findings = load_channels(settings.channels, settings)
    assert [settings.channels / "a" / "channel.yaml"] == [Path(spec.path) for spec in specs]
    assert [f.code for f in findings] == ["C201"]


def test_in_production_a_channel_that_lies_open_is_not_run(tmp_path: Path, write: Write) -> None:
    """Production refuses open binds without TLS, unless a comment allows them with the reason."""
    write("a", "channel: a\nsource:\n  mllp:\n    bind: 0.0.0.0\n")
    write("b", "channel: b\nsource:\n  mllp:\n    bind: 0.0.0.0  # lint: allow S302 the VPN ends on this host\n")
    specs, findings = load_channels(tmp_path / "channels", Settings.load(tmp_path, profile="production"))
    assert ([s.name for s in specs], [f.code for f in findings]) == (["b"], ["S302"])
    assert len(load_channels(tmp_path / "channels", Settings.load(tmp_path))[0]) == 2


def test_paths_mean_files_channels_or_folders_of_channels(settings: Settings, write: Write) -> None:
    """What `hub lint PATHS` takes; each file once."""
    one, two = write("a"), write("b")
    assert [one, two] == files([settings.channels])
    assert [two, one] == files([two, one.parent, two.parent])
