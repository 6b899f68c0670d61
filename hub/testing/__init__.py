"""What authors of channels and connectors use to test them.

Contract suites every connector passes, peers that misbehave by script, contexts in memory, golden files.
No test framework is imported here, and no connector by name: a test hands its own over.
"""
