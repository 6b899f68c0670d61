"""A signature in two steps, for a person whose card is on another computer.

ETSI EN 319 132-1, IHE ITI DSG, FHIR R4 §6.3.  The hub prepares what is to be signed; the card signs it where the
person is; what comes back is verified like any signature that comes in, against what the store holds at that
moment.  Nothing is kept between the two steps, so nothing of the first has to be believed in the second.  The hub
has no key of a person and makes no signature in the name of one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from hub import clock
from hub.errors import ConflictError, InvalidError, UnprocessableError
from hub.security import certificates
from hub.security.trust import Trust
from hub.services.signing import build, names
from hub.services.signing.dsg import verify_dsg
from hub.services.signing.examination import Given
from hub.services.signing.provenance import signature_element
from hub.services.signing.seal import algorithm
from hub.services.signing.verdict import RefusedError, Verdict
from hub.services.signing.versions import keep, with_documents
from hub.store.handle import Store

WITHIN: Final = timedelta(minutes=15)  # between the two steps
PARTICIPANT: Final = {"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type"}


class SignatureError(UnprocessableError):
    """A signature that is not accepted.

    :ivar verdict: check by check.
    """

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.what, where="signature", cure="prepare it anew and sign that", code=verdict.code)
        self.verdict = verdict


def prepare_signature(
    store: Store, ref: str, chain: list[bytes], at: datetime, purpose: str = "author"
) -> tuple[build.Prepared, str]:
    """(what the card is to sign, the algorithm of the signature) for the present version of a resource.

    :param chain: DER certificates, that of the signer first.
    :raises InvalidError: for a certificate that cannot sign, or a purpose that is not known.
    :raises NotFoundError: when there is no such resource.
    """
    if purpose not in names.PURPOSES:
        raise InvalidError("no purpose has that name", where="purpose", cure=", ".join(names.PURPOSES))
    try:
        found = [certificates.read(der) for der in chain[: names.MAX_CERTIFICATES]]
        who = certificates.identity(found[0])
    except (ValueError, IndexError) as error:
        cure = "send the DER signing certificate of the card"
        raise InvalidError(str(error) or "there is none", where="certificate", cure=cure) from None
    weak = certificates.weakness(found[0].public_key())
    if who.kind != "person" or weak or "content_commitment" not in certificates.usage(found[0]):
        what = f"it has {weak}" if weak else "it is no signing certificate of a person"
        raise InvalidError(what, where="certificate", cure="send the signing certificate of the card")
    documents = {one.name: one.octets for one in with_documents(store, ref)}
    return build.prepare_dsg(documents, found, at, purpose=purpose), algorithm(found[0])


def complete_signature(
    store: Store, trust: Trust, ref: str, prepared: bytes, value: bytes, at: datetime, session: str = ""
) -> dict[str, Any]:
    """Verify what came back from the card; store and return its Provenance.

    :param session: national identifier of whoever is connected, when it is known: it must be the signer.
    :raises SignatureError: when the signature is not accepted.
    :raises ConflictError: when what was to be signed has changed since.
    """
    documents = {one.name: one.octets for one in with_documents(store, ref)}
    try:
        dsg = build.complete(prepared, value)
    except RefusedError as error:
        raise InvalidError(error.what, where="draft", cure="send the draft as it was given") from None
    signed = verify_dsg(dsg, documents, Given(trust, at, {"session": session} if session else {}))
    verdict = signed.verdict
    if verdict.code == "manifest-coverage":
        raise ConflictError("the resource is not as it was prepared", where=ref, cure="prepare it anew")
    if not verdict.valid or signed.signer is None:
        raise SignatureError(verdict)
    if signed.signer.kind != "person":
        raise InvalidError("the signer is no person", where="certificate", cure="sign with a card")
    if datetime.fromisoformat(verdict.signed_at) < at - WITHIN:
        raise ConflictError("it was prepared too long ago", where="draft", cure="prepare it anew")
    purpose = names.PURPOSES.get(signed.facts["purpose"])
    if purpose is None:
        raise InvalidError("the purpose is not known", where="draft", cure="send the draft as it was given")
    when = clock.iso(int(datetime.fromisoformat(verdict.signed_at).timestamp() * 1_000_000))
    who = {"identifier": {"system": f"urn:oid:{signed.signer.system}", "value": signed.signer.id}}
    made = {
        "resourceType": "Provenance",
        "target": [{"reference": name} for name in documents],
        "recorded": clock.iso(int(at.timestamp() * 1_000_000)),
        "agent": [{"type": {"coding": [{**PARTICIPANT, "code": "author"}]}, "who": who}],
        "signature": [signature_element(dsg, when, who, purpose)],
    }
    return keep(store, made, verdict.signature)
