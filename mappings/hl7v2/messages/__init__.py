"""One module a message family, each with its ``MAPPING``."""
