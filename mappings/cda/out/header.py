"""Composition, DocumentReference and Encounter to the header of a CDA document.

ANS, structuration minimale: the elements in the order of CDA R2 §4.2; the inverse of :mod:`..composition`,
:mod:`..participations` and :mod:`..event`.
"""

from __future__ import annotations

from typing import Any

from ...shape import CONFIDENTIALITY, Element
from ..extensions import (
    AUTHOR_TIME,
    BASED_ON,
    CONSENT,
    DATA_ENTERER,
    INFORMANT,
    PARTICIPANT,
    RECIPIENT,
    TYPE_CODE,
    VERSION,
)
from .build import PS3_20, V3, Made, el, null
from .patient import informants, record_target
from .people import entity, organization
from .record import Record
from .types import ad, cd, coding_attributes, ii, iis, ivl, pn, reach, ts_element

TEMPLATES = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1")
_RELATIONS = {"replaces": "RPLC", "appends": "APND", "transforms": "XFRM"}
_DCM, _SCT = "http://dicom.nema.org/resources/ontology/DCM", "http://snomed.info/sct"
# Translations of the act: its modality and what was examined (volet IMG-CR-IMG).
_IMAGING = {
    _DCM: {"system": _DCM, "code": "121139", "display": "Modality"},
    _SCT: {"system": "http://loinc.org", "code": "39111-0", "display": "Body site"},
}
_CONSENTS = {"active": "completed", "draft": "active", "rejected": "aborted"}
_SHOWN = {"N": "Normal", "R": "Restreint", "V": "Très restreint"}


def document(
    record: Record, templates: list[tuple[str, str | None]], body: Made, *, practitioner: bool = False
) -> Made:
    """The whole document.

    :param templates: root and extension of those that the model adds.
    :param body: structuredBody or nonXMLBody.
    :param practitioner: whether the model asks for the GP even where nobody knows one (nullFlavor NA).
    """
    told = record.composition
    return el(
        "ClinicalDocument", None,
        el("realmCode", {"code": "FR"}),
        el("typeId", {"root": "2.16.840.1.113883.1.3", "extension": "POCD_HD000040"}),
        [el("templateId", {"root": root}) for root in TEMPLATES],
        [el("templateId", {"root": root, "extension": extension}) for root, extension in templates],
        ii(record.identifier),
        cd("code", told.get("type")),
        el("title", None, told["title"]) if told.get("title") else None,
        ts_element("effectiveTime", told.get("date")),
        _confidentiality(record),
        el("languageCode", {"code": told.get("language", "fr-FR")}),
        ii(told.get("identifier", record.identifier), "setId"),
        el("versionNumber", {"value": _version(told)}),
        record_target(record.patient),
        _authors(record),
        _actors(record, DATA_ENTERER, "dataEnterer", "assignedEntity"),
        informants(record.patient), _informants(record),
        _custodian(record),
        _actors(record, RECIPIENT, "informationRecipient", "intendedRecipient"),
        _attesters(record, "legal", "legalAuthenticator"),
        _attesters(record, "professional", "authenticator"),
        _participants(record, practitioner),
        _orders(told),
        [_event(one, record, first=i == 0) for i, one in enumerate(told.get("event", ()))],
        [_related(one) for one in told.get("relatesTo", ()) if one.get("targetIdentifier")],
        _consents(record),
        _encounter(record),
        el("component", None, body),
    )  # fmt: skip


def extensions(told: Element, url: str) -> list[Element]:
    """The extensions of an element under a URL."""
    return [x for x in told.get("extension", ()) if x["url"] == url]


def _version(told: Element) -> str:
    return next((str(x["valueString"]) for x in extensions(told, VERSION)), "1")


def _confidentiality(record: Record) -> Made:
    for label in record.document.get("securityLabel", ()):
        for one in label.get("coding", ()):
            if one.get("system") == CONFIDENTIALITY:
                return el("confidentialityCode", coding_attributes(one))
    code = record.composition.get("confidentiality", "N")
    coding = {"system": CONFIDENTIALITY, "code": code, "display": _SHOWN.get(code)}
    return el("confidentialityCode", coding_attributes(coding))


def parts_of(actor: Element) -> dict[str, Element]:
    """The members of a participation: type, function, time, party."""
    return {x["url"]: x for x in actor.get("extension", ())}


def time_of(parts: dict[str, Element], flavor: str | None = None) -> Made | None:
    told = parts.get("time", {})
    if "valueDateTime" in told:
        return ts_element("time", told["valueDateTime"])
    return ivl("time", told.get("valuePeriod"), flavor)


def _concept(parts: dict[str, Element], name: str) -> Element | None:
    found: Element | None = parts.get(name, {}).get("valueCodeableConcept")
    return found


def type_of(parts: dict[str, Element]) -> str | None:
    codings = (_concept(parts, "type") or {}).get("coding", [])
    return next((str(c["code"]) for c in codings if c.get("system") == TYPE_CODE), None)


def _authors(record: Record) -> list[Made | None]:
    functions = [p for x in extensions(record.composition, PARTICIPANT) if not type_of(p := parts_of(x))]
    made = []
    for one in record.composition.get("author", ()):
        function = next((p for p in functions if _same(p["party"]["valueReference"], one)), None)
        made.append(author(one, record, _concept(function, "function") if function else None))
    return made


def author(told: Element, record: Record, function: Element | None = None) -> Made | None:
    """An author of a document or a section, with the time of writing."""
    at = next((x["valueDateTime"] for x in extensions(told, AUTHOR_TIME)), record.composition.get("date"))
    who = entity("assignedAuthor", told, record)
    if who is None:
        return None
    return el("author", None, cd("functionCode", function), ts_element("time", at, "UNK"), who)


def _same(one: Element, other: Element) -> bool:
    return one.get("reference") is not None and one.get("reference") == other.get("reference")


def _actors(record: Record, url: str, name: str, role: str) -> list[Made]:
    made = []
    for one in extensions(record.composition, url):
        parts = parts_of(one)
        who = entity(role, parts["party"]["valueReference"], record)
        if who is not None:
            made.append(el(name, {"typeCode": type_of(parts)}, time_of(parts), who))
    return made


def _informants(record: Record) -> list[Made]:
    """Those who told and are no contacts: professionals, the patient, those near him."""
    made: list[Made] = []
    for one in extensions(record.composition, INFORMANT):
        reference = parts_of(one)["party"]["valueReference"]
        told = record.get(reference)
        if told.get("resourceType") == "RelatedPerson":
            name = pn(next(iter(told.get("name", [])), None))
            who: Made | None = el(
                "relatedEntity", {"classCode": "CON"},
                cd("code", next(iter(told.get("relationship", [])), None)), reach(told),
                el("relatedPerson", None, name) if name is not None else None,
            )  # fmt: skip
        elif told.get("resourceType") == "Patient":
            who = el("relatedEntity", {"classCode": "PAT"})
        else:
            who = entity("assignedEntity", reference, record)
        if who is not None:
            made.append(el("informant", None, who))
    return made


def _custodian(record: Record) -> Made | None:
    org = organization("representedCustodianOrganization", record.composition.get("custodian"), record)
    return el("custodian", None, el("assignedCustodian", None, org)) if org is not None else None


def _attesters(record: Record, mode: str, name: str) -> list[Made]:
    made = []
    for one in record.composition.get("attester", ()):
        if one.get("mode") != mode:
            continue
        who = entity("assignedEntity", one.get("party"), record)
        if who is not None:
            made.append(
                el(name, None, ts_element("time", one.get("time"), "UNK"), el("signatureCode", {"code": "S"}), who)
            )
    return made


def _participants(record: Record, practitioner: bool) -> list[Made | None]:
    made: list[Made | None] = []
    roles, told = 0, False  # those whose function has words alone stand first; then the GP
    for one in extensions(record.composition, PARTICIPANT):
        parts = parts_of(one)
        kind, function = type_of(parts), _concept(parts, "function")
        if kind is None:
            continue  # the function of an author
        codes = [c.get("code") for c in (function or {}).get("coding", ())]
        told = told or "PCP" in codes
        made.append(_participant(record, kind, parts["party"]["valueReference"], function, time_of(parts, "UNK")))
        roles += not codes and roles == len(made) - 1
    if not told:
        made[roles:roles] = _practitioners(record, practitioner)
    return made


def _practitioners(record: Record, practitioner: bool) -> list[Made]:
    """The GP of the Patient; where the model asks for one and nobody knows any, nullFlavor NA."""
    function = {"coding": [{"system": _FUNCTIONS, "code": "PCP", "display": "Médecin traitant"}]}
    known = [
        made
        for one in record.patient.get("generalPractitioner", ())
        if (made := _participant(record, "INF", one, function, null("time"))) is not None
    ]
    if known or not practitioner:
        return known
    nobody = el("associatedEntity", {"classCode": "PROV", "nullFlavor": "NA"})
    return [el("participant", {"typeCode": "INF"}, cd("functionCode", function), null("time", "NA"), nobody)]


_FUNCTIONS = "http://terminology.hl7.org/CodeSystem/v3-ParticipationFunction"


def _participant(record: Record, kind: str, who: Element, function: Element | None, time: Made | None) -> Made | None:
    made = entity("associatedEntity", who, record, "PROV")
    return el("participant", {"typeCode": kind}, cd("functionCode", function), time, made) if made is not None else None


def _orders(told: Element) -> list[Made]:
    """Orders (PLAC), each with the accession numbers (ACSN) that follow it."""
    made: list[Made] = []
    for one in extensions(told, BASED_ON):
        known = one["valueReference"].get("identifier", {})
        kind = next((c["code"] for c in known.get("type", {}).get("coding", ())), "PLAC")
        if kind == "ACSN" and made:
            found = ii(known, f"{{{PS3_20}}}accessionNumber")
            if found is not None:
                made[-1][0].append(found)
        elif (found := ii(known)) is not None:
            made.append(el("inFulfillmentOf", None, el("order", None, found)))
    return made


def _event(event: Element, record: Record, *, first: bool) -> Made:
    performers: list[Made] = []
    for one in extensions(event, PARTICIPANT):
        parts = parts_of(one)
        who = entity("assignedEntity", parts["party"]["valueReference"], record)
        if who is not None:
            performers.append(el(
                "performer", {"typeCode": type_of(parts) or "PRF"},
                cd("functionCode", _concept(parts, "function")), time_of(parts), who,
            ))  # fmt: skip
    if first:
        _set(performers, record)
    ids = [x for one in event.get("detail", ()) if "identifier" in one and (x := ii(one["identifier"])) is not None]
    return el("documentationOf", None, el(
        "serviceEvent", None, ids, cd("code", next(iter(event.get("code", [])), None), names=_IMAGING),
        ivl("effectiveTime", event.get("period")), performers,
    ))  # fmt: skip


def _set(performers: list[Made], record: Record) -> None:
    """The setting of the principal act, where its organisation does not say it (XDS practiceSettingCode)."""
    setting = cd("standardIndustryClassCode", record.document.get("context", {}).get("practiceSetting"))
    for org in performers[0].iter(f"{{{V3}}}representedOrganization") if performers and setting is not None else ():
        if org.find(f"{{{V3}}}standardIndustryClassCode") is None and setting is not None:
            org.append(setting)


def _related(one: Element) -> Made:
    parent = el("parentDocument", None, ii(one["targetIdentifier"]))
    return el("relatedDocument", {"typeCode": _RELATIONS.get(one["code"], "RPLC")}, parent)


def _consents(record: Record) -> list[Made]:
    made = []
    for one in extensions(record.composition, CONSENT):
        told = record.get(one["valueReference"])
        if told:
            code = cd("code", next(iter(told.get("category", [])), None))
            made.append(el("authorization", None, el(
                "consent", None, iis(told.get("identifier", [])), code,
                el("statusCode", {"code": _CONSENTS.get(told.get("status", ""), "completed")}),
            )))  # fmt: skip
    return made


def _encounter(record: Record) -> Made:
    """The stay; of one that is named by its number alone, that."""
    reference = record.composition.get("encounter", {})
    told = record.get(reference)
    ids = told.get("identifier", [])
    if not told and "identifier" in reference:
        ids = [reference["identifier"]]
    kind = told.get("class")
    period = told.get("period") or record.document.get("context", {}).get("period")
    discharge = told.get("hospitalization", {}).get("dischargeDisposition")
    return el("componentOf", None, el(
        "encompassingEncounter", None, iis(ids),
        el("code", coding_attributes(kind)) if kind else None,
        ivl("effectiveTime", period, "UNK"),
        cd("dischargeDispositionCode", discharge),
        _attendants(told, record),
        _place(told, record),
    ))  # fmt: skip


def _attendants(told: Element, record: Record) -> list[Made]:
    """responsibleParty and encounterParticipant: those whom the header does not name as participants."""
    first: list[Made] = []
    others: list[Made] = []
    for one in _own_participants(told, record):
        codings: list[Any] = [c for t in one.get("type", ()) for c in t.get("coding", ())]
        code = next((c["code"] for c in codings if c.get("system") == TYPE_CODE), None)
        who = entity("assignedEntity", one.get("individual"), record)
        if who is None:
            continue
        if code == "RESP" and not first:
            first.append(el("responsibleParty", None, who))
        else:
            others.append(el("encounterParticipant", {"typeCode": code}, ivl("time", one.get("period")), who))
    return first + others


def _own_participants(told: Element, record: Record) -> list[Element]:
    """Those of an Encounter, but the members of a board: the way in puts them behind, each as the header names it."""
    board = [_member(parts_of(x)) for x in extensions(record.composition, PARTICIPANT)]
    own = []
    for one in reversed(told.get("participant", [])):
        kinds: list[Element] = one.get("type", [])
        member = (one.get("individual", {}).get("reference"), kinds[0] if kinds else {})
        if member in board:
            board.remove(member)
        else:
            own.append(one)
    return own[::-1]


def _member(parts: dict[str, Element]) -> tuple[str | None, Element]:
    function = _concept(parts, "function") or {}
    typed = (_concept(parts, "type") or {}).get("coding", [])
    kind = {"coding": [*typed, *function.get("coding", ())]}
    if function.get("text"):
        kind["text"] = function["text"]
    return parts["party"]["valueReference"].get("reference"), kind


def _place(told: Element, record: Record) -> Made | None:
    """The facility: its kind is that of the DocumentReference, or of the Location."""
    shown: Element = next((x["location"] for x in told.get("location", ())), {})
    place = record.get(shown)
    kind = record.document.get("context", {}).get("facilityType") or next(iter(place.get("type", [])), None)
    ids = place.get("identifier") or ([shown["identifier"]] if "identifier" in shown else [])
    name = place.get("name") or shown.get("display")
    inside = [el("name", None, name)] if name else []
    inside += [ad(place["address"])] if place.get("address") else []
    keeper = told.get("serviceProvider") if record.get(told.get("serviceProvider")) else None
    facility = el(
        "healthCareFacility", None, iis(ids), cd("code", kind),
        el("location", None, inside) if inside else None,
        organization("serviceProviderOrganization", keeper, record),
    )  # fmt: skip
    return el("location", None, facility) if len(facility) else None
