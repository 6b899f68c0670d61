"""OncoHub: an interoperability hub for cancer care.

The rooms beside this folder (adapters, mappings, channels, profiles, conformance) are its
subpackages: ``hub.adapters``, ``hub.mappings``...  A wheel carries them inside ``hub``; in a checkout
they lie next to it, so the search path is told once, here.

Walls (checked by import-linter and ruff): rooms import ``hub``; ``hub`` reaches rooms only by name,
through :mod:`hub.registry`.  Inside ``hub`` imports go one way:
cli > commands > console | portal | facade > services > security > channel > engine > store >
fhir | source > settings | registry > paths | clock > errors.
"""

from pathlib import Path as _Path

__version__ = "0.1.0"

_here = _Path(__file__).parent
if not (_here / "adapters").is_dir():
    __path__.append(str(_here.parent))
