"""Organizers, comments and attached documents.

ANS CI-SIS, E~7 (simple organizer), E~18 (document attaché; FRAttachmentLMCDAFHIR), E~32 (commentaire).
"""

from __future__ import annotations

from hub.source.cda import Node

from ...documents import add_binary, attachment
from ...shape import Element, clean
from ..context import Context
from ..datatypes import decoded, media_type
from ..frame import map_statement, statements
from ..values import annotation, identifiers, moment, value_of


def comment(node: Node, c: Context) -> Element | None:
    """A comment that stands by itself in a section: noted under ``comment``, for the rule that ties the section."""
    made = annotation(node, c)
    if made is not None:
        c.made.setdefault("comment", []).append(made)
    return None


def organizer(node: Node, c: Context) -> Element | None:
    """An organizer that adds nothing of its own: what it holds is told, the first of it to the section."""
    node.leave("*container", "id", "code", "statusCode")
    made = [x for kind, inner in statements(node) if (x := map_statement(kind, inner, c))]
    c.also += made[1:]
    return made[0] if made else None


def attached(node: Node, c: Context) -> Element | None:
    """E~18: a file in the document, with what is said of it, to Binary and DocumentReference."""
    node.leave("*container", "id", "code", "statusCode")
    found = dict(reversed(statements(node)))
    media, told = found.get("observationMedia"), found.get("observation")
    return _file(media, told, c) if media is not None else None


def media(node: Node, c: Context) -> Element | None:
    """An observationMedia to Binary and DocumentReference."""
    return _file(node, None, c)


def _file(media: Node, told: Node | None, c: Context) -> Element | None:
    value = media.one("value")
    if value is None:
        return None
    kind = media_type(value, "application/octet-stream")
    octets = decoded(value, c.issue)
    if not octets:
        return None
    name = f"media|{media.attr('ID') or ''}"
    url = add_binary(c.draft, c.part(name), octets, kind)
    if told is not None:
        told.leave("*container", "code", "statusCode", "@moodCode")
    described = told.one("value") if told is not None else None
    said = value_of(described, c) if described is not None else {}
    kind_of = said.get("valueCodeableConcept", {})
    named = next((x["display"] for x in kind_of.get("coding", ()) if "display" in x), None)
    title = said.get("valueString") or kind_of.get("text") or named
    when = moment(told.one("effectiveTime"), c) if told is not None else {}
    language = media.one("languageCode")
    made = clean({
        "resourceType": "DocumentReference",
        "extension": c.link(told) if told is not None else None,
        "identifier": identifiers(media) + (identifiers(told) if told is not None else []),
        "status": "current",
        "type": kind_of,
        "subject": c.patient,
        "description": title,
        "content": [{
            "attachment": attachment(
                url, octets, kind, title=title, creation=when.get("effectiveDateTime"),
                language=language.attr("code") if language is not None else None,
            )
        }],
        "context": {"related": [{"reference": c.reference("DocumentReference")}]},
    })  # fmt: skip
    return c.add(made, name, "media")
