"""Mappings a channel names (``mail.messages.…``)."""
