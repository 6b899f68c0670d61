"""$unmerge: takes a merge back, an operation of the hub (R4 §8.1.4, Patient.link): both records are as if it had
never been, whatever was written to them meanwhile stays."""

from __future__ import annotations

from typing import Any

from hub.facade.context import Facade
from hub.facade.operations import TYPE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """What was done, and the record that had stayed."""
    from hub.facade.operations import _given, _merges
    from hub.services.identity import merging

    _given.only(call, *_merges.NAMES)
    pair = _merges.pair(facade, call)
    merging.unmerge(facade.store, pair)
    return _merges.answer(facade, pair, "the records are two again")


OPERATION = Operation(
    name="unmerge",
    definition="urn:oncohub:operation:Patient-unmerge",
    types=("Patient",),
    levels=(TYPE,),
    run=run,
    letters="rsu",
    affects=True,
    parameters=(
        Parameter("source-patient", "Reference", text="the record that went"),
        Parameter("source-patient-identifier", "Identifier"),
        Parameter("target-patient", "Reference", text="the record it was merged into"),
        Parameter("target-patient-identifier", "Identifier"),
        Parameter("return", "Parameters", "out", 1),
    ),
    text="Two records that were merged are two again.",
)
