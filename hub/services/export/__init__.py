"""Bulk Data exports: HL7 FHIR Bulk Data Access 2.0 (https://hl7.org/fhir/uv/bulkdata/STU2/export.html).

A job is a folder of random name below ``data/exports``: what was asked (``job.json``), how far it is
(``state.json``, replaced whole after each batch) and its files of NDJSON.  Whoever works on jobs holds the lock
``export``; when that process dies, the next goes on after the last batch.  Deleting the folder cancels the job.
"""
