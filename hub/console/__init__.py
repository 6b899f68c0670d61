"""Web pages of integration engineers: channels, messages, issues, queues, trials.

Views only: they ask :mod:`hub.services` and the store, and work without JavaScript.  No rule lives here,
and every opening of a body leaves a trace.  To add a screen: one module with its views, one template, one test.
"""
