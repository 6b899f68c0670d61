"""JSON and XML to read on a page: laid out, coloured by class, with links; and what changed between two versions.

R4 §2.3.0 (references), RFC 8259.  Everything is escaped here; nothing stored is ever markup of the page.
"""

from __future__ import annotations

import difflib
import re

from markupsafe import Markup, escape

from hub.facade.browse.values import link
from hub.facade.shape import pretty

SHOWN = 400_000  # characters of JSON or XML on a page; there is a link for the rest
_COMPARED = 3_000  # lines; the time of a comparison grows faster than they do
_LONG = 2_000  # characters of one string, such as base64
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")(\s*:)?|([-0-9.eE+]+|true|false|null)|([^"\-0-9tfn]+|.)', re.DOTALL)
_REFERENCE = re.compile(r'(value=")([^"]*)(")')


def json(body: bytes, base: str) -> Markup:
    """JSON octets as markup."""
    text = pretty(body).decode("utf-8", "replace")
    return Markup("").join(_coloured(found, base) for found in _TOKEN.finditer(text[:SHOWN]))


def xml(text: str, base: str) -> Markup:
    """XML text as markup."""
    done, parts = 0, []
    text = text[:SHOWN]
    for found in _REFERENCE.finditer(text):
        href = link(found[2], base)
        if href:
            parts += [escape(text[done : found.start(2)]), _anchor(href, found[2])]
            done = found.end(2)
    return Markup("").join([*parts, escape(text[done:])])


def changes(old: bytes, new: bytes) -> list[tuple[str, str]] | None:
    """(``added``, ``removed``, ``same`` or ``place``, line) of what changed; None when it is too long to tell.

    ``meta`` changes with every version and is left out by the caller.
    """
    before, after = (pretty(one).decode("utf-8", "replace").splitlines() for one in (old, new))
    if len(before) + len(after) > _COMPARED:
        return None
    lines = [*difflib.unified_diff(before, after, lineterm="", n=2)][2:]
    kinds = {"+": "added", "-": "removed", "@": "place", " ": "same"}
    return [(kinds[line[0]], "⋯" if line[0] == "@" else line[1:_LONG]) for line in lines]


def _coloured(found: re.Match[str], base: str) -> Markup:
    string, colon, literal, rest = found.groups()
    if string is None:
        return Markup('<span class="l">{}</span>').format(literal) if literal else escape(rest)
    if colon is not None:
        return Markup('<span class="k">{}</span>{}').format(string, colon)
    href = link(string[1:-1], base)
    if href:
        return Markup('"{}"').format(_anchor(href, string[1:-1]))
    if len(string) > _LONG:
        string = f'{string[:80]}…" ({len(string) - 2:,})'
    return Markup('<span class="s">{}</span>').format(string)


def _anchor(href: str, text: str) -> Markup:
    return Markup('<a href="{}">{}</a>').format(href, text)
