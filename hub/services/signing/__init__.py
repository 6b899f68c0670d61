"""Signatures: what comes in is verified, what the hub sends is sealed, what a person signs is prepared for the card.

W3C XML Signature 1.1, ETSI EN 319 132 (XAdES 1.3.2), IHE ITI DSG, SAML 2.0 (VIHF), FHIR R4 §2.36 (Signature).

The way of a verification: ``gate`` (size, structure, algorithms: nothing is computed before), ``integrity``
(digests and signature), then ``believe`` (chain, revocation), the time, replay and binding.  Each step is a line
of the :class:`~hub.services.signing.verdict.Verdict`; the first that fails ends it.  What comes out are the
canonical octets that were digested, never the tree that was looked at: what is seen is what was signed.

The hub signs as itself (``seal``), never in the name of a person: their signature is made where their card is,
between ``deferred.prepare_signature`` and ``deferred.complete_signature``.
"""
