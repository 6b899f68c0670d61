"""A CDA-R2 document to the MSSanté mail that brings it to its correspondents (:mod:`hub.mappings.xdm.report`).

ANS, référentiel socle MSSanté n° 2.
"""

from __future__ import annotations

from hub.fhir.draft import Mapping

from ...xdm.report import mail

MAPPING = Mapping("cda", mail, "a document to the MSSanté mail that brings it: IHE_XDM.zip, PDF, headers and words")
