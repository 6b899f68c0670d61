"""Every error of the hub, in one tree; one place says what it becomes for each kind of peer.

::

    HubError
    ├── ConfigError        settings or a channel are wrong          (incorrect, never retried)
    ├── ParseError         a received body cannot be read           (incorrect, never retried)
    ├── MappingError       a readable body cannot be mapped         (incorrect, never retried)
    ├── InvalidError       what was mapped breaks a rule            (incorrect, never retried)
    ├── RefusedError       a peer said no to a delivery             (conflict, never retried)
    ├── UnavailableError   a peer, a port or a server is not there  (unavailable, retried later)
    ├── NoAnswerError      a peer did not answer in time            (busy, retried later)
    ├── NotFoundError      what was asked for is not there          (not-found)
    ├── GoneError          it was there and was deleted             (gone)
    ├── ConflictError      somebody else changed it meanwhile       (conflict)
    ├── PreconditionError  it is not as the caller asked it to be   (precondition)
    ├── ForbiddenError     the caller may not                       (forbidden)
    ├── UnauthenticatedError  the caller is not known               (unauthenticated)
    ├── UnprocessableError what was asked cannot be done to it     (unprocessable)
    ├── UnsupportedError   not a thing the hub does                 (unsupported)
    ├── MediaTypeError     a form of data that the hub does not read (media-type)
    ├── NotAcceptableError a form of data that the hub does not write (not-acceptable)
    └── TooLargeError      beyond a bound that protects the hub     (too-large)

An error says *what* is wrong, *where* (a place in the message, a path, a setting) and the *cure*.
It never holds a name, an identifier or a body of a person: it is logged, stored and shown.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Category = Literal[
    "incorrect", "unavailable", "busy", "conflict", "not-found", "gone", "forbidden",
    "unauthenticated", "unsupported", "too-large", "fault", "precondition", "media-type", "not-acceptable",
    "unprocessable",
]  # fmt: skip
Stage = Literal["configuring", "receiving", "processing", "sending", "asking"]
Retry = Literal["never", "later"]


class HubError(Exception):
    """An error with its category, its stage, its place and its cure.

    :param what: one sentence, for a person.
    :param where: a place such as ``PID-3[2].4``, ``Patient.birthDate`` or ``source.mllp.port``.
    :param cure: what to do about it.
    :param code: HL7 table 0357 code, FHIR issue-type or rule id, when the standard gives one.
    """

    category: ClassVar[Category] = "fault"
    stage: ClassVar[Stage] = "processing"
    retry: ClassVar[Retry] = "never"

    def __init__(self, what: str, *, where: str = "", cure: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.cure, self.code = what, where, cure, code

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head} ({self.cure})" if self.cure else head


class ConfigError(HubError):
    category = "incorrect"
    stage = "configuring"


class ParseError(HubError):
    category = "incorrect"
    stage = "receiving"


class MappingError(HubError):
    category = "incorrect"


class InvalidError(HubError):
    category = "incorrect"


class RefusedError(HubError):
    category = "conflict"
    stage = "sending"


class UnavailableError(HubError):
    category = "unavailable"
    stage = "sending"
    retry = "later"


class NoAnswerError(HubError):
    category = "busy"
    stage = "sending"
    retry = "later"


class NotFoundError(HubError):
    category = "not-found"
    stage = "asking"


class GoneError(HubError):
    category = "gone"
    stage = "asking"


class ConflictError(HubError):
    category = "conflict"
    stage = "asking"


class PreconditionError(HubError):
    category = "precondition"
    stage = "asking"


class UnprocessableError(HubError):
    category = "unprocessable"
    stage = "asking"


class MediaTypeError(HubError):
    category = "media-type"
    stage = "asking"


class NotAcceptableError(HubError):
    category = "not-acceptable"
    stage = "asking"


class ForbiddenError(HubError):
    category = "forbidden"
    stage = "asking"


class UnauthenticatedError(HubError):
    category = "unauthenticated"
    stage = "asking"


class UnsupportedError(HubError):
    category = "unsupported"
    stage = "asking"


class TooLargeError(HubError):
    category = "too-large"
    stage = "receiving"


# What each category becomes. HTTP: RFC 9110 §15; FHIR: R4 IssueType; HL7 v2: MSA-1 (table 0008) and
# ERR-3 (table 0357) when the error has no more exact code of its own.
HTTP_STATUS: dict[Category, int] = {
    "incorrect": 400, "unavailable": 503, "busy": 504, "conflict": 409, "not-found": 404, "gone": 410,
    "forbidden": 403, "unauthenticated": 401, "unsupported": 405, "too-large": 413, "fault": 500,
    "precondition": 412, "media-type": 415, "not-acceptable": 406, "unprocessable": 422,
}  # fmt: skip
FHIR_ISSUE: dict[Category, str] = {
    "incorrect": "invalid", "unavailable": "transient", "busy": "timeout", "conflict": "conflict",
    "not-found": "not-found", "gone": "deleted", "forbidden": "forbidden", "unauthenticated": "login",
    "unsupported": "not-supported", "too-large": "too-long", "fault": "exception",
    "precondition": "conflict", "media-type": "not-supported", "not-acceptable": "not-supported",
    "unprocessable": "processing",
}  # fmt: skip
HL7_ACK: dict[Category, tuple[str, str]] = {
    "incorrect": ("AE", "207"), "unavailable": ("AR", "207"), "busy": ("AR", "207"), "conflict": ("AE", "205"),
    "not-found": ("AE", "204"), "gone": ("AE", "204"), "forbidden": ("AR", "207"), "unauthenticated": ("AR", "207"),
    "unsupported": ("AR", "200"), "too-large": ("AR", "207"), "fault": ("AR", "207"),
    "precondition": ("AE", "205"), "media-type": ("AR", "200"), "not-acceptable": ("AR", "200"),
    "unprocessable": ("AE", "207"),
}  # fmt: skip
