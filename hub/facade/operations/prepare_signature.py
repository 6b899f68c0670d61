"""$prepare-signature: what a card is to sign of a resource (IHE ITI DSG; FHIR R4 §6.3, Provenance.signature)."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from hub.errors import InvalidError
from hub.facade.context import Facade
from hub.facade.operations import INSTANCE, Call, Operation, Parameter


def run(facade: Facade, call: Call) -> dict[str, Any]:
    """SignedInfo for the card, and the draft that goes into $complete-signature."""
    from hub.services.signing.deferred import prepare_signature
    from hub.services.signing.examination import now

    chain = [octets("certificate", value) for value in call.all("certificate")]
    purpose = call.first("purpose", "author")
    prepared, algorithm = prepare_signature(facade.store, f"{call.kind}/{call.fid}", chain, now(), str(purpose))
    values = (("draft", prepared.octets), ("toSign", prepared.to_sign), ("digest", prepared.digest))
    return {
        "resourceType": "Parameters",
        "parameter": [
            *({"name": n, "valueBase64Binary": base64.b64encode(v).decode()} for n, v in values),
            {"name": "algorithm", "valueUri": algorithm},
        ],
    }


def octets(name: str, value: Any) -> bytes:
    """The octets of a base64Binary parameter.

    :raises InvalidError: when it is none.
    """
    try:
        return binascii.a2b_base64(value if isinstance(value, str) else "?", strict_mode=True)
    except (binascii.Error, ValueError):
        raise InvalidError("is no base64", where=name, cure="encode it (RFC 4648 §4)", code="value") from None


OPERATION = Operation(
    name="prepare-signature",
    definition="https://hub.example.org/fhir/OperationDefinition/prepare-signature",
    types=("*",),
    levels=(INSTANCE,),
    run=run,
    affects=True,  # it changes nothing, but certificates belong into no URL
    parameters=(
        Parameter("certificate", "base64Binary", "in", 1, "4", "DER: of the signer, then of its issuers"),
        Parameter("purpose", "code", text="author (default), verification, validation, consent, review"),
        Parameter("draft", "base64Binary", "out", 1, text="goes into $complete-signature"),
        Parameter("toSign", "base64Binary", "out", 1, text="canonical SignedInfo: what the key signs"),
        Parameter("digest", "base64Binary", "out", 1, text="its SHA-256, for a card that takes a digest"),
        Parameter("algorithm", "uri", "out", 1, text="of the signature"),
    ),
    text="What a card is to sign of the present version of a resource and of its documents.",
)
