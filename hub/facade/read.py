"""read: R4 §3.1.0.2 (http://hl7.org/fhir/R4/http.html#read).

The octets that are stored are the octets that are sent.
"""

from __future__ import annotations

from flask import Flask, Response

from hub.facade.context import Facade, whole

LETTERS = {"read": "r"}


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``GET [base]/[type]/[id]``."""

    @app.get("/fhir/<fhirtype:kind>/<fhirid:fid>", endpoint="read")
    def read(kind: str, fid: str) -> Response:
        row = facade.current(f"{kind}/{fid}")
        return whole(row.content, row)
