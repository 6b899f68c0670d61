"""Systems of identifiers, alike for HL7 v2 and CDA (INS référentiel v2; HL7 v2.5 §2.A.33)."""

from __future__ import annotations

import pytest

from hub.source.identity import authority_system, root_system


@pytest.mark.parametrize(
    ("authority", "system"),
    [
        (("CH", "1.2.250.1.999.7", "ISO"), "urn:oid:1.2.250.1.999.7"),
        (("CH", "1.2.250.1.999.7", ""), "urn:oid:1.2.250.1.999.7"),
        (("1.2.250.1.999.7", "", ""), "urn:oid:1.2.250.1.999.7"),
        (("CH", "D52DE737-001D-4031-B571-0A0ED7C42300", "UUID"), "urn:uuid:d52de737-001d-4031-b571-0a0ed7c42300"),
        (("", "https://ch.example/ipp", "URI"), "https://ch.example/ipp"),
        (("CH X", "0008", "N"), "urn:oncohub:authority:CH%20X:0008"),
        (("CH", "", ""), "urn:oncohub:authority:CH"),
        (("CH", "1.2.250.1.999.7", "L"), "urn:oncohub:authority:CH:1.2.250.1.999.7"),
        (("", "", "", "CLINIQUE"), "urn:oncohub:site:CLINIQUE"),
    ],
)
def test_the_system_of_an_authority(authority: tuple[str, ...], system: str) -> None:
    """An OID when there is one, else a stable name of our own."""
    assert system == authority_system(*authority)


def test_an_oid_is_the_same_system_in_hl7_and_in_cda() -> None:
    """So that ADT and CDA of one person meet."""
    assert root_system("1.2.250.1.999.7") == authority_system("CH", "1.2.250.1.999.7", "ISO")


@pytest.mark.parametrize(
    ("root", "system"),
    [
        ("D52DE737-001D-4031-B571-0A0ED7C42300", "urn:uuid:d52de737-001d-4031-b571-0a0ed7c42300"),
        ("urn:x:y", "urn:x:y"),
        ("CH X", "urn:oncohub:authority:CH%20X"),
        ("1.02.3", "urn:oncohub:authority:1.02.3"),
    ],
)
def test_the_system_of_a_root(root: str, system: str) -> None:
    """ISO 21090 II.root: OID or UUID; anything else is named, never passed off as an OID."""
    assert system == root_system(root)
