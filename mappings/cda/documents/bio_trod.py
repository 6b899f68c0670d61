"""BIO-TROD 2024.01: the result of a rapid test done by a pharmacist.

ANS CI-SIS, volet BIO-TROD: the sections and entries of BIO-CR-BIO, without a specimen; the test is the device of its
results.
"""

from __future__ import annotations

from dataclasses import replace

from ..mapping import mapping_of
from .bio_cr import MODEL as BIO_CR

MODEL = replace(BIO_CR, name="BIO-TROD", template="1.2.250.1.213.1.1.1.59")
MAPPING = mapping_of(MODEL, "rapid test: DiagnosticReport and Observations with the Device")
