"""Mappings a channel names (``xdm.documents.…``)."""
