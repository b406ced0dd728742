"""The memory and CPU limits of this process's control group, version 1 or 2.

A limit anywhere between the process's group and the root holds, so the smallest on the way up is the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

_UNLIMITED_FROM: Final = 1 << 62
"""Version 1 writes "no limit" as the largest multiple of the page size below 2^63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CgroupLimits:
    """None where no limit is set. `memory_used_bytes` includes page cache, which the kernel can give back."""

    version: int | None = None
    memory_limit_bytes: int | None = None
    memory_used_bytes: int | None = None
    cpus: float | None = None


def read_cgroup(root: Path) -> CgroupLimits:
    """Read the limits below `root` (`/proc/self/cgroup` names the group, `/sys/fs/cgroup` holds it)."""
    groups = _own_groups(root / "proc/self/cgroup")
    mount = root / "sys/fs/cgroup"
    if "memory" in groups or (mount / "memory").is_dir():
        return _version_1(mount, groups)
    if (mount / "cgroup.controllers").exists() or "" in groups:
        return _version_2(mount, groups.get("", PurePosixPath("/")))
    return CgroupLimits()


def _own_groups(path: Path) -> dict[str, PurePosixPath]:
    """Controller -> this process's group; version 2 has the one controller "", named by a line `0::/path`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    fields = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    return {
        controller: PurePosixPath(group) for _, controllers, group in fields for controller in controllers.split(",")
    }


def _version_2(mount: Path, group: PurePosixPath) -> CgroupLimits:
    folders = list(_upwards(mount, group))
    quotas = [_quota_v2(folder / "cpu.max") for folder in folders]
    return CgroupLimits(
        version=2,
        memory_limit_bytes=_smallest([_number(folder / "memory.max") for folder in folders]),
        memory_used_bytes=next((used for f in folders if (used := _number(f / "memory.current")) is not None), None),
        cpus=min((quota for quota in quotas if quota is not None), default=None),
    )


def _version_1(mount: Path, groups: dict[str, PurePosixPath]) -> CgroupLimits:
    memory = list(_upwards(mount / "memory", groups.get("memory", PurePosixPath("/"))))
    cpu = list(_upwards(mount / "cpu", groups.get("cpu", PurePosixPath("/"))))
    quotas = [_quota_v1(folder) for folder in cpu]
    return CgroupLimits(
        version=1,
        memory_limit_bytes=_smallest([_number(folder / "memory.limit_in_bytes") for folder in memory]),
        memory_used_bytes=next(
            (used for f in memory if (used := _number(f / "memory.usage_in_bytes")) is not None), None
        ),
        cpus=min((quota for quota in quotas if quota is not None), default=None),
    )


def _upwards(mount: Path, group: PurePosixPath) -> Iterator[Path]:
    """The group's folder, then its parents, up to the mount. In a container the path may not exist below the mount."""
    parts = [part for part in group.parts if part not in ("/", "..")]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])


def _smallest(limits: list[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None and limit < _UNLIMITED_FROM), default=None)


def _quota_v2(path: Path) -> float | None:
    words = _line(path).split()
    return int(words[0]) / int(words[1]) if len(words) == 2 and words[0].isdecimal() else None


def _quota_v1(folder: Path) -> float | None:
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota is not None and period else None


def _number(path: Path) -> int | None:
    """A file's whole number; "max", "-1" and a missing file are no number."""
    text = _line(path)
    return int(text) if text.isdecimal() else None


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
