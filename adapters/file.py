"""Files: taken out of a folder, and written into one.

POSIX.1-2017 rename(), fsync(): a reader of the folder never sees half a file, and a file that was
acknowledged is still there after a power cut.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path
from string import Formatter

from pydantic import Field, field_validator

from hub.engine.connector import Answer, Connector, DestinationContext, Outgoing
from hub.errors import RefusedError, UnavailableError

from ._file_source import FileSource, FileSourceOptions
from ._options import Options

_EXTENSIONS = {
    "x-application/hl7-v2+er7": "hl7", "application/fhir+json": "json", "text/xml": "xml", "application/xml": "xml",
    "application/pdf": "pdf", "application/dicom": "dcm", "text/plain": "txt",
}  # fmt: skip
_FIELDS = ("id", "ext", "type", "channel")


class FileDestinationOptions(Options):
    """Options of ``file: …`` below ``deliver:``."""

    directory: Path = Field(description="folder to write to; it must be there")
    name: str = Field("{id}.{ext}", description="name of a file: {id} (needed), {ext}, {type} as ADT_A01, {channel}")
    mode: str = Field("640", pattern=r"^[0-7]{3}$", description="permissions of a file, octal")

    @field_validator("name")
    @classmethod
    def _template(cls, value: str) -> str:
        try:
            parts = list(Formatter().parse(value))
        except ValueError as e:
            raise ValueError(f"{e}; write {{{'}, {'.join(_FIELDS)}}}") from None
        fields = [(name, spec, conversion) for _, name, spec, conversion in parts if name is not None]
        if any(name not in _FIELDS or spec or conversion for name, spec, conversion in fields):
            raise ValueError(f"write {{{'}, {'.join(_FIELDS)}}}")
        if "{id}" not in value:
            raise ValueError("{id} must be in it, so that a file sent twice is one file")
        if "/" in value or value.startswith("."):
            raise ValueError("write a name, not a path, that begins with no dot")
        return value


class FileDestination:
    """Writes each body as one file."""

    def __init__(self, options: FileDestinationOptions, context: DestinationContext) -> None:
        self._options, self._channel = options, context.channel
        self._where = f"{context.channel}: deliver.{context.name}.file"

    def send(self, item: Outgoing) -> Answer:
        """Write, flush, and give the file its name.  The same delivery writes the same file.

        :raises UnavailableError: the folder is away or full.
        :raises RefusedError: the name is not possible there.
        """
        folder = self._options.directory
        name = self._options.name.format(
            id=_plain(item.idempotency_key), ext=_EXTENSIONS.get(item.content_type.partition(";")[0], "bin"),
            type=_plain(item.type), channel=_plain(self._channel),
        )  # fmt: skip
        try:
            _write(folder, name, item.body, int(self._options.mode, 8))
        except OSError as e:
            where = f"{self._where}.directory"
            if e.errno in (errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR):
                raise RefusedError(f"cannot write such a name: {e.strerror}", where=where, cure="change name") from None
            what = f"cannot write to {folder}: {e.strerror}"
            raise UnavailableError(what, where=where, cure="check that it is there, writable and not full") from None
        return Answer(name.encode(), f"written to {folder}")

    def close(self) -> None:
        """Nothing is open."""

    def probe(self) -> str:
        """See whether the folder may be written."""
        folder = self._options.directory
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            what = f"{folder} is not there or may not be written"
            raise UnavailableError(what, where=f"{self._where}.directory", cure="make it, and give the hub the right")
        free = os.statvfs(folder)
        return f"{folder} is writable, {free.f_bavail * free.f_frsize >> 20} MiB free"


def _plain(text: str) -> str:
    """Text that is safe in a file name."""
    return re.sub(r"[^A-Za-z0-9-]+", "_", text)[:100] or "_"


def _write(folder: Path, name: str, body: bytes, mode: int) -> None:
    part = folder / f".{name}.part"
    part.unlink(missing_ok=True)  # of an attempt that was killed
    number = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with open(number, "wb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            view = memoryview(body)
            while view:
                view = view[file.write(view) :]
            os.fchmod(number, mode)
            os.fsync(number)
        part.rename(folder / name)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


CONNECTOR = Connector(
    name="file",
    summary="files of a folder, taken and written",
    source=FileSource,
    source_options=FileSourceOptions,
    destination=FileDestination,
    destination_options=FileDestinationOptions,
    format="raw",
    capabilities=frozenset({"polls", "secure"}),
)
