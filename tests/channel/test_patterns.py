"""Patterns of message types are compared without a message at hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.channel.patterns import covers, overlap
from hub.engine.pipeline import matches

PATTERNS = st.text(alphabet="AB^*", min_size=1, max_size=5)
VALUES = st.text(alphabet="AB^", min_size=1, max_size=5)


@settings(max_examples=150)
@given(PATTERNS, PATTERNS, VALUES)
def test_what_fits_both_patterns_shows_that_they_overlap(one: str, other: str, value: str) -> None:
    """The pipeline decides: lint may never call unreachable what would be sent."""
    if matches(one, value) and matches(other, value):
        assert overlap([one], [other])


@settings(max_examples=150)
@given(PATTERNS, PATTERNS, VALUES)
def test_a_pattern_that_covers_another_fits_whatever_that_fits(one: str, other: str, value: str) -> None:
    """Otherwise a mapping would be called unused that is used."""
    if covers(one, other) and matches(other, value):
        assert matches(one, value)


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (["ADT^A01"], ["ADT^A0*"], True),
        (["ADT"], ["ADT^A01"], True),
        (["ORU^*"], ["ADT^A01", "MDM^T02"], False),
        (["A*1"], ["*B"], False),
        ([], ["ADT"], True),
        (["ADT^A0*"], ["ADT^*1"], True),
    ],
)
def test_lists_of_patterns_overlap_when_a_value_fits_both(one: list[str], other: list[str], meet: bool) -> None:
    """`when.type` against `accept`."""
    assert meet is overlap(one, other)


@pytest.mark.parametrize(
    ("earlier", "later", "covered"),
    [
        ("*", "ADT", True),
        ("ADT", "ADT^A01", True),
        ("ADT^*", "ADT^A0*", True),
        ("ADT^A01", "ADT", False),
        ("A*", "*", False),
    ],
)
def test_a_wider_pattern_covers_a_narrower_one(earlier: str, later: str, covered: bool) -> None:
    """Of map rules the first that fits is used."""
    assert covered is covers(earlier, later)


def test_patterns_of_other_wildcards_are_not_compared() -> None:
    """`?` and `[...]` work in the pipeline (fnmatch); lint says nothing wrong of them."""
    assert overlap(["ADT^A[01]1"], ["ADT^A11"])
    assert not covers("ADT^A?1", "ADT^A11")
    assert covers("ADT^A?1", "ADT^A?1")
