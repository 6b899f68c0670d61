"""FHIR R4 (4.0.1) as data: drafts of resources, ids, canonical JSON, search values, validation.

Resources are plain dicts, element order as in the standard.  No storage, no HTTP here.
"""
