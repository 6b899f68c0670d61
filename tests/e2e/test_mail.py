"""A report of a tumour board goes out by mail, comes in at another box, and its receipt finds it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub.adapters._receipts import receipt

from hub.paths import room
from hub.source.mail import read
from tests.adapters.conftest import pki  # noqa: F401 - fixtures
from tests.adapters.mailboxes import dovecot, mailbox  # noqa: F401 - fixtures
from tests.adapters.mailservers import PASSWORD, Hands, smtp_server

from .conftest import Site, until

REPORT = Path(room("channels")) / "rcp-report-by-mail/tests/messages/tumour-board.xml"

BOX, SECRET = "${MSSANTE_BOX:-box@hopital.mssante.example}", "${HUB_HOME}/data/secrets/mssante"


def configured(name: str, home: Path, *edits: tuple[str, str]) -> None:
    """A shipped channel as a site sets it up; each line edited must be there."""
    path = home / "channels" / name / "channel.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in (("enabled: false ", "enabled: true "), *edits):
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def post(site: Site, mailbox: Hands) -> Iterator[object]:  # noqa: F811
    """Both channels of the running site, with a box and a submission server of their own."""
    before = {p: p.read_text(encoding="utf-8") for p in (site.home / "channels").glob("*/channel.yaml")}
    secret = site.home / "data" / "secrets" / "mssante"
    secret.parent.mkdir(mode=0o700, exist_ok=True)
    secret.write_text(PASSWORD, encoding="utf-8")
    with smtp_server() as outbox:
        smtp, imap = f"localhost:{outbox.port}", f"localhost:{mailbox.server.port}"
        configured(
            "rcp-report-by-mail", site.home,
            ('"${MSSANTE_SMTP:-smtp.mssante.example}"', f"{smtp}\n      security: none"),
            (f'      user: "{BOX}"\n      password_file: "{SECRET}"\n', ""), (BOX, "rcp@hopital.mssante.fr"),
        )  # fmt: skip
        receipts = f"{{server: '{smtp}', security: none, from: hub@chu.mssante.fr}}"
        configured(
            "mssante-inbox", site.home,
            ('"${MSSANTE_IMAP:-imap.mssante.example}"', f"{imap}\n    security: none"), (f'"{BOX}"', mailbox.user),
            ("answer: application ", f"answer: application\n    receipts: {receipts} "),
        )  # fmt: skip
        yield outbox
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")


def test_a_report_goes_out_and_comes_in(site: Site, mailbox: Hands, post: object) -> None:  # noqa: F811
    """HTTP in, SMTP out, IMAP in, the FHIR store; MDN out and in, threaded by Message-ID (référentiel MSSanté n° 2)."""

    def posted() -> bool:
        return (
            site.http("POST", "/in/rcp-report", REPORT.read_bytes(), scope="ingest", Content_Type="text/xml")[0] < 300
        )

    until(posted)  # once the running hub has seen its changed channel
    sender, recipients, mail = post.wait(1)[0]  # type: ignore[attr-defined]  # an Inbox
    assert (sender, recipients) == ("rcp@hopital.mssante.fr", ("helene.cadoret-vigne@cabinet.mssante.fr",))
    told = read(mail)
    number = told.message_id

    mailbox.put(mail)  # the operator brings it to a box
    until(lambda: site.found(f"control:{number}", "channel:mssante-inbox", "status:done"))
    documents = site.fhir("DocumentReference?patient.identifier=urn:oid:1.2.250.1.213.1.4.10%7C258064410932138")
    assert any(e["resource"]["masterIdentifier"]["value"] == "RCP-2026-0448.1" for e in documents["entry"])

    answer = read(post.wait(2)[1][2])  # type: ignore[attr-defined]
    assert (answer.type, answer.notice and answer.notice.original) == ("MDN^OK", number)

    mailbox.put(receipt(told, mail, "helene.cadoret-vigne@cabinet.mssante.fr", "902"))
    found = until(lambda: len(f := site.found(f"mail:{number}")) == 3 and f)
    kinds = {(f["channel"], f["type"], f["status"]) for f in found}
    assert kinds == {
        ("rcp-report-by-mail", "34794-8", "done"),
        ("mssante-inbox", "XDM", "done"),
        ("mssante-inbox", "MDN^KO", "held"),
    }
