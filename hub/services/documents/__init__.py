"""Documents of the record: how they are shown.

HL7 CDA R2.  :mod:`hub.services.documents.html` makes the page of a CDA document.
"""
