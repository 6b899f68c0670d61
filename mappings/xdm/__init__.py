"""IHE XDM archives and the secure mails that carry them, to FHIR and back.

``entry`` and ``submission`` turn XDS metadata into DocumentReference and List; ``metadata`` does the reverse,
strictly; ``archive`` maps what came, ``package`` makes what goes, ``letter`` the mail around it.  What a CDA
becomes is the business of :mod:`hub.mappings.cda`; here is what only the metadata say.
"""
