"""HL7 v2 messages to FHIR R4 (HL7 v2-to-FHIR; IHE PAM France 2.11; ANS CDA-R2 en HL7v2 v2.1)."""
