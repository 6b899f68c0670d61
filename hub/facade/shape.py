"""The form of an answer: JSON or XML, laid out or not, whole or in part, packed or not.

R4 §3.1.0.1.7 and §3.1.0.1.8 (content types and encodings, ``_format``, ``_pretty``), RFC 9110 §12.5.1 and
§12.5.3.  Everything is made as JSON octets; here, at the very end, they become what the client takes.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec

from flask import Request, Response
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from hub.errors import HubError, NotAcceptableError
from hub.fhir.outcome import of_error

FHIR_JSON = "application/fhir+json; charset=utf-8"
FHIR_XML = "application/fhir+xml; charset=utf-8"
JSON_TYPES = ("application/fhir+json", "application/json", "text/json")
XML_TYPES = ("application/fhir+xml", "application/xml", "text/xml") if find_spec("hub.fhir.xml") else ()
_VERSIONS = ("4.0", "4.0.1")
_ANY = ("*/*", "application/*", "text/*")
_PACKED_FROM = 1024  # octets; less is not worth it

_JSON_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Shape:
    """What a client asks for, besides the content; ``form`` is ``json``, ``xml`` or '' for neither."""

    form: str = "json"
    pretty: bool = False


PLAIN = Shape()


def asked(request: Request, form: str | None) -> Shape:
    """The shape a request asks for.

    :param form: ``_format`` of a form, which a search by POST may have.
    """
    if not request.query_string and form is None:
        return _of_accept(request.environ.get("HTTP_ACCEPT", ""))
    given = request.args.get("_format", form)
    shape = _of_accept(request.environ.get("HTTP_ACCEPT", "")) if given is None else Shape(format_of(given))
    return Shape(shape.form, True) if request.args.get("_pretty") == "true" else shape


@lru_cache(maxsize=256)
def _of_accept(accept: str) -> Shape:
    form = accepted(accept)
    return PLAIN if form == PLAIN.form else Shape(form)


@lru_cache(maxsize=256)
def accepted(accept: str) -> str:
    """The form that an Accept header takes best: ``json``, ``xml`` or '' (RFC 9110 §12.5.1)."""
    if not accept:
        return "json"
    for media, quality in parse_accept_header(accept, MIMEAccept):  # best first
        name, parameters = _parts(media)
        if quality <= 0 or parameters.get("fhirversion", "4.0") not in _VERSIONS:
            continue
        if name in JSON_TYPES or name in _ANY:
            return "json"
        if name in XML_TYPES:
            return "xml"
    return ""


def format_of(text: str) -> str:
    """The form that ``_format`` names, or ''; a + arrives as a space."""
    name, parameters = _parts(text)
    name = name.replace(" ", "+")
    if parameters.get("fhirversion", "4.0") not in _VERSIONS:
        return ""
    return (
        "json" if name == "json" or name in JSON_TYPES else "xml" if XML_TYPES and name in ("xml", *XML_TYPES) else ""
    )


def refuse(shape: Shape) -> None:
    """See that there is a form that the client takes.

    :raises NotAcceptableError: 406.
    """
    if not shape.form:
        cure = f"ask for {' or '.join(t[0] for t in (JSON_TYPES, XML_TYPES) if t)}, fhirVersion 4.0"
        raise NotAcceptableError("this server does not write that form", where="http.Accept", cure=cure)


def render(response: Response, shape: Shape) -> None:
    """Give a response of FHIR JSON the form that was asked for."""
    if shape is PLAIN or response.content_type != FHIR_JSON or response.is_streamed:
        return
    body = response.get_data()
    if not body:
        return
    if shape.form == "xml":
        from hub.fhir.xml import to_xml  # not before somebody asks for it

        try:
            body = to_xml(body)
        except HubError as error:  # stored by a message, and not what R4 knows
            what = f"it cannot be written as XML: {error.what}"
            response.status_code = 406
            response.set_data(of_error(NotAcceptableError(what, where=error.where, cure="ask for JSON")))
            return
        response.content_type = FHIR_XML
        if shape.pretty:
            body = _lay_out(body)
    elif shape.pretty:
        body = pretty(body)
    response.set_data(body)


def pack(response: Response, accept_encoding: str) -> None:
    """Send gzip to those who take it (RFC 9110 §8.4.1.3)."""
    if "gzip" not in accept_encoding or response.is_streamed or "Content-Encoding" in response.headers:
        return
    if not (response.content_type or "").startswith(("application/fhir+", "application/json")):
        return
    body = response.get_data()
    if len(body) < _PACKED_FROM or _quality(accept_encoding, "gzip") <= 0:
        return
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    response.set_data(packer.compress(body) + packer.flush())
    response.headers["Content-Encoding"] = "gzip"


def _quality(header: str, name: str) -> float:
    for one in header.split(","):
        token, _, rest = one.partition(";")
        if token.strip().lower() == name:
            try:
                return float(rest.partition("=")[2] or 1)
            except ValueError:
                return 0
    return 0


def pretty(body: bytes) -> bytes:
    """JSON with line breaks and nothing else changed: 5.270 stays 5.270."""
    out: list[bytes] = []
    depth = 0
    previous = b""
    for token in _JSON_TOKEN.findall(body):
        if token in b"}]":
            depth -= 1
            if previous not in (b"{", b"["):
                out.append(b"\n" + b"  " * depth)
        elif previous in (b"{", b"[", b","):
            out.append(b"\n" + b"  " * depth)
        out.append(b": " if token == b":" else token)
        if token in b"{[":
            depth += 1
        previous = token
    return b"".join(out) + b"\n"


def _lay_out(body: bytes) -> bytes:
    """XML with line breaks between elements; the text of the narrative is left as it is."""
    from lxml import etree

    root = etree.fromstring(body, etree.XMLParser(resolve_entities=False, huge_tree=True))
    narratives = list(root.iter("{http://www.w3.org/1999/xhtml}div"))
    kept = [(one, etree.tostring(one, with_tail=False)) for one in narratives]
    etree.indent(root)
    for one, text in kept:
        parent = one.getparent()
        if parent is not None and one.tag.endswith("}div") and parent.tag.endswith("}text"):
            again = etree.fromstring(text)
            again.tail = one.tail
            parent.replace(one, again)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True) + b"\n"


def _parts(media: str) -> tuple[str, dict[str, str]]:
    name, *rest = media.split(";")
    pairs = (one.partition("=") for one in rest)
    return name.strip().lower(), {k.strip().lower(): v.strip().strip('"') for k, _, v in pairs}
