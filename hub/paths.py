"""Where the shipped rooms lie, whether installed or in a checkout."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def room(name: str) -> Path:
    """Return the folder of one room, such as ``room("channels")``.

    :raises LookupError: when no room has that name.
    """
    spec = find_spec(f"hub.{name}")
    if spec is None or not spec.submodule_search_locations:
        raise LookupError(f"no room called {name!r}")
    return Path(next(iter(spec.submodule_search_locations)))
