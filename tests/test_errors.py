"""One tree of errors, and one place that says what each becomes for each kind of peer."""

from __future__ import annotations

from typing import get_args

import pytest

from hub import errors
from hub.errors import FHIR_ISSUE, HL7_ACK, HTTP_STATUS, Category, HubError, Stage

KINDS = sorted(
    (k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, HubError)), key=lambda k: k.__name__
)


def test_the_text_says_where_what_and_what_to_do() -> None:
    """In that order; what is not given leaves no trace."""
    assert str(HubError("no date", where="PID-7", cure="write YYYYMMDD")) == "PID-7: no date (write YYYYMMDD)"
    assert str(HubError("no date", cure="write it")) == "no date (write it)"
    assert str(HubError("no date")) == "no date"
    error = HubError("no date", where="PID-7", cure="write it", code="102")
    assert (error.what, error.where, error.cure, error.code) == ("no date", "PID-7", "write it", "102")
    assert error.args == ("no date",)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
def test_every_error_has_its_words_for_every_peer(kind: type[HubError]) -> None:
    """HTTP status (RFC 9110 §15), FHIR issue type (R4 IssueType), HL7 acknowledgement (tables 0008 and 0357)."""
    assert kind.category in get_args(Category)
    assert kind.stage in get_args(Stage)
    assert 400 <= HTTP_STATUS[kind.category] <= 599
    assert FHIR_ISSUE[kind.category]
    code, condition = HL7_ACK[kind.category]
    assert code in ("AE", "AR")
    assert condition.isdigit()


def test_the_tables_are_complete() -> None:
    """A category without a word would be a failure in the middle of an answer."""
    for table in (HTTP_STATUS, FHIR_ISSUE, HL7_ACK):
        assert set(get_args(Category)) == set(table)


def test_what_is_tried_again() -> None:
    """Only what time may cure; the peer is then asked to send again (AR), for AE would end the message."""
    later = {k.__name__ for k in KINDS if k.retry == "later"}
    assert {"UnavailableError", "NoAnswerError"} == later
    assert {("AR", 503), ("AR", 504)} == {
        (HL7_ACK[k.category][0], HTTP_STATUS[k.category]) for k in KINDS if k.retry == "later"
    }
    assert HL7_ACK["incorrect"][0] == "AE"
