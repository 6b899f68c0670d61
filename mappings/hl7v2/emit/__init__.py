"""FHIR R4 resources to HL7 v2 messages in ER7: pure functions, the way back of ``segments`` and ``messages``.

``er7`` writes, ``bundle`` finds what a resource refers to, ``datatypes`` builds fields; then one module a group of
segments and ``messages``, which puts them together (:func:`.messages.emit`).  What a message brought in goes out
the same: ``tests/mappings/test_hl7v2_round_trip.py``.

To add a message: its segments in :mod:`.messages`.
"""
