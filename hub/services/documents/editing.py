"""What may be changed of the metadata of a document that is shared.

ANS PDSm 3.1.1, flux 3 (update of metadata): a patch changes ``status``, ``securityLabel`` and the extension isArchived;
any other change is answered with 405.  A new document replaces an older one, nothing rewrites it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hub.errors import UnsupportedError
from hub.services.documents.guide import ARCHIVED

_FREE = ("status", "securityLabel")


def check(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """See that a patch of a DocumentReference changes nothing but what it may.

    :raises UnsupportedError: (405) naming the first element that it may not change.
    """
    for name in sorted({*before, *after} - {*_FREE, *(f"_{n}" for n in _FREE)}):
        if _kept(name, before) != _kept(name, after):
            cure = "status, securityLabel and the extension isArchived can be; send a new document that replaces this"
            raise UnsupportedError("is not changed by a patch", where=f"DocumentReference.{name}", cure=cure)


def _kept(name: str, resource: Mapping[str, Any]) -> Any:
    """An element without what may be changed of it."""
    found = resource.get(name)
    if name != "extension" or not isinstance(found, list):
        return found
    return [e for e in found if not (isinstance(e, dict) and e.get("url") == ARCHIVED)] or None
