"""Parameters of a search become a query, or a refusal that names the parameter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub import clock
from hub.errors import InvalidError
from hub.facade.query import Within, read, split, unescape
from hub.fhir.search import interval, params, types
from hub.fhir.search.table import pair_id
from hub.store.includes import Include
from hub.store.query import (
    Amount,
    Both,
    Chain,
    Criterion,
    Has,
    Ids,
    Listed,
    Look,
    Present,
    Query,
    Ref,
    Sort,
    Test,
    Text,
    Token,
    When,
)

BASE = "https://hub.example/fhir"
P, D = params("Patient"), params("DocumentReference")
OBS, L = params("Observation"), params("Location")
NOW = clock.from_iso("2026-11-20T12:00:00Z")


def one(kind: str, name: str, value: str) -> Criterion:
    (criterion,) = read(kind, [(name, value)], base=BASE, now=NOW).query.criteria
    return criterion


def day(text: str) -> tuple[int, int]:
    return interval(text)


def token(param: str, code: str | None, system: str | None = None, *, rare: bool = False) -> Token:
    return Token(P[param].ids, () if code is None else (code,), system, rare=rare)


def amount(name: str, value: str) -> Amount:
    (test,) = one("Observation", name, value).tests
    assert isinstance(test, Amount)
    return test


@pytest.mark.parametrize(
    ("kind", "name", "value", "expected"),
    [
        ("Patient", "identifier", "a", token("identifier", "a", rare=True)),
        ("Patient", "identifier", "s|a", token("identifier", "a", "s", rare=True)),
        ("Patient", "identifier", "|a", token("identifier", "a", "", rare=True)),
        ("Patient", "identifier", "s|", token("identifier", None, "s")),
        ("Patient", "identifier", r"s|a\|b\,c\$d\\e", token("identifier", r"a|b,c$d\e", "s", rare=True)),
        ("Patient", "identifier:of-type", "s|PI|7", Token(P["identifier"].typed, ("PI|7",), "s", rare=True)),
        ("Patient", "gender", "http://hl7.org/fhir/administrative-gender|male", token("gender", "male", "")),
        ("Patient", "phone", "|0612", token("phone", "0612", "")),
        ("Patient", "language:text", "Français ", Text(P["language"].texts, "francais")),
        ("Patient", "_profile", "http://p", Token(P["_profile"].ids, ("http://p",), "", rare=True)),
        ("Patient", "_profile:below", "http://p", Token(P["_profile"].ids, ("http://p",), begins=True)),
        ("Patient", "family", " Éric ", Text(P["family"].ids, "eric")),
        ("Patient", "family:exact", "Éric", Text(P["family"].ids, "Éric", "exact")),
        ("Patient", "family:contains", "RI", Text(P["family"].ids, "ri", "contains")),
        ("Patient", "birthdate", "1990", When(P["birthdate"].ids, "eq", *day("1990"))),
        ("Patient", "birthdate", "ge1990-01", When(P["birthdate"].ids, "ge", *day("1990-01"))),
        ("Patient", "_lastUpdated", "gt2020-01-01T00:00:00 01:00", When((), "gt", *day("2020-01-01T00:00:00+01:00"))),
        ("Patient", "_id", "1,2", Ids(("Patient/1", "Patient/2"))),
        ("Patient", "_list", "7", Listed(params("List")["item"].ids, "List/7")),
        ("DocumentReference", "patient", "1", Ref(D["patient"].ids, ("Patient/1",))),
        ("DocumentReference", "patient", "Patient/1/_history/2", Ref(D["patient"].ids, ("Patient/1",))),
        ("DocumentReference", "patient", f"{BASE}/Patient/1", Ref(D["patient"].ids, ("Patient/1",))),
        ("DocumentReference", "patient", "https://x/Patient/1", Ref(D["patient"].ids, ("https://x/Patient/1",))),
        ("DocumentReference", "subject:Patient", "1", Ref(D["subject"].ids, ("Patient/1",))),
        ("DocumentReference", "subject:Patient", "Patient/1", Ref(D["subject"].ids, ("Patient/1",))),
        ("DocumentReference", "custodian", "urn:uuid:1", Ref(D["custodian"].ids, ("urn:uuid:1",))),
        ("DocumentReference", "related", "1", Ref(D["related"].ids, tuple(f"{t}/1" for t in types()))),
        ("DocumentReference", "subject:identifier", "s|a", Token(D["subject"].logical, ("a",), "s", rare=True)),
        ("Location", "partof:below", "l1", Ref(L["partof"].ids, ("Location/l1",), (L["partof"].ids, "below"))),
    ],
)  # fmt: skip
def test_a_value_is_read_as_its_kind_says(kind: str, name: str, value: str, expected: Test) -> None:
    """R4 §3.1.1.4: token, string, date, reference, uri; escapes; modifiers; prefixes."""
    assert one(kind, name, value) == Criterion((expected,))


@pytest.mark.parametrize(
    ("value", "prefix", "low", "high"),
    [
        ("100", "eq", 99.5, 100.5),
        ("100.00", "eq", 99.995, 100.005),
        ("1e2", "eq", 50, 150),
        ("5.40e-3", "eq", 0.005395, 0.005405),
        ("ne5", "ne", 4.5, 5.5),
        ("gt100", "gt", 100, 100),
        ("le-0.5", "le", -0.5, -0.5),
        ("ap50", "ap", 45, 55),
    ],
)
def test_a_number_has_the_precision_it_is_written_with(value: str, prefix: str, low: float, high: float) -> None:
    """R4 §3.1.1.4.6: implicit precision for eq and ne, none for the prefixes that compare, a tenth for ap."""
    assert amount("value-quantity", value) == Amount(OBS["value-quantity"].ids, prefix, low, high)


@pytest.mark.parametrize(
    ("value", "code", "system"),
    [("5.4|http://u|mg", "mg", "http://u"), ("5.4||mg", "mg", None), ("5.4|http://u|", None, "http://u")],
)
def test_a_quantity_may_say_its_unit(value: str, code: str | None, system: str | None) -> None:
    """R4 §3.1.1.4.14: number|system|code."""
    found = amount("value-quantity", value)
    assert (found.code, found.system) == (code, system)


def test_a_composite_asks_both_of_one_element() -> None:
    """R4 §3.1.1.4.13: of the resource itself two tests; of a component one, under a number of its code."""
    (plain,) = one("Observation", "code-value-quantity", "s|c$gt5").tests
    assert plain == Both(Token(OBS["code"].ids, ("c",), "s"), Amount(OBS["value-quantity"].ids, "gt", 5, 5))
    first, second = one("Observation", "combo-code-value-quantity", "c$5").tests
    assert isinstance(first, Both)
    assert isinstance(second, Amount)
    assert second.params == (pair_id("Observation", "combo-code-value-quantity", "c", None),)


def test_a_resource_may_be_asked_for_by_what_points_to_it() -> None:
    """R4 §3.1.1.4.18, _has, and one inside another."""
    (test,) = one("Patient", "_has:Observation:patient:code", "c").tests
    inner = Query(("Observation",), (Criterion((Token(OBS["code"].ids, ("c",)),)),))
    assert test == Has(OBS["patient"].ids, inner)
    (outer,) = one("Patient", "_has:Observation:patient:_has:AuditEvent:entity:agent.identifier", "u").tests
    assert isinstance(outer, Has)
    assert isinstance(outer.query.criteria[0].tests[0], Has)


def test_texts_are_looked_for_as_words() -> None:
    """R4 §3.1.1.4.15, _text and _content; _source goes the same way."""
    asked = read("Patient", [("_text", "Néo plasie"), ("_source", "urn:x")], base=BASE)
    assert asked.query.looks == (Look("text", ("neo", "plasie")), Look("source", ("urn:x",)))


def test_a_value_set_stands_for_its_codes() -> None:
    """R4 §3.1.1.4.3, :in and :not-in, with the value sets that the hub knows."""
    found = one("Patient", "gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender")
    (named, plain) = found.tests
    assert isinstance(plain, Token)
    assert (set(plain.codes), plain.system) == ({"male", "female", "other", "unknown"}, "")
    assert isinstance(named, Token)
    assert named.system == "http://hl7.org/fhir/administrative-gender"
    assert one("Patient", "gender:not-in", "http://hl7.org/fhir/ValueSet/administrative-gender").negated


def test_a_system_wide_search_asks_of_every_type() -> None:
    """R4 §3.1.0.11: only what all the types have; _type narrows them."""
    asked = read("", [("_type", "Patient,Observation"), ("identifier", "a")], base=BASE)
    assert asked.query.types == ("Patient", "Observation")
    assert asked.query.criteria == (
        Criterion((Token((*P["identifier"].ids, *OBS["identifier"].ids), ("a",), rare=True),)),
    )
    with pytest.raises(InvalidError):
        read("", [("identifier", "a")], base=BASE)
    (tag,) = read("", [("_tag", "a")], base=BASE).query.criteria[0].tests
    assert isinstance(tag, Token)
    assert len(tag.params) == len(types())


def test_a_compartment_is_a_criterion() -> None:
    """R4 §3.1.0.11.1 and the CompartmentDefinition of Patient."""
    asked = read("DocumentReference", [], base=BASE, within=Within("Patient", "1"))
    (criterion,) = asked.query.criteria
    (ref,) = criterion.tests
    assert isinstance(ref, Ref)
    assert (set(ref.params), ref.targets) == ({*D["subject"].ids, *D["author"].ids}, ("Patient/1",))
    both = read("Patient", [], base=BASE, within=Within("Patient", "1")).query.criteria[0].tests
    assert both == (Ref(P["link"].ids, ("Patient/1",)), Ids(("Patient/1",)))
    with pytest.raises(InvalidError):
        read("Location", [], base=BASE, within=Within("Patient", "1"))


def test_includes_name_a_type_and_a_parameter() -> None:
    """R4 §3.1.1.5.6: Type:param[:Target], the wildcard, :iterate."""
    asked = read(
        "DocumentReference",
        [
            ("_include", "DocumentReference:subject:Patient"),
            ("_revinclude:iterate", "Provenance:target"),
            ("_include", "*"),
        ],
        base=BASE,
    )
    first, second, wild = asked.includes
    assert first == Include("DocumentReference", D["subject"].ids, "Patient")
    assert second == Include("Provenance", params("Provenance")["target"].ids, "", iterate=True, reverse=True)
    assert set(D["author"].ids) < set(wild.params)


def test_commas_are_or_and_repetition_is_and() -> None:
    """R4 §3.1.1.3: `a,b` either; two parameters both."""
    asked = read("Patient", [("gender", "male,female"), ("gender", "other")], base=BASE)
    assert asked.query.criteria == (
        Criterion((Token(P["gender"].ids, ("male", "female"), ""),)),
        Criterion((Token(P["gender"].ids, ("other",), ""),)),
    )


def test_not_holds_for_none_of_the_values() -> None:
    """R4 §3.1.1.4.3, :not."""
    assert one("Patient", "gender:not", "male,female") == Criterion(
        (Token(P["gender"].ids, ("male", "female"), ""),), negated=True
    )


@pytest.mark.parametrize(("value", "negated"), [("true", True), ("false", False)])
def test_missing_asks_whether_there_is_a_value(value: str, negated: bool) -> None:
    """R4 §3.1.1.4.3, :missing; a uri lies in the index of tokens."""
    assert one("Patient", "birthdate:missing", value) == Criterion((Present((("date", P["birthdate"].ids),)),), negated)
    assert one("Patient", "_profile:missing", value) == Criterion((Present((("token", P["_profile"].ids),)),), negated)


def test_about_a_date_is_a_tenth_of_the_way_to_now() -> None:
    """R4 §3.1.1.4.5, ap."""
    low, high = interval("2026-11-10")
    gap = (NOW - (low + high) // 2) // 10
    assert one("Patient", "birthdate", "ap2026-11-10") == Criterion(
        (When(P["birthdate"].ids, "ap", low - gap, high + gap),)
    )


def test_a_chain_asks_of_what_is_pointed_to() -> None:
    """R4 §3.1.1.4.17; patient.identifier is the query PDSm makes mandatory (ITI-67)."""
    inner = Query(("Patient",), (Criterion((token("identifier", "1", "s", rare=True),)),))
    assert one("DocumentReference", "patient.identifier", "s|1") == Criterion((Chain(D["patient"].ids, (inner,)),))
    assert one("DocumentReference", "subject:Patient.identifier", "s|1") == Criterion(
        (Chain(D["subject"].ids, (inner,)),)
    )
    by_id = Query(("Patient",), (Criterion((Ids(("Patient/7",)),)),))
    assert one("DocumentReference", "patient._id", "7") == Criterion((Chain(D["patient"].ids, (by_id,)),))


def test_a_chain_asks_every_type_that_may_be_meant() -> None:
    """An author may be a person, a role, an organisation: those that have the parameter are asked, and what is
    contained (IHE MHD 4.2.3 §3.67.4.1.2.1)."""
    chain, contained = one("DocumentReference", "author.family", "x").tests
    assert isinstance(chain, Chain)
    assert contained == Text(D["author.family"].ids, "x", "starts")
    assert [q.types for q in chain.queries] == [("Practitioner",), ("Patient",)]


@pytest.mark.parametrize(
    ("pairs", "count", "total", "only_total", "sort"),
    [
        ([], 20, "", False, ()),
        ([("_count", "3")], 3, "", False, ()),
        ([("_count", "9999")], 500, "", False, ()),
        ([("_count", "0")], 0, "", True, ()),
        ([("_summary", "count")], 20, "", True, ()),
        ([("_summary", "false"), ("_total", "accurate")], 20, "accurate", False, ()),
        ([("_total", "none")], 20, "none", False, ()),
        ([("_sort", "-_lastUpdated")], 20, "", False, (Sort("_lastUpdated", (), True),)),
        ([("_sort", "birthdate")], 20, "", False, (Sort("date", P["birthdate"].ids),)),
        (
            [("_sort", "family,-birthdate,_id")], 20, "", False,
            (Sort("string", P["family"].ids), Sort("date", P["birthdate"].ids, True), Sort("_id")),
        ),
        ([("_format", "json"), ("_pretty", "true")], 20, "", False, ()),
    ],
)  # fmt: skip
def test_the_form_of_the_answer_can_be_asked_for(
    pairs: list[tuple[str, str]], count: int, total: str, only_total: bool, sort: tuple[Sort, ...]
) -> None:
    """R4 §3.1.1.5: _count, _total, _summary=count, _sort."""
    asked = read("Patient", pairs, base=BASE)
    assert (asked.count, asked.total, asked.only_total, asked.query.sort) == (count, total, only_total, sort)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("nonsense", "1", "not-supported"),
        ("phonetic", "1", "not-supported"),
        ("_has:Observation:code:code", "1", "not-supported"),
        ("_has:Nothing:patient:code", "1", "not-supported"),
        ("_has:Observation", "1", "not-supported"),
        ("_include", "Patient:name", "not-supported"),
        ("_include", "Nothing:name", "value"),
        ("_include:exact", "Patient:organization", "not-supported"),
        ("_filter", "name eq x", "not-supported"),
        ("_query", "x", "not-supported"),
        ("_contained", "true", "not-supported"),
        ("_list", "$current-problems", "not-supported"),
        ("_text:exact", "x", "not-supported"),
        ("_type", "Nothing", "not-supported"),
        ("gender:in", "http://nowhere/vs", "not-supported"),
        ("gender:below", "http://nowhere|x", "not-supported"),
        ("organization:below", "Practitioner/1", "not-supported"),
        ("family:phonetic", "1", "not-supported"),
        ("birthdate:exact", "1990", "not-supported"),
        ("_id:not", "1", "not-supported"),
        ("_lastUpdated:missing", "true", "not-supported"),
        ("_summary", "some", "value"),
        ("_sort", "nonsense", "not-supported"),
        ("_sort", "birthdate,", "not-supported"),
        ("_elements", " ,", "value"),
        ("__explain", "2", "value"),
        ("_text", " ", "value"),
        ("identifier:of-type", "a|b", "value"),
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
    asked = read("Patient", [("nonsense", "1"), ("gender", "male"), ("_sort", "nothing")], base=BASE, lenient=True)
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
