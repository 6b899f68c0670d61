"""The body of a request that writes: bounded, unpacked, in JSON whatever form it came in.

R4 §3.1.0.1.7 (content types, charset UTF-8), RFC 9110 §8.4 (Content-Encoding), §15.5.16 (415).
"""

from __future__ import annotations

import zlib

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.http import parse_options_header

from hub.errors import MediaTypeError, ParseError, TooLargeError
from hub.facade.shape import JSON_TYPES, XML_TYPES
from hub.fhir import jsontext
from hub.fhir.jsontext import Json

MAX_RESOURCE = 64 * 1024 * 1024  # octets, also of what comes packed, once unpacked
MAX_BINARY = 256 * 1024 * 1024


def media(request: Request) -> str:
    """The media type of the body, in small letters, without parameters."""
    return request.mimetype


def octets(request: Request, limit: int = MAX_RESOURCE) -> bytes:
    """The body as it was meant, unpacked.

    :raises TooLargeError: when it is beyond the limit; MediaTypeError: for a packing the hub does not know.
    """
    request.max_content_length = limit
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    except ClientDisconnected:
        raise ParseError("the body ended too soon", cure="send it again") from None
    packing = request.headers.get("Content-Encoding", "").strip().lower()
    if packing in ("", "identity"):
        return body
    if packing not in ("gzip", "x-gzip"):
        raise MediaTypeError("the hub does not unpack that", where="http.Content-Encoding", cure="send gzip, or plain")
    return _unpacked(body, limit)


def _unpacked(body: bytes, limit: int) -> bytes:
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise ParseError("the body is no gzip", where="http.Content-Encoding", cure="pack it again") from None
    if len(plain) > limit:
        raise _too_large(limit)
    if not unpacker.eof:
        raise ParseError("the gzip of the body ends too soon", where="http.Content-Encoding", cure="send it again")
    return plain


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit >> 20} MiB", cure="send less at once")


def resource(request: Request) -> Json:
    """The resource in the body.

    :raises MediaTypeError: when it says to be neither FHIR JSON nor FHIR XML; ParseError: with the place.
    """
    form(request)
    return read(octets(request), request)


def form(request: Request) -> str:
    """``json`` or ``xml``, as the Content-Type says.

    :raises MediaTypeError: for anything else.
    """
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    if options.get("fhirversion", options.get("fhirVersion", "4.0")) not in ("4.0", "4.0.1"):
        raise MediaTypeError("the hub speaks FHIR R4", where="http.Content-Type", cure="send fhirVersion 4.0")
    if kind in JSON_TYPES:
        return "json"
    if kind in XML_TYPES:
        return "xml"
    said = f"{kind[:64]!r} is no FHIR" if kind else "there is no Content-Type"
    raise MediaTypeError(said, where="http.Content-Type", cure=f"send {' or '.join((*JSON_TYPES[:1], *XML_TYPES[:1]))}")


def read(body: bytes, request: Request) -> Json:
    """The resource in octets of the form and charset that the Content-Type says."""
    if not body.strip():
        raise ParseError("there is no body", cure="send the resource", code="structure")
    charset = request.mimetype_params.get("charset", "utf-8").strip('"').lower()
    if form(request) == "xml":
        from hub.fhir.xml import to_json  # not before somebody sends it

        return jsontext.read(to_json(body))
    if charset not in ("utf-8", "utf8", "us-ascii"):
        try:
            body = body.decode(charset).encode()
        except (LookupError, UnicodeError):
            cure = "send UTF-8 (R4 §2.6.2)"
            raise MediaTypeError("the body is not of that charset", where="http.Content-Type", cure=cure) from None
    return jsontext.read(body)
