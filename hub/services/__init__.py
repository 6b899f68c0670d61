"""What the programme means, as plain functions over the store; a package each.

Identity, consent, the shared record, screening, tumour boards, imaging, accounts, signing, audit.  No HTTP,
no HTML, no YAML here: facade, console and portal ask, services answer with values or a
:class:`hub.errors.HubError`.

To add one: a package whose functions take the store and who asks, with its tests in ``tests/services``.
"""
