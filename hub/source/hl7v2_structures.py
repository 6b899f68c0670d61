"""The structure of each event (MSH-9.3), and what Z segments and messages of French profiles require.

HL7 v2.5 table 0354; IHE PAM France 2.11 (Z99 and Z8x have the structure of the movement they tell: ADT_A01; ZBE); ANS,
transmission d'un document CDA-R2 en HL7v2 v2.1 (ZAM).
"""

from __future__ import annotations

from typing import Final

_ADT: Final = {
    "ADT_A01": "A01 A04 A08 A13 Z99 Z80 Z81 Z82 Z83 Z84 Z85", "ADT_A02": "A02", "ADT_A03": "A03",
    "ADT_A05": "A05 A14 A28 A31", "ADT_A06": "A06 A07", "ADT_A09": "A09 A10 A11", "ADT_A12": "A12",
    "ADT_A15": "A15", "ADT_A16": "A16", "ADT_A21": "A21 A22 A23 A25 A26 A27 A29 A32 A33", "ADT_A24": "A24",
    "ADT_A30": "A30 A34 A35 A36 A46 A47 A48 A49", "ADT_A37": "A37", "ADT_A38": "A38", "ADT_A39": "A39 A40 A41 A42",
    "ADT_A43": "A43 A44", "ADT_A45": "A45", "ADT_A52": "A52 A53", "ADT_A54": "A54 A55",
}  # fmt: skip
STRUCTURES: Final = {
    **{("ADT", event): name for name, events in _ADT.items() for event in events.split()},
    **{("MDM", event): "MDM_T02" for event in ("T02", "T04", "T06", "T08", "T10")},
    **{("MDM", event): "MDM_T01" for event in ("T01", "T03", "T05", "T07", "T09", "T11")},
    ("ORU", "R01"): "ORU_R01",
    **{("ZAM", event): "ZAM_Z01" for event in ("Z01", "Z02", "Z03")},
}
# Structures that no standard has: the segments they must have
OWN: Final = {"ZAM_Z01": (b"EVN", b"OBX")}
# Z segment -> fields that its profile requires
REQUIRED: Final = {b"ZBE": (1, 2, 4)}
# Two patients in one message: each must be there, and the second repeats the structure of the first
PAIRED: Final = frozenset(("ADT_A24", "ADT_A37"))


def structure_of(kind: str, event: str, told: str = "") -> str:
    """MSH-9.3: what the standard gives the event, else what the sender says, else the structure of that name."""
    if kind == "ACK":
        return "ACK"
    return STRUCTURES.get((kind, event)) or told or f"{kind}_{event}"
