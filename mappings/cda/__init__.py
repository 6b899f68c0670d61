"""CDA-R2 documents of the CI-SIS to FHIR R4 (ANS, structuration minimale; IHE PDSm)."""
