"""FHIR R4 to CDA-R2 documents of the CI-SIS: the way back of :mod:`hub.mappings.cda`.

HL7 CDA R2; ANS CI-SIS, structuration minimale.  From below to above: ``build`` (elements), ``types`` (one function a
data type, the inverse of :mod:`..datatypes`), ``record`` (the resources that a document is written from), ``people``
and ``patient``, ``header``, and one module a model with ``write(record) -> octets``.

What is read again gives the same FHIR, but for what is said of the octets themselves (size and hash of the document).
Nothing is made up: a value that FHIR does not have is a nullFlavor where CDA R2 asks for the element, and missing
elsewhere; ``hub conformance cda`` says whether the document that came out is sound.
"""
