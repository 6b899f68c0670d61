"""Golden files: JSON beside a sample, compared with a diff that names the path.

A difference reads ``Patient.name[0].family: -"DURAND" +"DUPONT"``: what the file has, then what came out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_ABSENT = object()


def diff(expected: Any, actual: Any) -> list[str]:
    """Every difference between two JSON values, one line each, in document order."""
    return list(_walk(expected, actual, ""))


def _walk(expected: Any, actual: Any, path: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in dict.fromkeys((*expected, *actual)):
            below = f"{path}.{key}" if path else str(key)
            yield from _walk(expected.get(key, _ABSENT), actual.get(key, _ABSENT), below)
    elif isinstance(expected, list) and isinstance(actual, list):
        for i in range(max(len(expected), len(actual))):
            old = expected[i] if i < len(expected) else _ABSENT
            new = actual[i] if i < len(actual) else _ABSENT
            yield from _walk(old, new, f"{path}[{i}]")
    elif expected != actual or isinstance(expected, bool) != isinstance(actual, bool):
        yield " ".join(p for p in (f"{path or '.'}:", _shown("-", expected), _shown("+", actual)) if p)


def _shown(sign: str, value: Any) -> str:
    return "" if value is _ABSENT else sign + json.dumps(value, ensure_ascii=False, sort_keys=True)


def dump(value: Any) -> str:
    """JSON as golden files hold it: indented by two, in the order of the value, ending with a line feed."""
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def assert_golden(actual: Any, path: Path, *, update: bool = False) -> None:
    """Fail unless ``actual`` equals the JSON of the file.

    :param update: write the file instead; the change is then read in review.
    :raises AssertionError: with every difference, or when there is no such file.
    """
    if update:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dump(actual), encoding="utf-8")
        return
    if not path.is_file():
        raise AssertionError(f"no golden file {path}; write it with update=True and read it")
    found = diff(json.loads(path.read_text(encoding="utf-8")), actual)
    if found:
        raise AssertionError(f"{path.name}: {len(found)} differences\n" + "\n".join(found))
