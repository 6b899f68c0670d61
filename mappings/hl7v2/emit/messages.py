"""A FHIR message to the octets of an HL7 v2 message.

HL7 v2.5 chapters 3 (ADT), 7 (ORU), 9 (MDM), 2 (ACK); IHE PAM France 2.11; ANS, CDA-R2 en HL7v2 v2.1 and au LPS v1.1.
Nothing but the Bundle and the site is looked at: the same gives the same octets, so a message sent twice is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from hub.errors import MappingError
from hub.fhir.draft import Site
from hub.source.hl7v2_structures import structure_of

from ...shape import Element
from ...times import FRANCE, ts_datetime
from . import answers, documents, encounter, patient, results
from .bundle import Bundle
from .datatypes import ts
from .er7 import Value, octets, segment

_PAM: Final = ("2.5^FRA^2.11", "2.11^IHE_FRANCE-2.11-PAM")
_VOLET: Final = "2.1^CISIS_CDA_HL7_V2"
_LPS: Final = "1.1^CISIS_CDA_HL7_LPS"
_ENCODING: Final = "UNICODE UTF-8"

# ADT events that are sent
SENT: Final = frozenset(
    "A01 A02 A03 A04 A05 A06 A07 A08 A11 A12 A13 A21 A22 A24 A28 A29 A31 A37 A38 A40 A47 Z99".split()  # noqa: SIM905
)
_PERSON: Final = ("A28", "A31", "A29")
_WITH_RELATIVES: Final = ("ADT_A01", "ADT_A03", "ADT_A05", "ADT_A06")
_MERGES: Final = ("A40", "A47")
_PAIRS: Final = ("A24", "A37")


class Kind(NamedTuple):
    """A family: type, structure of an event, version (MSH-12), profile (MSH-21), and what makes its segments."""

    name: str
    structure: str
    version: str
    profile: str
    write: Callable[[Bundle], Iterator[str]]


def emit(resource: Element, site: Site) -> bytes:
    """The message of a Bundle of type ``message``.

    :param site: ``application``, ``facility``, ``receiving_application``, ``receiving_facility`` (MSH-3 to 6 when the
        MessageHeader does not name them), ``encoding`` (MSH-18), ``zone``, ``profile: lps`` for the local software.
    :raises MappingError: with the element that is missing, or an event that is not sent.
    """
    bundle = Bundle(resource, site)
    kind = _kind(bundle)
    body = list(kind.write(bundle))
    event = bundle.event if bundle.event != "ACK" else ""
    declared = site.get("encoding") or _ENCODING
    return octets([_msh(bundle, kind, event, declared), *body], declared)


def _kind(bundle: Bundle) -> Kind:
    event, lps = bundle.event, bundle.site.get("profile") == "lps"
    if event in SENT:
        return Kind("ADT", structure_of("ADT", event), *_PAM, _adt)
    if event in ("T02", "T04", "T10"):
        return Kind("MDM", "MDM_T02", "2.6", _LPS if lps else _VOLET, _mdm)
    if event == "R01":
        if any(bundle.all("DocumentReference")):
            return Kind("ORU", "ORU_R01", "2.5", _VOLET, _oru)
        return Kind("ORU", "ORU_R01", "2.5.1", "", _oru)  # OBX-23, the laboratory, came with 2.5.1
    if event in answers.ZAM:
        return Kind("ZAM", "ZAM_Z01", "2.6", _VOLET, lambda b: iter(answers.zam(b)))
    if event == "ACK":
        return Kind("ACK", "ACK", "2.5", "", lambda b: iter(answers.msa(b)))
    raise MappingError(
        "an event that is not sent", where="MessageHeader.eventCoding.code", code="201",
        cure=f"one of {', '.join(sorted(SENT))}, T02, T04, T10, R01, Z01, Z02, Z03, ACK",
    )  # fmt: skip


def _msh(bundle: Bundle, kind: Kind, event: str, declared: str) -> str:
    zone = bundle.site.get("zone") or FRANCE
    stamp = ts(bundle.timestamp) or ts(ts_datetime(bundle.timestamp, zone))
    if not stamp:
        raise MappingError(
            "the message has no time", where="Bundle.timestamp", cure="give when it was made", code="101"
        )
    fields: dict[int, Value] = {
        2: bundle.application, 3: bundle.facility, 4: bundle.receiver, 5: bundle.receiving_facility, 6: stamp,
        8: (kind.name, event or None, kind.structure if event else None), 9: bundle.control_id,
        10: bundle.site.get("processing") or "P", 11: tuple(kind.version.split("^")), 16: "FRA", 17: declared,
        18: "FR", 20: tuple(kind.profile.split("^")),
    }  # fmt: skip
    written = segment("MSH", fields)  # MSH-1 is the separator: every field stands one place earlier
    return rf"MSH|^~\&|{written.split('|', 2)[2]}"


def _evn(bundle: Bundle) -> str:
    return segment("EVN", {2: ts(bundle.timestamp), 6: ts(bundle.timestamp)})


def _adt(bundle: Bundle) -> Iterator[str]:
    event = bundle.event
    people = list(bundle.all("Patient"))
    who = people[0] if people else bundle.one("Patient")
    stay = None if event in (*_PERSON, *_MERGES, *_PAIRS) else encounter.stay_of(bundle, needed=True)
    yield _evn(bundle)
    yield patient.pid(who, bundle, stay)
    if event in _MERGES:
        gone = patient.mrg(who, bundle)
        if gone is None:
            raise MappingError(
                "the record that goes is not named", where="Patient.link",
                cure="give link of type replaces with the identifier of that record", code="101",
            )  # fmt: skip
        yield gone
        return
    if event in _PAIRS:
        if len(people) < 2:
            raise MappingError("the second Patient is missing", where="Bundle.entry", cure="add it", code="101")
        yield patient.pid(people[1], bundle, None, 2)
        return
    structure = structure_of("ADT", event)
    if structure not in ("ADT_A09", "ADT_A12", "ADT_A21"):
        yield from patient.practitioners(who, bundle)
    if structure in _WITH_RELATIVES:
        yield from patient.relatives(who)
    yield encounter.pv1(stay, bundle)
    if described := encounter.pv2(stay):
        yield described
    for extra in (encounter.zbe(stay, bundle, event), patient.zfa(bundle), patient.zfd(who, bundle)):
        if extra:
            yield extra


def _mdm(bundle: Bundle) -> Iterator[str]:
    document = bundle.one("DocumentReference")
    action = documents.action_of(document)
    if action.event != bundle.event:
        raise MappingError(
            f"the event is {bundle.event}, the document is sent by {action.event}",
            where="MessageHeader.eventCoding.code", code="103",
            cure="T02 new, T10 with relatesTo replaces, T04 with status entered-in-error",
        )  # fmt: skip
    lps = bundle.site.get("profile") == "lps"
    yield _evn(bundle)
    yield from _head(bundle, lps=lps)
    yield from documents.order(document, bundle, action)
    yield documents.txa(document, bundle)
    yield documents.obx_document(document, bundle, 1, action, oru=False)
    yield from documents.participants(document, bundle)
    brought = documents.mail(bundle, 2) if lps else None
    if brought:
        yield brought
    yield from documents.metas(document, bundle, 3 if brought else 2, oru=False, lps=lps)


def _head(bundle: Bundle, *, lps: bool = False) -> Iterator[str]:
    stay = encounter.stay_of(bundle)
    yield patient.pid(bundle.one("Patient"), bundle, stay)
    yield encounter.pv1(None if lps else stay, bundle)


def _oru(bundle: Bundle) -> Iterator[str]:
    found = list(bundle.all("DocumentReference"))
    reports = list(bundle.all("DiagnosticReport"))
    if not found and not reports:
        bundle.one("DiagnosticReport")
    yield from _head(bundle)
    if found:
        action = documents.action_of(found[0])
        yield from documents.order(found[0], bundle, action)
        for number, document in enumerate(found, 1):
            yield documents.obx_document(document, bundle, number, action, oru=True)
            if number == 1:
                yield from documents.participants(document, bundle)
        yield from documents.metas(found[0], bundle, len(found) + 1, oru=True, lps=False)
    for report in reports:
        yield from results.report_segments(report, bundle)
