"""What the hub claims, and how anybody can check it: conformance statements, content rules, self-tests.

DICOM conformance statement (PS3.2), IHE integration statements, and the content rules of each ANS document model.  The
product imports nothing from here at run time (import-linter sees to it); :mod:`hub.source.cda_validate` reads the rules
as data, for ``hub conformance cda`` and for channels that say ``validate: cda``.

**Content rules** are tables in ``rules/``:

==================  ====================================================================================================
``models``          templateId of the document -> table of rules; those without a templateId are for every document
``header`` ...      one rule a row: id; error or warning; ``at`` finds the nodes it is about; ``test`` is true of each
                    of them (XPath 1.0 both, from ClinicalDocument); what is expected; the source.  A source that begins
                    with ``own`` is a rule of this hub: the national checks let the fault through
``value-sets``      what ``f:in('acr', c:value)`` looks into; a nullFlavor passes
``words``           what a rule writes in braces: ``{LN}`` an OID, ``{right}`` a condition.  Known without a row are
                    ``{S~27}``, ``{E~48}``, ``{D~8}``, ``{IHE~3.2}``, ``{IHE*1.2}``, ``{CCD~1.9}``, ``{DCM9.1}`` (has
                    this templateId) and ``{o:GEN-065}`` (the observation of this code)
``order``           the children of each element of CDA R2, in their order
==================  ====================================================================================================

To add a rule: one row, and one in ``tests/conformance/mutations.csv`` with a change that it must notice.
"""
