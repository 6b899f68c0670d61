"""Parameters of a search become a query, or a refusal that names the parameter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import clock
from hub.errors import InvalidError
from hub.facade.query import read, split, unescape
from hub.fhir.search import interval, params, types
from hub.store.query import Chain, Criterion, Ids, Present, Query, Ref, Sort, Test, Text, Token, When

BASE = "https://hub.example/fhir"
P, D = params("Patient"), params("DocumentReference")
NOW = clock.from_iso("2026-11-20T12:00:00Z")


def one(kind: str, name: str, value: str) -> Criterion:
    (criterion,) = read(kind, [(name, value)], base=BASE, now=NOW).query.criteria
    return criterion


def day(text: str) -> tuple[int, int]:
    return interval(text)


@pytest.mark.parametrize(
    ("kind", "name", "value", "expected"),
    [
        ("Patient", "identifier", "a", Token(P["identifier"].id, "a")),
        ("Patient", "identifier", "s|a", Token(P["identifier"].id, "a", "s")),
        ("Patient", "identifier", "|a", Token(P["identifier"].id, "a", "")),
        ("Patient", "identifier", "s|", Token(P["identifier"].id, None, "s")),
        ("Patient", "identifier", r"s|a\|b\,c\$d\\e", Token(P["identifier"].id, r"a|b,c$d\e", "s")),
        ("Patient", "gender", "http://hl7.org/fhir/administrative-gender|male", Token(P["gender"].id, "male")),
        ("Patient", "phone", "|0612", Token(P["phone"].id, "0612")),
        ("Patient", "_profile", "http://p", Token(P["_profile"].id, "http://p", "")),
        ("Patient", "family", " Éric ", Text(P["family"].id, "eric")),
        ("Patient", "family:exact", "Éric", Text(P["family"].id, "Éric", "exact")),
        ("Patient", "family:contains", "RI", Text(P["family"].id, "ri", "contains")),
        ("Patient", "birthdate", "1990", When(P["birthdate"].id, "eq", *day("1990"))),
        ("Patient", "birthdate", "ge1990-01", When(P["birthdate"].id, "ge", *day("1990-01"))),
        ("Patient", "_lastUpdated", "gt2020-01-01T00:00:00 01:00", When(None, "gt", *day("2020-01-01T00:00:00+01:00"))),
        ("Patient", "_id", "1,2", Ids(("Patient/1", "Patient/2"))),
        ("DocumentReference", "patient", "1", Ref(D["patient"].id, ("Patient/1",))),
        ("DocumentReference", "patient", "Patient/1/_history/2", Ref(D["patient"].id, ("Patient/1",))),
        ("DocumentReference", "patient", f"{BASE}/Patient/1", Ref(D["patient"].id, ("Patient/1",))),
        ("DocumentReference", "patient", "https://x/Patient/1", Ref(D["patient"].id, ("https://x/Patient/1",))),
        ("DocumentReference", "subject:Patient", "1", Ref(D["subject"].id, ("Patient/1",))),
        ("DocumentReference", "subject:Patient", "Patient/1", Ref(D["subject"].id, ("Patient/1",))),
        ("DocumentReference", "custodian", "urn:uuid:1", Ref(D["custodian"].id, ("urn:uuid:1",))),
        ("DocumentReference", "related", "1", Ref(D["related"].id, tuple(f"{t}/1" for t in types()))),
        ("DocumentReference", "subject:identifier", "s|a", Token(D["subject"].logical, "a", "s")),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_kind_says(kind: str, name: str, value: str, expected: Test) -> None:
    """R4 §3.1.1.4: token, string, date, reference, uri; escapes; modifiers; prefixes."""
    assert one(kind, name, value) == Criterion((expected,))


def test_commas_are_or_and_repetition_is_and() -> None:
    """R4 §3.1.1.3: `a,b` either; two parameters both."""
    asked = read("Patient", [("gender", "male,female"), ("gender", "other")], base=BASE)
    number = P["gender"].id
    assert asked.query.criteria == (
        Criterion((Token(number, "male"), Token(number, "female"))),
        Criterion((Token(number, "other"),)),
    )


def test_not_holds_for_none_of_the_values() -> None:
    """R4 §3.1.1.4.3, :not."""
    assert one("Patient", "gender:not", "male,female") == Criterion(
        (Token(P["gender"].id, "male"), Token(P["gender"].id, "female")), negated=True
    )


@pytest.mark.parametrize(("value", "negated"), [("true", True), ("false", False)])
def test_missing_asks_whether_there_is_a_value(value: str, negated: bool) -> None:
    """R4 §3.1.1.4.3, :missing; a uri lies in the index of tokens."""
    assert one("Patient", "birthdate:missing", value) == Criterion((Present(P["birthdate"].id, "date"),), negated)
    assert one("Patient", "_profile:missing", value) == Criterion((Present(P["_profile"].id, "token"),), negated)


def test_about_a_date_is_a_tenth_of_the_way_to_now() -> None:
    """R4 §3.1.1.4.5, ap."""
    low, high = interval("2026-11-10")
    gap = (NOW - (low + high) // 2) // 10
    assert one("Patient", "birthdate", "ap2026-11-10") == Criterion(
        (When(P["birthdate"].id, "ap", low - gap, high + gap),)
    )


def test_a_chain_asks_of_what_is_pointed_to() -> None:
    """R4 §3.1.1.4.17; patient.identifier is the query PDSm makes mandatory (ITI-67)."""
    inner = Query("Patient", (Criterion((Token(P["identifier"].id, "1", "s"),)),))
    assert one("DocumentReference", "patient.identifier", "s|1") == Criterion((Chain(D["patient"].id, (inner,)),))
    assert one("DocumentReference", "subject:Patient.identifier", "s|1") == Criterion(
        (Chain(D["subject"].id, (inner,)),)
    )
    by_id = Query("Patient", (Criterion((Ids(("Patient/7",)),)),))
    assert one("DocumentReference", "patient._id", "7") == Criterion((Chain(D["patient"].id, (by_id,)),))


def test_a_chain_asks_every_type_that_may_be_meant() -> None:
    """An author may be a person, a role, an organisation: those that have the parameter are asked."""
    (chain,) = one("DocumentReference", "author.family", "x").tests
    assert isinstance(chain, Chain)
    assert [q.type for q in chain.queries] == ["Practitioner", "Patient"]


@pytest.mark.parametrize(
    ("pairs", "count", "total", "only_total", "sort"),
    [
        ([], 20, True, False, None),
        ([("_count", "3")], 3, True, False, None),
        ([("_count", "9999")], 500, True, False, None),
        ([("_count", "0")], 0, True, True, None),
        ([("_summary", "count")], 20, True, True, None),
        ([("_summary", "false"), ("_total", "accurate")], 20, True, False, None),
        ([("_total", "none")], 20, False, False, None),
        ([("_sort", "-_lastUpdated")], 20, True, False, Sort(None, True)),
        ([("_sort", "birthdate")], 20, True, False, Sort(P["birthdate"].id)),
        ([("_format", "json"), ("_pretty", "true")], 20, True, False, None),
    ],
)
def test_the_form_of_the_answer_can_be_asked_for(
    pairs: list[tuple[str, str]], count: int, total: bool, only_total: bool, sort: Sort | None
) -> None:
    """R4 §3.1.1.5: _count, _total, _summary=count, _sort."""
    asked = read("Patient", pairs, base=BASE)
    assert (asked.count, asked.total, asked.only_total, asked.query.sort) == (count, total, only_total, sort)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("nonsense", "1", "not-supported"),
        ("phonetic", "1", "not-supported"),
        ("_has:Observation:patient:code", "1", "not-supported"),
        ("_include", "Patient:organization", "not-supported"),
        ("family:phonetic", "1", "not-supported"),
        ("birthdate:exact", "1990", "not-supported"),
        ("_id:not", "1", "not-supported"),
        ("_lastUpdated:missing", "true", "not-supported"),
        ("_summary", "text", "not-supported"),
        ("_sort", "family", "not-supported"),
        ("_sort", "birthdate,_id", "not-supported"),
        ("gender.code", "1", "not-supported"),
        ("organization.nothing", "1", "not-supported"),
        ("link.link.link.link.link._id", "1", "not-supported"),
        ("_count", "-1", "value"),
        ("_count", "²", "value"),
        ("_total", "some", "value"),
        ("_id", "a b", "value"),
        ("_id", "", "value"),
        ("family", "", "value"),
        ("family", "a,,b", "value"),
        ("family", "  ", "value"),
        ("identifier", "a|b|c", "value"),
        ("identifier", "|", "value"),
        ("birthdate", "tomorrow", "value"),
        ("birthdate", "ge", "value"),
        ("birthdate", "1990-02-30", "value"),
        ("birthdate:missing", "maybe", "value"),
        ("organization:Organization", "Patient/1", "value"),
        ("family", "a\0b", "value"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(name: str, value: str, code: str) -> None:
    """R4 §3.1.1.7: ignoring a criterion would tell more than was asked for; the value is never repeated."""
    with pytest.raises(InvalidError) as caught:
        read("Patient", [(name, value)], base=BASE)
    assert (caught.value.where, caught.value.code) == (f"http.{name}", code)


def test_a_lenient_client_is_told_what_was_left_out() -> None:
    """R4 §3.1.1.7, Prefer: handling=lenient; a bad value stays an error."""
    asked = read("Patient", [("nonsense", "1"), ("gender", "male"), ("_sort", "family")], base=BASE, lenient=True)
    assert asked.ignored == ("nonsense", "_sort")
    assert asked.used == (("gender", "male"),)
    with pytest.raises(InvalidError):
        read("Patient", [("birthdate", "x")], base=BASE, lenient=True)


@pytest.mark.parametrize("pairs", [[("gender", "male")] * 65, [("gender", ",".join("m" * 1001))]])
def test_a_search_has_a_bound(pairs: list[tuple[str, str]]) -> None:
    """One request must not occupy the server."""
    with pytest.raises(InvalidError) as caught:
        read("Patient", pairs, base=BASE)
    assert caught.value.code == "too-costly"


@given(st.lists(st.text(r"ab,|$\é", min_size=1), min_size=1, max_size=5))
def test_what_was_escaped_comes_back(values: list[str]) -> None:
    r"""R4 §3.1.1.4.4: `\,` `\|` `\$` `\\`."""
    escaped = []
    for value in values:
        text = value
        for mark in "\\,|$":
            text = text.replace(mark, f"\\{mark}")
        escaped.append(text)
    assert values == [unescape(part) for part in split(",".join(escaped), ",")]


@given(
    st.sampled_from(["identifier", "family", "birthdate", "organization", "_id", "_lastUpdated", "link.name"]),
    st.text(),
)
def test_any_value_is_understood_or_refused(name: str, value: str) -> None:
    """Whatever is sent, the answer is a query or an error that names the parameter: never a fault."""
    told = name
    try:
        read("Patient", [(name, value)], base=BASE)
    except InvalidError as e:
        told = e.where.removeprefix("http.")
    assert told == name
