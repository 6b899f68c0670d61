"""Links to further pages that say nothing of what was searched.

R4 §3.1.1.5.5: a client treats paging links as opaque.  The search itself, which may hold the identifier
of a patient, stays in the ``page`` table; the link carries its handle, the place reached and a MAC
(HMAC-SHA-256, RFC 2104) that binds both to the caller.  The place may be a name when the search is sorted by
names, so it is encrypted: HMAC in counter mode, under a nonce made of what it hides (as in RFC 5297).
"""

from __future__ import annotations

import binascii
import hmac
import os
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from pathlib import Path

import orjson
from sqlalchemy import delete, select

from hub import clock
from hub.errors import GoneError, NotFoundError
from hub.settings import Settings
from hub.store.handle import Store
from hub.store.search import Place
from hub.store.tables import page
from hub.store.writer import Tx

_HOUR = 3_600_000_000
LIFE = 24 * _HOUR
_RENEWED = LIFE // 2  # a search asked again after this long gets a new term
_LONGEST = 8192  # octets of a link: four names of 199 letters fit
_KEPT = 4096


class Pages:
    """Makes and opens page links of one hub."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._key = _key(settings)
        self._written: dict[bytes, int] = {}  # handle -> until when the row is known to last
        self._lock = threading.Lock()

    def link(self, text: str, place: Place, caller: str) -> str:
        """The token of the page of search ``text`` that comes after ``place`` (values of JSON)."""
        handle = self._mac(b"handle", text.encode())
        self._keep(handle, text)
        body = handle + self._hidden(orjson.dumps(place))
        return urlsafe_b64encode(body + self._mac(caller.encode(), body)).rstrip(b"=").decode()

    def open(self, token: str, caller: str) -> tuple[str, Place]:
        """The search and the place behind a token.

        :raises NotFoundError: when the token was not made here for this caller.
        :raises GoneError: when the search is no longer kept.
        """
        try:
            raw = urlsafe_b64decode(token + "=" * (-len(token) % 4)) if len(token) <= _LONGEST else b""
        except (binascii.Error, ValueError):
            raw = b""
        body, mac = raw[:-16], raw[-16:]
        if len(body) <= 32 or not hmac.compare_digest(mac, self._mac(caller.encode(), body)):
            raise NotFoundError("this page was not made for this caller", cure="search again")
        with self._store.reading() as conn:
            found = conn.execute(select(page.c.query, page.c.expires_at).where(page.c.handle == body[:16])).first()
        if found is None or found.expires_at < clock.now():
            raise GoneError("the pages of this search are no longer kept", cure="search again")
        return found.query, tuple(orjson.loads(self._shown(body[16:])))

    def _hidden(self, text: bytes) -> bytes:
        text += b" " * (-len(text) % 32)  # the length says less
        nonce = self._mac(b"place", text)
        return nonce + self._xor(nonce, text)

    def _shown(self, hidden: bytes) -> bytes:
        return self._xor(hidden[:16], hidden[16:])

    def _xor(self, nonce: bytes, text: bytes) -> bytes:
        stream = b"".join(
            hmac.digest(self._key, b"stream" + nonce + n.to_bytes(4, "big"), "sha256")
            for n in range(-(-len(text) // 32))
        )
        return bytes(a ^ b for a, b in zip(text, stream, strict=False))

    def _keep(self, handle: bytes, text: str) -> None:
        at = clock.now()
        if self._written.get(handle, 0) > at + LIFE - _RENEWED:
            return
        until = at + LIFE

        def write(tx: Tx) -> None:
            tx.conn.execute(delete(page).where((page.c.expires_at < at) | (page.c.handle == handle)))
            tx.insert(page, [(handle, text, until)], ignore=True)

        self._store.write(write)
        with self._lock:
            if len(self._written) >= _KEPT:
                self._written.clear()
            self._written[handle] = until

    def _mac(self, purpose: bytes, text: bytes) -> bytes:
        return hmac.digest(self._key, len(purpose).to_bytes(2, "big") + purpose + text, "sha256")[:16]


def _key(settings: Settings) -> bytes:
    """The key of the hub; where no secret is set, one of its own in the data folder."""
    secret = settings.secret.get_secret_value()
    if secret:
        return hmac.digest(secret.encode(), b"paging", "sha256")
    return _own_key(settings.data / "paging.key")


def _own_key(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(os.urandom(32))
    with suppress(FileExistsError):
        os.link(part, path)  # whole or not at all: processes that start together agree on one key
    part.unlink()
    return path.read_bytes()
