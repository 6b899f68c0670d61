"""CDA-R2 documents of the CI-SIS to FHIR R4: header, narrative, entries, and the document itself.

HL7 CDA R2; ANS CI-SIS, structuration minimale and modèles de contenu; ANS document-core (ConceptMaps) and IHE PDSm
for the targets.  From below to above:

========================  ==================================================================================
``datatypes``             one function a CDA data type (``ii_identifier``, ``cd_concept``, ``pn_name``)
``values``                what an entry says of itself: ``value_of``, ``moment``, ``concept_of``, ``body_site``
``context``               what the mappings of one document share: patient, parts, words of the narrative
``people``                ``role(node, c)``: anybody of header or entry to a reference
``patient``, ``event``,   the header
``participations``,
``related``
``narrative``             section/text to XHTML
``entries/``              one module a family of entry templates: rules
``standard``              the rules that hold in every model
``frame``                 ``Model``, and the walk over sections and entries
``documents/``            one module a model, each with MODEL and MAPPING; ``any`` finds the model, ``header``
                          maps no entries
``out/``                  the way back, FHIR to CDA: one module a model, each with ``write``
========================  ==================================================================================

**A rule** is ``rule(node, c) -> reference | None``: it gets the clinical statement (``observation``, ``act``...), adds
resources with ``c.add(resource, name)`` and returns the reference that the section shall have.  Of several resources
it returns the first and puts the others into ``c.also``.  Rules say nothing of what the source does not say; an
element without content is not written (``clean``).

**The rule of an entry** is found by its code (``Model.codes``), else by its last known templateId
(``Model.templates``), else by its kind (``Model.kinds``).  An entry without a rule is told as an issue and stays in
the narrative and the document.

**To add an entry template**: a function in ``entries/<family>.py``; a line in ``standard.TEMPLATES`` when it means the
same in every model, else in the models that have it.  Most need no function at all: ``add_observation(node, c, word,
**more)`` and ``request(node, c, word, **more)`` take what the rule knows better (``focus``, ``category``...).
Inside an entry, other entries are mapped by ``map_statement(kind, inner, c)``.

**To add a model**: ``documents/<model>.py`` with a MODEL and a MAPPING (see ``frcp`` and ``fidd``); nothing else is
touched, for models are found by listing.  What ties sections together is done in ``begin`` (make what others refer to),
in a section rule (give the section more references) and in ``finish`` (fill in what is known only at the end):
``c.made[word]`` holds the references that rules noted under a word, ``c.resource(reference)`` is what they refer to,
``c.facts`` is theirs, ``c.told`` is what DocumentReference and Composition will say.
What neither of them shall map is a line of ``tables/cda-coverage.csv``, with the reason; ``hub map coverage`` tells
what is lost.  A code beside which a standard coding shall stand is a line of ``tables/cda-codes.csv``.

**Lineage**: what a rule reads must reach the resource as it is (or through ``keep``, ``keep_all``); booleans and
numbers go through ``value_of`` or ``carried``, and the element they end in through ``carry``.

**Speed**: a node is opened once; no XPath, no path of a node and no second reading of one in the hot path.
"""
