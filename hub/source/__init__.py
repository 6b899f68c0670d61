"""Readers of received documents, which keep where each value was read.

One module a format (``hl7v2``, ``cda``, ``xdm``, ``mail``, later ``dicom``, ``table``).  Each offers ``READER``,
a :class:`hub.source.reader.Reader`; the engine finds it by the format's name.  No I/O here, no mapping.

To add a format: one module with a ``READER``, and its test in ``tests/source``.
"""
