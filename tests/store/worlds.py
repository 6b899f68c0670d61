"""A small world to search in: patients, observations, places and a list, made by chance from a seed."""

from __future__ import annotations

import random
from typing import Any

from hub import clock
from hub.fhir.draft import Entry
from hub.store import Store
from hub.store.resources import apply, prepare

from .oracle import spans

BASE = "https://hub.example/fhir"
DAY = clock.from_iso("2020-01-01T00:00:00Z")
NAMES = ["Martin", "MARTINEZ", "Le Févre", "lefevre", "50%_/", "Ängström", "z", "Mar,tin|"]
DATES = ["2020", "2020-06", "2020-06-15", "2020-06-15T10:00:00Z", "2020-06-15T10:00:00.5+02:00", "1990-01-01", "2031"]
SYSTEMS = ["s1", "s2", ""]
UNITS = [("http://unitsofmeasure.org", "mg", "mg"), ("http://unitsofmeasure.org", "g", "gramme"), ("", "", "puff")]


def coding(chance: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"code": chance.choice("abc")}
    if system := chance.choice(SYSTEMS):
        made["system"] = system
    if chance.random() < 0.4:
        made["display"] = chance.choice(NAMES)
    return made


def concept(chance: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"coding": [coding(chance) for _ in range(chance.randrange(3))]}
    if not made["coding"]:
        del made["coding"]
    if chance.random() < 0.4 or not made:
        made["text"] = chance.choice(NAMES)
    return made


def quantity(chance: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"value": chance.choice([5, 5.4, 5.35, 99.5, 100, 100.49, -3, 0, 0.1])}
    system, code, unit = chance.choice(UNITS)
    made |= {k: v for k, v in (("system", system), ("code", code), ("unit", unit)) if v}
    if chance.random() < 0.2:
        made["comparator"] = chance.choice(["<", ">", "<=", ">="])
    return made


def common(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.4:
        return {
            "meta": {
                "profile": [chance.choice(["http://p/a", "http://p/a/b", "http://p/ab", "urn:x"])],
                "tag": [coding(chance)],
            }
        }
    return {}


def patient(chance: random.Random, n: int) -> dict[str, Any]:
    one: dict[str, Any] = {"resourceType": "Patient", "id": f"p{n}", **common(chance)}
    if chance.random() < 0.8:
        one["identifier"] = [
            {
                "system": chance.choice(["s1", "s2"]),
                "value": chance.choice("abc"),
                "type": {"text": "Numéro", "coding": [{"system": "t", "code": "PI"}]},
            },
            {"value": chance.choice("abc")},
        ]
    if chance.random() < 0.8:
        one["name"] = [{"family": chance.choice(NAMES), "given": [chance.choice(NAMES), chance.choice(NAMES)]}]
    if chance.random() < 0.7:
        one["birthDate"] = chance.choice(["1990", "1990-01", "1990-01-01", "2020-06-15"])
    if chance.random() < 0.7:
        one["gender"] = chance.choice(["male", "female"])
    if chance.random() < 0.5:
        one["active"] = chance.random() < 0.5
    if chance.random() < 0.5:
        one["managingOrganization"] = {"reference": f"Organization/o{chance.randrange(3)}"}
    if chance.random() < 0.4:
        one["communication"] = [{"language": concept(chance)}]
    return one


def observation(chance: random.Random, n: int) -> dict[str, Any]:
    one: dict[str, Any] = {
        "resourceType": "Observation", "id": f"b{n}", "status": chance.choice(["final", "amended"]),
        "code": concept(chance), **common(chance),
    }  # fmt: skip
    match chance.randrange(5):
        case 0:
            one["subject"] = {"reference": f"Location/l{chance.randrange(4)}"}
        case 1:
            one["subject"] = {"type": "Patient", "identifier": {"system": "s1", "value": chance.choice("abc")}}
        case 2 | 3:
            one["subject"] = {"reference": f"Patient/p{chance.randrange(24)}"}  # some are not there
    if chance.random() < 0.4:
        one["effectiveDateTime"] = chance.choice(DATES)
    elif chance.random() < 0.5:
        one["effectivePeriod"] = {k: chance.choice(DATES) for k in ("start", "end") if chance.random() < 0.7}
        if not spans([one["effectivePeriod"]]):
            del one["effectivePeriod"]
    match chance.randrange(4):
        case 0:
            one["valueQuantity"] = quantity(chance)
        case 1:
            one["valueCodeableConcept"] = concept(chance)
        case 2:
            one["valueString"] = chance.choice(NAMES)
    if chance.random() < 0.3:
        one["component"] = [{"code": concept(chance), "valueQuantity": quantity(chance)} for _ in range(2)]
    return one


def world(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    made = [patient(chance, n) for n in range(20)] + [observation(chance, n) for n in range(40)]
    made += [{"resourceType": "Organization", "id": f"o{n}", "name": NAMES[n], **common(chance)} for n in range(2)]
    above = {"l1": "l0", "l2": "l1", "l3": "l1", "l5": "l6", "l6": "l5"}  # a tree, and a knot
    for n in range(7):
        one = {"resourceType": "Location", "id": f"l{n}", "name": chance.choice(NAMES), **common(chance)}
        made.append(one | ({"partOf": {"reference": f"Location/{above[f'l{n}']}"}} if f"l{n}" in above else {}))
    items = [{"item": {"reference": ref}} for ref in ("Patient/p1", "Observation/b3", "Patient/gone")]
    made.append({"resourceType": "List", "id": "li", "title": "x", "entry": items})
    chance.shuffle(made)
    return made


def put(store: Store, resources: list[dict[str, Any]]) -> None:
    writes = [
        prepare(Entry(r["resourceType"], r["id"], {k: v for k, v in r.items() if k != "id"}), store.ids.take(), "test")
        for r in resources
    ]
    for at, write in enumerate(writes):
        store.write(lambda tx, w=write, at=at: apply(tx, [w], DAY + at // 3, store.ids.take))
