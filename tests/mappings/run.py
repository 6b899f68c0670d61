"""How tests run a mapping: over bytes, through the same readers as the hub."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from hub.fhir.draft import Draft, Site
from hub.registry import mapping, reader

SAMPLES = Path(__file__).parent / "samples"
GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).parents[3] / "shared" / "data"

INS = ("urn:oid:1.2.250.1.213.1.4.10", "255064900799907")
IPP = ("urn:oid:1.2.250.1.999.7", "P1001")


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def mapped(name: str, body: bytes, site: dict[str, Any] | None = None, *, origins: bool = False) -> Draft:
    """What the mapping ``name`` makes of ``body``."""
    made = mapping(name)
    draft = Draft()
    made.run(reader(made.source).parse(body, origins), draft, Site(site or {}))
    return draft


def adt(body: bytes, site: dict[str, Any] | None = None) -> Draft:
    return mapped("hl7v2.messages.adt", body, site)


def only(draft: Draft, kind: str) -> dict[str, Any]:
    """The one resource of a type that the draft states (views superseded left aside)."""
    found = [e.resource for e in draft.entries.values() if e.type == kind and not e.only_if_exists]
    assert len(found) == 1, [e.ref for e in draft.entries.values()]
    return found[0]


def refs(draft: Draft, kind: str) -> list[str]:
    return [e.ref for e in draft.entries.values() if e.type == kind]


def issues(draft: Draft) -> list[tuple[str, str]]:
    return [(i.severity, i.where) for i in draft.issues]


def told(draft: Draft) -> dict[str, Any]:
    """A draft as golden files hold it."""
    made: dict[str, Any] = {
        ref: {"rank": int(e.rank), "only_if_exists": e.only_if_exists, "resource": e.resource}
        for ref, e in draft.entries.items()
    }
    stated = {
        f"{ref} {topic}": {"at": p.at, "sets": p.sets, "adds": p.adds} for (ref, topic), p in draft.patches.items()
    }
    return (
        made
        | ({"patches": stated} if stated else {})
        | {"issues": [f"{i.severity} {i.where}: {i.what}" for i in draft.issues]}
    )


def edited(body: bytes, *changes: tuple[str, str]) -> bytes:
    """``body`` with pieces of text exchanged; each must be there."""
    text = body.decode()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


def cut(tag: str) -> tuple[str, str]:
    """The change that removes the first element of that name from the sample of a CDA."""
    text = sample("report.xml").decode()
    start = min(i for i in (text.find(f"<{tag}{c}") for c in "> /") if i >= 0)
    end = text.index(f"</{tag}>", start) + len(tag) + 3
    return text[start:end], ""


PID = (
    "PID|||255064900799907^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.10&ISO^INS~P1001^^^CH-LOIRE&1.2.250.1.999.7&ISO^PI"
    "||LEFÈVRE^ODETTE^ODETTE JEANNE^^^^L||19550614|F||||||||||26000042^^^CH-LOIRE&1.2.250.1.999.7&ISO^AN"
    "||||||||||||||VALI"
)


VOLET = "2.1^CISIS_CDA_HL7_V2"


def message(
    octets: bytes,
    *,
    kind: str = "MDM^T02^MDM_T02",
    orc: str = "NW",
    status: str = "F",
    ed: str = "^text^XML^Base64^",
    txa: str = "TXA|1|34794-8|TEXT|202604141020||||||||CR-77.2^^1.2.250.1.999.7.20^ISO|||||AU",
    more: tuple[str, ...] = (),
    pid: str = PID,
    coded: str | None = None,
) -> bytes:
    """A message of the CDA-R2 en HL7v2 volet that carries ``octets``."""
    coded = base64.b64encode(octets).decode() if coded is None else coded
    lines = [
        rf"MSH|^~\&|DPI|CH-LOIRE|HUB|RESEAU|202604141021||{kind}|M-1|P|2.6|||||FRA|UNICODE UTF-8|||{VOLET}",
        "EVN||202604141021",
        pid,
        "PV1|1|I|||||||||||||||||V20260412^^^CH-LOIRE&1.2.250.1.999.7&ISO^VN",
        f"ORC|{orc}",
        "OBR|1|D-5^DPI|F-5^RIS|34794-8^CR de réunion de concertation pluridisciplinaire^LN",
        *([txa] if kind.startswith("MDM") else []),
        f"OBX|1|ED|34794-8^CR de réunion de concertation pluridisciplinaire^LN||{ed}{coded}||||||{status}",
        "PRT||UC||SB^^participation|899700000016^NGUYEN^Claire^^^^^^ASIP-SANTE- PS&1.2.250.1.71.4.2.1&ISO^D^^^IDNPS",
        *more,
    ]
    return "\r".join(lines).encode() + b"\r"
