"""``hub verify``: the verdict on a signature, check by check."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.commands.options import home_option, print_json, settings_of

if TYPE_CHECKING:
    from hub.services.signing.examination import Signed

_MARKS = {"ok": "ok", "failed": "FAILED", "unknown": "UNKNOWN", "not reached": "-", "not asked": "-"}


@click.command()
@click.argument("file", required=False)
@click.option("--trust", "folder", type=click.Path(file_okay=False),
              help="Folder of the authorities that are believed: persons/, organisations/, crl/, trust.yaml. "
                   "Default: that of the hub.")  # fmt: skip
@click.option("--document", "documents", multiple=True, metavar="NAME=FILE",
              help="A document that FILE is a signature of, by its name in the manifest (urn:oid:1.2.3).")  # fmt: skip
@click.option("--submission", default="", metavar="OID", help="uniqueId of the submission set that FILE signs.")
@click.option("--signer", default="", metavar="ID", help="Who must have signed: PS_IdNat or Struct_IdNat.")
@click.option("--at", "moment", default="", metavar="TIME",
              help="Judge by this time (2026-11-20T09:30:00Z) instead of now: what is valid then, with the lists of "
                   "the folder.")  # fmt: skip
@click.option("--message", "message", default="", metavar="ID", help="Show the verdict that was kept with a message.")
@click.option("--refresh", is_flag=True, help="First fetch the revocation lists that trust.yaml names.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write what was signed, and only that, to this file.")
@home_option
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True,
              help="How the verdict is printed.")  # fmt: skip
def command(
    file: str | None, folder: str | None, documents: tuple[str, ...], submission: str, signer: str, moment: str,
    message: str, refresh: bool, output: str | None, home: str | None, form: str,
) -> int:  # fmt: skip
    """Verify the signature of FILE: XML (CDA, VIHF, DSG), an IHE_XDM archive, or a FHIR Provenance or Bundle.

    Exit status: 0 the signature is valid, 1 it is not, or there is none, 2 wrong use.
    """
    if bool(file) == bool(message):
        raise click.UsageError("give a FILE, or --message ID")
    if message:
        kept = _kept(home, message)
        _print(kept, form)
        return 0 if kept["status"] == "valid" else 1
    from hub.services.signing.examination import Given, now
    from hub.services.signing.verify import verify

    place = Path(folder) if folder else settings_of(home).trust_folder
    if refresh:
        from hub.security.revocation_fetch import refresh as fetch

        for line in fetch(place):
            click.echo(line, err=True)
    from hub.security.trust import load

    given = Given(load(place), _moment(moment) if moment else now(), {"--signer": signer} if signer else {})
    named = dict(_document(one) for one in documents)
    signed = verify(_read(str(file)), given, named, submission)
    _print(signed.verdict.to_json(), form)
    if output and signed.verdict.valid:
        _write(Path(output), signed)
    return 0 if signed.verdict.valid else 1


def _read(name: str) -> bytes:
    from hub.errors import ConfigError
    from hub.services.signing.names import MAX_OCTETS

    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_OCTETS + 1)
        with Path(name).open("rb") as file:
            return file.read(MAX_OCTETS + 1)
    except OSError as e:
        raise ConfigError(f"cannot be read: {e.strerror}", where=name, cure="name a file") from None


def _document(given: str) -> tuple[str, bytes]:
    name, equals, file = given.partition("=")
    if not equals:
        raise click.BadParameter("write NAME=FILE", param_hint="--document")
    return (name if name.startswith("urn:") else f"urn:oid:{name}"), _read(file)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise click.BadParameter("write a time with its zone: 2026-11-20T09:30:00Z", param_hint="--at")
    return at


def _kept(home: str | None, text: str) -> dict[str, Any]:
    from hub import clock
    from hub.errors import ConfigError
    from hub.store import open_store
    from hub.store.signatures import verdict_of

    try:
        number = clock.read_id(text)
    except ValueError as e:
        raise click.BadParameter(str(e), param_hint="--message") from None
    store = open_store(settings_of(home))
    try:
        store.check_version()
        found = verdict_of(store, number)
    finally:
        store.close()
    if found is None:
        cure = "see hub find; a verdict is kept on channels with `signature:`"
        raise ConfigError("no verdict is kept with that message", where=text, cure=cure)
    return found


def _write(path: Path, signed: Signed) -> None:
    from hub.errors import ConfigError

    if len(signed.documents) != 1:
        raise ConfigError(f"{len(signed.documents)} documents are signed", where="--output", cure="they are in place")
    path.write_bytes(next(iter(signed.documents.values())))


def _print(verdict: dict[str, Any], form: str) -> None:
    if form == "json":
        print_json(verdict)
        return
    from hub.commands.output import plain, table

    code = f" ({verdict['code']})" if verdict.get("code") else ""
    click.echo(f"{verdict['status']}{code}{': ' + plain(verdict['what']) if verdict.get('what') else ''}")
    rows = [(c["name"], _MARKS[c["outcome"]], c.get("what", "")) for c in verdict.get("checks", ())]
    for line in table(("CHECK", "", "WHAT WAS SEEN"), rows) if rows else ():
        click.echo(line)
    signer, relied = verdict.get("signer", {}), verdict.get("reliedOn", {})
    if signer:
        click.echo(f"signer: {plain(signer['kind'])} {plain(signer['id'])} {plain(signer.get('name', ''))}".rstrip())
    for label, key in (("signed", "signedAt"), ("verified", "verifiedAt")):
        if verdict.get(key):
            click.echo(f"{label}: {verdict[key]}")
    for one in relied.get("certificates", ()):
        click.echo(f"relied on: certificate {plain(one['subject'])}, until {one['notAfter']}, SHA-256 {one['sha256']}")
    for one in relied.get("revocation", ()):
        numbered = f" number {one['number']}" if one.get("number") else ""
        times = f", of {one['thisUpdate']}, until {one['nextUpdate']}" if "thisUpdate" in one else ""
        click.echo(f"relied on: {one['kind']}{numbered} of {plain(one.get('issuer', ''))}{times}: {one['state']}")
