"""From a message that comes in to an endpoint that is told, through ``hub run`` and its mapper."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.paths import room
from tests.services.subscriptions.conftest import asking
from tests.services.subscriptions.peer import Peer

from .conftest import Site, free_port, hub, until

ADMISSION = Path(room("testing")) / "samples" / "adt-a01-admission.er7"
BOTH = "system/*.*"


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.close()


@pytest.fixture
def told(tmp_path: Path, peer: Peer) -> Iterator[Site]:
    """A hub that may tell the peer."""
    home = tmp_path / "home"
    subprocess.run([sys.executable, "-m", "hub", "init", str(home)], check=True, capture_output=True)
    http, mllp = free_port(), free_port()
    with (home / "hub.yaml").open("a", encoding="utf-8") as file:
        file.write(f"\nhttp_port: {http}\nmllp_port: {mllp}\n")
        file.write(f'subscription_endpoints: "{peer.url}/hook"\nsubscription_private: true\n')
    env = {k: v for k, v in os.environ.items() if not k.startswith("HUB_")}
    log = (home / "run.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "run", "hospital-hl7v2", "--home", str(home)], env=env, stdout=log, stderr=log
    )
    log.close()

    def ready() -> bool:
        said = (home / "run.log").read_text(encoding="utf-8")
        assert process.poll() is None, said[-3000:]
        return "\nready in " in said

    until(ready, 30)
    yield Site(home, http, mllp, process)
    process.terminate()
    process.wait(20)


def test_a_message_that_came_is_told(told: Site, peer: Peer) -> None:
    """MLLP in, mapped, matched, sent; the notification is a message of the chain, found by the tools there are."""
    asked = json.dumps(asking(f"{peer.url}/hook", "Patient", payload="application/fhir+json")).encode()
    kind = "application/fhir+json"
    status, body, _ = told.http("POST", "/fhir/Subscription", asked, scope=BOTH, Content_Type=kind)
    assert status == 201, body
    fid = json.loads(body)["id"]
    until(lambda: told.fhir(f"Subscription/{fid}")["status"] == "active")
    assert b"MSA|AA|" in told.send(ADMISSION.read_bytes().replace(b"\n", b"\r"))
    until(lambda: len(peer.got) > 1)
    patient = peer.got[1].json
    assert (peer.got[1].method, peer.got[1].path) == ("PUT", f"/hook/Patient/{patient['id']}")
    assert patient == told.fhir(f"Patient/{patient['id']}")
    (notification,) = until(lambda: told.found("channel:hub.subscriptions", "status:done"))
    assert notification["id"] in hub("find", f"control:{fid}/1/*", home=told.home).stdout
