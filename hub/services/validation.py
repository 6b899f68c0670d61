"""Validation as a service: octets or a value in, findings or an OperationOutcome out.

FHIR R4 §3.1.0.10 (``$validate``): the resource may come by itself or inside a Parameters resource, with
the profile it is to be judged by; the answer is an OperationOutcome, also when all is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub.errors import HubError, InvalidError
from hub.fhir.draft import Issue
from hub.fhir.outcome import ISSUE_TYPES, issue, outcome
from hub.fhir.validation import validate as base_validate
from hub.fhir.validation.profiles import validate as profile_validate
from hub.fhir.validation.reading import read

MODES = ("create", "update", "delete", "profile")


def findings(value: Any, profiles: Sequence[str] = (), *, level: str = "profile", base: str = "") -> list[Issue]:
    """What is wrong with a parsed resource.

    :param profiles: by which it is judged; of a Bundle that is none of their type, its entries are.
    :param level: ``base`` judges by R4 alone when no profile is asked for, ``profile`` also by those it names.
    :raises NotFoundError: when a profile is not known.
    """
    if not profiles and level == "base":
        return base_validate(value)
    if profiles and isinstance(value, dict) and value.get("resourceType") == "Bundle":
        return base_validate(value) or _entries(value, profiles, base)
    return profile_validate(value, profiles, base, default=False)


def _entries(bundle: dict[str, Any], profiles: Sequence[str], base: str) -> list[Issue]:
    """The entries of a Bundle by the profiles of their type."""
    from hub.fhir.validation.artefacts import BASE
    from hub.fhir.validation.definition import definition

    types = {p: made.type for p in profiles if (made := definition(p, base or BASE)) is not None}
    if len(types) < len(profiles) or "Bundle" in types.values():
        return profile_validate(bundle, profiles, base, default=False)  # which says what is not known
    found: list[Issue] = []
    for at, entry in enumerate(bundle.get("entry", ())):
        resource = entry.get("resource", {})
        asked = [p for p, kind in types.items() if kind == resource.get("resourceType")]
        for one in profile_validate(resource, asked, base) if asked else ():
            where = f"Bundle.entry[{at}].resource" + one.where.removeprefix(resource["resourceType"])
            found.append(Issue(one.severity, where, one.what, one.code))
    return found


def validate(body: bytes, profile: str = "", mode: str = "", *, base: str = "") -> dict[str, Any]:
    """The answer of ``$validate``: an OperationOutcome; ``profile`` and ``mode`` are those of the query.

    :raises InvalidError: when a Parameters resource holds no resource, or the mode is unknown.
    :raises HubError: when the octets are no JSON, or the profile is not known.
    """
    value = read(body)
    profiles = [profile] if profile else []
    if isinstance(value, dict) and value.get("resourceType") == "Parameters":
        value, profiles, mode = _asked(value, profiles, mode)
    if mode and mode not in MODES:
        raise InvalidError(f"no such mode: {', '.join(MODES)}", where="http.mode", code="value")
    if mode == "delete" and value is None:
        return outcome(issue("information", "informational", "nothing stands against deleting it"))
    try:
        return told(findings(value, profiles, base=base))
    except RecursionError:
        raise InvalidError("nested too deeply", code="too-long") from None


def _asked(parameters: dict[str, Any], profiles: list[str], mode: str) -> tuple[Any, list[str], str]:
    """What a Parameters resource says: resource, profile and mode."""
    given = parameters.get("parameter")
    named = [p for p in given if isinstance(p, dict)] if isinstance(given, list) else []
    by_name = {str(p.get("name")): p for p in named}
    profile = by_name.get("profile", {})
    wanted = [str(v) for v in (profile.get("valueUri") or profile.get("valueCanonical"),) if v]
    mode = str(by_name.get("mode", {}).get("valueCode", mode))
    resource = by_name.get("resource", {}).get("resource")
    if resource is None and mode != "delete":
        raise InvalidError(
            "no resource to validate", where="Parameters.parameter", cure="add a parameter `resource`", code="required"
        )
    return resource, wanted or profiles, mode


def told(found: Sequence[Issue]) -> dict[str, Any]:
    """Findings as an OperationOutcome; without any, one that says so."""
    if not found:
        return outcome(issue("information", "informational", "nothing is wrong with it"))
    return outcome(*(issue(i.severity, i.code if i.code in ISSUE_TYPES else "invalid", i.what, i.where) for i in found))


def read_or_issue(body: bytes) -> tuple[Any, list[Issue]]:
    """The value of JSON octets, or what keeps it from being read."""
    try:
        return read(body), []
    except HubError as e:
        place = f"{e.where}: " if e.where else ""
        return None, [Issue("error", "", f"{place}{e.what}; {e.cure}", e.code)]
