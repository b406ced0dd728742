"""The host below an injected root: memory, control groups of both versions, CPUs, disks."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmplan.hardware.cgroup import read_cgroup
from llmplan.hardware.host import disk_space, read_host

GIB = 1024**3
NO_LIMIT_V1 = "9223372036854771712"
"""what version 1 writes without a limit: 2^63 rounded down to a page"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_plain_machine(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/meminfo": "MemTotal:       65536000 kB\nMemFree:  1 kB\nMemAvailable:   60000000 kB\n",
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC 9654\n\nprocessor\t: 1\n",
            "proc/sys/kernel/osrelease": "6.8.0-45-generic\n",
            "sys/devices/system/node/node0/cpulist": "0\n",
            "sys/devices/system/node/node1/cpulist": "1\n",
            "dev/shm/x": "",
        },
    )
    host = read_host(root, cpus_usable=1)
    assert host.memory_total_bytes == 65536000 * 1024
    assert host.memory_available_bytes == 60000000 * 1024
    assert (host.cpu_model, host.cpus, host.cpus_usable, host.numa_nodes) == ("AMD EPYC 9654", 2, 1, 2)
    assert (host.kernel, host.wsl) == ("6.8.0-45-generic", False)
    assert host.cgroup_memory_limit_bytes is None
    assert host.usable_memory_bytes == host.memory_total_bytes
    assert host.shm is not None
    assert host.shm.total_bytes > 0


def test_nothing_readable_is_unknown_not_zero(tmp_path: Path) -> None:
    host = read_host(tmp_path, cpus_usable=None)
    assert host.memory_total_bytes is None
    assert host.usable_memory_bytes is None
    assert (host.cpu_model, host.cpus, host.cpus_usable, host.numa_nodes) == (None, None, None, None)


def test_wsl_is_recognised_by_its_kernel(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/sys/kernel/osrelease": "5.15.153.1-microsoft-standard-WSL2\n"})
    assert read_host(root).wsl


def test_version_2_takes_the_smallest_limit_on_the_way_up(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kubepods/pod1/box\n",
            "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
            "sys/fs/cgroup/kubepods/memory.max": f"{64 * GIB}\n",
            "sys/fs/cgroup/kubepods/pod1/memory.max": f"{16 * GIB}\n",
            "sys/fs/cgroup/kubepods/pod1/box/memory.max": "max\n",
            "sys/fs/cgroup/kubepods/pod1/box/memory.current": "12345\n",
            "sys/fs/cgroup/kubepods/pod1/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/kubepods/pod1/box/cpu.max": "max 100000\n",
        },
    )
    limits = read_cgroup(root)
    assert (limits.version, limits.memory_limit_bytes, limits.memory_used_bytes) == (2, 16 * GIB, 12345)
    assert limits.cpus == 4.0


def test_version_2_in_its_own_namespace(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cgroup.controllers": "memory\n",
            "sys/fs/cgroup/memory.max": f"{8 * GIB}\n",
        },
    )
    assert read_cgroup(root).memory_limit_bytes == 8 * GIB


@pytest.mark.parametrize(("limit", "expected"), [(str(32 * GIB), 32 * GIB), (NO_LIMIT_V1, None)])
def test_version_1_and_its_way_of_saying_no_limit(tmp_path: Path, limit: str, expected: int | None) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n",
            # in a container the host's path does not exist below the mount: the mount itself is the group
            "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{limit}\n",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "777\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "250000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    limits = read_cgroup(root)
    assert (limits.version, limits.memory_limit_bytes, limits.memory_used_bytes) == (1, expected, 777)
    assert limits.cpus == 2.5


def test_version_1_without_a_cpu_quota(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "sys/fs/cgroup/memory/memory.limit_in_bytes": NO_LIMIT_V1,
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    )
    assert read_cgroup(root).cpus is None


def test_a_limit_above_the_machine_is_none(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/meminfo": f"MemTotal: {16 * GIB // 1024} kB\n",
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{64 * GIB}\n",
        },
    )
    host = read_host(root)
    assert host.cgroup_memory_limit_bytes is None
    assert host.usable_memory_bytes == 16 * GIB


def test_a_limit_below_the_machine_is_what_may_be_used(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/meminfo": f"MemTotal: {16 * GIB // 1024} kB\n",
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/memory.max": f"{4 * GIB}\n",
        },
    )
    assert read_host(root).usable_memory_bytes == 4 * GIB


def test_a_folder_that_is_not_there_yet_has_its_parents_room(tmp_path: Path) -> None:
    here, later = disk_space(tmp_path), disk_space(tmp_path / "a/b/c")
    assert here is not None
    assert later is not None
    assert (later.path, later.total_bytes) == (str(tmp_path), here.total_bytes)
