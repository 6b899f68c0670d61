"""Channels as people write them: the file, what is wrong with it, its tests, its scaffold.

The way of a channel file: ``loader`` reads YAML so that codes stay text and every value knows its line;
``shape`` says what may stand in it; ``model`` makes the :class:`hub.engine.model.ChannelSpec` the engine
runs; ``rules`` say what is wrong beyond that, one function each; ``lint`` asks them all.  ``testing`` and
``trying`` run the pure pipeline over messages; nothing here listens, stores or sends.

Decisions.  A channel holds no code: what needs logic is a mapping, written in Python with its test.
Plain scalars are text unless they can only be a truth value or a small number, for a FINESS number or a
post code must survive (``reading`` of YAML 1.1 makes 512 of ``01000``).  Variables are replaced after
reading, in single texts, so that a value never changes the structure.  A broken channel keeps no other
from running, and a broken change keeps the running revision.
"""
