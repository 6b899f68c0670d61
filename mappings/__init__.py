"""What a received message or document becomes in FHIR R4: pure functions, in three layers.

``datatypes`` (one function a source datatype, named after both ends: ``cx_identifier``), then ``segments``
or ``header`` and ``narrative``, then ``messages`` and ``documents``, whose modules offer ``MAPPING``, a
:class:`hub.fhir.draft.Mapping`, found by its dotted name (``hl7v2.messages.adt``).  Code tables are CSV in
``tables`` (source, target, display, equivalence, reference).  No I/O but those tables, no clock, no chance.

Rules that hold for all of them:

* The id of a Patient comes from the qualified INS, else from the identifier of the establishment, so that
  ADT, MDM and CDA of one person meet (:mod:`hub.mappings.patients`).
* A value keeps its origin (:mod:`hub.source.origin`): conversions go through :func:`.shape.keep`.
* An empty element is never written; what is unknown is left out or said to be absent.
* No mapping claims a profile: ``meta.profile`` is for who has validated.

To add a mapping: one module with its ``MAPPING`` and its goldens in ``tests/mappings``.
To add a code table: one CSV.
"""
