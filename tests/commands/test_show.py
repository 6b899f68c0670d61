"""hub show: one message, whole."""

from __future__ import annotations

import subprocess
import sys

import pytest
from sqlalchemy import update

from hub import clock
from hub.engine.texts import error_json
from hub.errors import RefusedError
from hub.store.tables import Sending, State, message
from tests.rows import add_delivery, add_message

from .conftest import ADMISSION, CHANNEL, Site

_REFUSED = error_json(RefusedError("the peer said no", where="MSA-1", cure="ask it why"), "send")


def test_a_message_that_was_worked_on_is_shown_whole(any_site: Site) -> None:
    """Facts, stages with durations, deliveries, versions of resources written; of keys only their number."""
    id_ = any_site.take()
    any_site.work()
    ran = any_site("show", clock.show_id(id_).lower())
    text = ran.out
    assert (ran.err, ran.status) == ("", 0)
    heads = [line for line in ran.lines if line and not line.startswith(" ")]
    assert heads == ["message", "stages", "deliveries", "resources written", "keys"]
    for part in (
        f"id          {clock.show_id(id_)}", "status      mapped", "from 127.0.0.1:4242", "revision ",
        "type        ADT^A01", "control id  ADT-1", "sender      GAP|010000024", "answer      2 B",
        "archive      due     0      next try ", "v1       current", "2 business keys; say --keys to see them",
    ):  # fmt: skip
        assert part in text, part
    assert [line.split()[0] for line in ran.lines[heads.index("stages") :] if " ms  " in line] == [
        "read", "map", "route",
    ]  # fmt: skip
    assert "IPP-1" not in text
    assert "ESSAI" not in text


def test_keys_are_shown_when_asked_for(site: Site) -> None:
    """They point to a person, so it takes a word more."""
    id_ = clock.show_id(site.take())
    assert "patient    IPP-1\n  visit      VIS-1\n  order key  " in site("show", id_, "--keys").out
    assert site("show", id_, "--keys", "--json").json["keys"] == [["patient", "IPP-1"], ["visit", "VIS-1"]]


def test_programs_get_the_same(site: Site) -> None:
    """--json, with numbers in place of words."""
    id_ = site.take()
    site.work()
    whole = site("show", clock.show_id(id_), "--json").json
    assert whole["status"] == "mapped"
    assert [stage[0] for stage in whole["stages"]] == ["read", "map", "route"]
    assert [(d["destination"], d["status"], d["attempts"]) for d in whole["deliveries"]] == [("archive", "due", 0)]
    assert {r["version"] for r in whole["resources"]} == {1}
    assert "Patient" in {r["ref"].partition("/")[0] for r in whole["resources"]}
    assert (whole["keys"], "order_key" in whole) == (2, False)


def test_an_error_says_where_what_and_what_to_do(site: Site) -> None:
    """As it was kept with the message, and which stage it was."""
    site.take(ADMISSION.replace(b"ADT^A01^ADT_A01", b"ORU^R01^ORU_R01"))
    (row,) = site("find", "--json", "status:held").json
    lines = site("show", row["id"]).lines
    error = lines[lines.index("error") + 1 :][:5]
    assert error == [
        "  stage  receive", "  where  MSH-9", "  what   this channel does not take 'ORU^R01'",
        "  do     it takes ADT^A01", "  code   200",
    ]  # fmt: skip
    assert "  noted       answered with a refusal" in lines


def test_deliveries_tell_their_attempts_and_what_is_next(site: Site) -> None:
    """Sent: when; due: the next try; held: why."""
    id_, now = add_message(site.store, state=State.MAPPED), clock.now()
    add_delivery(site.store, id_, destination="a", state=Sending.SENT, attempts=1, sent_at=now - 60_000_000)
    add_delivery(site.store, id_, destination="b", attempts=3, due=now + 90_000_000)
    add_delivery(site.store, id_, destination="c", state=Sending.HELD, attempts=1, error=_REFUSED)
    lines = site("show", clock.show_id(id_)).lines
    at = lines.index("deliveries")
    sent, due, held = (line.split(None, 4) for line in lines[at + 2 : at + 5])
    assert (sent[1:4], sent[4].endswith("(1 min ago)")) == (["a", "sent", "1"], True)
    assert (due[1:4], "next try" in due[4], "(in 1 min)" in due[4]) == (
        ["b", "due", "3"], True, True,
    )  # fmt: skip
    assert (held[1:4], held[4].split(None, 1)) == (["c", "held", "1"], ["-", "MSA-1: the peer said no"])


def test_the_chain_of_a_message_leads_from_channel_to_channel(site: Site) -> None:
    """One trace through all channels that handled it (the first one, and those it fed)."""
    first = add_message(site.store)
    second = add_message(site.store, trace=first, parent=first, channel="lab", state=State.HELD)
    lines = site("show", clock.show_id(second)).lines
    assert [line.split() for line in lines[lines.index("chain") + 2 :]] == [
        [clock.show_id(first), "adt", "ADT^A01", "done"],
        [clock.show_id(second), "lab", "ADT^A01", "held", "this", "one"],
    ]


def test_a_replayed_message_says_how_often_it_was_mapped(site: Site) -> None:
    """And from which step it waits to be worked on again."""
    id_ = site.take()
    site.work()
    site.store.write(lambda tx: tx.conn.execute(update(message).values(runs=3, step="deliver", state=0)))
    text = site("show", clock.show_id(id_)).out
    assert "ago), 3 times\n" in text
    assert "  from step   deliver\n" in text


def test_the_body_is_written_octet_for_octet(site: Site) -> None:
    """What was received, nothing more: `hub show ID --body > message.hl7`."""
    odd = ADMISSION.replace(b"ODILE", b"ODIL\xc3\x89").replace(b"\r", b"\r\n")
    id_ = clock.show_id(site.take(odd))
    done = subprocess.run(
        [sys.executable, "-m", "hub", "show", id_, "--body"], capture_output=True, check=True, timeout=60
    )
    assert done.stdout == odd
    assert site("show", id_, "--body", "--keys").status == 2


def test_a_body_that_was_pruned_is_said_to_be(site: Site) -> None:
    """Which is no fault: `keep: bodies` of the channel."""
    id_ = site.take()
    site.store.write(lambda tx: tx.conn.exec_driver_sql("DELETE FROM body"))
    ran = site("show", clock.show_id(id_), "--body")
    assert (ran.out, ran.status) == ("", 2)
    assert "the body was pruned" in ran.err


def test_lineage_tells_where_each_value_was_read_and_what_was_not(site: Site) -> None:
    """House, way of a message, step 7: worked out by mapping again."""
    id_ = clock.show_id(site.take())
    ran = site("show", id_, "--lineage")
    assert "Patient.birthDate ← PID-7" in ran.lines
    assert any(line.startswith("never mapped: ") and "EVN-2" in line for line in ran.lines)
    assert (ran.err, ran.status) == ("", 0)
    made = site("show", id_, "--lineage", "--json").json
    assert ["Patient.birthDate", "PID-7"] in made["lineage"]
    assert (made["revision"], made["error"]) == (site.spec.revision, None)


def test_lineage_is_that_of_the_file_as_it_is_now(site: Site) -> None:
    """Mapped by another revision: said, for what is shown may differ from what was stored."""
    id_ = site.take()
    old = site.spec.revision
    site.write(CHANNEL + "# changed\n")
    assert site("show", clock.show_id(id_), "--lineage").err == (
        f"mapped by revision {old}; shown by the file as it is now, {site.spec.revision}\n"
    )


def test_lineage_of_what_is_not_mapped(site: Site) -> None:
    """No mapping takes the type; or the mapping holds the message, then exit status 1 and the reason."""
    id_ = clock.show_id(site.take())
    site.write(CHANNEL.replace("map: hl7v2.messages.adt", "map: {ORU: hl7v2.messages.oru}"))
    ran = site("show", id_, "--lineage")
    assert "no mapping of the channel takes ADT^A01" in ran.err
    assert ran.status == 0
    site.write(CHANNEL)
    bad = add_message(site.store, ADMISSION.replace(b"IPP-1", b""))
    ran = site("show", clock.show_id(bad), "--lineage")
    assert ran.status == 1
    assert "held: " in ran.err


def test_several_resources_of_one_type_are_told_apart() -> None:
    """``Patient.birthDate`` when there is one Patient, with the beginning of the id when there are two."""
    from hub.commands.show import _short

    found = [("Patient/aaaaaaaa.gender", "PID-8"), ("Encounter/b1.status", "x"), ("Encounter/b2.status", "y")]
    assert _short(found) == [
        ("Patient.gender", "PID-8"), ("Encounter/b1.status", "x"), ("Encounter/b2.status", "y"),
    ]  # fmt: skip


@pytest.mark.parametrize("word", ["0CR5P3PYNVTG0", "status:held"])
def test_what_is_not_there_is_said(site: Site, word: str) -> None:
    """An id nobody has, or what is no id."""
    add_message(site.store, state=State.HELD)
    ran = site("show", word)
    assert (ran.status, ran.err) == (2, f"hub: {word}: no message has that id (see hub find; or it was pruned)\n")


def test_a_channel_whose_file_is_gone_has_no_lineage(site: Site) -> None:
    """The nearest name that exists is told."""
    id_ = add_message(site.store, ADMISSION, channel="adtt")
    ran = site("show", clock.show_id(id_), "--lineage")
    assert (ran.status, ran.err) == (2, "hub: no channel is called 'adtt' (did you mean 'adt'?)\n")
