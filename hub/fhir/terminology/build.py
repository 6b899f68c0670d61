"""Writes the tables of this package out of lists of codes as they are published.

Three lists go in: value sets of the CI-SIS (ANS, Nomenclatures des Objets de Santé and Serveur Multi-
Terminologies; columns valueset, url, system, code, display), value sets that R4 4.0.1 binds as required
(columns valueset, system, code, display), and tables in Markdown that give the OID of a value set.  What is
one code system under two names (an OID and a URL) becomes one, by ``mappings/tables/systems.csv``.

Run as ``python -m hub.fhir.terminology.build FRENCH_CSV REQUIRED_CSV OIDS_MD``.
"""

from __future__ import annotations

import csv
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from hub.paths import room

HERE = Path(__file__).parent
R4 = "http://hl7.org/fhir/"
_OID_ROW = re.compile(r"\|\s*(JDV_\w+)\s*\|\s*([0-9.]+)\s*\|")
_NAMES = {  # code systems that mappings do not name, because no message of ours holds their OID
    "http://unitsofmeasure.org": "UCUM",
}


def lines(file: str | Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV, without its comment lines."""
    with Path(file).open(encoding="utf-8", newline="") as opened:
        yield from csv.DictReader(line for line in opened if not line.startswith("#"))


def write(name: str, said: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """One table of this package; ``said`` tells where it comes from."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as out:
        out.write(f"# {said}\n")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def short(url: str) -> str:
    """The end of a URL, as the name of a code system."""
    return url.removeprefix("urn:oid:").rstrip("/").rpartition("/")[2]


def main(french: str, required: str, oids: str) -> None:
    """Rewrite ``systems.csv``, ``concepts.csv`` and ``valuesets.csv``."""
    canonical: dict[str, str] = {}
    oid_of: dict[str, str] = {}
    title_of: dict[str, str] = {}
    for row in lines(room("mappings") / "tables" / "systems.csv"):
        if row["source"][0].isdigit():
            canonical[f"urn:oid:{row['source']}"] = row["target"]
            oid_of.setdefault(row["target"], row["source"])
            title_of.setdefault(row["target"], row["display"])
    said: dict[tuple[str, str], dict[str, Counter[str]]] = defaultdict(lambda: {"fr": Counter(), "en": Counter()})
    members: dict[str, tuple[str, dict[str, list[str]]]] = {}
    for language, file in (("fr", french), ("en", required)):
        for row in lines(file):
            code = row["code"].strip()
            if " " in code:  # "code à fournir": a place kept for a code, none itself
                continue
            system = canonical.get(row["system"], row["system"])
            url = row.get("url") or row["valueset"]
            name = row["valueset"] if "url" in row else short(url)
            listed = members.setdefault(url, (name, {}))[1].setdefault(system, [])
            if code not in listed:
                listed.append(code)
            display = " ".join(row["display"].split()).rstrip('"')
            said[system, code][language][display] += bool(display)
    systems = sorted({system for system, _ in said})
    key = {system: str(n) for n, system in enumerate(systems, 1)}
    whole = {s for s in systems if s.startswith(R4) and R4 + "ValueSet/" + short(s) in members}
    write(
        "systems.csv",
        "Code systems that the value sets draw from; key is a number of this table alone.",
        ("key", "url", "oid", "name", "content"),
        (
            (key[s], s, oid_of.get(s, s.removeprefix("urn:oid:") if s.startswith("urn:oid:") else ""),
             title_of.get(s) or _NAMES.get(s) or short(s), "complete" if s in whole else "fragment")
            for s in systems
        ),
    )  # fmt: skip
    write(
        "concepts.csv",
        "Codes with their French and English displays (ANS CI-SIS; R4 4.0.1); also: other displays in use, by |.",
        ("system", "code", "fr", "en", "also"),
        sorted((key[s], c, *_displays(found)) for (s, c), found in said.items()),
    )
    by_name = dict(_OID_ROW.findall(Path(oids).read_text(encoding="utf-8")))
    write(
        "valuesets.csv",
        "Value sets of the CI-SIS (ANS) and those R4 4.0.1 binds as required; members: system:code code;system:code",
        ("url", "name", "oid", "members"),
        (
            (url, name, by_name.get(name, ""), ";".join(f"{key[s]}:{' '.join(codes)}" for s, codes in drawn.items()))
            for url, (name, drawn) in sorted(members.items())
        ),
    )


def _displays(found: dict[str, Counter[str]]) -> tuple[str, str, str]:
    """(French, English, others): the display most value sets use, and those the others use."""
    ranked = {lang: [d for d, _ in sorted(c.items(), key=lambda i: (-i[1], i[0])) if d] for lang, c in found.items()}
    first = [(ranked[lang] or [""])[0] for lang in ("fr", "en")]
    others = [d.replace("|", "/") for lang in ("fr", "en") for d in ranked[lang][1:]]
    return first[0], first[1], "|".join(others)


if __name__ == "__main__":
    main(*sys.argv[1:])
