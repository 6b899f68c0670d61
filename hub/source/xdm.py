"""IHE_XDM.zip: a submission of documents as one archive, read within bounds and written the same each time.

IHE ITI TF-1 §16 and TF-2 §3.32 (XDM, zip over e-mail); ANS CI-SIS, volet Échange de documents de santé;
PKWARE APPNOTE 6.3 §4.  An archive comes from a stranger: what it says of sizes is checked before anything is
inflated and again while it is, no name leaves the archive, and nothing is ever written to a disk.
"""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final
from urllib.parse import unquote

from hub.errors import HubError, ParseError, TooLargeError
from hub.source import ebrim
from hub.source.cda import Document as Cda
from hub.source.cda import parse as parse_cda
from hub.source.cda import peek as peek_cda
from hub.source.ebrim import Metadata, RegistryObject
from hub.source.identity import root_system
from hub.source.reader import Envelope, Reader

MAX_OCTETS: Final = 64 << 20  # of the archive
MAX_ENTRIES: Final = 200
MAX_INFLATED: Final = 200 << 20  # of all entries together
MAX_RATIO: Final = 100  # of one entry, from 1 MiB on: small texts may compress better
_SMALL: Final = 1 << 20
_NAME: Final = 255
_DIRECTORY: Final = MAX_ENTRIES * (46 + 4 * _NAME)  # octets of a central directory of so many entries
_END = struct.Struct("<4s4H2LH")
_KEY: Final = 199
_ZIP = b"PK\x03\x04"
_USUAL = re.compile(
    r"IHE_XDM|METADATA\.XML|INDEX\.HTM|README\.TXT|[A-Z_]{0,8}[0-9]{1,8}(\.[A-Z0-9]{1,3})?", re.IGNORECASE
)
_CODE = "906"  # CDA-R2 en HL7v2, ERR-5: other


@dataclass(frozen=True, slots=True)
class Document:
    """One document.

    :ivar name: of its entry in the archive; ``meta`` what METADATA.XML says of it, None without one.
    :ivar head: what its own header says, when it is a CDA.
    """

    name: str
    octets: bytes
    meta: RegistryObject | None = None
    head: Envelope | None = None

    @property
    def cda(self) -> Cda | None:
        return self.head.parsed if self.head is not None else None

    @property
    def mime(self) -> str:
        return (self.meta.mime if self.meta else "") or "text/xml"


@dataclass(frozen=True, slots=True)
class Subset:
    """One directory of IHE_XDM: a submission set and its documents."""

    name: str
    metadata: Metadata
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Xdm:
    """One archive."""

    subsets: tuple[Subset, ...]

    @property
    def documents(self) -> tuple[Document, ...]:
        return tuple(d for s in self.subsets for d in s.documents)


def patient_of(cx: str) -> tuple[str, str] | None:
    """(OID, identifier) of an XDS patient id ``matricule^^^&oid&ISO^NH`` (HL7 v2.5 CX); None when it is none."""
    parts = cx.split("^")
    authority = parts[3].split("&") if len(parts) > 3 else []
    return (authority[1], parts[0]) if len(authority) > 1 and authority[1] and parts[0] else None


def read(octets: bytes, origins: bool = False) -> Xdm:
    """Read an archive and every document it announces, each checked against its size and SHA-1.

    :raises ParseError: with the entry and what is wrong with it.
    :raises TooLargeError: beyond a bound.
    """
    archive = _Archive(octets)
    places = [n for n in archive.names if n.rpartition("/")[2].upper() == "METADATA.XML"]
    # Those below IHE_XDM are meant; an archive that has none there is read all the same.
    places = [n for n in places if "/IHE_XDM/" in f"/{n.upper()}"] or places
    subsets = []
    for place in sorted(places):
        folder = place.rpartition("/")[0]
        try:
            metadata = ebrim.read(archive.octets(place), origins)
        except HubError as error:
            where = f"{archive.where(place)}:{error.where}"
            raise type(error)(error.what, where=where, cure=error.cure, code=_CODE) from None
        documents = tuple(_document(archive, folder, one, origins) for one in metadata.documents)
        subsets.append(Subset(_shown(folder.rpartition("/")[2]), metadata, documents))
    if not subsets:
        subsets = _without_metadata(archive, origins)
    return Xdm(tuple(subsets))


def _without_metadata(archive: _Archive, origins: bool) -> list[Subset]:
    """The CDA documents of an archive that has no METADATA.XML."""
    found = []
    for name in archive.names:
        if name.upper().endswith(".XML"):
            octets = archive.octets(name)
            head = _cda(octets, origins)
            if head is not None:
                found.append(Document(name, octets, None, head))
    if not found:
        raise _wrong("IHE_XDM", "the archive has neither a METADATA.XML nor a CDA document", "send IHE_XDM.zip")
    return [Subset("", Metadata(None, ()), tuple(found))]


def _document(archive: _Archive, folder: str, meta: RegistryObject, origins: bool) -> Document:
    uri = meta.slot("URI")
    name = archive.find(folder, uri)
    if name is None:
        what = "METADATA.XML announces a document that is not in the archive"
        raise _wrong(f"METADATA.XML: URI {_shown(uri)}", what, "send every document with its URI")
    octets = archive.octets(name)
    size, digest = meta.slot("size"), meta.slot("hash")
    if size and (not size.isdecimal() or int(size) != len(octets)):
        raise _wrong(archive.where(name), "the size is not that of METADATA.XML", "send it as it was described")
    # SHA-1 is what XDS has: it tells damage, it is no signature.
    if digest and digest.lower() != hashlib.sha1(octets, usedforsecurity=False).hexdigest():
        raise _wrong(archive.where(name), "the hash is not that of METADATA.XML", "send it as it was described")
    xml = "xml" in meta.mime or name.upper().endswith((".XML", ".CDA"))
    return Document(name, octets, meta, _cda(octets, origins) if xml else None)


def _cda(octets: bytes, origins: bool) -> Envelope | None:
    """The head of a CDA, or None when it is another XML (a signature)."""
    try:
        head = peek_cda(octets)
        if origins:
            head.parsed = parse_cda(octets, True)
        return head
    except ParseError as error:
        if "DOCTYPE" in error.what:
            raise
        return None


def _wrong(where: str, what: str, cure: str) -> ParseError:
    return ParseError(what, where=where, cure=cure, code=_CODE)


def _shown(path: str) -> str:
    """A path as an error may show it; names of files are often those of persons, so only the usual ones."""
    return path if all(_USUAL.fullmatch(part) for part in path.split("/")) else "(a name)"


class _Archive:
    """The entries of a zip, by name; nothing is inflated before all that the directory says was checked."""

    def __init__(self, octets: bytes) -> None:
        _check_end(octets)
        try:
            self._zip = zipfile.ZipFile(BytesIO(octets))
        except (zipfile.BadZipFile, ValueError, struct.error, UnicodeError, NotImplementedError, OSError):
            raise _wrong("zip", "no readable directory", "send a plain zip") from None
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._folded: dict[str, str] = {}
        self._left = MAX_INFLATED
        infos = self._zip.infolist()
        if len(infos) > MAX_ENTRIES:
            raise TooLargeError(f"more than {MAX_ENTRIES} entries", where="zip", cure="send fewer", code=_CODE)
        if sum(i.file_size for i in infos) > MAX_INFLATED:
            what = f"more than {MAX_INFLATED >> 20} MiB when inflated"
            raise TooLargeError(what, where="zip", cure="send less", code=_CODE)
        for number, info in enumerate(infos, 1):
            self._take(info, f"entry {number}")
        _check_overlap(octets, infos, self._zip.start_dir)
        self.names = list(self._entries)
        for name in self.names:
            if self._read(name, 4) == _ZIP:
                raise _wrong(self.where(name), "an archive in the archive", "send the documents themselves")

    def _take(self, info: zipfile.ZipInfo, where: str) -> None:
        name = unicodedata.normalize("NFC", info.orig_filename.replace("\\", "/"))
        parts = name.rstrip("/").split("/")
        if not name.strip("/") or "\0" in name or len(name) > _NAME or not name.isprintable():
            raise _wrong(where, "a name that is none", "name files as IHE_XDM says")
        if name.startswith("/") or ":" in name or any(p in ("", ".", "..") for p in parts):
            raise _wrong(where, "a name that leads out of the archive", "name files as IHE_XDM says")
        # APPNOTE §4.4.2: the upper half says the system; of Unix ones the mode tells a link.
        mode = info.external_attr >> 16
        if info.create_system == 3 and stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _wrong(where, "a link or a special file", "send plain files")
        if info.flag_bits & 0x2041:
            raise _wrong(where, "encrypted", "send the archive without a password")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise _wrong(where, "a compression that XDM does not have", "use deflate")
        if info.file_size > _SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
            raise TooLargeError(f"inflates more than {MAX_RATIO} times", where=where, cure="send less", code=_CODE)
        folded = name.rstrip("/").casefold()
        if folded in self._folded:
            raise _wrong(where, "a name that stands twice", "name each file once, whatever the case")
        self._folded[folded] = name
        if not name.endswith("/"):
            self._entries[name] = info

    def where(self, name: str) -> str:
        """An entry as an error names it: by its name when that is a usual one, else by its number."""
        return name if _shown(name) == name else f"entry {[*self._entries].index(name) + 1}"

    def find(self, folder: str, uri: str) -> str | None:
        """The entry that a URI means: from its METADATA.XML, from IHE_XDM, from the root; in any case."""
        path = unquote(uri).replace("\\", "/").removeprefix("./")
        above = folder.rpartition("/")[0]
        for place in dict.fromkeys((folder, above, above.rpartition("/")[0], "")):
            name = self._folded.get(unicodedata.normalize("NFC", f"{place}/{path}".strip("/")).casefold())
            if name in self._entries:
                return name
        return None

    def octets(self, name: str) -> bytes:
        """The octets of an entry.

        :raises ParseError: damaged, or other than its directory says.
        """
        made = self._read(name, self._entries[name].file_size + 1)
        self._left -= len(made)
        if self._left < 0:  # entries named by several URIs are inflated each time
            raise TooLargeError(
                f"more than {MAX_INFLATED >> 20} MiB when inflated", where="zip", cure="send less", code=_CODE
            )
        return made

    def _read(self, name: str, most: int) -> bytes:
        try:
            with self._zip.open(self._entries[name]) as file:
                return file.read(most)
        except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, RuntimeError, OSError):
            raise _wrong(self.where(name), "damaged (its CRC or its head does not fit)", "send it again") from None


def _check_end(octets: bytes) -> None:
    """The end record (APPNOTE §4.3.16) before the directory is read: a lie there costs memory."""
    if len(octets) > MAX_OCTETS:
        raise TooLargeError(f"more than {MAX_OCTETS >> 20} MiB", where="zip", cure="send less", code=_CODE)
    at = octets.rfind(b"PK\x05\x06", max(0, len(octets) - 65_557))
    if at < 0 or len(octets) < at + _END.size:
        raise _wrong("zip", "this is no zip archive, or it was cut", "send it whole")
    _, disk, first, here, total, size, offset, _ = _END.unpack_from(octets, at)
    if octets[at - 20 : at - 16] == b"PK\x06\x07" or 0xFFFFFFFF in (size, offset) or 0xFFFF in (here, total):
        raise _wrong("zip", "a zip64 archive", "send a plain zip of less than 4 GiB")
    if disk or first:
        raise _wrong("zip", "one part of several", "send one archive")
    if size > _DIRECTORY:
        raise TooLargeError(f"more than {MAX_ENTRIES} entries", where="zip", cure="send fewer", code=_CODE)


def _check_overlap(octets: bytes, infos: Iterable[zipfile.ZipInfo], directory: int) -> None:
    """No two entries share octets: that is how a small archive inflates to any size."""
    end = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        at = info.header_offset
        if at < end or at + 30 > directory:
            raise _wrong("zip", "entries that overlap", "make the archive anew")
        name, extra = struct.unpack_from("<2H", octets, at + 26)
        end = at + 30 + name + extra + info.compress_size
    if end > directory:
        raise _wrong("zip", "an entry that runs into the directory", "make the archive anew")


def write(files: Mapping[str, bytes]) -> bytes:
    """A zip of ``files`` by name, in their order; the same files give the same octets.

    :raises ValueError: for a name that XDM cannot have.
    """
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, octets in files.items():
            if not all(_is_8_3(p) for p in name.split("/")):
                raise ValueError(f"{name!r} is no ISO 9660 level 1 name")
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o100640 << 16
            archive.writestr(info, octets)
    return target.getvalue()


def _is_8_3(name: str) -> bool:
    stem, _, extension = name.partition(".")
    return (
        0 < len(stem) <= 8
        and len(extension) <= 3
        and all(c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_" for c in stem + extension)
    )


def envelope(xdm: Xdm) -> Envelope:
    """What an archive says of itself: its submission, its patient, its documents."""
    patients: dict[tuple[str, str], None] = {}
    keys: dict[tuple[str, str], None] = {}
    codes: dict[str, None] = {}
    sender, order = "", ""
    for one in xdm.documents:
        if one.head is not None:
            keys.update(dict.fromkeys(one.head.keys))
            codes[one.head.document] = None
            order, sender = order or one.head.order_key, sender or one.head.sender
        elif one.meta is not None:
            code = one.meta.code("type")
            codes[code.code if code else ""] = None
            keys["document", one.meta.identifier("uniqueId")[:_KEY]] = None
    for subset in xdm.subsets:
        for told in (subset.metadata.submission, *subset.metadata.documents):
            if told is not None and (found := patient_of(told.identifier("patientId"))):
                patients[found] = None
    for oid, value in patients:
        keys["patient", value[:_KEY]] = None
        order = order or f"{root_system(oid)}|{value}"
    sets = [s.metadata.submission for s in xdm.subsets if s.metadata.submission is not None]
    return Envelope(
        type="XDM",
        control_id=(sets[0].identifier("uniqueId") if sets else "")[:_KEY],
        sender=((sets[0].identifier("sourceId") if sets else "") or sender)[:_KEY],
        document=next((c for c in codes if c), "")[:64],
        order_key=order[:_KEY],
        keys=tuple(k for k in keys if k[1]),
        parsed=xdm,
    )


def peek(body: bytes) -> Envelope:
    """Read the archive: its head is its METADATA.XML.

    :raises ParseError: with the entry and what is wrong with it.
    """
    return envelope(read(body))


def check(body: bytes, envelope: Envelope) -> None:
    """Everything was checked when it was read."""


READER: Reader = Reader("xdm", "application/zip", peek, read, check)
