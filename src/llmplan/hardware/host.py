"""The host as this process sees it: memory, CPUs, their control-group limits, /dev/shm and free disk.

Everything is read below one root folder, so that a recorded machine can stand in for a real one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from llmplan.hardware.cgroup import CgroupLimits, read_cgroup
from llmplan.hardware.limits import read_limits
from llmplan.hardware.report import DiskReading, HostReading
from llmplan.units import KIB

_ROOT: Final = Path("/")


def read_host(
    root: Path = _ROOT, *, disks: Sequence[Path] = (), models: Path | None = None, cpus_usable: int | None = None
) -> HostReading:
    """Read the host below `root`. `disks` are the folders whose free space matters, `models` is that of weights.

    `cpus_usable` is how many CPUs the scheduler lets this process use; None asks the system itself, which only
    makes sense for the real root.
    """
    meminfo = parse_meminfo(_text(root / "proc/meminfo") or "")
    cpu_model, cpus = parse_cpuinfo(_text(root / "proc/cpuinfo") or "")
    limits = read_cgroup(root)
    kernel = (_text(root / "proc/sys/kernel/osrelease") or "").strip() or None
    return HostReading(
        memory_total_bytes=meminfo.get("MemTotal"),
        memory_available_bytes=meminfo.get("MemAvailable", meminfo.get("MemFree")),
        cgroup_version=limits.version,
        cgroup_memory_limit_bytes=_binding(limits, meminfo.get("MemTotal")),
        cgroup_memory_used_bytes=limits.memory_used_bytes,
        cgroup_cpus=limits.cpus,
        cpu_model=cpu_model,
        cpus=cpus,
        cpus_usable=_affinity(root) if cpus_usable is None else cpus_usable,
        numa_nodes=sum(1 for _ in (root / "sys/devices/system/node").glob("node[0-9]*")) or None,
        shm=disk_space(root / "dev/shm"),
        disks=tuple(space for folder in disks if (space := disk_space(folder)) is not None),
        model_disk=disk_space(models) if models is not None else None,
        limits=read_limits() if root == _ROOT else None,
        kernel=kernel,
        wsl=kernel is not None and "microsoft" in kernel.lower(),
    )


def parse_meminfo(text: str) -> dict[str, int]:
    """`/proc/meminfo` in bytes: its "kB" are KiB.

    >>> parse_meminfo("MemTotal:       127600748 kB\\nHugePages_Total:       0\\n")
    {'MemTotal': 130663165952, 'HugePages_Total': 0}
    """
    figures: dict[str, int] = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and words[0].isdecimal():
            figures[name] = int(words[0]) * (KIB if words[1:] == ["kB"] else 1)
    return figures


def parse_cpuinfo(text: str) -> tuple[str | None, int | None]:
    """The CPU's name and how many the kernel runs, from `/proc/cpuinfo`; ARM kernels give no name.

    >>> parse_cpuinfo("processor\\t: 0\\nmodel name\\t: Xeon\\nprocessor\\t: 1\\nmodel name\\t: Xeon\\n")
    ('Xeon', 2)
    """
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in text.splitlines())]
    count = sum(1 for key, _ in pairs if key == "processor")
    return next((value for key, value in pairs if key == "model name" and value), None), count or None


def disk_space(folder: Path) -> DiskReading | None:
    """Room in the file system of a folder, or of its nearest parent that exists; None if it cannot be asked.

    Free is what an ordinary user may still write.
    """
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        space = os.statvfs(folder)
    except OSError:
        return None
    return DiskReading(
        path=str(folder), total_bytes=space.f_blocks * space.f_frsize, free_bytes=space.f_bavail * space.f_frsize
    )


def _binding(limits: CgroupLimits, memory_total_bytes: int | None) -> int | None:
    """A limit above the machine's memory is none."""
    limit = limits.memory_limit_bytes
    return None if limit is None or (memory_total_bytes is not None and limit >= memory_total_bytes) else limit


def _affinity(root: Path) -> int | None:
    if root != _ROOT or not hasattr(os, "sched_getaffinity"):
        return None
    return len(os.sched_getaffinity(0))


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
