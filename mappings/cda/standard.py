"""The rules that hold in every model: CI-SIS and IHE templates of entries, and the kinds of statements.

ANS CI-SIS, volet modèles de contenu (E~n = 1.2.250.1.213.1.1.3.n); IHE PCC (1.3.6.1.4.1.19376.1.5.3.1.4.n).  A
model takes these and puts its own beside them: ``templates={**TEMPLATES, ...}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from .entries.coverage import cover, payers
from .entries.device import device
from .entries.family import family
from .entries.medication import immunization, medication
from .entries.observation import observation
from .entries.organizer import attached, comment, media, organizer
from .entries.problem import cancer, concern, problem
from .entries.procedure import procedure
from .entries.request import request
from .frame import Model, Rule

ENTRY: Final = "1.2.250.1.213.1.1.3."
SECTION: Final = "1.2.250.1.213.1.1.2."
_PCC: Final = "1.3.6.1.4.1.19376.1.5.3.1."

TEMPLATES: Final[Mapping[str, Rule]] = {
    f"{ENTRY}7": organizer,
    f"{ENTRY}18": attached,
    f"{ENTRY}25": observation,  # assessments: OMS performance,
    f"{ENTRY}89": observation,  # pain,
    f"{ENTRY}110": observation,  # geriatric score
    f"{ENTRY}20": device,
    f"{ENTRY}27": request,
    f"{ENTRY}32": comment,
    f"{ENTRY}37": problem,
    f"{ENTRY}39": concern,
    f"{ENTRY}45": immunization,
    f"{ENTRY}48": observation,
    f"{ENTRY}58": procedure,
    f"{ENTRY}59": family,
    f"{ENTRY}61": payers,
    f"{ENTRY}62": procedure,
    f"{ENTRY}94": cover,
    f"{ENTRY}113": cancer,
    f"{_PCC}1.20.3.1": request,
    f"{_PCC}4.2": comment,
    f"{_PCC}4.5": problem,
    f"{_PCC}4.5.1": concern,
    f"{_PCC}4.12": immunization,
    f"{_PCC}4.13": observation,
    f"{_PCC}4.14": procedure,
    f"{_PCC}4.15": family,
    f"{_PCC}4.17": payers,
    f"{_PCC}4.18": cover,
    f"{_PCC}4.19": procedure,
    "1.3.6.1.4.1.19376.1.7.3.1.4.14.2": observation,  # TNM outside of a diagnosis
}
KINDS: Final[Mapping[str, Rule]] = {
    "observation": observation,
    "observationMedia": media,
    "organizer": organizer,
    "procedure": procedure,
    "substanceAdministration": medication,
    "supply": device,
}

# Of a document whose model is not known: its attached files, and nothing that would have to be understood.
UNKNOWN: Final = Model(
    name="", template="", templates={f"{ENTRY}18": attached}, kinds={"observationMedia": media}, silent=True
)
