"""How tests run the mapping of whole documents: the shipped samples, changed at one place."""

from __future__ import annotations

from typing import Any

from hub.fhir.draft import Draft
from hub.paths import room

from .run import edited, mapped

MESSAGES = room("channels") / "cda-documents" / "tests" / "messages"
BOARD = (MESSAGES / "tumour-board.xml").read_bytes()
WORK_UP = (MESSAGES / "deferred-work-up.xml").read_bytes()
ANY = "cda.documents.any"
CIS = "https://smt.esante.gouv.fr/fhir/CodeSystem/terminologie-cisis"


def board(*changes: tuple[str, str], origins: bool = False) -> Draft:
    """What the record of a tumour board becomes."""
    return mapped(ANY, edited(BOARD, *changes), origins=origins)


def work_up(*changes: tuple[str, str]) -> Draft:
    """What the deferred work-up becomes."""
    return mapped(ANY, edited(WORK_UP, *changes))


def all_of(draft: Draft, kind: str) -> list[dict[str, Any]]:
    return [e.resource for e in draft.entries.values() if e.type == kind and not e.only_if_exists]


def codes(element: dict[str, Any] | None) -> list[str]:
    """The codes of a CodeableConcept."""
    return [c["code"] for c in (element or {}).get("coding", ())]


def coded(draft: Draft, kind: str, code: str) -> list[dict[str, Any]]:
    """The resources of a type that have a code."""
    return [r for r in all_of(draft, kind) if code in codes(r.get("code"))]


def one(draft: Draft, kind: str, code: str) -> dict[str, Any]:
    [found] = coded(draft, kind, code)
    return found


def section(draft: Draft, code: str) -> dict[str, Any]:
    """The section of the Composition with a code, at any depth."""
    [composition] = all_of(draft, "Composition")
    todo = list(composition["section"])
    while todo:
        found = todo.pop(0)
        if code in codes(found.get("code")):
            return found
        todo += found.get("section", [])
    raise LookupError(code)


def entry(text: str, model: str = "1.2.250.1.213.1.1.1.8", words: str = "les mots") -> Draft:
    """A bare document of a model with one entry."""
    body = f"""<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
    <templateId root="{model}"/><id root="1.2.9" extension="D"/><code code="34794-8"/><title>T</title>
    <effectiveTime value="20260316"/><recordTarget><patientRole><id root="1.2.8" extension="P"/>
    <patient><name><family>N</family></name></patient></patientRole></recordTarget>
    <author><assignedAuthor><id root="1.2.7" extension="A"/></assignedAuthor></author>
    <component><structuredBody><component><section><code code="X"/><text><content ID="w">{words}</content></text>
    <entry>{text}</entry></section></component></structuredBody></component></ClinicalDocument>"""
    return mapped(ANY, body.encode())


def observation(inside: str, attributes: str = 'moodCode="EVN"') -> dict[str, Any]:
    """What one simple observation becomes."""
    draft = entry(
        f'<observation classCode="OBS" {attributes}><templateId root="1.2.250.1.213.1.1.3.48"/>'
        f'<code code="MED-1" codeSystem="1.2.250.1.213.1.1.4.322"/><statusCode code="completed"/>{inside}</observation>'
    )
    return one(draft, "Observation", "MED-1")
