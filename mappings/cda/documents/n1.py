"""Documents of level 1 (XDS-SD): a PDF, RTF, text or image in the nonXMLBody.

IHE ITI XDS-SD (1.3.6.1.4.1.19376.1.2.20); ANS CI-SIS, structuration minimale.  There are no entries: the file is a
Binary of its own beside the document, the DocumentReference says its format.  The header of an imaging report tells of
its studies and accession numbers all the same: each is an ImagingStudy, as for IMG-CR-IMG (:mod:`..entries.imaging`).
"""

from __future__ import annotations

from ..entries.imaging import studies_of_header
from ..frame import Model
from ..mapping import mapping_of

MODEL = Model(name="CDA N1", template="1.3.6.1.4.1.19376.1.2.20", begin=studies_of_header, silent=True)
MAPPING = mapping_of(MODEL, "a file in a header: DocumentReference, Binary, ImagingStudy")
