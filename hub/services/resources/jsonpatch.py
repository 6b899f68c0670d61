"""JSON Patch of a resource: RFC 6902, R4 §3.1.0.6 (http://hl7.org/fhir/R4/http.html#patch).

The operations are those of the library ``jsonpatch``; here they are bounded (a few copies of a copy fill any
memory) and told apart, so that a client learns which one failed.
"""

from __future__ import annotations

from typing import Any

from hub.errors import InvalidError, TooLargeError, UnprocessableError
from hub.fhir import jsontext

MAX_OPERATIONS = 1000
_MAX_COPIES = 20
_MAX_RESULT = 32 * 1024 * 1024
_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


def apply(resource: bytes, patch: bytes) -> bytes:
    """The JSON of a resource after a patch.

    :raises InvalidError: when the patch is none; UnprocessableError: when it does not fit the resource;
        TooLargeError: beyond the bounds.
    """
    from jsonpatch import JsonPatch, JsonPatchException, JsonPatchTestFailed, JsonPointerException

    value: Any = jsontext.exact(resource)
    for number, operation in enumerate(_read(patch)):
        where = f"patch[{number}]"
        try:
            value = JsonPatch([operation]).apply(value, in_place=True)
        except JsonPatchTestFailed:
            raise UnprocessableError("the test failed", where=where, cure="read the resource again") from None
        except (JsonPatchException, JsonPointerException, KeyError, TypeError, ValueError, IndexError):
            what = f"{operation['op']} finds nothing to work on"
            raise UnprocessableError(what, where=where, cure="see its path, and the resource") from None
        if operation["op"] == "copy" and len(jsontext.write(value)) > _MAX_RESULT:
            raise TooLargeError("the patch makes the resource too large", where=where)
    if not isinstance(value, dict):
        raise UnprocessableError("nothing is left that is a resource", where="patch", cure="patch elements of it")
    return jsontext.write(value)


def _read(patch: bytes) -> list[dict[str, Any]]:
    # A patch is a list; read as the member of an object it meets the same bounds as a resource.
    operations = jsontext.exact(jsontext.read(b'{"patch":' + patch + b"}").text)["patch"]
    if not isinstance(operations, list) or not operations:
        raise InvalidError("a JSON Patch is a list of operations", where="patch", cure="see RFC 6902", code="structure")
    if len(operations) > MAX_OPERATIONS:
        raise TooLargeError(f"more than {MAX_OPERATIONS} operations", where="patch", cure="send an update")
    copies = 0
    for number, operation in enumerate(operations):
        where = f"patch[{number}]"
        if not isinstance(operation, dict) or operation.get("op") not in _OPERATIONS:
            cure = f"take one of {', '.join(_OPERATIONS)}"
            raise InvalidError("is no operation of JSON Patch", where=where, cure=cure, code="structure")
        needed = {"path", *({"from"} if operation["op"] in ("move", "copy") else ())}
        for name in sorted(needed):
            text = operation.get(name)
            if not isinstance(text, str) or (text and not text.startswith("/")):
                cure = "write a JSON Pointer, such as /name/0/family"
                raise InvalidError(f"{name} is no JSON Pointer", where=where, cure=cure, code="structure")
        if operation["op"] in ("add", "replace", "test") and "value" not in operation:
            raise InvalidError("there is no value", where=where, cure="give one", code="required")
        copies += operation["op"] == "copy"
    if copies > _MAX_COPIES:
        raise TooLargeError(f"more than {_MAX_COPIES} copies", where="patch", cure="send an update")
    return operations
