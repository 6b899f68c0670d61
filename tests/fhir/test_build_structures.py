"""The table of structures is made out of the classes of a release, the element table and the summary flags."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.fhir import build_structures

PATIENT = '''
class Patient(domainresource.DomainResource):
    """Text."""

    resource_type = Field("Patient", const=True)

    name: typing.List[fhirtypes.HumanNameType] = Field(None, alias="name", element_property=True)
    class_fhir: fhirtypes.CodingType = Field(..., alias="class", element_property=True)
    gender: fhirtypes.Code = Field(None, alias="gender", element_property=True, element_required=True)
    gender__ext: fhirtypes.FHIRPrimitiveExtensionType = Field(None, alias="_gender")
    active: bool = Field(None, alias="active", element_property=True)
    deceasedBoolean: bool = Field(None, alias="deceasedBoolean", element_property=True, one_of_many="deceased")
    deceasedDateTime: fhirtypes.DateTime = Field(
        None, alias="deceasedDateTime", element_property=True, one_of_many="deceased", one_of_many_required=True
    )
    contact: typing.List[fhirtypes.PatientContactType] = Field(None, alias="contact", element_property=True)

    @classmethod
    def elements_sequence(cls):
        return ["id", "class", "gender", "active", "deceasedBoolean", "deceasedDateTime", "name", "contact"]


class PatientContact(backboneelement.BackboneElement):
    gender: fhirtypes.Code = Field(None, alias="gender", element_property=True)

    @classmethod
    def elements_sequence(cls):
        return ["id", "gender"]
'''
BASIC = """
class Basic(domainresource.DomainResource):
    code: fhirtypes.CodeableConceptType = Field(..., alias="code", element_property=True)
    author: fhirtypes.ReferenceType = Field(None, alias="author", element_property=True)
    mine: fhirtypes.String = Field(None, alias="mine", element_property=True)

    @classmethod
    def elements_sequence(cls):
        return ["code", "author", "mine"]


class Nowhere(fhirabstractmodel.FHIRAbstractModel):
    x: fhirtypes.String = Field(None, alias="x", element_property=True)

    @classmethod
    def elements_sequence(cls):
        return ["x"]
"""
TABLE = """path,min,max,types,targets,binding_strength,binding,summary
Patient,0,*,,,,,
Patient.name,0,*,HumanName,,,,1
Patient.class,1,1,Coding,,,,
Patient.active,0,1,boolean,,,,1
Patient.deceased[x],0,1,boolean|dateTime,,,,1
Patient.contact,0,*,BackboneElement,,,,
Patient.contact,0,*,BackboneElement,,,,
Patient.contact.gender,0,1,code,,,,
"""


def test_the_table_that_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = tmp_path / "release"
    release.mkdir()
    (release / "patient.py").write_text(PATIENT)
    (release / "basic.py").write_text(BASIC)
    (release / "fhirtypes.py").write_text("class Skipped: ...")
    table = tmp_path / "elements.csv"
    table.write_text(TABLE)
    monkeypatch.setattr(build_structures, "HERE", tmp_path)
    build_structures.main(str(release), str(table))
    made = (tmp_path / "structures.csv").read_text().splitlines()
    assert made[1:] == [
        "structure,base,elements",
        # no row in the table: what R4B says of the summary (code and author are in it)
        "Basic,DomainResource,code!^:CodeableConcept author?^:Reference mine?:string",
        "Nowhere,,x?:string",
        "Patient,DomainResource,"
        "class!:Coding gender!^:code active?^:boolean deceased[x]?^:boolean|dateTime name*^:HumanName "
        "contact*:PatientContact",
        "PatientContact,BackboneElement,gender?:code",
    ]
