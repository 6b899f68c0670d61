"""One module a document family, each with its ``MAPPING``."""
