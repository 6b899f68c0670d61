"""FHIR R4 over REST: transaction Bundles sent to a server; or the hub's own store.

FHIR R4 §3.1.0.11 (transaction), §3.1.0.1.7 (Prefer), §3.1.0.8 (capabilities), §2.35 (OperationOutcome).
``fhir: {to: store}`` writes to the hub's own store with the message itself, so no delivery is made of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, Field

from hub.engine.connector import Answer, Connector, DestinationContext, Outgoing
from hub.errors import ConfigError, RefusedError

from ._http_options import CallOptions, http_url

JSON = "application/fhir+json"
STORE = "store"


def _target(value: str) -> str:
    return value if value == STORE else http_url(value).rstrip("/")


class FhirDestinationOptions(CallOptions):
    """Options of ``fhir: …`` below ``deliver:``."""

    to: Annotated[str, AfterValidator(_target)] = Field(
        description="store, the hub's own FHIR store; or the base URL of a FHIR R4 server"
    )


class FhirDestination:
    """Sends Bundles to the base of a server."""

    def __init__(self, options: FhirDestinationOptions, context: DestinationContext) -> None:
        where = f"{context.channel}: deliver.{context.name}.fhir"
        if options.to == STORE:
            raise ConfigError(
                "the hub's own store is written without a delivery", where=f"{where}.to", cure="name a URL"
            )
        from ._http_client import Caller

        self._base, self._where = options.to, where
        self._caller = Caller(options.to, options, where)

    def send(self, item: Outgoing) -> Answer:
        """POST the transaction.

        :raises RefusedError: it, or one of its entries, was refused.
        :raises UnavailableError, NoAnswerError: it may be tried again.
        """
        if item.content_type != JSON:
            raise RefusedError(f"{item.content_type} is no FHIR", where=self._where, cure="write send: fhir")
        status, body, headers = self._caller.call(
            "POST", self._base, item.body, content_type=JSON, accept=JSON, prefer="return=minimal",
            idempotency_key=item.idempotency_key,
        )  # fmt: skip
        self._caller.judge(status, body, headers)
        return Answer(body, self._summary(status, body))

    def _summary(self, status: int, body: bytes) -> str:
        counts = _statuses(body)
        wrong = [s for s in counts if not s.startswith("2")]
        if wrong:
            what = f"{self._base} refused {sum(counts[s] for s in wrong)} entries with {', '.join(sorted(wrong))}"
            raise RefusedError(what, where=self._where, cure="see the answer; the Bundle must be a transaction")
        return f"{status}" + "".join(f", {n} entries {s}" for s, n in sorted(counts.items()))

    def close(self) -> None:
        self._caller.close()

    def probe(self) -> str:
        """Ask what the server can do."""
        status, body, headers = self._caller.call("GET", f"{self._base}/metadata", accept=JSON)
        self._caller.judge(status, body, headers)
        return f"{self._base}/metadata answered {status}"


def _statuses(body: bytes) -> Counter[str]:
    """How many entries of a transaction-response have each status; none when the answer holds no Bundle."""
    try:
        bundle: Any = orjson.loads(body)
        entries = bundle.get("entry", []) if bundle.get("resourceType") == "Bundle" else []
        return Counter(e["response"]["status"][:3] for e in entries)
    except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
        return Counter()


CONNECTOR = Connector(
    name="fhir",
    summary="FHIR R4 transactions, to the hub's own store or to a server",
    destination=FhirDestination,
    destination_options=FhirDestinationOptions,
    format="fhir",
    capabilities=frozenset({"answers", "tls", "secure"}),
)
