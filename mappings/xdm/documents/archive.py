"""IHE_XDM.zip, however it came, to its documents and the List of their submission.

IHE ITI XDM; ANS CI-SIS, volet Échange de documents de santé.
"""

from __future__ import annotations

from hub.fhir.draft import Draft, Mapping, Site
from hub.source.xdm import Xdm

from ..archive import map_archive


def archive(source: Xdm, draft: Draft, site: Site) -> None:
    """Map one archive.

    :raises MappingError: see :func:`hub.mappings.xdm.archive.map_archive`.
    """
    map_archive(source, draft, site)


MAPPING = Mapping("xdm", archive, "IHE_XDM.zip: each document as its model says, and the List of the submission")
