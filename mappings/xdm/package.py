"""The files of IHE_XDM.zip: a page to enter by, words for who opens it by hand, metadata, documents.

IHE ITI TF-1 §16 and TF-2 §3.32.4.1.2 (INDEX.HTM in XHTML Basic, README.TXT, names of ISO 9660 level 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from hub import __version__
from hub.source import ebrim, xdm
from hub.source.ebrim import Metadata

SUBSET = "IHE_XDM/SUBSET01"
_EXTENSIONS = {"text/xml": "XML", "application/xslt+xml": "XML", "application/pdf": "PDF", "application/dicom": "DCM"}
_PAGE = """\
<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML Basic 1.1//EN" "http://www.w3.org/TR/xhtml-basic/xhtml-basic11.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="fr">
<head><title>{title}</title></head>
<body>
<h1>{title}</h1>
<p>Expéditeur : {sender}</p>
<ul>
{links}</ul>
<p><a href="README.TXT">Lisez-moi</a></p>
</body>
</html>
"""
_README = """\
Documents de santé transmis par {sender}.
Logiciel : OncoHub {version}.

Ouvrez INDEX.HTM dans un navigateur, ou confiez IHE_XDM.zip à votre logiciel (IHE XDM).

INDEX.HTM
README.TXT
IHE_XDM/
  SUBSET01/
    METADATA.XML   description des documents
{files}"""


def uri(number: int, content_type: str) -> str:
    """The name of the n-th document."""
    return f"DOC{number:05d}.{_EXTENSIONS.get(content_type, 'BIN')}"


def package(metadata: Metadata, documents: Sequence[bytes], sender: str) -> bytes:
    """IHE_XDM.zip; the same documents give the same octets."""
    title = metadata.submission.title if metadata.submission else ""
    named = [(d.slot("URI"), d.title) for d in metadata.documents]
    links = "".join(f'<li><a href="{SUBSET}/{name}">{escape(text or name)}</a></li>\n' for name, text in named)
    files = "".join(f"    {name}   {text}\n" for name, text in named)
    page = _PAGE.format(title=escape(title), sender=escape(sender), links=links)
    readme = _README.format(sender=sender, version=__version__, files=files).replace("\n", "\r\n")
    return xdm.write({
        "INDEX.HTM": page.encode(),
        "README.TXT": readme.encode(),
        f"{SUBSET}/METADATA.XML": ebrim.write(metadata),
        **{f"{SUBSET}/{name}": octets for (name, _), octets in zip(named, documents, strict=True)},
    })  # fmt: skip
