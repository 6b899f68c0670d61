"""The destination ``http``: one request a delivery.

RFC 9110 §9.3 (POST, PUT, HEAD).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hub.engine.connector import Answer, DestinationContext, Outgoing

from ._http_options import CallOptions, Url


class HttpDestinationOptions(CallOptions):
    """Options of ``http: …`` below ``deliver:``."""

    url: Url = Field(description="where messages are sent, http:// or https://")
    method: Literal["POST", "PUT"] = Field("POST", description="method of the request")


class HttpDestination:
    """Sends each body as one request."""

    def __init__(self, options: HttpDestinationOptions, context: DestinationContext) -> None:
        from ._http_client import Caller

        self._options = options
        self._caller = Caller(options.url, options, f"{context.channel}: deliver.{context.name}.http")

    def send(self, item: Outgoing) -> Answer:
        """Send the body as it is.

        :raises RefusedError, UnavailableError, NoAnswerError: see :meth:`adapters._http_client.Caller.judge`.
        """
        caller, options = self._caller, self._options
        status, body, headers = caller.call(
            options.method, options.url, item.body, content_type=item.content_type, idempotency_key=item.idempotency_key
        )
        caller.judge(status, body, headers)
        return Answer(body, str(status))

    def close(self) -> None:
        self._caller.close()

    def probe(self) -> str:
        """Ask for the head of the URL; any status tells that the peer is there."""
        status, _, _ = self._caller.call("HEAD", self._options.url)
        return f"{self._options.url} answered {status} to HEAD"
