"""Bodies: every document and message once, octet for octet, addressed by the SHA-256 of its octets.

Small ones lie in the ``body`` table.  On SQLite those above ``INLINE`` are files below ``data/bodies``
(written, flushed and renamed before the commit that refers to them); on PostgreSQL all are rows, which
it keeps out of line by itself, so that several hosts need no shared folder.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from sqlalchemy import select

from hub.errors import NotFoundError, UnavailableError
from hub.store.tables import body

if TYPE_CHECKING:
    from hub.store.handle import Store

INLINE = 1024 * 1024

BodyRow = tuple[bytes, int, bytes | None]


class Bodies:
    """Reads and prepares bodies of one store."""

    def __init__(self, store: Store, folder: Path | None) -> None:
        self._store, self._folder = store, folder

    def prepare(self, octets: bytes) -> BodyRow:
        """The row of ``body`` for these octets; a large body is on disk, flushed, when this returns."""
        sha = hashlib.sha256(octets).digest()
        if self._folder is None or len(octets) <= INLINE:
            return sha, len(octets), octets
        try:
            self._keep(self._path(sha), octets)
        except OSError as error:
            reason = errno.errorcode.get(error.errno or 0, "OSError")
            raise UnavailableError(
                f"a large body cannot be written ({reason})", where="data/bodies", cure="see hub doctor"
            ) from error
        return sha, len(octets), None

    @staticmethod
    def _keep(path: Path, octets: bytes) -> None:
        folder = path.parent
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _flush(folder.parent)
        if not path.exists():
            # A name of its own: two threads may keep the same body at the same moment.
            part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")
            try:
                with part.open("wb") as file:
                    file.write(octets)
                    file.flush()
                    os.fdatasync(file.fileno())
                part.rename(path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
        _flush(folder)  # also when somebody else renamed it a moment ago

    def check(self, row: Sequence[Any]) -> None:
        """See, inside the transaction that refers to it, that the file of a large body is there.

        :raises UnavailableError: when it was swept between :meth:`prepare` and now.
        """
        if row[2] is None and not self._path(row[0]).exists():
            raise UnavailableError("the body was swept away while it was being stored", cure="send again")

    def _path(self, sha: bytes) -> Path:
        if self._folder is None:
            raise NotFoundError("this store keeps no bodies in files")
        name = sha.hex()
        return self._folder / name[:2] / name[2:]

    def read(self, sha: bytes) -> bytes:
        """The octets.

        :raises NotFoundError: when they were pruned.
        """
        return self.read_many([sha])[sha]

    def read_many(self, shas: Iterable[bytes]) -> dict[bytes, bytes]:
        """The octets of several bodies.

        :raises NotFoundError: when one of them was pruned, or its file is missing.
        """
        wanted = list(dict.fromkeys(shas))
        out: dict[bytes, bytes] = {}
        with self._store.reading() as conn:
            for start in range(0, len(wanted), 500):
                part = wanted[start : start + 500]
                for sha, octets in conn.execute(select(body.c.sha, body.c.octets).where(body.c.sha.in_(part))):
                    out[bytes(sha)] = bytes(octets) if octets is not None else self._from_file(bytes(sha))
        if len(out) < len(wanted):
            raise NotFoundError("the body was pruned", cure="see keep: of its channel")
        return out

    def _from_file(self, sha: bytes) -> bytes:
        try:
            return self._path(sha).read_bytes()
        except FileNotFoundError:
            raise NotFoundError("the file of a body is missing", where=sha.hex(), cure="restore data/bodies") from None

    def open(self, sha: bytes) -> BinaryIO:
        """The octets as a file."""
        return io.BytesIO(self.read(sha))

    def size(self, sha: bytes) -> int:
        with self._store.reading() as conn:
            found = conn.execute(select(body.c.size).where(body.c.sha == sha)).scalar()
        if found is None:
            raise NotFoundError("the body was pruned")
        return int(found)

    def remove_files(self, shas: Iterable[bytes]) -> None:
        """Delete the files of bodies whose rows are gone."""
        if self._folder is not None:
            for sha in shas:
                self._path(sha).unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Make what was renamed into a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
