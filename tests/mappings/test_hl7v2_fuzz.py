"""Whatever a sender writes, in whatever event: valid resources, or an error that says where; never anything else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError
from hub.fhir.validate import validate
from hub.paths import room
from hub.registry import reader

from .run import SAMPLES, mapped

NAMES = {"ADT": "adt", "MDM": "mdm", "ORU": "oru", "ZAM": "zam", "ACK": "ack"}
OURS = room("channels") / "hospital-hl7v2" / "tests" / "messages"
BODIES = [f.read_bytes().replace(b"\n", b"\r") for f in sorted((*SAMPLES.glob("*.hl7"), *OURS.glob("*.hl7")))]
BODIES = [b for b in BODIES if b.partition(b"||")[2][:3].decode() in NAMES and len(b) < 20_000]
EVENTS = "A01 A02 A03 A04 A05 A06 A07 A08 A11 A12 A13 A21 A22 A24 A28 A31 A37 A40 A47 Z99".split()  # noqa: SIM905
EXTRA = [
    "ZBE|1|2026|||INSERT|N|A01|U^^^^^^UF^^^1|U|HMS", "ZFA|ACTIF|2026||Y|2026|N|Y|2026|IO|2026|INC|2026",
    "ZFD|||Y|N|INSI|2026",
    "ZFM|8|9|1|2", "ZFV|490000999", "ZFS|1|2^A|2026||CANCEL|X^Y", "MRG|9^^^A&1.2&ISO^PI",
    "PID|2||8^^^A&1.2&ISO^PI||N^P",
    "OBX|2|CWE|DESTDMP^x^MetaDMPMSS||Y", "OBX|3|CWE|DESTMSSANTEPAT^x^MetaDMPMSS||Y", "OBX|4|SN|C||<^1^-^2|mg|1-2|H",
    "OBR|9|1|2|C", "SPM|1|^3||B", "PRT||UC||RCT|1^N^P||||||||||^^X.400^a@b", "NTE|1||x", "PID",
    "ROL||UC|ODRP|1^N^P|||||||A|T",
]  # fmt: skip
VALUE = st.one_of(
    st.text("A1^~&|\\ .é-", max_size=14),
    st.sampled_from(
        ['""', "20260230", "^^^", "~", "&&&^&", "\\X00\\", "Y", "N", "^text^^Base64^QQ==", "^a^PDF^Base64^%", "ED"]
    ),
)


@settings(max_examples=250, deadline=None)
@given(
    st.sampled_from(BODIES), st.sampled_from(EVENTS), st.lists(st.sampled_from(EXTRA), max_size=4),
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 50), VALUE), max_size=4),
)  # fmt: skip
def test_any_message(body: bytes, event: str, extra: list[str], edits: list[tuple[int, int, str]]) -> None:
    """Segments added, fields of anything, another event."""
    lines = [*body.decode().rstrip("\r").split("\r"), *extra]
    if "|ADT^" in lines[0]:
        lines[0] = lines[0].replace("ADT^A01", f"ADT^{event}")
    for at, number, value in edits:
        line = 1 + at % (len(lines) - 1)
        fields = lines[line].split("|")
        fields += [""] * (number + 1 - len(fields))
        fields[number] = value
        lines[line] = "|".join(fields)
    made = "\r".join(lines).encode()
    told = "fit"
    try:
        known = reader("hl7v2")
        envelope = known.peek(made)
        known.check(made, envelope)
        draft = mapped(f"hl7v2.messages.{NAMES[envelope.type[:3]]}", made)
    except HubError as error:
        told = error.where
    else:
        for entry in draft.entries.values():
            assert validate({**entry.resource, "id": entry.id}) == []
    assert told
