"""Mails to FHIR: what came with them, and what they say of mails that were sent (RFC 5322, MSSanté)."""
