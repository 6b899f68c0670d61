"""Runs channels: intake, order, mapping, deliveries, retries, hold and replay.

The engine knows no protocol, no YAML and no FHIR element: connectors and mappings reach it by name
through :mod:`hub.registry`, channels arrive as :class:`hub.engine.model.ChannelSpec`.

The way of a message: ``intake`` stores it and only then has it answered; ``pipeline`` (pure) reads,
maps, validates and routes it; ``work`` stores what came out together with its deliveries, in one
transaction; ``deliver`` sends.  ``threads`` and ``wide`` are the two runners; ``engine`` says which process of
a hub does what: one that takes in never maps, so what computes holds up no answer.
"""
