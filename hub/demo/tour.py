"""The tour: what the peers send, what must come of it, and what the FHIR API then says.

Each step prints what was sent, the answer, what became of it and how long it took; a step that is not as
promised is marked, and the tour fails.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from hub import clock
from hub.demo.peers import HttpPeer, MllpPeer, drop
from hub.source.hl7v2 import READER, read_ack
from hub.store import Store
from hub.store.tables import State, message, resource
from hub.testing import samples

TUMOUR_BOARD, IMAGING = "http://loinc.org|34794-8", "http://loinc.org|18748-4"
WITHIN = 20.0  # seconds in which a message must be done


@dataclass(frozen=True, slots=True)
class Sent:
    """One thing a peer sends.

    :ivar way: ``mllp``, ``http`` or ``file``.
    :ivar sample: its file; ``document``: the one it carries.
    :ivar answer: MSA-1 or HTTP status that must come back, to ``again`` when the hub has it already; '' for a
        file, which nobody answers.
    """

    way: str
    sample: str
    what: str
    answer: str
    again: str = ""
    document: str = ""
    state: State = State.DONE
    channel: str = "hospital-hl7v2"


SENT = (
    Sent("mllp", "adt-a01-admission.er7", "a patient is admitted, her INS is qualified (PID-32 VALI)", "AA"),
    Sent("mllp", "mdm-t02-tumour-board.er7", "the tumour board sends its report, a CDA-R2 in OBX-5", "AA",
         document="cda-tumour-board.xml"),
    Sent("mllp", "adt-a08-update.er7", "her telephone number and her bed change", "AA"),
    Sent("mllp", "oru-r01-broken.er7", "a laboratory sends a document that was cut", "AE", state=State.HELD),
    Sent("mllp", "oru-r01-biology.er7", "and sends it again, whole", "AA", document="cda-biology.xml"),
    Sent("http", "cda-imaging.xml", "a radiology practice posts a CT report, a CDA-R2", "201", again="200",
         channel="cda-documents"),
    Sent("file", "cda-consultation.xml", "a letter is dropped into a folder, about somebody else", "",
         channel="document-drop"),
    Sent("mllp", "adt-a03-discharge.er7", "she goes home", "AA"),
)  # fmt: skip


class Tour:
    """Sends, waits, looks, prints."""

    def __init__(
        self, store: Store, mllp: MllpPeer, http: HttpPeer, folder: Path, say: Callable[[str], None], show: str
    ) -> None:
        self._store, self._mllp, self._http, self._folder = store, mllp, http, folder
        self._say, self._show = say, show
        self.wrong: list[str] = []

    def send(self, sent: Sequence[Sent] = SENT) -> None:
        """Send everything, one after the other."""
        for number, one in enumerate(sent, 1):
            self._step(number, one)

    def _step(self, number: int, sent: Sent) -> None:
        body = samples.read(sent.sample)
        if sent.document:
            body = samples.carrying(body, samples.read(sent.document))
        head = {"mllp": "MLLP", "http": "HTTP", "file": "file"}[sent.way]
        self._say(f"\n{number}. {head}: {sent.what}")
        began = time.perf_counter()
        answer, detail = self._hand_over(sent, body)
        took = (time.perf_counter() - began) * 1000
        size = f"{len(body):,} octets".replace(",", " ")
        told = f"answered {answer} in {took:.1f} ms" if answer else "left in the folder"
        self._say(f"   {size}, {told}{detail}")
        self._promised(answer in (sent.answer, sent.again), f"step {number}: the answer is {answer}, not {sent.answer}")
        row = self._outcome(sent, body)
        if row is None:
            self._promised(False, f"step {number}: nothing came of it within {WITHIN:.0f} s")
            return
        self._promised(row.state == sent.state, f"step {number}: {State(row.state).name}, not {sent.state.name}")
        self._say(f"   {self._became(row)}")
        self._say(f"   {self._show.format(id=clock.show_id(row.id))}")

    def _hand_over(self, sent: Sent, body: bytes) -> tuple[str, str]:
        if sent.way == "mllp":
            ack = self._mllp.ask(body)
            place = next((line.split(b"|") for line in ack.split(b"\r") if line.startswith(b"ERR|")), None)
            where = f", ERR: {place[2].decode()} {place[3].decode()}" if place else ""
            return read_ack(ack).code, where
        if sent.way == "http":
            status, answer = self._http.post("/in/cda", body, "text/xml")
            return str(status), f", {answer.decode()}"
        drop(self._folder, sent.sample, body)
        return "", ""

    def _outcome(self, sent: Sent, body: bytes) -> Any:
        """The row of the message once it is no longer on its way; None when that takes too long."""
        row = message.c
        which = [row.channel == sent.channel]
        if sent.way == "mllp":
            which.append(row.control_id == READER.peek(body).control_id)
        else:
            which.append(row.size == len(body))
        end = time.monotonic() + WITHIN
        while time.monotonic() < end:
            with self._store.reading() as conn:
                found = conn.execute(select(message).where(*which).order_by(row.id.desc())).first()
            if found is not None and found.state not in (State.WAITING, State.MAPPED):
                return found
            time.sleep(0.02)
        return None

    def _became(self, row: Any) -> str:
        if row.state == State.HELD:
            why = orjson.loads(row.error or "{}")
            return f"held for a person: {why.get('where', '')} {why.get('what', '')}".rstrip()
        with self._store.reading() as conn:
            types = conn.execute(select(resource.c.type).where(resource.c.message == row.id)).scalars()
            counted = Counter(types)
        made = ", ".join(f"{n} {kind}" if n > 1 else kind for kind, n in sorted(counted.items()))
        after = ""
        if row.mapped_at is not None:
            after = f" {(row.mapped_at - clock.id_time(row.id)) / 1000:.0f} ms after it came in"
        return f"{State(row.state).name.lower()}{after}: {made or 'nothing new'}"

    def look(self) -> None:
        """Read back what was made, through the FHIR API."""
        ins = f"{samples.INS_SYSTEM}|{samples.INS.decode()}"
        self._say("\nRead back through the FHIR API:")
        patient = self._search("Patient", 1, identifier=ins)
        ident = patient[0]["id"] if patient else ""
        phones = [t.get("value") for p in patient for t in p.get("telecom", ())]
        self._promised("0600000045" in phones, "the telephone number of the update is not in the Patient")
        stays = self._search("Encounter", None, patient=ident, status="finished")
        self._promised(bool(stays), "no Encounter is finished")
        self._search("DocumentReference", 3, **{"patient.identifier": ins})
        for code, name in ((TUMOUR_BOARD, "cda-tumour-board.xml"), (IMAGING, "cda-imaging.xml")):
            for found in self._search("DocumentReference", 1, patient=ident, type=code):
                self._octets(found["content"][0]["attachment"]["url"], samples.read(name))

    def _search(self, kind: str, total: int | None, **query: str) -> list[dict[str, Any]]:
        began = time.perf_counter()
        status, body = self._http.get(f"/fhir/{kind}", **query)
        took = (time.perf_counter() - began) * 1000
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        if status != 200:
            self._promised(False, f"GET /fhir/{kind}?{asked}: status {status}")
            return []
        bundle = orjson.loads(body)
        self._say(f"   GET /fhir/{kind}?{asked}  →  {bundle['total']} in {took:.1f} ms")
        self._promised(total is None or bundle["total"] == total, f"{kind}: {bundle['total']} found, not {total}")
        return [entry["resource"] for entry in bundle.get("entry", ())]

    def _octets(self, url: str, expected: bytes) -> None:
        status, body = self._http.get(f"/fhir/{url}", accept="*/*")
        same = status == 200 and body == expected
        verdict = "the document as it was sent, octet for octet" if same else "NOT the document that was sent"
        self._say(f"   GET /fhir/{url}  →  {len(body)} octets, {verdict}")
        self._promised(same, f"GET /fhir/{url}: status {status}, {verdict}")

    def _promised(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)
            self._say(f"   !! {otherwise}")
