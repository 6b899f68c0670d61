"""What the guides of document exchange say of each resource that is sent, as data.

IHE MHD 4.2.3 (https://profiles.ihe.net/ITI/MHD/4.2.3/), ANS PDSm 3.1.1
(https://interop.esante.gouv.fr/ig/fhir/pdsm).  ``elements.csv`` holds how often an element comes at each
level of metadata: ``m`` minimal, ``u`` uncontained comprehensive, ``c`` comprehensive, ``f`` comprehensive of
PDSm, ``s`` simplified publish, ``p`` simplified publish of PDSm.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from hub.fhir.draft import Issue

MHD: Final = "https://profiles.ihe.net/ITI/MHD/"
PDSM: Final = "https://interop.esante.gouv.fr/ig/fhir/pdsm/"
_IHE: Final = f"{MHD}StructureDefinition/"
_ANS: Final = f"{PDSM}StructureDefinition/"
LIST_TYPES: Final = f"{MHD}CodeSystem/MHDlistTypes"
SOURCE_ID: Final = f"{_IHE}ihe-sourceId"
ARCHIVED: Final = f"{_ANS}pdsm-ext-is-archived"
SUPERSEDED: Final = "superseded"

# Canonical of a profile -> (what it is a profile of, level).
PROFILES: Final[Mapping[str, tuple[str, str]]] = {
    f"{_IHE}IHE.MHD.Minimal.ProvideBundle": ("bundle", "m"),
    f"{_IHE}IHE.MHD.UnContained.Comprehensive.ProvideBundle": ("bundle", "u"),
    f"{_IHE}IHE.MHD.Comprehensive.ProvideBundle": ("bundle", "c"),
    f"{_ANS}pdsm-comprehensive-provide-document-bundle": ("bundle", "f"),
    f"{_IHE}IHE.MHD.Minimal.SubmissionSet": ("submission", "m"),
    f"{_IHE}IHE.MHD.UnContained.Comprehensive.SubmissionSet": ("submission", "u"),
    f"{_IHE}IHE.MHD.Comprehensive.SubmissionSet": ("submission", "c"),
    f"{_ANS}pdsm-submissionset-comprehensive": ("submission", "f"),
    f"{_IHE}IHE.MHD.Minimal.Folder": ("folder", "m"),
    f"{_IHE}IHE.MHD.Comprehensive.Folder": ("folder", "c"),
    f"{_ANS}pdsm-folder-comprehensive": ("folder", "f"),
    f"{_IHE}IHE.MHD.Minimal.DocumentReference": ("document", "m"),
    f"{_IHE}IHE.MHD.UnContained.Comprehensive.DocumentReference": ("document", "u"),
    f"{_IHE}IHE.MHD.Comprehensive.DocumentReference": ("document", "c"),
    f"{_ANS}pdsm-comprehensive-document-reference": ("document", "f"),
    f"{_IHE}IHE.MHD.SimplifiedPublish.DocumentReference": ("document", "s"),
    f"{_ANS}pdsm-simplified-publish": ("document", "p"),
}
# Levels of a resource that satisfy those of the Bundle it comes in: more metadata is never too much.
_ENOUGH: Final = {"m": "mucf", "u": "ucf", "c": "cf", "f": "cf"}


def named(resource: Mapping[str, Any]) -> list[str]:
    """The profiles of the guides that a resource names, without versions."""
    meta = resource.get("meta")
    listed = meta.get("profile") if isinstance(meta, dict) else None
    found = [p.partition("|")[0] for p in listed if isinstance(p, str)] if isinstance(listed, list) else []
    return [p for p in found if p.startswith((_IHE, _ANS))]


def level(resource: Mapping[str, Any], of: str) -> str:
    """The level of the first profile of the guides for ``of`` that a resource names, or ''."""
    return next((PROFILES[p][1] for p in named(resource) if PROFILES.get(p, ("", ""))[0] == of), "")


def misnamed(resource: Mapping[str, Any], of: str, at: str, where: str) -> Iterator[Issue]:
    """The profiles of the guides that a resource names and that are not for it, in a Bundle of level ``at``."""
    for number, profile in enumerate(named(resource)):
        kind, reached = PROFILES.get(profile, ("", ""))
        if kind != of or reached not in _ENOUGH.get(at, at):
            what = f"this is no profile of a {of} in a Bundle of this profile"
            yield Issue("error", f"{where}.meta.profile[{number}]", what, "value")


@dataclass(frozen=True, slots=True)
class Rule:
    """How often an element comes; ``most`` is None where there is no bound, ``value`` '' where any will do."""

    path: str
    least: int
    most: int | None
    value: str
    source: str


@cache
def rules(of: str, at: str) -> tuple[Rule, ...]:
    """The rules for ``of`` (submission, folder, document) at a level."""
    with (Path(__file__).parent / "elements.csv").open(encoding="utf-8", newline="") as lines:
        return tuple(
            Rule(r["path"], int(r["least"]), None if r["most"] == "*" else int(r["most"]), r["value"], r["source"])
            for r in csv.DictReader(lines)
            if r["of"] == of and at in r["levels"]
        )


def broken(resource: Mapping[str, Any], of: str, at: str, where: str) -> Iterator[Issue]:
    """What a resource lacks, has too much of, or has another value of than the guide says.

    :param where: of the resource, before the path of the element.
    """
    for rule in rules(of, at):
        found = list(values(resource, rule.path))
        place = f"{where}.{rule.path.partition('[')[0]}"
        if len(found) < rule.least:
            yield Issue("error", place, f"{rule.path} is missing ({rule.source})", "required")
        elif rule.most is not None and len(found) > rule.most:
            what = "does not belong here" if rule.most == 0 else f"comes {rule.most} time at most"
            yield Issue("error", place, f"{rule.path} {what} ({rule.source})", "structure")
        elif rule.value and rule.value not in found:
            yield Issue("error", place, f"{rule.path} is {rule.value} here ({rule.source})", "value")


def values(item: Any, path: str) -> Iterator[Any]:
    """What lies at a path such as ``content.attachment.url`` or ``extension[url=ihe-sourceId].valueIdentifier``."""
    step, _, rest = path.partition(".")
    name, _, condition = step.partition("[")
    key, _, wanted = condition.rstrip("]").partition("=")
    below = item.get(name) if isinstance(item, dict) else None
    for one in below if isinstance(below, list) else [below]:
        if one is None or (key and not (isinstance(one, dict) and one.get(key) == _IHE + wanted)):
            continue
        if rest:
            yield from values(one, rest)
        else:
            yield one
