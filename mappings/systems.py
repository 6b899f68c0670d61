"""Code systems: the FHIR canonical of an OID or of an HL7 v2 table name.

ANS, Nomenclatures des Objets de Santé; HL7 v2 table 0396; terminology.hl7.org.  The pairs are in
``tables/systems.csv``; an OID that is not there is said as ``urn:oid:...``.
"""

from __future__ import annotations

from functools import lru_cache

from hub.source.identity import root_system

from .codes import table


@lru_cache(maxsize=1024)
def code_system(known_as: str) -> str | None:
    """The canonical of a code system named by OID or by its short v2 name (``LN``); None for no name."""
    if not known_as:
        return None
    row = table("systems").rows.get(known_as.strip())
    if row is not None:
        return row.target
    made = root_system(known_as)
    return None if made.startswith("urn:oncohub:") else made
