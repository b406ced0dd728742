"""Whether the host has room for what the GPUs will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, Subject, ok, usable, warn
from llmplan.hardware.report import HardwareReport
from llmplan.units import GIB, format_bytes

_HOST_SHARE_OF_GPU_MEMORY: Final = 0.5
"""Below this share of the GPUs' memory, checkpoints that fill the GPUs are read through too small a cache: assumed."""
_SMALL_SHM_BYTES: Final = 1 * GIB
_SHM_SOURCE: Final = "https://docs.vllm.ai/en/latest/serving/deploying_with_docker.html"
_OPEN_FILES_NEEDED: Final = 4096
"""Four for each of the 1,024 requests that vLLM runs at once on a large GPU: an assumption."""
_OPEN_FILES_WANTED: Final = 65535
"""To which vLLM and SGLang raise their own limit when they start, as far as the hard one allows."""
_SMALL_DISK_BYTES: Final = 20 * GIB
"""Little more than the weights of an 8B model at 16 bits (15 GiB)."""


def check_host_memory(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """The control group's limit against the GPUs' memory, through which weights pass when they are loaded."""
    host = report.host
    if host.memory_total_bytes is None:
        yield warn("host memory", "the host's memory is not readable (/proc/meminfo)")
        return
    total = format_bytes(host.memory_total_bytes)
    limit = host.cgroup_memory_limit_bytes
    if limit is None:
        available = format_bytes(host.memory_available_bytes or 0)
        yield ok("host memory", f"{total}, {available} available, no control-group limit")
        return
    message = f"the control group allows {format_bytes(limit)} of {total}"
    on_gpus = sum(gpu.memory.total_bytes for gpu in usable(report) if gpu.memory and not gpu.is_unified)
    if limit < on_gpus * _HOST_SHARE_OF_GPU_MEMORY:
        advice = (
            f"less than half of the GPUs' {format_bytes(on_gpus)}: large checkpoints load from disk more than once, "
            "and offload has no room; raise the container's limit (docker run --memory, or the pod's limits)"
        )
        yield warn("host memory", message, advice, source="assumed: half of the GPUs' memory")
    elif subject.files is not None and limit < subject.files.needed_bytes and len(usable(report)) > 1:
        advice = (
            f"less than the {format_bytes(subject.files.needed_bytes)} of {subject.files.name}: they do not stay in "
            "the page cache, and each GPU's process reads them from disk again; raise the container's limit"
        )
        yield warn("host memory", message, advice)
    else:
        yield ok("host memory", message)


def check_shm(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """Shared memory between worker processes; Docker gives 64 MiB unless asked."""
    shm = report.host.shm
    if shm is None:
        return
    message = f"/dev/shm has {format_bytes(shm.total_bytes)}"
    if not report.gpus or shm.total_bytes >= _SMALL_SHM_BYTES:
        yield ok("/dev/shm", message)
        return
    advice = (
        "engines and NCCL share memory there: docker run --ipc=host or --shm-size 16g, "
        "in Kubernetes an emptyDir with medium Memory"
    )
    if len(usable(report)) > 1:
        yield warn("/dev/shm", message, advice, source=_SHM_SOURCE)
    else:
        yield ok("/dev/shm", f"{message}, which is enough for one GPU", advice, source=_SHM_SOURCE)


def check_limits(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """Open files, of which every connection is one, and locked memory, which transfers between nodes need."""
    limits = report.host.limits
    if limits is None or not report.gpus:
        return
    files, locked = limits.open_files, limits.locked_memory_bytes
    if files is not None and files < _OPEN_FILES_NEEDED:
        message = f"at most {files:,} open files: a busy server runs out of connections"
        advice = f"ulimit -Hn {_OPEN_FILES_WANTED}, or docker run --ulimit nofile={_OPEN_FILES_WANTED}"
        yield warn("limits", message, advice, source=f"assumed: {_OPEN_FILES_NEEDED:,} for a server on one large GPU")
    if locked is not None:
        message = f"at most {format_bytes(locked)} of locked memory"
        advice = (
            "RDMA between nodes and llama.cpp --mlock need more: ulimit -l unlimited, docker run --ulimit memlock=-1"
        )
        spans = subject.planned is not None and subject.planned.replica.spans_nodes
        severity = warn if spans else ok
        yield severity("limits", message, advice)


def check_disk(report: HardwareReport, _: Subject) -> Iterator[Finding]:
    """Room for weights, where they are downloaded."""
    for disk in dict.fromkeys(report.host.disks):
        message = f"{disk.path}: {format_bytes(disk.free_bytes)} free"
        if report.gpus and disk.free_bytes < _SMALL_DISK_BYTES:
            yield warn("disk", message, "little room for weights: point HF_HOME at a larger disk")
        else:
            yield ok("disk", message)
