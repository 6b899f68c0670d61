"""Fetches revocation lists from the places that ``trust.yaml`` names.

RFC 5280 §5 (CRL), RFC 4387 (over HTTP).  Never from a place that a certificate names.  What is fetched is written
beside the other lists only when it can be read; whether it counts is decided by its signature when it is used.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.security import certificates, revocation
from hub.security.trust import load

_SECONDS: Final = 15.0


def refresh(folder: Path) -> Iterator[str]:
    """Fetch each list; a line on each.

    :raises ConfigError: when the folder of trust cannot be read.
    """
    for url in load(folder).policy.crl:
        yield f"{url}: {_one(url, folder / 'crl')}"


def _one(url: str, folder: Path) -> str:
    import httpx

    octets = bytearray()
    try:
        with httpx.stream("GET", url, timeout=_SECONDS, follow_redirects=False) as answer:
            if answer.status_code != 200:
                return f"not fetched, the answer is {answer.status_code}"
            for part in answer.iter_bytes():
                octets += part
                if len(octets) > revocation.MAX_CRL:
                    return "not fetched, it is too big"
        revocation.read_crls(bytes(octets))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"not fetched ({type(error).__name__})"
    except certificates.UNREADABLE:
        return "not kept, it is no revocation list"
    folder.mkdir(exist_ok=True)
    file = folder / f"fetched-{hashlib.sha256(url.encode()).hexdigest()[:16]}.crl"
    part_file = file.with_suffix(".part")
    part_file.write_bytes(octets)
    os.replace(part_file, file)  # noqa: PTH105 - one step, so that nobody reads half a list
    return "fetched"
