"""vread: R4 §3.1.0.3 (http://hl7.org/fhir/R4/http.html#vread)."""

from __future__ import annotations

from flask import Flask, Response

from hub.facade.context import Facade, whole
from hub.facade.versions import version

LETTERS = {"vread": "r"}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/[type]/[id]/_history/[vid]``."""

    @app.get("/fhir/<fhirtype:kind>/<fhirid:fid>/_history/<int:vid>", endpoint="vread")
    def vread(kind: str, fid: str, vid: int) -> Response:
        row = version(facade, f"{kind}/{fid}", vid)
        return whole(row.content, row)
