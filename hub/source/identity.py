"""Identifiers of persons as French sources write them, told alike for every format.

INS and its authorities: ANS, référentiel INS v2 §3 (OIDs 1.2.250.1.213.1.4.8 to .11) and IHE PAM France
2.11.  A reader orders messages by these and a mapping names resources by them, so both must read the
same system out of the same authority.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote

# OID -> code of the fr-core type; .9 is the provisional matricule (NIA), .10 and .11 are for tests.
INS_TYPES = {
    "1.2.250.1.213.1.4.8": "INS-NIR",
    "1.2.250.1.213.1.4.9": "INS-NIA",
    "1.2.250.1.213.1.4.10": "INS-NIR-TEST",
    "1.2.250.1.213.1.4.11": "INS-NIR-DEMO",
}
INS_SYSTEMS = {f"urn:oid:{oid}": code for oid, code in INS_TYPES.items()}
QUALIFIED = "VALI"  # PID-32, French table 0445: the only status under which an INS may be used

_INS = re.compile(r"[0-9]{6}[0-9AB][0-9]{8}")
_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@lru_cache(maxsize=4096)
def root_system(root: str) -> str:
    """The system of an OID or a UUID (ISO 21090 II.root): ``urn:oid:...`` or ``urn:uuid:...``."""
    if _OID.fullmatch(root):
        return f"urn:oid:{root}"
    if _UUID.fullmatch(root):
        return f"urn:uuid:{root.lower()}"
    return root if ":" in root else f"urn:oncohub:authority:{quote(root, safe='')}"


@lru_cache(maxsize=4096)
def authority_system(namespace: str, universal: str = "", kind: str = "", site: str = "") -> str:
    """The system of an assigning authority (HL7 v2.5 §2.A.33, HD).

    :param site: who speaks (MSH-4); names the authority when the message does not.
    """
    if _OID.fullmatch(universal) and kind in ("", "ISO"):
        return f"urn:oid:{universal}"
    if not universal and _OID.fullmatch(namespace):  # an OID written in the place of the name
        return f"urn:oid:{namespace}"
    if kind in ("UUID", "GUID") and _UUID.fullmatch(universal):
        return f"urn:uuid:{universal.lower()}"
    if kind == "URI" and ":" in universal:
        return universal
    if namespace or universal:
        # No OID: the local name and the local code together are what the establishment knows it by.
        return "urn:oncohub:authority:" + ":".join(quote(p, safe="") for p in (namespace, universal) if p)
    return f"urn:oncohub:site:{quote(site, safe='')}"


def ins_key_holds(value: str) -> bool:
    """Whether the last two digits are the key of the matricule (97 minus the rest of the first 13 by 97)."""
    if not _INS.fullmatch(value):
        return False
    # Corsica: the key is that of the number with 19 for 2A and 18 for 2B.
    body = value[:5] + {"2A": "19", "2B": "18"}.get(value[5:7], value[5:7]) + value[7:13]
    return body.isdigit() and 97 - int(body) % 97 == int(value[13:])
