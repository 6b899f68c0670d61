"""$merge: two records of one patient become one, after the draft of R5 and later
(http://hl7.org/fhir/patient-operation-merge.html); what it means is R4's Patient.link (§8.1.4).

The record that goes is inactive and ``replaced-by`` the other, which ``replaces`` it.  Nothing else of either is
changed, and resources keep their subject: who asks for either finds both.
"""

from __future__ import annotations

from typing import Any

from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """What was done, and the record that stays."""
    from hub.facade.operations import _given, _merges, _terms
    from hub.services.identity import merging

    _given.only(call, *_merges.NAMES, "preview")
    preview = _terms.flag(call, "preview")
    pair = _merges.pair(facade, call)
    new = merging.merge(facade.store, pair, preview=preview)
    said = "nothing stands against merging them" if preview else "the records are one now"
    return _merges.answer(facade, pair, said if new else "they were merged already")


OPERATION = Operation(
    name="merge",
    definition="http://hl7.org/fhir/OperationDefinition/Patient-merge",
    types=("Patient",),
    levels=(TYPE,),
    run=run,
    letters="rsu",
    affects=True,
    parameters=(
        Parameter("source-patient", "Reference", text="the record that goes"),
        Parameter("source-patient-identifier", "Identifier"),
        Parameter("target-patient", "Reference", text="the record that stays"),
        Parameter("target-patient-identifier", "Identifier"),
        Parameter("preview", "boolean", text="see whether it may be, and change nothing"),
        Parameter("return", "Parameters", "out", 1),
    ),
    text="Two records of one patient become one; refused when it is not certain that they are.",
)
