"""The verbs of ``hub``, one file each; a module offers ``command``, a click command.

A verb imports what it needs when it runs, so that ``hub --help`` and ``hub lint`` stay quick.
"""
