"""Connectors: one file a protocol, found by name through :mod:`hub.registry`.

Each public module here is one connector: option models, a source and/or a destination class, and
``CONNECTOR``.  What several connectors share lies in modules that begin with an underscore.  No file
of this room knows a mapping or reads a body beyond what its protocol's answer needs; the contract they
all keep is :mod:`hub.engine.connector`, executed by :mod:`hub.testing.contract`.
"""
