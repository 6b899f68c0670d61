"""The pipeline: what is decided before the answer, and what a body comes to."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.engine import checks
from hub.engine.model import CheckRule, Part, Rule
from hub.engine.pipeline import LANES, admit, lane_of, matches, order_key, rule_for, run
from hub.errors import HubError, InvalidError, MappingError, ParseError
from hub.fhir.draft import Draft, Issue, Site
from hub.source.reader import Envelope
from hub.store.tables import State

from .bench import Bench, body


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("ADT^A01", "ADT^A01", True),
        ("ADT", "ADT^A01", True),
        ("ADT^A0*", "ADT^A04", True),
        ("ADT^A0*", "ADT^A11", False),
        ("A", "ADT^A01", False),
        ("*", "", True),
        ("GAM|*", "GAM|CHU", True),
        ("gam|*", "GAM|CHU", False),
        ("A?T", "ADT", False),
        ("A[D]T", "ADT", False),
        ("A[D]T*", "A[D]T^A01", True),
    ],
)
def test_patterns(pattern: str, value: str, expected: bool) -> None:
    """:class:`hub.engine.model.Rule`: literals with ``*`` as the only wildcard; before ``^`` also alone."""
    assert expected == matches(pattern, value)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_literal_fits_itself_and_with_a_star_all_that_begins_so(text: str, more: str) -> None:
    """Whatever characters it is made of."""
    literal = text.replace("*", "")
    assert matches(literal, literal)
    assert matches(literal + "*", literal + more)
    assert matches("*" + literal, more + literal)


def test_a_message_is_admitted(bench: Bench) -> None:
    """Its envelope is what answer, order and routes need."""
    found = admit(bench.spec(accept=("ADT^A01",)), body())
    assert (
        found.status, found.envelope.type, found.envelope.control_id, found.error,
    ) == ("accepted", "ADT^A01", "C1", None)  # fmt: skip


@pytest.mark.parametrize(("kind", "code"), [("ADT^A40", "201"), ("ORU^R01", "200")])
def test_a_type_that_is_not_taken(bench: Bench, kind: str, code: str) -> None:
    """HL7 v2.5 table 0357: 200 unsupported message type, 201 unsupported event code."""
    found = admit(bench.spec(accept=("ADT^A01", "ADT^A03"), format="hl7v2"), body(kind=kind))
    assert found.status == "rejected"
    assert found.error is not None
    assert (code, "MSH-9", "it takes ADT^A01, ADT^A03") == (found.error.code, found.error.where, found.error.cure)
    other = admit(bench.spec(accept=("ADT^A01",)), body(kind=kind)).error
    assert other is not None
    assert other.where == "type"


def test_a_type_that_is_filtered(bench: Bench) -> None:
    """``otherwise: filter``: answered positively, not for this channel."""
    found = admit(bench.spec(accept=("ADT^A01",), otherwise="filter"), body(kind="ORU^R01"))
    assert (found.status, found.error) == ("filtered", None)


@pytest.mark.parametrize(
    ("octets", "code", "where"),
    [
        (b"no message", "100", "field 1"),
        (body(text="check refuses"), "102", "field 4"),
    ],
)
def test_a_body_that_cannot_be_read(bench: Bench, octets: bytes, code: str, where: str) -> None:
    """The reader's reason and place are the answer's."""
    found = admit(bench.spec(), octets)
    assert found.status == "rejected"
    assert found.error is not None
    assert (code, where) == (found.error.code, found.error.where)


@pytest.mark.parametrize("text", ["reader fails", "check fails"])
def test_a_reader_that_fails_refuses_the_body(bench: Bench, text: str) -> None:
    """A defect of a reader costs neither the message nor its answer, and quotes nothing of the body."""
    found = admit(bench.spec(), body(text=text))
    assert found.status == "rejected"
    assert isinstance(found.error, ParseError)
    assert found.error.what.startswith("the reader failed (KeyError at bench.py:")
    assert "MARTIN" not in str(found.error)


@pytest.mark.parametrize(
    ("order", "key"),
    [("patient", "P1"), ("visit", "VP1"), ("document", "P1"), ("channel", "adt"), ("none", "")],
)
def test_order_keys(bench: Bench, order: str, key: str) -> None:
    """House, step 3: by patient, visit or document (else by patient), all in one row, or none."""
    spec = bench.spec(order=order)
    assert key == order_key(spec, admit(spec, body()).envelope)


@given(st.text(max_size=30), st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_one_key_one_lane(key: str, one: int, other: int) -> None:
    """Messages of one key share a lane, whatever their ids; those without a key are spread by time."""
    assert lane_of(key, one) in range(LANES)
    if key:
        assert lane_of(key, one) == lane_of(key, other)
    else:
        assert (one >> 8) % LANES == lane_of(key, one)


def test_lanes_are_fixed() -> None:
    """A lane is stored with its message: another number of lanes, or another hash, would break the order."""
    assert [LANES, lane_of("P1", 0), lane_of("P2", 0), lane_of("adt", 0)] == [8, 1, 3, 3]


def test_a_body_is_mapped_and_routed(bench: Bench) -> None:
    """Read, map, route; each stage with its time and its outcome."""
    result = run(bench.spec("adt", bench.to("a"), bench.to("b", when=Rule(type=("ORU",)))), body())
    assert (result.state, result.error, [d.name for d in result.destinations]) == (State.MAPPED, None, ["a"])
    assert result.draft is not None
    assert [e.resource["name"] for e in result.draft.entries.values()] == [[{"family": "text"}]]
    assert [(n, o) for n, _, o in result.stages] == [("read", "ok"), ("map", "1 resources"), ("route", "a")]
    assert all(micros >= 0 for _, micros, _ in result.stages)


def test_without_destination_it_is_done(bench: Bench) -> None:
    """Nothing follows."""
    result = run(bench.spec(), body())
    assert (result.state, result.stages[-1][2]) == (State.DONE, "no destination")


def test_without_rule_it_passes_unmapped(bench: Bench) -> None:
    """The reader is not even asked for its tree."""
    result = run(bench.spec("adt", bench.to()), body(kind="ORU^R01"))
    assert (result.state, result.draft, result.source) == (State.MAPPED, None, None)


def test_the_first_rule_that_fits(bench: Bench) -> None:
    """Rules are tried in their order."""
    from hub.engine.model import MapRule

    spec = bench.spec(map=(MapRule("ADT^A01", "first"), MapRule("ADT", "second")))
    assert tuple(
        rule.mapping if (rule := rule_for(spec, kind)) else None for kind in ("ADT^A01", "ADT^A03", "ORU^R01")
    ) == ("first", "second", None)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule(), True),
        (Rule(type=("ORU", "ADT")), True),
        (Rule(type=("ADT",), sender=("GAM|*",)), True),
        (Rule(type=("ADT",), sender=("LAB|*",)), False),
        (Rule(establishment=("CHU",)), True),
        (Rule(document=("34794-8",)), False),
    ],
)
def test_routes(bench: Bench, rule: Rule, fits: bool) -> None:
    """Every field given must match one of its patterns."""
    result = run(bench.spec("adt", bench.to(when=rule)), body())
    assert fits == bool(result.destinations)


def test_the_envelope_at_hand_is_used(bench: Bench) -> None:
    """What the answer needed is not parsed again, but for lineage it is."""
    spec = bench.spec()
    envelope = admit(spec, body()).envelope
    envelope.parsed = ("ADT^A01", "C1", "P1", "parsed before")
    assert run(spec, body(), envelope).source == envelope.parsed
    assert run(spec, body(), envelope, origins=True).source == ("ADT^A01", "C1", "P1", "text")
    unmapped = run(bench.spec(map=()), body(), origins=True)
    assert unmapped.source == ("ADT^A01", "C1", "P1", "text")


class _ForeignError(Exception):
    """An exception of some library, whose text quotes the message."""


@pytest.mark.parametrize(
    ("raised", "kind", "what"),
    [
        (MappingError("no identifier", where="PID-3", code="101"), MappingError, "no identifier"),
        (KeyError("MARTIN"), MappingError, "the mapping failed (KeyError at test_pipeline.py:"),
        (_ForeignError("MARTIN"), MappingError, "the mapping failed (_ForeignError at test_pipeline.py:"),
        (SystemExit("MARTIN"), MappingError, "the mapping failed (SystemExit at test_pipeline.py:"),
        (MemoryError("MARTIN"), MappingError, "the mapping failed (MemoryError at test_pipeline.py:"),
        (RecursionError("MARTIN"), ParseError, "nested too deeply"),
    ],
)
def test_a_mapping_that_raises_anything_holds_the_message(
    bench: Bench, raised: BaseException, kind: type[HubError], what: str
) -> None:
    """Never an exception, never a text of the message: its type and its place in the code are enough."""

    def fails(source: Any, draft: Draft, site: Site) -> None:
        raise raised

    bench.mappings["patient"] = fails
    result = run(bench.spec(), body())
    assert (State.HELD, kind) == (result.state, type(result.error))
    assert result.error is not None
    assert result.error.what.startswith(what)
    assert "MARTIN" not in str(result.error)
    assert result.stages[-1][::2] == ("map", "held")


def test_an_interrupt_is_not_swallowed(bench: Bench) -> None:
    """Ctrl-C during ``hub try`` ends it."""

    def interrupted(source: Any, draft: Draft, site: Site) -> None:
        raise KeyboardInterrupt

    bench.mappings["patient"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        run(bench.spec(), body())


def test_an_error_that_a_mapping_noted_holds_the_message(bench: Bench) -> None:
    """The first one is the reason, with how many there are; warnings hold nothing."""

    def noting(source: Any, draft: Draft, site: Site) -> None:
        draft.warn("PID-5", "no given name")
        if source[3] == "bad":
            draft.error("PID-3", "no identifier", "101")
            draft.error("PID-7", "no date")

    bench.mappings["patient"] = noting
    assert run(bench.spec(), body()).error is None
    error = run(bench.spec(), body(text="bad")).error
    assert error is not None
    assert (error.what, error.where, error.code) == ("no identifier (and 1 more)", "PID-3", "101")


def test_a_body_that_is_none_is_held(bench: Bench) -> None:
    """Replay of a body that an older reader took: the reason is the reader's."""
    result = run(bench.spec(), b"nothing")
    assert (result.state, result.stages[-1][0]) == (State.HELD, "read")
    assert isinstance(result.error, ParseError)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the checks, which stand in for the real ones, were asked about."""
    asked: list[Any] = []

    def of_body(octets: bytes) -> list[Issue]:
        asked.append(octets)
        return [Issue("warning", "MSH-2", "unusual")]

    def of_resource(resource: dict[str, Any], *profiles: Any) -> list[Issue]:
        asked.append((resource["id"], *profiles))
        return [Issue("error", "Patient.name", "missing", "required")] if resource["name"][0]["family"] == "bad" else []

    monkeypatch.setitem(sys.modules, "checks_of_bodies", SimpleNamespace(validate=of_body))  # type: ignore[arg-type] # stands in
    monkeypatch.setitem(sys.modules, "checks_of_resources", SimpleNamespace(validate=of_resource))  # type: ignore[arg-type] # stands in
    monkeypatch.setitem(checks.BODY_CHECKS, "hl7v2", "checks_of_bodies")
    monkeypatch.setattr(checks, "RESOURCE_CHECK", "checks_of_resources")
    monkeypatch.setattr(checks, "PROFILE_CHECK", "checks_of_resources")
    return asked


def test_validation_holds(bench: Bench, seen: list[Any]) -> None:
    """Checks of the body and of each resource; the first error is the reason."""
    both = (CheckRule("hl7v2"), CheckRule("fhir", {"*": "base"}))
    good = run(bench.spec(validate=both), body())
    assert (good.state, [s[0] for s in good.stages]) == (State.DONE, ["read", "map", "validate", "route"])
    assert good.draft is not None
    assert [body(), (next(iter(good.draft.entries.values())).id,)] == seen
    bad = run(bench.spec(validate=both), body(text="bad"))
    assert (State.HELD, InvalidError, "validate") == (bad.state, type(bad.error), bad.stages[-1][0])
    unmapped = run(bench.spec(validate=both, map=()), body(text="bad"))
    assert unmapped.state is State.DONE


@pytest.fixture(autouse=True)
def _nothing_is_known_to_be_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_sound", {})


@pytest.mark.parametrize(
    ("levels", "asked"),
    [
        ({}, [()]),
        ({"*": "off"}, []),
        ({"Patient": "off"}, []),
        ({"*": "off", "Patient": "base"}, [()]),
        ({"*": "profile"}, [((), "")]),
        ({"Patient": "https://x.example/p"}, [(("https://x.example/p",), "")]),
    ],
)
def test_each_type_of_resource_is_checked_as_asked(
    bench: Bench, seen: list[Any], levels: dict[str, str], asked: list[Any]
) -> None:
    """off, base, profile (those named or the hub's own) or one profile; base when nothing is said of a type."""
    run(bench.spec(validate=(CheckRule("fhir", levels),)), body())
    assert asked == [one[1:] for one in seen]


@pytest.mark.usefixtures("seen")
def test_unfit_messages_are_refused_or_marked(bench: Bench) -> None:
    """reject: cancelled, with the reason; tag: they go on, and meta.tag of what is unfit says so."""
    refused = run(bench.spec(validate=(CheckRule("fhir", {}, "reject"),)), body(text="bad"))
    assert (
        refused.state,
        (refused.stages[-1][0], refused.stages[-1][2]),
    ) == (State.CANCELLED, ("validate", "rejected"))
    assert refused.error is not None
    assert (refused.error.where, refused.error.what) == ("Patient.name", "missing")
    marked = run(bench.spec(validate=(CheckRule("fhir", {}, "tag"),)), body(text="bad"))
    assert marked.draft is not None
    assert (marked.state, marked.stages[2][2]) == (State.DONE, "1 tagged")
    assert next(iter(marked.draft.entries.values())).resource["meta"]["tag"] == [checks.TAG]
    good = run(bench.spec(validate=(CheckRule("fhir", {}, "tag"),)), body())
    assert good.draft is not None
    assert "tag" not in next(iter(good.draft.entries.values())).resource.get("meta", {})


def test_the_shipped_checks_exist() -> None:
    """``validate:`` names functions of the rooms; they are there."""
    from importlib import import_module

    for place in (*checks.BODY_CHECKS.values(), checks.RESOURCE_CHECK, checks.PROFILE_CHECK):
        assert callable(import_module(place).validate)


def test_a_channel_without_reader_holds(bench: Bench) -> None:
    """Part of a spec that only the lint would have refused."""
    spec = bench.spec(source=Part("fake", {}))
    assert run(spec, body(), Envelope()).state is State.DONE
