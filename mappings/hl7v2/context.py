"""What all mappings of one message share: the message, its draft, and what the site says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from hub.fhir.draft import Draft, Rank, Site
from hub.source.hl7v2 import Message, Rep, assigning_system
from hub.source.identity import authority_system, root_system

from ..shape import Element, clean, keep
from ..times import FRANCE, ts_micros

_MOST: Final = 4096
_made: dict[tuple[Any, ...], Any] = {}


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
    tag: tuple[Any, ...] | None = None
    _sender: Element | None = None

    @classmethod
    def of(cls, message: Message, draft: Draft, site: Site) -> Context:
        given = site.options.get("authorities")
        known = dict(given) if isinstance(given, dict) else {}
        made = cls(message, draft, site, site.get("zone") or FRANCE, known)
        if not message.context.origins:
            told = tuple(sorted((str(k), str(v)) for k, v in known.items())) if known else ()
            made.tag = (message.sep, message.charset, message.msh[4].raw, told)
        return made

    def remember(self, make: Callable[[Rep, Context], Any], x: Rep, more: str = "") -> Any:
        """``make(x, self)``, or what it made of the same octets before: a hospital names the same people,
        units and beds all day.  What is made is shared, so nobody may change it; with origins nothing is kept.

        :param more: what else the result depends on.
        """
        if self.tag is None:
            return make(x, self)
        key = (make, x.raw, more, self.tag)
        known = _made.get(key, _made)
        if known is _made:
            if len(_made) >= _MOST:
                _made.clear()
            known = _made[key] = make(x, self)
        return known

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

    def sender(self) -> Element | None:
        """The Organization that speaks (MSH-4); None when the message does not say."""
        if self._sender is None:
            x = self.message.msh.rep(4)
            if x is None:
                return None
            system = authority_system(x(1) or "", x(2) or "", x(3) or "")
            self._sender = self.establishment(keep(system, x(2) or x(1)), x(1))
        return dict(self._sender)

    def occurred(self) -> int:
        """When what the message tells happened (EVN-6, EVN-2, MSH-7), microseconds; 0 when it does not say."""
        evn = self.message.first(b"EVN")
        told = (evn.text(6) or evn.text(2)) if evn is not None else None
        return ts_micros(told, self.zone) or ts_micros(self.message.msh.text(7), self.zone)
