"""FHIR R4 messages to the messages of other standards."""
