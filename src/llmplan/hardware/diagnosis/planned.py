"""Whether this machine is the one that a plan was made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, Planned, Subject, fail, ok, visible, warn
from llmplan.hardware.report import HardwareReport, HostReading
from llmplan.units import format_bytes

_LESS_MEMORY: Final = 0.99
"""Of the planned GPU memory: below it the KV pool is visibly smaller than planned."""


def check_planned_gpus(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """The GPUs that one replica wants on a node against those that are visible here."""
    if subject.hosted is not None:
        yield ok("plan", f"{subject.hosted}: nothing of it runs on this machine")
    if subject.planned is None:
        return
    replica = subject.planned.replica
    wanted = min(replica.parallel.gpus, replica.host.gpus)
    here = Counter(spec.id if (spec := subject.spec_of(gpu)) else gpu.name or "?" for gpu in visible(report))
    found = here.get(replica.gpu.id, 0)
    have = ", ".join(f"{count} x {name}" for name, count in here.items()) or "no GPU"
    message = f"a replica wants {wanted} x {replica.gpu.id}{_nodes(subject.planned)}; here: {have}"
    if found < wanted:
        advice = "llmplan recommend MODEL --local plans for this machine; llmplan hardware shows what it has"
        yield fail("plan", message, advice)
        return
    yield ok("plan", message + _replicas(subject.planned, found // wanted))
    yield from _smaller(report, subject)


def _nodes(planned: Planned) -> str:
    return " on each of its nodes (only this one is looked at)" if planned.replica.spans_nodes else ""


def _replicas(planned: Planned, room: int) -> str:
    if planned.replicas is None or planned.replica.spans_nodes:
        return ""
    return f", room for {min(room, planned.replicas)} of {planned.replicas} replicas"


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
