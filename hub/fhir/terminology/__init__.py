"""Terminology: which codes exist, which value set holds them, what they become; for everyone who asks.

R4 §4 (terminology module).  It knows the value sets of the CI-SIS and those R4 binds as required (tables of
this package), the CodeSystem, ValueSet and ConceptMap resources of ``profiles/``, and the code tables of
``mappings/`` as concept maps: :func:`catalogue` has it all, read at the first question and then kept.
:func:`member` is for validators and search.

To add a code system, value set or concept map: its JSON in ``profiles/``.
"""

from __future__ import annotations

from hub.fhir.terminology.catalogue import Catalogue, canonical_system, catalogue
from hub.fhir.terminology.model import CodeSystem, Coding, Concept, ConceptMap, Target, ValueSet

__all__ = [
    "Catalogue", "CodeSystem", "Coding", "Concept", "ConceptMap", "Target", "ValueSet",
    "canonical_system", "catalogue", "member",
]  # fmt: skip


def member(valueset_url: str, system: str, code: str, base: str = "") -> bool | None:
    """Whether a code is in a value set; None when that cannot be told (a set that is not known, or that takes
    any code of a system of which only a part is known).

    :param system: its URL or ``urn:oid:``; "" for a plain ``code``, which is a member if any system of the
        set has it (R4 §4.1.5: the binding implies the system).
    :param base: the setting ``canonical_base``.
    :raises HubError: when the value set is known and draws on something that is not.
    """
    return catalogue(base).member(valueset_url, system, code)
