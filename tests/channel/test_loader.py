"""YAML is read so that codes stay text and every error has its place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hub.channel.loader import MAX_BYTES, MAX_NODES, expanded, parse, variables
from hub.errors import ConfigError
from hub.settings import Settings


def _codes(text: str | bytes) -> list[str]:
    document = parse(text if isinstance(text, bytes) else text.encode())
    return [f"{f.line}:{f.column} {f.code}" for f in document.findings]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("010000024", "010000024"),
        ("01000", "01000"),
        ("2A004", "2A004"),
        ("NO", "NO"),
        ("off", "off"),
        ("yes", "yes"),
        ("True", "True"),
        ("22:22", "22:22"),
        ("2026-11-20", "2026-11-20"),
        ("199027510000137", "199027510000137"),
        ("1234567890", "1234567890"),
        ("0x1F", "0x1F"),
        ("1e3", "1e3"),
        (".5", ".5"),
        ("1_000", "1_000"),
        ("+33", "+33"),
        ("1.2.250.1.71", "1.2.250.1.71"),
        ("8302-2", "8302-2"),
        (".inf", ".inf"),
        ("'12'", "12"),
        ('"true"', "true"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("123456789", 123456789),
        ("2.5", 2.5),
        ("-0.25", -0.25),
    ],
)
def test_a_plain_scalar_is_text_unless_it_can_be_nothing_else(written: str, read: Any) -> None:
    """FINESS numbers, post codes and country codes survive (YAML 1.2 §10.2, narrowed)."""
    value = parse(f"x: {written}\n".encode()).value["x"]
    assert read == value
    assert type(read) is type(value)


@hypothesis_settings(max_examples=60)
@given(st.from_regex(r"[0-9]{2,20}", fullmatch=True))
def test_a_code_of_digits_is_never_changed(digits: str) -> None:
    """Whatever becomes of the type, the digits written are the digits read."""
    assert digits == str(parse(f"x: {digits}\n".encode()).value["x"])


@hypothesis_settings(max_examples=120)
@given(st.binary(max_size=80) | st.text(alphabet="a:- \n[]{}&*!'\"#,|>%@`?\t", max_size=80).map(str.encode))
def test_no_octets_make_the_loader_fail(data: bytes) -> None:
    """Any file gives a value or findings with a place, never an exception."""
    document = parse(data)
    assert all(f.line >= 1 and f.column >= 1 for f in document.findings)


def test_a_key_that_stands_twice_is_refused_at_its_second_place() -> None:
    """YAML 1.2 §3.2.1.1: keys are unique; other readers keep the last one silently."""
    document = parse(b"source:\n  port: 1\n  port: 2\nsource: 3\n")
    assert [f"{f.line}:{f.column} {f.code}" for f in document.findings] == ["3:3 Y002", "4:1 Y002"]
    assert document.value == {"source": {"port": 1}}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x: !!python/object/apply:os.system [id]\n", "1:4 Y004"),
        ("x: !!str 12\n", "1:4 Y004"),
        ("a: &a {b: 1}\nc:\n  <<: *a\n", "3:3 Y004"),
        ("a: 1\n---\nb: 2\n", "2:1 Y004"),
        ("? [a, b]\n: 1\n", "1:3 Y004"),
        ("a: &a [*a]\n", "1:8 Y004"),
        ("a: *nobody\n", "1:4 Y004"),
        ("a: 1\n\tb: 2\n", "2:1 Y001"),
        ("a: [1, 2\nb: 3\n", "2:2 Y001"),
        ("a: 1\n b: 2\n", "2:3 Y001"),
        ("", "1:1 C102"),
        ("# nothing\n", "2:1 C102"),
    ],
)
def test_yaml_that_a_channel_does_not_need_is_refused_with_its_place(text: str, code: str) -> None:
    """Tags, merge keys, several documents and broken syntax."""
    assert [code] == _codes(text)


def test_a_tab_in_the_indentation_is_called_by_its_name() -> None:
    """libyaml speaks of tokens; whoever wrote the file looks for a tab (YAML 1.2 §6.1)."""
    assert "tab" in parse(b"a:\n\tb: 1\n").findings[0].what


def test_what_is_not_utf_8_is_refused_at_the_octet() -> None:
    """RFC 3629."""
    assert _codes(b"a: 1\nb: \xe9t\xe9\n") == ["2:4 Y001"]
    assert parse("﻿a: été\n".encode()).value == {"a": "été"}
    assert _codes(b"a: b\x07\n") == ["1:5 Y001"]


def test_aliases_are_followed_and_bounded() -> None:
    """The billion laughs: nine levels of nine aliases would be 387 million values."""
    assert parse(b"a: &x [1, 2]\nb: *x\n").value == {"a": [1, 2], "b": [1, 2]}
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert [c.split()[1] for c in _codes("\n".join(lines))] == ["Y003"]


@pytest.mark.parametrize(
    "data",
    [
        b"a: " + b"x" * MAX_BYTES,
        b"a: [" + b"1," * (MAX_NODES + 1) + b"1]",
        b"a: " + b"[" * 40 + b"]" * 40,
        b"[" * 50_000,
    ],
)
def test_size_depth_and_number_of_values_are_bounded(data: bytes) -> None:
    """A file that unfolds without end never gets far."""
    assert {"Y003"} == {c.split()[1] for c in _codes(data)}


def test_every_value_knows_its_place() -> None:
    """Line and column of the value, of its key, and of the nearest parent of what is not there."""
    document = parse(b"source:\n  mllp:\n    port: 99999\naccept:\n  - ADT\n  - ORU\n")
    assert document.at(("source", "mllp", "port")) == (3, 11)
    assert document.at(("source", "mllp", "port"), key=True) == (3, 5)
    assert document.at(("accept", 1)) == (6, 5)
    assert document.at(("source", "mllp", "bind")) == (2, 3)
    assert document.raw(("source", "mllp", "port")) == 99999
    assert document.raw(("source", "nothing", 3)) is None


def test_variables_are_replaced_after_reading_and_never_change_the_structure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that looks like YAML stays the text it is."""
    monkeypatch.setenv("SITE", "x\nevil: [1, 2]")
    document = parse(b'a: "${SITE}"\nb: ["p ${NOBODY:-q} r", 3]\n')
    assert expanded(document, settings) == {"a": "x\nevil: [1, 2]", "b": ["p q r", 3]}
    assert document.findings == []


def test_the_settings_of_the_hub_are_variables(settings: Settings) -> None:
    """`${HUB_MLLP_PORT}` is there even when the environment lacks it; a default stands in for what is unset."""
    assert variables("${HUB_MLLP_PORT}", settings) == "2575"
    assert f"{settings.home}/in" == variables("${HUB_HOME}/in", settings)
    assert variables("${HUB_MLLP_PORT:-99}", settings) == "2575"
    assert variables("${HUB_TLS_KEY:-none}", settings) == "none"


def test_the_secret_of_the_hub_is_no_variable(tmp_path: Any) -> None:
    """The key that signs must not leak into what a channel sends."""
    with pytest.raises(ConfigError, match="HUB_SECRET is not set"):
        variables("${HUB_SECRET}", Settings(home=tmp_path, secret="0123456789"))


def test_a_variable_that_is_not_there_is_found_at_its_place(settings: Settings) -> None:
    """Each with its line, the name and the cure; and no second error about the value."""
    document = parse(b'a: 1\nb: ["${NOBODY}", "${file:/nowhere/x}"]\n')
    expanded(document, settings)
    assert [f"{f.line}:{f.column} {f.code}" for f in document.findings] == ["2:5 Y005", "2:18 Y005"]
    document.find("C103", ("b", 0), "is no number")
    assert len(document.findings) == 2


def test_a_secret_comes_from_a_file(settings: Settings, tmp_path: Any) -> None:
    """`${file:/run/secrets/x}`: the content without its line end."""
    (tmp_path / "x").write_text("s3cret\n")
    assert variables(f"Bearer ${{file:{tmp_path / 'x'}}}", settings) == "Bearer s3cret"


def test_a_comment_allows_a_rule_on_its_line_only_with_a_reason() -> None:
    """`# lint: allow CODE why`; YAML errors cannot be allowed."""
    document = parse(
        b"a: 1  # lint: allow S302, C203 the VPN ends here\nb: 2  # lint: allow S302\nc: 3 # lint: allow Y001 x\n"
    )
    assert {"S302", "C203"} == document.allowed(1)
    assert frozenset() == document.allowed(2) | document.allowed(3) | document.allowed(99)
