"""What the references of a Bundle point to: an entry, something of this server, or nothing that is known.

R4 §2.36.4.1 (resolving references in Bundles); IHE MHD 4.2.3 §3.65.4.1.2: what is not in the Bundle is on the server
that gets it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.fhir.draft import Issue
from hub.services.resources.bundles import Part

_PLACE = re.compile(r"([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?", re.ASCII)
_CONDITION = re.compile(r"[A-Z][A-Za-z]+\?.+", re.DOTALL)


class Links:
    """The entries of a Bundle by what refers to them.

    :ivar twice: what is wrong with full URLs.
    """

    def __init__(self, parts: Sequence[Part], base: str) -> None:
        self._base = base.rstrip("/") + "/"
        self._parts: dict[str, Part] = {}
        self.twice: list[Issue] = []
        for part in parts:
            if part.full_url and self._parts.setdefault(part.full_url, part) is not part:
                self.twice.append(Issue("error", f"{part.where}.fullUrl", "two entries have it", "duplicate"))
        for part in parts:  # a relative reference completes the full URL of an entry
            place = _PLACE.fullmatch("/".join(part.full_url.rsplit("/", 2)[-2:]))
            if place is not None:
                self._parts.setdefault(place[1], part)

    def part(self, text: str) -> Part | None:
        """The entry that a reference points to."""
        return self._parts.get(text) or self._parts.get(self.local(text))

    def local(self, text: str) -> str:
        """``Type/id`` of a reference to something of this server, or ''."""
        place = _PLACE.fullmatch(text.removeprefix(self._base))
        return place[1] if place is not None else ""

    def wrong(self, text: str, resource: Mapping[str, Any]) -> str | None:
        """What is wrong with a reference, as far as the Bundle tells."""
        if text.startswith("#"):
            held = resource.get("contained")
            ids = [c.get("id") for c in held if isinstance(c, dict)] if isinstance(held, list) else []
            return None if text == "#" or text[1:] in ids else "there is no such contained resource"
        if self.part(text) is not None or self.local(text) or _CONDITION.fullmatch(text):
            return None
        if text.startswith("urn:"):
            return "no entry of the Bundle has this fullUrl"
        return "is neither in the Bundle nor on this server"

    def stored(self, resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(path, ``Type/id``) of the references of a resource to what this server must have."""
        for path, text in references(resource):
            if self.part(text) is None and (ref := self.local(text)):
                yield path, ref


def references(resource: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """(path, text) of every Reference.reference of a resource."""
    for name, below in resource.items():
        several = isinstance(below, list)
        for number, one in enumerate(below if isinstance(below, list) else [below]):
            here = f"{path}{name}[{number}]" if several else f"{path}{name}"
            if isinstance(one, dict):
                yield from references(one, f"{here}.")
            elif name == "reference" and isinstance(one, str):
                yield here, one


def patient_of(resource: Mapping[str, Any], links: Links) -> str:
    """Whom a resource is about: the reference, of an entry its full URL, or system|value; '' when nothing says it."""
    subject = resource.get("subject")
    if not isinstance(subject, dict):
        return ""
    text = subject.get("reference")
    if isinstance(text, str) and text:
        part = links.part(text)
        return part.full_url if part is not None else links.local(text) or text
    known = subject.get("identifier")
    return f"{known.get('system', '')}|{known.get('value', '')}" if isinstance(known, dict) else ""
