"""Communication to ACK and ZAM: what became of a message, said to who sent it.

HL7 v2.5 §2.9.2 (ACK), §2.15.5 (ERR); ANS, transmission d'un document CDA-R2 en HL7v2 v2.1 (ZAM, table AckMetierZAM).
"""

from __future__ import annotations

from typing import Final

from hub.errors import MappingError

from ...codes import table
from ...shape import Element
from .bundle import Bundle, codes, items, text
from .datatypes import ts, xtn
from .er7 import segment

VOLET = table("hl7v2-volet")
_ACKS: Final = "urn:oncohub:hl7v2:AckMetierZAM"
_V2_0008: Final = "http://terminology.hl7.org/CodeSystem/v2-0008"
_CONDITIONS: Final = "urn:oncohub:hl7v2:"
# ZAM event -> (OBX-3 of the answer, OBX-3 of who)
ZAM: Final = {
    "Z01": ("ACK_RECEPTION_DMP", None), "Z02": ("ACK_RECEPTION_MSS", "DESTINATAIRE_MSS"),
    "Z03": ("ACK_LECTURE_MSS", "LECTEUR_MSS"),
}  # fmt: skip


def msa(bundle: Bundle) -> list[str]:
    """MSA and ERR."""
    answer = bundle.one("Communication")
    code = next((text(c, "code") for c in codes(items(answer, "category")) if text(c, "system") == _V2_0008), None)
    code = code or ("AA" if text(answer, "status") == "completed" else "AE")
    made = segment("MSA", {1: code, 2: _answered(answer), 3: text(answer, "statusReason", "text")})
    return [made, *_err(answer)]


def zam(bundle: Bundle) -> list[str]:
    """EVN, OBX and ERR of a business acknowledgement."""
    answer = bundle.one("Communication")
    code, who = ZAM[bundle.event]
    done = "Y" if text(answer, "status") == "completed" else "N"
    number = _answered(answer)
    made = [
        segment("EVN", {2: ts(text(answer, "sent")) or ts(bundle.timestamp)}),
        segment("OBX", {
            1: "1", 2: "CWE", 3: (code, VOLET.rows[code].display, "AckMetierZAM"), 4: number,
            5: (done, None, "expandedYes-NoIndicator"), 11: "F",
        }),
    ]  # fmt: skip
    for reference in items(answer, "recipient") if who else ():
        party = bundle.resolve(reference, answer)
        box = next((t for t in map(xtn, items(party, "telecom")) if t), None)
        if who and box:
            made.append(segment("OBX", {
                1: str(len(made)), 2: "XTN", 3: (who, VOLET.rows[who].display, "AckMetierZAM"),
                4: text(party, "identifier", 0, "value"), 5: [box], 11: "F",
            }))  # fmt: skip
    return made + _err(answer)


def _answered(answer: Element) -> str:
    """MSH-10 of the message that is answered.

    :raises MappingError: when the Communication does not say it.
    """
    number = next((v for about in items(answer, "about") if (v := text(about, "identifier", "value"))), None)
    if number is None:
        raise MappingError(
            "it does not say which message it answers", where="Communication.about.identifier.value",
            cure="give the MSH-10 of that message", code="101",
        )  # fmt: skip
    return number


def _err(answer: Element) -> list[str]:
    """ERR-3 (table 0357) with ERR-5, the code of the DMP, of the mail, or of table 0533."""
    found = [c for c in items(answer, "statusReason", "coding") if text(c, "code")]
    condition = next((c for c in found if _table(c) == "HL70357"), None)
    own = next((c for c in found if c is not condition), None)
    if condition is None and own is None:
        return []
    first = (text(condition, "code") or "207", text(condition, "display"), "HL70357")
    second = (text(own, "code"), text(own, "display"), _table(own)) if own else None
    return [segment("ERR", {3: first, 4: "E", 5: second})]


def _table(coding: object) -> str:
    return (text(coding, "system") or "").removeprefix(_CONDITIONS)
