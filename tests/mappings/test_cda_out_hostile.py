"""Bundles that lack something, or say what is no R4: a document or an error that says so, never anything else."""

from __future__ import annotations

import copy
import random
from contextlib import suppress
from typing import Any

import pytest
from hub.mappings.cda.out import fidd, frcp, n1
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.errors import HubError, MappingError
from hub.source.cda import Document

from .cda_back import bundle
from .test_cda_out_fidd import WORK_UP
from .test_cda_out_frcp import BUNDLE
from .test_cda_out_n1 import SAMPLE

WRITERS = [(frcp.write, BUNDLE), (fidd.write, bundle(WORK_UP)), (n1.write, bundle(SAMPLE))]


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every member of every element."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        found.append((value, key))
        places(inner, found)
    return found


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(range(3)), st.integers(0, 2**32), st.sampled_from(["gone", None, 7, "", [], {}, [{}]]))
def test_a_broken_bundle(which: int, seed: int, instead: Any) -> None:
    """Ten places of a Bundle removed, or of another type."""
    write, sound = WRITERS[which]
    made = copy.deepcopy(sound)
    chosen = random.Random(seed).sample(places(made["entry"], []), 10)
    for parent, key in chosen:
        if isinstance(parent, dict) and instead == "gone":
            parent.pop(key, None)
        elif not isinstance(parent, list) or key < len(parent):
            parent[key] = instead
    with suppress(HubError):
        Document(write(made))


@pytest.mark.parametrize("which", range(3))
def test_organisations_that_are_part_of_themselves(which: int) -> None:
    """A circle of references is an error, not a crash."""
    write, sound = WRITERS[which]
    made = copy.deepcopy(sound)
    for entry in made["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Organization":
            resource["partOf"] = {"reference": f"Organization/{resource['id']}"}
    with pytest.raises(MappingError, match="RecursionError"):
        write(made)


def test_people_without_numbers_and_phones_without_a_number() -> None:
    """Valid R4 that says little: what is there is written."""
    made = copy.deepcopy(BUNDLE)
    for entry in made["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] in ("Practitioner", "Organization"):
            resource.pop("identifier", None)
            resource["telecom"] = [{"system": "phone"}]
    assert b"<telecom/>" not in frcp.write(made)
