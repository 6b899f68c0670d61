"""What ``hub demo`` shows: a hub of its own, real traffic over its real ports, and what became of it.

Fictitious people only (:mod:`hub.testing.samples`).  ``peers`` are the systems around the hub, ``tour`` what
they do and what must come of it: it speaks to the hub as a stranger does, and looks into the store only to
tell how long a message took.
"""
