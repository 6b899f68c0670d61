"""What the hub claims, and how anybody can check it: conformance statements, content rules, self-tests.

DICOM conformance statement (PS3.2), IHE integration statements, the rules of each ANS document model (id,
paragraph of the source, check) and their last results as tables.  The product imports nothing from here at
run time; import-linter sees to it.

To add a rule: one entry with its paragraph, and a document that breaks it in ``tests/conformance``.
"""
