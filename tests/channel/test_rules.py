"""Each rule finds what it is for, at its place, and nothing in a sound channel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hub.channel.lint import explain, lint
from hub.channel.rules import _add, known
from hub.errors import NotFoundError
from hub.settings import Settings

from .conftest import Write

Codes = Callable[[], list[str]]
HEAD = "channel: c\nsource: {mllp: {port: 2600}}\naccept: [ADT^A01]\n"


def test_a_sound_channel_has_no_findings(write: Write, codes: Codes) -> None:
    """No rule may cry wolf."""
    write("adt")
    assert codes() == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("channel: other\nsource: {mllp: {}}\naccept: A\ndeliver: [{http: {url: 'https://a.example'}}]\n", "1:10 C202"),
        ("channel: c\nsource: {mllp: {}}\ndeliver: [{http: {url: 'https://p.example'}}]\n", "1:1 C203"),
        (HEAD + "deliver:\n  - http: {url: 'https://a.example'}\n  - http: {url: 'https://b.example'}\n", "6:5 C204"),
        (HEAD, "1:1 C205"),
        (HEAD + "deliver: [{fhir: {to: store}}]\n", "4:1 C206"),
        (HEAD + "deliver:\n  - http: {url: 'https://a.example'}\n    send: document\n", "5:5 C206"),
        (HEAD + "format: cda\nsteps: [{map: hl7v2.messages.adt}]\ndeliver: [{fhir: {to: store}}]\n", "5:1 C207"),
        (HEAD + "deliver:\n  - http: {url: 'https://a.example'}\n    when: {type: [ORU, MDM^T02]}\n", "6:18 C301"),
        (
            HEAD + "steps:\n  - map:\n      ADT: hl7v2.messages.adt\n      ADT^A01: hl7v2.messages.adt\n"
            "deliver: [{fhir: {to: store}}]\n",
            "7:7 C302",
        ),
        (
            HEAD
            + "steps:\n  - map: {ORU: hl7v2.messages.adt, ADT: hl7v2.messages.adt}\ndeliver: [{fhir: {to: store}}]\n",
            "5:11 C302",
        ),
        (
            "channel: c\nsource: {mllp: {}}\naccept: [ADT^A01, ORU^R01]\nsteps: [{map: {ADT: hl7v2.messages.adt}}]\n"
            "deliver: [{fhir: {to: store}}]\n",
            "3:19 C303",
        ),
        (HEAD + "deliver: [{channel: {to: nobody}}]\n", "4:26 C304"),
        (HEAD + "deliver: [{channel: {to: c}}]\n", "4:26 C304"),
        (HEAD + "deliver: [{mllp: {host: localhost, port: 2600}}]\n", "4:18 C305"),
        (HEAD.replace("2600", "8080") + "deliver: [{http: {url: 'https://a.example'}}]\n", "2:23 C401"),
        (HEAD + "deliver: [{http: {url: 'https://a.example', bearer: abc}}]\n", "4:53 S301"),
        (HEAD + "deliver: [{http: {url: 'https://a.example', headers: {X-Api-Key: abc}}}]\n", "4:66 S301"),
        (HEAD + "deliver: [{http: {url: 'http://10.0.0.1/in'}}]\n", "4:24 S304"),
        (HEAD + "deliver: [{mllp: {host: dpi.example, port: 2575}}]\n", "4:25 S304"),
        (HEAD + "deliver: [{mllp: {host: dpi.example, port: 2575, tls: {verify: false}}}]\n", "4:64 S305"),
        (
            "channel: c\nsource: {mllp: {bind: 0.0.0.0}}\naccept: A\ndeliver: [{http: {url: 'https://a.example'}}]\n",
            "2:17 S302",
        ),
        (
            "channel: c\nsource: {http: {path: /in/c, auth: none}}\nformat: raw\ndeliver: [{http: {url: 'https://a.example'}}]\n",
            "2:36 S303",
        ),
    ],
)
def test_a_rule_finds_what_it_is_for(write: Write, codes: Codes, text: str, found: str) -> None:
    """One mistake, one finding, where the mistake is written."""
    write("c", text)
    assert found in codes()
    assert len({c.split()[1] for c in codes()} - ({"C305"} if "C304" in found else set())) == 1, codes()


def test_secrets_from_outside_and_tls_are_left_in_peace(
    write: Write, codes: Codes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`${NAME}` is how it should be written; loopback needs no TLS."""
    monkeypatch.setenv("TOKEN", "abc")
    write(
        "c",
        HEAD + "deliver:\n"
        "  - http: {url: 'https://a.example', bearer: '${TOKEN}', headers: {X-Api-Key: '${TOKEN}'}}\n"
        "  - mllp: {host: 127.0.0.1, port: 2700}\n"
        "  - {name: far, mllp: {host: dpi.example, port: 2575, tls: {}}}\n"
        "  - {name: near, http: {url: 'http://localhost:9/in'}}\n",
    )
    assert codes() == []


def test_a_password_in_a_url_is_a_secret_in_clear(write: Write, codes: Codes) -> None:
    """RFC 3986 §3.2.1: user information in a URL is shown wherever the URL is."""
    write("c", HEAD + "deliver: [{http: {url: 'https://me:secret@a.example/'}}]\n")
    assert codes()  # the connector may refuse it before the rule does
    write("c", HEAD + "deliver: [{http: {url: 'https://a.example/', headers: {Referer: 'https://me:pw@b.example'}}}]\n")
    assert codes() == ["4:65 S301"]


def test_two_channels_with_one_name(write: Write, codes: Codes) -> None:
    """The second is told where the first is."""
    write("a"), write("b", "channel: a\nsource: {mllp: {port: 2600}}\naccept: A\ndeliver: [{channel: {to: a}}]\n")
    assert "1:10 C201" in codes()


@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        ("{mllp: {port: 2600}}", "{mllp: {port: 2600}}", ["2:23 C401"]),
        ("{mllp: {port: 2600, bind: 0.0.0.0, tls: {certificate: a, key: b}}}", "{mllp: {port: 2600}}", ["2:23 C401"]),
        ("{mllp: {port: 2600, bind: 127.0.0.2}}", "{mllp: {port: 2600}}", []),
        ("{mllp: {port: 0}}", "{mllp: {port: 0}}", []),
        ("{http: {path: /in/x}}", "{http: {path: /in/x}}", ["2:23 C401"]),
        ("{file: {directory: /srv/in}}", "{file: {directory: /srv/in}}", ["2:28 C401"]),
        ("{file: {directory: /srv/in}}", "{file: {directory: /srv/other}}", []),
    ],
)
def test_two_enabled_channels_cannot_listen_at_one_place(
    write: Write, codes: Codes, one: str, two: str, found: list[str]
) -> None:
    """One port, one path, one folder; a wildcard address meets every other."""
    rest = "accept: A\nformat: raw\ndeliver: [{http: {url: 'https://a.example'}}]\n"
    write("a", f"channel: a\nsource: {one}\n{rest}"), write("b", f"channel: b\nsource: {two}\n{rest}")
    assert found == codes()
    write("b", f"channel: b\nenabled: false\nsource: {two}\n{rest}")
    assert codes() == []


def test_channels_that_feed_each_other_in_a_circle(write: Write, settings: Settings) -> None:
    """Each delivery of the circle is told, with the way round."""
    feed = "channel: {0}\nsource: {{channel: {{}}}}\naccept: A\ndeliver: [{{channel: {{to: {1}}}}}]\n"
    for name, to in (("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")):
        write(name, feed.format(name, to))
    found = lint([settings.channels], settings)
    assert [f.code for f in found] == ["C305"] * 3
    assert found[0].what == "a circle: a > b > c > a"


def test_a_channel_that_is_fed_must_be_enabled_and_take_channels(write: Write, codes: Codes) -> None:
    """Deliveries to a channel that does not take them would be held for ever."""
    write(
        "a", HEAD.replace("channel: c", "channel: a") + "deliver: [{channel: {to: b}}, {name: x, channel: {to: c}}]\n"
    )
    write(
        "b",
        "channel: b\nenabled: false\nsource: {channel: {}}\naccept: A\ndeliver: [{http: {url: 'https://a.example'}}]\n",
    )
    write("c", HEAD.replace("2600", "2601") + "deliver: [{http: {url: 'https://a.example'}}]\n")
    assert codes() == ["4:26 C304", "4:55 C304"]


def test_a_circle_through_http_is_found(write: Write, codes: Codes) -> None:
    """Posting into a path of this hub feeds the channel that owns it."""
    write(
        "c",
        "channel: c\nsource: {http: {path: /in/c}}\nformat: raw\naccept: A\n"
        "deliver: [{http: {url: 'http://localhost:8080/in/c'}}]\n",
    )
    assert codes() == ["5:18 C305"]


def test_a_comment_with_a_reason_silences_a_rule_on_its_line(write: Write, codes: Codes) -> None:
    """The exception stands where it is made."""
    text = HEAD + "deliver:\n  - mllp:\n      host: dpi.example%s\n      port: 2575\n"
    write("c", text % "")
    assert codes() == ["6:13 S304"]
    write("c", text % "  # lint: allow S304 same rack, no switch between")
    assert codes() == []


def test_behind_a_proxy_an_open_bind_is_taken(write: Write, tmp_path: Path) -> None:
    """`behind_proxy` says who speaks TLS instead."""
    write("c", "channel: c\nsource: {mllp: {}}\naccept: A\ndeliver: [{http: {url: 'https://a.example'}}]\n")
    opened = Settings.load(tmp_path, bind="0.0.0.0")
    assert [f.code for f in lint([tmp_path / "channels"], opened)] == ["S302"]
    assert lint([tmp_path / "channels"], Settings.load(tmp_path, bind="0.0.0.0", behind_proxy=True)) == []


def test_missing_tests_are_noted_and_broken_ones_found(write: Write, settings: Settings) -> None:
    """A note does not fail; a case that names no message does."""
    path = write("c", tests=False)
    found = lint([settings.channels], settings)
    assert [(f.code, f.severity) for f in found] == [("T401", "note")]
    cases = path.parent / "tests" / "a.yaml"
    cases.write_text("- {case: x, send: messages/none.hl7, expect: {}}\n- {case: y, expcet: {}}\n")
    found = lint([settings.channels], settings)
    assert [(f.code, f.line) for f in found] == [("T402", 1), ("T402", 2), ("T402", 2), ("T402", 2)]
    assert {str(cases)} == {f.file for f in found}
    cases.write_text("case: x\n")
    assert [f.what for f in lint([settings.channels], settings)] == ["a file of cases is a list"]


def test_every_rule_explains_itself() -> None:
    """`hub explain CODE` has something to say of each, longer than its summary."""
    assert len(known()) > 25
    for code, rule in known().items():
        assert code == rule.code
        assert len(rule.explanation) > 20
    assert explain("s302").summary == known()["S302"].summary


def test_a_code_that_nobody_has_is_told_with_the_nearest() -> None:
    """Did you mean."""
    with pytest.raises(NotFoundError, match="did you mean S302"):
        explain("S3O2")


def test_two_rules_cannot_share_a_code() -> None:
    """A code is what people search for."""
    with pytest.raises(ValueError, match="two rules are called S302"):
        _add(known()["S302"])
