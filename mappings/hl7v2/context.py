"""What all mappings of one message share: the message, its draft, and what the site says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hub.fhir.draft import Draft, Rank, Site
from hub.source.hl7v2 import Message, Rep, assigning_system
from hub.source.identity import root_system

from ..shape import Element, clean, keep
from ..times import FRANCE


@dataclass(slots=True)
class Context:
    """The way of one message.

    Options of a site: ``zone``, its time zone when it is not Paris; ``authorities``, the OIDs of assigning
    authorities that messages name without one (``{CHU-X: 1.2.250.1.999.1}``).
    """

    message: Message
    draft: Draft
    site: Site
    zone: str = FRANCE
    authorities: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, message: Message, draft: Draft, site: Site) -> Context:
        given = site.options.get("authorities")
        return cls(message, draft, site, site.get("zone") or FRANCE, dict(given) if isinstance(given, dict) else {})

    def system(self, rep: Rep) -> str:
        """The system of CX-4 (or of any field whose component 4 is its assigning authority)."""
        if self.authorities:
            namespace = rep(4)
            oid = self.authorities.get(namespace) if namespace else None
            if namespace and oid:
                return keep(root_system(str(oid)), namespace)
        made = assigning_system(rep, self.message)
        if self.message.context.origins:
            made = keep(made, rep(4, 2) or rep(4))
        return made

    def establishment(self, system: str, name: str | None = None) -> Element:
        """The Organization known by its assigning authority ``system``, named in passing."""
        org = clean({
            "resourceType": "Organization",
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": system}],
            "active": True,
            "name": name,
        })  # fmt: skip
        return self.draft.add(org, ("urn:ietf:rfc:3986", str(system)), rank=Rank.MENTION)
