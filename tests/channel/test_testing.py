"""`hub test` and `hub try` run the pipeline of the hub over files, and touch nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from hub.channel.lineage import unmapped
from hub.channel.model import load_channel
from hub.channel.testing import Outcome, read_message, run_cases
from hub.channel.trying import attempt
from hub.engine.model import ChannelSpec
from hub.engine.pipeline import run
from hub.errors import ConfigError, ParseError
from hub.fhir.draft import Draft, Issue
from hub.settings import Settings

from .conftest import ADMISSION, Write

pytestmark = pytest.mark.usefixtures("simple_mapping")

CHANNEL = """\
    channel: c
    source: {mllp: {}}
    accept: [ADT^A01]
    steps: [{map: hl7v2.messages.adt}]
    deliver:
      - fhir: {to: store}
      - {name: dpi, mllp: {host: 127.0.0.1, port: 2600}}
      - {name: far, mllp: {host: 127.0.0.1, port: 2601}, when: {sender: NOBODY}}
    """


@pytest.fixture
def channel(settings: Settings, write: Write) -> ChannelSpec:
    return load_channel(write("c", CHANNEL), settings)


def _run(spec: ChannelSpec, cases: str, message: bytes = ADMISSION, **options: object) -> list[Outcome]:
    tests = Path(spec.path).parent / "tests"
    (tests / "all.yaml").write_text(dedent(cases))
    (tests / "messages" / "a01.hl7").write_bytes(message)
    outcomes, findings = run_cases(spec, tests, **options)  # type: ignore[arg-type]  # options of each test
    assert findings == []
    return outcomes


def test_a_case_passes_when_all_that_is_expected_comes_out(channel: ChannelSpec) -> None:
    """Answer, end, deliveries."""
    (one,) = _run(
        channel,
        "- {case: taken, send: messages/a01.hl7, expect: {answer: AA, status: done, deliveries: [dpi]}}\n",
    )
    assert (one.problems, one.passed, one.case, one.line, one.channel) == ([], True, "taken", 1, "c")


@pytest.mark.parametrize(
    ("expect", "problem"),
    [
        ("answer: AE", "answer: expected AE, was AA"),
        ("status: held", "status: expected held, was done"),
        ("deliveries: [far]", "deliveries: expected ['far'], was ['dpi']"),
        ("deliveries: []", "deliveries: expected [], was ['dpi']"),
        ("issue: PID-5", "issue: expected one at PID-5, was"),
        ("golden: golden/none.json", "golden: no file none.json; write it with `hub test --update`"),
    ],
)
def test_a_case_fails_with_what_was_expected_and_what_was(channel: ChannelSpec, expect: str, problem: str) -> None:
    """One line a difference."""
    (one,) = _run(channel, f"- {{case: x, send: messages/a01.hl7, expect: {{{expect}}}}}\n")
    assert not one.passed
    assert one.problems[0].startswith(problem)


def test_a_refused_message_tells_its_answer_and_its_place(channel: ChannelSpec) -> None:
    """HL7 v2 table 0008 and 0357: an event that is not taken is AR, a missing field AE."""
    other = _run(
        channel,
        "- {case: x, send: messages/a01.hl7, expect: {answer: AR, status: rejected, issue: MSH-9, deliveries: []}}\n",
        ADMISSION.replace(b"ADT^A01^ADT_A01", b"ORU^R01^ORU_R01"),
    )
    unnumbered = _run(
        channel,
        "- {case: x, send: messages/a01.hl7, expect: {answer: AE, status: rejected, issue: MSH-10}}\n",
        ADMISSION.replace(b"|ADT-1|", b"||"),
    )
    garbage = _run(channel, "- {case: x, send: messages/a01.hl7, expect: {answer: AE, status: rejected}}\n", b"hello")
    assert [o.problems for o in other + unnumbered + garbage] == [[]] * 3


def test_a_held_message_fails_a_case_that_does_not_expect_it(channel: ChannelSpec) -> None:
    """Otherwise `expect: {answer: AA}` would pass over a mapping that broke."""
    nameless = ADMISSION.replace(b"ESSAI^ODILE^^^^^L", b"")
    (silent,) = _run(channel, "- {case: x, send: messages/a01.hl7, expect: {answer: AA}}\n", nameless)
    assert silent.problems[0].startswith("status: was held: PID-5")
    (told,) = _run(
        channel, "- {case: x, send: messages/a01.hl7, expect: {status: held, issue: PID-5, deliveries: []}}\n", nameless
    )
    assert told.passed


def test_golden_files_are_written_on_demand_and_differences_have_paths(channel: ChannelSpec) -> None:
    """`--update` writes what came out; later runs compare path by path."""
    case = "- {case: x, send: messages/a01.hl7, expect: {golden: golden/x.json}}\n"
    (written,) = _run(channel, case, update=True)
    (again,) = _run(channel, case, update=True)
    assert [(o.passed, o.updated) for o in (written, again)] == [(True, True), (True, False)]
    golden = Path(channel.path).parent / "tests" / "golden" / "x.json"
    kept = json.loads(golden.read_text(encoding="utf-8"))
    patient = next(r for ref, r in kept["resources"].items() if ref.startswith("Patient/"))
    assert patient["birthDate"] == "1958-07-14"
    patient["birthDate"] = "1958-07-15"
    golden.write_text(json.dumps(kept), encoding="utf-8")
    (differs,) = _run(channel, case)
    assert len(differs.problems) == 1
    assert "birthDate" in differs.problems[0]
    golden.write_text("{", encoding="utf-8")
    assert _run(channel, case)[0].problems[0].startswith("golden: x.json is no JSON")


def test_only_the_first_differences_of_a_golden_file_are_told(channel: ChannelSpec) -> None:
    """A wrong file must not fill the screen."""
    tests = Path(channel.path).parent / "tests"
    (tests / "golden").mkdir()
    (tests / "golden" / "x.json").write_text(json.dumps({"resources": {}, "issues": list(range(50))}))
    (one,) = _run(channel, "- {case: x, send: messages/a01.hl7, expect: {golden: golden/x.json}}\n")
    assert len(one.problems) == 21
    assert one.problems[-1].endswith(" more")


def test_fields_of_which_nothing_is_made_are_told(channel: ChannelSpec) -> None:
    """A field that appears in a feed and goes nowhere fails the case until somebody has looked at it."""
    result = run(channel, ADMISSION.replace(b"|19580714|F", b"|19580714|F||ZZ9"), origins=True)
    left = unmapped("hl7v2", result.source, result.draft or Draft())
    assert "PID-10" in left
    assert not {"PID-3", "PID-5", "PID-7", "PID-8"} & set(left)
    message = ADMISSION.replace(b"|19580714|F", b"|19580714|F||ZZ9")
    known = ", ".join(left)
    (right,) = _run(channel, f"- {{case: x, send: messages/a01.hl7, expect: {{unmapped: [{known}]}}}}\n", message)
    assert right.passed
    (wrong,) = _run(channel, "- {case: x, send: messages/a01.hl7, expect: {unmapped: [PID-7]}}\n", message)
    assert "PID-10" in wrong.problems[0]
    assert wrong.problems[1] == "unmapped: PID-7 expected, but mapped or not in the message"
    assert unmapped("raw", b"x", Draft()) == []


def test_cases_are_chosen_by_their_name(channel: ChannelSpec) -> None:
    """`-k`: any part of the name, whatever its case."""
    cases = "".join(f"- {{case: {n}, send: messages/a01.hl7, expect: {{}}}}\n" for n in ("Admission", "Discharge"))
    assert [o.case for o in _run(channel, cases, select="charge")] == ["Discharge"]
    assert len(_run(channel, cases)) == 2


def test_trying_shows_every_stage(channel: ChannelSpec) -> None:
    """Read, accept, answer, map with lineage, route, end."""
    stages = {s.name: s for s in attempt(channel, ADMISSION)}
    assert list(stages) == ["read", "accept", "answer", "map", "route", "end"]
    assert "control id: ADT-1" in stages["read"].lines
    assert tuple(stages[n].outcome for n in ("accept", "answer", "end")) == ("accepted", "AA", "done")
    assert any(line.endswith(" < PID-7") and "birthDate" in line for line in stages["map"].lines)
    assert any(line.startswith("nothing is made of ") for line in stages["map"].lines)
    assert stages["map"].value["mapping"] == "hl7v2.messages.adt"
    assert stages["route"].outcome == "store, dpi"
    assert "not far: its `when` does not fit" in stages["route"].lines


def test_trying_a_refused_message_says_where_what_and_what_to_do(channel: ChannelSpec) -> None:
    """And stops there."""
    stages = attempt(channel, ADMISSION.replace(b"ADT^A01^ADT_A01", b"ORU^R01^ORU_R01"))
    assert (stages[-1].name, stages[-1].outcome) == ("end", "rejected")
    assert [line for line in stages[-1].lines if not line.startswith("what: ")] == [
        "where: MSH-9",
        "do: it takes ADT^A01",
        "code: 200",
    ]
    unreadable = attempt(channel, b"hello")
    assert unreadable[0].outcome == "unreadable"


def test_trying_shows_a_held_message_and_validation(
    settings: Settings, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a mapping refuses is shown as the hub would hold it, and what validation says all the same."""
    monkeypatch.setattr("hub.engine.checks.validate", lambda *_: [Issue("warning", "PID-3", "odd")])
    text = CHANNEL.replace("adt}]", "adt}, {validate: hl7v2}]")
    spec = load_channel(write("c", text), settings)
    stages = {s.name: s for s in attempt(spec, ADMISSION.replace(b"ESSAI^ODILE^^^^^L", b""))}
    assert stages["end"].outcome == "held"
    assert "where: PID-5" in stages["end"].lines
    assert (stages["validate"].outcome, stages["validate"].lines) == ("0 errors, 1 warnings", ["warning PID-3: odd"])
    monkeypatch.setattr("hub.engine.checks.validate", _unreadable)
    assert {s.name: s for s in attempt(spec, ADMISSION)}["validate"].outcome == "not done"


def _unreadable(*_: object) -> None:
    raise ParseError("no segments", where="PID")


def test_a_channel_without_a_mapping_for_the_type_passes_it_on(settings: Settings, write: Write) -> None:
    """Routing alone."""
    text = "channel: c\nsource: {mllp: {}}\naccept: ADT\ndeliver: [{http: {url: 'https://a.example'}}]\n"
    spec = load_channel(write("c", text), settings)
    stages = {s.name: s for s in attempt(spec, ADMISSION)}
    assert (stages["map"].outcome, stages["route"].outcome) == ("not mapped", "http")


def test_a_message_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, or beyond what the hub takes."""
    with pytest.raises(ConfigError, match="no such file"):
        read_message(tmp_path / "none")
    monkeypatch.setattr("hub.channel.testing.MAX_MESSAGE", 1)
    (tmp_path / "x").write_bytes(b"ab")
    with pytest.raises(ConfigError, match="larger than"):
        read_message(tmp_path / "x")
