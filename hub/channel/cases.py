"""Test cases of a channel, as they are written beside it in ``tests/*.yaml``.

A file is a list: ``- {case: ..., send: messages/x.hl7, expect: {...}}``; paths are those of the folder
``tests``.  The strict loader reads it, so a code expected stays text here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError

from hub.channel import loader
from hub.channel.findings import Finding
from hub.channel.shape import Base, Text, listed
from hub.channel.words import tell

Names = Annotated[list[str], BeforeValidator(listed)]
MAX_MESSAGE: Final = 64 * 1024 * 1024


class Expect(Base):
    """What should become of the message; what is not written is not looked at, but a message that is
    held must be expected to be.
    """

    answer: str = Field("", description="HL7 v2: AA, AE, AR; others: the HTTP status; what the sender gets")
    status: Literal["", "done", "held", "filtered", "rejected"] = Field("", description="where the message ends")
    issue: str = Field("", description="place of an error or a warning: PID-5")
    golden: str = Field("", description="JSON file of the resources expected: golden/x.json")
    deliveries: Names | None = Field(None, description="destinations that get it, in any order")
    unmapped: Names | None = Field(None, description="fields of the message of which nothing is made: PID-13")


class CaseShape(Base):
    """One case."""

    case: Text = Field(description="what should happen, in words")
    send: Text = Field(description="file of the message: messages/x.hl7")
    expect: Expect = Field(description="what should become of it")


@dataclass(frozen=True, slots=True)
class Case:
    """One case and where it stands."""

    name: str
    file: Path
    line: int
    message: Path
    expect: Expect

    @property
    def golden(self) -> Path | None:
        return self.file.parent / self.expect.golden if self.expect.golden else None


def read_cases(folder: Path) -> tuple[list[Case], list[Finding]]:
    """The cases of a folder ``tests``, and what is wrong with their files."""
    cases: list[Case] = []
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.yaml")):
        document = loader.read(path)
        if document.value is not None and not isinstance(document.value, list):
            document.find("T402", (), "a file of cases is a list", "write `- {case: ..., send: ..., expect: {...}}`")
            document.value = []
        for i, item in enumerate(document.value or []):
            try:
                shape = CaseShape.model_validate(item)
            except ValidationError as e:
                tell(document, e, CaseShape, (i,))
                continue
            message = folder / shape.send
            if not message.is_file():
                document.find("T402", (i, "send"), f"no file {shape.send}", "paths are those of the folder tests/")
                continue
            cases.append(Case(shape.case, path, document.at((i,))[0], message, shape.expect))
        findings += document.findings
    return cases, findings
