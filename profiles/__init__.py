"""FHIR artefacts as JSON: StructureDefinition, ValueSet, CodeSystem, ConceptMap, NamingSystem.

FHIR R4 §5.1 (profiling), §4.8-§4.10 (terminology).  Each is written here, for one thing of the programme, and
cites in ``mapping`` or in its description the canonical that it follows (fr-core, PDSm, IHE, CI-SIS volets).
Never generated Python, never a copy of a package published elsewhere.

* A folder for each part of the programme: ``identity``, ``documents``, ``record``, ``screening``, ``rcp``,
  ``imaging``; ``terminology``, ``maps`` and ``naming`` serve them all.
* Canonicals are written under ``https://hub.example.org/fhir``; the setting ``canonical_base`` moves them.
* Differentials only, in the order of R4, elements with ids; profiles build upon R4 or upon one another.
* ``defaults.json``: the profile by which ``validate: profile`` judges a type that names none.

To add one: the JSON file, with ``url``, ``version`` and what it follows; an example and what breaks it in
``tests/profiles/examples.json``.
"""
