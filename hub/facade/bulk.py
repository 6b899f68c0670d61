"""The jobs of $export over HTTP: how far, the manifest, the files, and cancelling.

FHIR Bulk Data Access 2.0, "Bulk Data Status Request" and "Output File Request".  Files need the token that asked for
them (``requiresAccessToken``); to anybody else there is no such job.
"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Flask, Response, send_file
from werkzeug.http import http_date

from hub import clock
from hub.errors import NotFoundError
from hub.facade.context import Facade, caller, json
from hub.fhir.outcome import issue, outcome

LETTERS = {"export-status": "", "export-cancel": "", "export-file": "rs"}
FILES = {"export-file"}  # what these answer is no FHIR resource
NDJSON = "application/fhir+ndjson"
_AGAIN = "5"  # seconds


def mount(app: Flask, facade: Facade) -> None:
    """Serve ``[base]/_export/[job]`` and the files below."""
    from hub.services.export.jobs import KEPT, Jobs

    jobs = Jobs(facade.settings.data)

    @app.get("/fhir/_export/<job>", endpoint="export-status")
    def status(job: str) -> Response:
        found = jobs.find(job, caller().number)
        state = jobs.state(job)
        if not state.ended:
            response = Response(b"", 202)
            response.headers["X-Progress"] = f"{state.count} resources, {state.done} of {len(found.types)} types"
            response.headers["Retry-After"] = _AGAIN
            return response
        if state.error:
            return json(orjson.dumps(outcome(issue("fatal", "exception", state.error))), 500)
        output = [
            {"type": f.type, "url": f"{facade.base}/_export/{job}/{f.name}", "count": f.count} for f in state.files
        ]
        manifest: dict[str, Any] = {
            "transactionTime": clock.iso(found.at), "request": found.url, "requiresAccessToken": True,
            "output": output, "error": [],
        }  # fmt: skip
        response = Response(orjson.dumps(manifest), content_type="application/json")
        response.headers["Expires"] = http_date((state.ended + KEPT) // 1_000_000)
        return response

    @app.delete("/fhir/_export/<job>", endpoint="export-cancel")
    def cancel(job: str) -> Response:
        jobs.find(job, caller().number)
        jobs.drop(job)
        return json(orjson.dumps(outcome(issue("information", "informational", "the export was cancelled"))), 202)

    @app.get("/fhir/_export/<job>/<name>", endpoint="export-file")
    def file(job: str, name: str) -> Response:
        jobs.find(job, caller().number)
        state = jobs.state(job)
        if not state.ended or name not in {f.name for f in state.files}:
            raise NotFoundError("there is no such file", cure="see the manifest of the export")
        path = (jobs.folder(job) / name).resolve()
        return send_file(path, mimetype=NDJSON, conditional=True, etag=False)
