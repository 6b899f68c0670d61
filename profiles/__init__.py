"""FHIR artefacts as JSON: StructureDefinition, ValueSet, CodeSystem, ConceptMap, NamingSystem, SearchParameter.

Each is written here and cites the canonical that it follows; a folder for each source and version.  Never
generated Python, never a copy of a package published elsewhere.

To add one: the JSON file, with ``url``, ``version`` and what it derives from.
"""
