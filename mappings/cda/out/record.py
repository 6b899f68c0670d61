"""The resources that a document is written from, found by reference.

R4 §3.3 (Bundle of type document), §2.3 (references).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from hub.errors import MappingError
from hub.fhir.draft import Resource

from ...shape import Element
from ..extensions import PARTICIPANT, actor


def written(write: Callable[[Resource], bytes]) -> Callable[[Resource], bytes]:
    """What a function writes of a Bundle; a Bundle that is no sound R4, or refers to itself, is an error of it."""

    @wraps(write)
    def run(bundle: Resource) -> bytes:
        try:
            return write(bundle)
        except (LookupError, TypeError, AttributeError, ValueError, AssertionError, RecursionError) as e:
            what = f"the Bundle cannot be written as a document ({type(e).__name__})"
            raise MappingError(what, where="Bundle.entry", cure="check it with hub validate", code="207") from e

    return run


class Record:
    """A document in FHIR: its DocumentReference or its Composition, and all they refer to.

    :ivar document: the DocumentReference; empty when there is none.
    :ivar composition: what header and sections say; made of the DocumentReference when there is no Composition.
    """

    __slots__ = ("_known", "composition", "document")

    def __init__(self, bundle: Resource) -> None:
        """:raises MappingError: when the Bundle has neither a Composition nor a DocumentReference."""
        resources = [e["resource"] for e in bundle.get("entry", ()) if isinstance(e.get("resource"), dict)]
        self._known: dict[str, Resource] = {f"{r.get('resourceType')}/{r.get('id')}": r for r in resources}
        compositions = self.all("Composition")
        documents = self.all("DocumentReference")
        self.document: Resource = next((d for d in documents if "masterIdentifier" in d), {})
        if not (compositions or self.document):
            raise MappingError(
                "the Bundle has no document", where="Bundle.entry",
                cure="send a Composition or a DocumentReference with a masterIdentifier", code="101",
            )  # fmt: skip
        self.composition: Resource = compositions[0] if compositions else _composed(self.document)

    def all(self, kind: str) -> list[Resource]:
        """The resources of a type, in their order."""
        return [r for r in self._known.values() if r.get("resourceType") == kind]

    def get(self, reference: Element | None) -> Resource:
        """What a reference refers to; empty when it is not here."""
        name = str((reference or {}).get("reference", ""))
        found: Resource = self._known.get("/".join(name.split("/")[-2:]), {})
        return found

    @property
    def patient(self) -> Resource:
        """The subject.

        :raises MappingError: when it is not in the Bundle.
        """
        found = self.get(self.composition.get("subject"))
        if not found:
            raise MappingError(
                "the patient is missing", where="Composition.subject", cure="send the Patient", code="101"
            )
        return found

    @property
    def identifier(self) -> Element:
        """That of the document: ClinicalDocument/id.

        :raises MappingError: without one.
        """
        found: Element | None = self.document.get("masterIdentifier") or self.composition.get("identifier")
        if not found:
            raise MappingError(
                "the document has no identifier",
                where="DocumentReference.masterIdentifier",
                cure="send one",
                code="101",
            )
        return found


def _composed(document: Resource) -> Resource:
    """What a DocumentReference says, as a Composition says it."""
    context = document.get("context", {})
    codes = context.get("event", [])
    # Who performed the act is not told: who wrote of it answers for it.
    performer = [x for one in document.get("author", [])[:1] for x in actor(PARTICIPANT, one)]
    first = {"code": codes[:1], "period": context.get("period"), "extension": performer}
    legal = document.get("authenticator")
    made: dict[str, Any] = {
        "language": document.get("language") or document["content"][0]["attachment"].get("language"),
        "identifier": next(iter(document.get("identifier", [])), None),
        "type": document.get("type"),
        "subject": document.get("subject"),
        "encounter": next(iter(context.get("encounter", [])), None),
        "date": document.get("date"),
        "author": document.get("author"),
        "title": document.get("description") or document["content"][0]["attachment"].get("title"),
        "attester": [{"mode": "legal", "party": legal, "time": document.get("date")}] if legal else None,
        "custodian": document.get("custodian"),
        "relatesTo": [
            {"code": r["code"], "targetIdentifier": r["target"].get("identifier")}
            for r in document.get("relatesTo", ())
        ],
        "event": [first, *({"code": [code]} for code in codes[1:])],
    }
    return {name: value for name, value in made.items() if value}
