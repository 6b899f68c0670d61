"""``hub map``: what became of every part of a document, and where every element came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hub.commands.options import print_json

if TYPE_CHECKING:
    from hub.fhir.draft import Draft
    from hub.source.cda import TracedDocument

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_mapping = click.option(
    "--mapping",
    "name",
    default="cda.documents.any",
    show_default=True,
    help="The mapping to run (`hub list mappings`).",
)
_format = click.option("--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True)


@click.group()
def command() -> None:
    """Look into the mapping of a CDA document; nothing is stored or sent.

    What is printed may hold what the document holds: it is for the eyes of whoever has the file.
    """


@command.command()
@click.argument("file", type=_FILE)
@_mapping
@_format
@click.option("--all", "everything", is_flag=True, help="List what is mapped too, not only what is not.")
def coverage(file: Path, name: str, shape: str, everything: bool) -> int:
    """List what of FILE became nothing, and the share of what became something.

    A place is an attribute, a text, or the narrative of a section.  It is mapped, decides something, is left out for a
    reason, or is lost.  Exit status: 0 when nothing is lost, 1 otherwise.
    """
    from hub.source.cda_coverage import STATES, cover

    document, draft = _mapped(file, name)
    found = cover(document, _resources(draft))
    counts = {state: found.count(state) for state in STATES}
    coded = {state: found.count(state, coded=True) for state in STATES}
    if shape == "json":
        print_json({
            "file": str(file),
            "mapping": name,
            "share": round(found.share(), 4),
            "share of coded entries": round(found.share(coded=True), 4),
            "counts": counts,
            "counts of coded entries": coded,
            "places": [
                {"path": p.path, "state": p.state, "why": p.why, "coded": p.coded}
                for p in found.places
                if everything or p.state in ("left out", "lost")
            ],
            "issues": [f"{i.severity} {i.where}: {i.what}" for i in draft.issues],
        })  # fmt: skip
        return 1 if counts["lost"] else 0
    for state in STATES if everything else ("left out", "lost"):
        click.echo(click.style(f"{state} ({counts[state]})", bold=True))
        for place in found.places:
            if place.state == state:
                click.echo(f"  {place.path}" + (f"  {place.why}" if place.why else ""))
    for issue in draft.issues:
        click.echo(f"{issue.severity} {issue.where}: {issue.what}")
    told = ", ".join(f"{n} {state}" for state, n in counts.items())
    click.echo(f"{told}: {found.share():.1%} of what is not left out; {found.share(coded=True):.1%} in coded entries")
    return 1 if counts["lost"] else 0


@command.command()
@click.argument("file", type=_FILE)
@_mapping
@_format
@click.option("--element", help="A FHIR path or its start: `Condition.stage`, `Patient.birthDate`.")
@click.option("--xpath", help="A place of the document or its end: `recordTarget/patientRole/id[1]/@extension`.")
def lineage(file: Path, name: str, shape: str, element: str | None, xpath: str | None) -> int:
    """Show, for each FHIR element made of FILE, the XPath below ClinicalDocument that it came from.

    Exit status: 0 when something was found, 1 otherwise.
    """
    from hub.source.origin import lineage as walk

    _, draft = _mapped(file, name)
    found = [
        (path, place)
        for start, resource in _resources(draft)
        for path, origin in walk(resource, start)
        for place in origin.split("+")
        if _fits(path, element) and _ends(place, xpath)
    ]
    if shape == "json":
        print_json([{"element": path, "xpath": f"/ClinicalDocument/{place}"} for path, place in found])
    else:
        for path, place in found:
            click.echo(f"{path} < {place}")
        if not found:
            click.echo("nothing of the document is there; see `hub map coverage --all`", err=True)
    return 0 if found else 1


@command.command()
@click.argument("file", type=_FILE)
@_mapping
@click.option("--type", "kind", type=click.Choice(["document", "transaction"]), default="document", show_default=True)
@click.option("--base", default="http://127.0.0.1:8080/fhir", show_default=True, help="Base of the full URLs.")
def bundle(file: Path, name: str, kind: str, base: str) -> None:
    """Print what FILE becomes as one FHIR Bundle."""
    from hub.fhir.bundles import document_bundle, transaction_bundle

    _, draft = _mapped(file, name)
    make = document_bundle if kind == "document" else transaction_bundle
    print_json(make(draft, base.rstrip("/")))


@command.command()
@click.argument("file", type=_FILE)
@click.option("--model", required=True, help="The model to write: frcp, fidd, n1.")
def document(file: Path, model: str) -> None:
    """Print FILE, a FHIR Bundle of a document, as a CDA-R2 document of MODEL.

    Check what comes out with `hub conformance cda -`.
    """
    import orjson

    from hub import registry
    from hub.errors import ConfigError

    try:
        bundle = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError as e:
        raise ConfigError(f"no JSON: {e.msg}", where=f"{file}:{e.lineno}", cure="send a FHIR Bundle") from None
    click.echo(registry.writer(model)(bundle), nl=False)


def _mapped(file: Path, name: str) -> tuple[TracedDocument, Draft]:
    """The document, whose nodes know what was read of them, and what the mapping made of it."""
    from hub import registry
    from hub.errors import ConfigError
    from hub.fhir.draft import Draft, Site
    from hub.source.cda import TracedDocument

    mapping = registry.mapping(name)
    if mapping.source != "cda":
        raise ConfigError(f"{name} reads {mapping.source}, not CDA", cure="name a mapping of cda.documents")
    document = TracedDocument(file.read_bytes())
    draft = Draft()
    mapping.run(document, draft, Site())
    return document, draft


def _resources(draft: Draft) -> list[tuple[str, Any]]:
    """The resources with a name each: their type, and the start of their id."""
    return [(f"{entry.type}/{entry.id[:8]}", entry.resource) for entry in draft.entries.values()]


def _fits(path: str, wanted: str | None) -> bool:
    """Whether a path is that of an element or below it; ``Condition.stage`` means every Condition and every stage."""
    if wanted is None:
        return True
    kind, _, rest = path.partition("/")
    whole = f"{kind}.{rest.partition('.')[2]}"
    if "/" in wanted:
        whole = path
    return _starts(whole, wanted) or _starts(_plain(whole), wanted)


def _starts(path: str, wanted: str) -> bool:
    return path == wanted or path.startswith((f"{wanted}.", f"{wanted}["))


def _plain(path: str) -> str:
    import re

    return re.sub(r"\[\d+\]", "", path)


def _ends(place: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    wanted = wanted.strip("/").removeprefix("ClinicalDocument/")
    return place == wanted or place.endswith(f"/{wanted}") or _plain(place).endswith(wanted)
