"""One module a standard to send, each with its ``MAPPING``."""
