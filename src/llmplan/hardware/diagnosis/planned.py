"""Whether this machine is the one that a plan was made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, Planned, Subject, fail, numbers, ok, usable, visible, warn
from llmplan.hardware.diagnosis.held import is_held
from llmplan.hardware.report import HardwareReport, HostReading
from llmplan.units import format_bytes

_LESS_MEMORY: Final = 0.99
"""Of the planned GPU memory: below it the KV pool is visibly smaller than planned."""
_READ_HERE: Final = "NVIDIA"
_OTHER_TOOLS: Final = "its vendor's tool tells what is here (AMD: amd-smi static, or rocm-smi)"


def check_planned_gpus(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """The GPUs that one replica wants on a node against those that are visible here."""
    if subject.hosted is not None:
        yield ok("plan", f"{subject.hosted}: nothing of it runs on this machine")
    if subject.planned is None:
        return
    replica = subject.planned.replica
    wanted = subject.planned.gpus_here
    if replica.gpu.vendor != _READ_HERE:
        message = f"a replica wants {wanted} x {replica.gpu.id}{_nodes(subject.planned)}; GPUs of {replica.gpu.vendor}"
        yield warn("plan", f"{message} are not read here, only those of {_READ_HERE}", _OTHER_TOOLS)
        return
    here = Counter(spec.id if (spec := subject.spec_of(gpu)) else gpu.name or "?" for gpu in visible(report))
    found = here.get(replica.gpu.id, 0)
    have = ", ".join(f"{count} x {name}" for name, count in here.items()) or "no GPU"
    split = [gpu.index for gpu in usable(report) if gpu.mig_enabled]
    have += f" (and {numbers(split)} in MIG mode, no whole one)" if split else ""
    message = f"a replica wants {wanted} x {replica.gpu.id}{_nodes(subject.planned)}; here: {have}"
    if found < wanted:
        advice = "llmplan recommend MODEL --local plans for this machine; llmplan hardware shows what it has"
        yield fail("plan", message, advice)
        return
    mine = [gpu for gpu in visible(report) if (spec := subject.spec_of(gpu)) and spec.id == replica.gpu.id]
    free = found - sum(is_held(gpu, subject) for gpu in mine)
    held = f", {found - free} of them held by others" if free < found else ""
    message += held + _replicas(subject.planned, free // wanted)
    yield ok("plan", message) if free >= wanted else warn("plan", message, "stop what holds them")
    yield from _smaller(report, subject)


def _nodes(planned: Planned) -> str:
    return " on each of its nodes (only this one is looked at)" if planned.replica.spans_nodes else ""


def _replicas(planned: Planned, room: int) -> str:
    if planned.replicas is None or planned.replica.spans_nodes:
        return ""
    return f", room for {min(room, planned.replicas)} of {planned.replicas} replica{'s' * (planned.replicas != 1)}"


def _smaller(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """GPUs of the planned kind with less memory than was planned with."""
    assert subject.planned is not None
    gpu = subject.planned.replica.gpu
    for each in visible(report):
        spec, total = subject.spec_of(each), each.memory.total_bytes if each.memory else None
        if spec is None or spec.id != gpu.id or total is None:
            continue
        if total < gpu.memory_bytes * _LESS_MEMORY:
            message = f"{format_bytes(total)} of memory, planned with {format_bytes(gpu.memory_bytes)}"
            yield warn("plan", message, "the KV pool is smaller by the difference", gpu=each.index)


def check_planned_host(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """Host memory for what the plan keeps there."""
    if subject.planned is None or not subject.planned.host_bytes:
        return
    needed, room = subject.planned.host_bytes, _room(report.host)
    message = f"the plan keeps {format_bytes(needed)} in host memory"
    if room is None:
        yield warn("plan", f"{message}; how much there is here is not readable")
    elif needed > room:
        advice = "raise the container's limit, stop what holds it, or plan without offload: --strategy dedicated"
        yield fail("plan", f"{message}; {format_bytes(room)} can be had here", advice)
    else:
        yield ok("plan", f"{message}; {format_bytes(room)} can be had here")


def _room(host: HostReading) -> int | None:
    """What can still be allocated: available memory, within the control group's limit."""
    known = [size for size in (host.memory_available_bytes, host.usable_memory_bytes) if size is not None]
    return min(known, default=None)
