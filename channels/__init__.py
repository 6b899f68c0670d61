"""Channels that come with the hub: a folder each, which ``hub init`` copies into a site.

A folder holds ``channel.yaml``, a README of a paragraph, ``tests/*.yaml`` with their messages and goldens.
Never code: what needs logic is a mapping.  Never a name, an address or a secret of one site: those are
settings and ``${VARIABLES}``.  ``local/`` is for a site that runs from a checkout; git and the wheel leave
it out.

To add one: ``hub new channel``, then its tests; ``hub lint`` and ``hub test`` must pass.
"""
