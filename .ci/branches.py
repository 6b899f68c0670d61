"""Says how many branches of each room the tests took; fails when one is below the share asked for.

``branches.py DATA_FOLDER PERCENT``: combines what the runs wrote there first.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOMS = ("hub", "adapters", "mappings")


def main(folder: Path, least: float) -> int:
    """Print a table; return 0 when every room has enough."""
    data = folder / "data"
    if any(p.name.startswith("data.") for p in folder.iterdir()):
        subprocess.run(["coverage", "combine", "--append", "--quiet", str(folder)], check=True)  # noqa: S603,S607 - own tool
    report = folder / "report.json"
    subprocess.run(["coverage", "json", "--quiet", "-o", str(report)], check=True)  # noqa: S603,S607 - own tool
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    short = []
    for room in ROOMS:
        sums = [f["summary"] for name, f in files.items() if Path(name).parts[0] == room]
        branches = sum(s["num_branches"] for s in sums)
        taken = sum(s["covered_branches"] for s in sums)
        lines = sum(s["num_statements"] for s in sums)
        run = sum(s["covered_lines"] for s in sums)
        share = 100 * taken / branches if branches else 100.0
        share_of_lines = 100 * run / lines if lines else 100.0
        print(f"{room:10} branches {taken:6} of {branches:6}  {share:5.1f} %   lines {share_of_lines:5.1f} %")
        if share < least:
            short.append(room)
    weakest = sorted((f["summary"]["percent_covered"], name) for name, f in files.items())[:10]
    print("least covered:", ", ".join(f"{name} {percent:.0f} %" for percent, name in weakest))
    if short:
        print(f"below {least:g} % of branches: {', '.join(short)} (data: {data})", file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
