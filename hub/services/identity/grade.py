"""How sure it is that two identities are of one person, and why it is not surer.

RNIV 1 and R4 value set match-grade.  ``certain`` is only: a qualified INS in common, the number of one
establishment, or the five strict traits; and nothing that speaks against it.
"""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.identity.traits import STRICT, Identity, differing, missing, other_ins, same_ins
from hub.source.identity import QUALIFIED

CERTAIN, PROBABLE, POSSIBLE, NOT = "certain", "probable", "possible", "certainly-not"
# What a strict trait that is equal counts; a used name in the place of the birth name counts USED.
WEIGHTS = dict(zip(STRICT, (0.3, 0.25, 0.3, 0.05, 0.1), strict=True))
USED = 0.2
LEAST = {PROBABLE: 0.8, POSSIBLE: 0.5}


@dataclass(frozen=True, slots=True)
class Grade:
    """A grade (match-grade), a score from 0 to 1, and what keeps it from being certain.

    :ivar by: what makes it certain: ``ins``, ``number`` or ``traits``; or ''.
    :ivar reasons: names of traits and rules; never a value.
    """

    grade: str
    score: float
    reasons: tuple[str, ...] = ()
    by: str = ""


def grade(asked: Identity, known: Identity) -> Grade:
    """The grade of ``known`` as the one that is asked for."""
    differ, lack = differing(asked, known), missing(asked, known)
    reasons = [f"the {t} differs" for t in differ]
    ins, number = same_ins(asked, known), bool(asked.local & known.local)
    contrary = other_ins(asked, known)
    if contrary and known.qualified and asked.status in ("", QUALIFIED):
        return Grade(NOT, 0.0, ("the INS differs",))
    if contrary:
        reasons.append("the INS differs")
    proven = ins and known.qualified and asked.status in ("", QUALIFIED)
    if not reasons and (proven or number or not lack):
        return Grade(CERTAIN, 1.0, by="ins" if proven else "number" if number else "traits")
    if ins and not proven:
        reasons.append("the INS is not qualified")
    reasons += [f"the {t} is missing" for t in lack]
    score = _score(asked, known)
    if ins or number:
        return Grade(PROBABLE, max(0.9 - 0.1 * len(differ), 0.5), tuple(reasons))
    found = next((name for name, least in LEAST.items() if score >= least), NOT)
    return Grade(found, min(score, 0.95), tuple(reasons))


def _score(asked: Identity, known: Identity) -> float:
    score = sum(WEIGHTS[t] for t in STRICT if t in asked.traits and asked.traits[t] == known.traits.get(t))
    name = STRICT[0]
    if asked.traits.get(name) != known.traits.get(name):
        mine = asked.used | {asked.traits.get(name, "")} - {""}
        score += USED if mine & (known.used | {known.traits.get(name, "")}) else 0.0
    return round(score, 2)
