"""The FHIR R4 API and the HTTP server: one file an interaction, its docstring opening with its paragraph.

Views read stored octets and send them on unparsed; rules about care live in services.
"""
