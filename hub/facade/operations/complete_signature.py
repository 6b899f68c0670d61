"""$complete-signature: takes what a card signed (IHE ITI DSG; FHIR R4 §6.3, Provenance.signature)."""

from __future__ import annotations

from typing import Any

from hub.facade.context import Facade, caller
from hub.facade.operations import INSTANCE, Call, Operation, Parameter
from hub.security.scopes import demand


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """The Provenance with the signature, verified and stored."""
    from hub.facade.operations.prepare_signature import octets
    from hub.security.trust import current
    from hub.services.signing.deferred import complete_signature
    from hub.services.signing.examination import now

    demand(caller().scopes, "Provenance", "c")
    draft, value = octets("draft", call.first("draft")), octets("value", call.first("value"))
    trust = current(facade.settings.trust_folder)
    return complete_signature(facade.store, trust, f"{call.kind}/{call.fid}", draft, value, now())


OPERATION = Operation(
    name="complete-signature",
    definition="https://hub.example.org/fhir/OperationDefinition/complete-signature",
    types=("*",),
    levels=(INSTANCE,),
    run=run,
    affects=True,
    parameters=(
        Parameter("draft", "base64Binary", "in", 1, text="as $prepare-signature gave it"),
        Parameter("value", "base64Binary", "in", 1, text="signature of toSign: PKCS #1, or r and s side by side"),
        Parameter("return", "Provenance", "out", 1),
    ),
    text="Takes what a card signed: verified like any signature that comes in, and kept as a Provenance.",
)
