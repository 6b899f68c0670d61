"""What the kernel says of processes and of the machine: proc(5); elsewhere than on Linux zeros.

Memory is VmHWM, the highest resident size, summed over a process and all its descendants: pages that they
share count more than once, so the sum is never below what they really took.
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path

_PROC = Path("/proc")


def tree(pid: int) -> list[int]:
    """A process and its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.glob("[0-9]*"):
        parent = _stat(int(entry.name))
        if parent:
            children.setdefault(int(parent[1]), []).append(int(entry.name))
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        ahead += children.get(one, [])
    return found


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name: state, parent..., or [] when it is gone."""
    try:
        return (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def reset_peak(pid: int) -> None:
    """Let VmHWM begin anew (needs the right to write clear_refs; without it the peak since the start stays)."""
    for one in tree(pid):
        try:
            (_PROC / str(one) / "clear_refs").write_text("5", encoding="ascii")
        except OSError:
            continue


def peak_mib(pid: int) -> float:
    """Highest resident size of the tree, in MiB."""
    return sum(own_peak_mib(one) for one in tree(pid))


def own_peak_mib(pid: int) -> float:
    """Highest resident size of one process, in MiB."""
    try:
        status = (_PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of the tree so far, children that ended included."""
    ticks = sum(sum(int(t) for t in fields[11:15]) for one in tree(pid) if (fields := _stat(one)))
    return float(ticks) / float(os.sysconf("SC_CLK_TCK"))


def fsync_ms(folder: Path, times: int = 50) -> float:
    """Median time of writing 4 KiB and flushing them to the disk of ``folder``, in milliseconds."""
    waits = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(times):
            began = time.perf_counter()
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
            waits.append(time.perf_counter() - began)
    return sorted(waits)[times // 2] * 1000


def machine(folder: Path) -> dict[str, str]:
    """What the figures hang on: processor, cores, memory, disk, Python."""
    model = platform.processor() or platform.machine()
    memory = 0.0
    try:
        for line in (_PROC / "cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
        memory = int((_PROC / "meminfo").read_text(encoding="ascii").split()[1]) / 1024**2
    except OSError:
        pass
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "processor": f"{model}, {cores} cores",
        "memory": f"{memory:.0f} GiB",
        "disk": f"4 KiB written and flushed in {fsync_ms(folder):.2f} ms (median)",
        "system": f"{platform.system()} {platform.release()}, {platform.python_implementation()} "
        f"{platform.python_version()}",
    }
