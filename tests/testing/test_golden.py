"""Golden files and their path diff."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.testing.golden import assert_golden, diff


def test_differences_name_their_path() -> None:
    """``a.b[1]: -2 +5``: what was expected, then what came."""
    old = {"a": {"b": [1, 2]}, "gone": "x", "same": None}
    new = {"a": {"b": [1, 5, {"é": 1}]}, "same": None, "more": [True]}
    assert diff(old, new) == ["a.b[1]: -2 +5", 'a.b[2]: +{"é": 1}', 'gone: -"x"', "more: +[true]"]


def test_a_list_that_became_shorter() -> None:
    """What is missing at the end is shown as gone."""
    assert diff([1, 2], [1]) == ["[1]: -2"]


def test_values_of_another_kind_differ() -> None:
    """JSON tells 1 from true and a list from an object."""
    assert (diff(1, True), diff([], {}), diff({"a": 1}, {"a": 1})) == ([".: -1 +true"], [".: -[] +{}"], [])


def test_a_golden_file_is_written_and_compared(tmp_path: Path) -> None:
    """update writes it; afterwards only the same value passes."""
    file = tmp_path / "below" / "x.json"
    with pytest.raises(AssertionError, match="no golden file"):
        assert_golden({"é": 1}, file)
    assert_golden({"é": 1}, file, update=True)
    assert file.read_text(encoding="utf-8") == '{\n  "é": 1\n}\n'
    assert_golden({"é": 1}, file)
    with pytest.raises(AssertionError, match="é: -1 \\+2"):
        assert_golden({"é": 2}, file)
