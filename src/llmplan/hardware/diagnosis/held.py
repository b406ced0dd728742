"""How much of each GPU's memory is free, who holds the rest, and what each engine makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, Subject, fail, ok, usable, visible, warn
from llmplan.hardware.report import GpuReading, HardwareReport, MemoryReading
from llmplan.spec.engine import EngineSpec
from llmplan.units import GIB, format_bytes

_FRACTION_ENGINES_TAKE: Final = 0.92
"""Where no engine is known: vLLM's default share of a GPU's memory."""
_CONTEXT_BYTES: Final = 0.5 * GIB
"""What an engine's own CUDA context holds before it looks at what is free: an assumption, about that on an H100."""
_HOLDERS_NAMED: Final = 4


def check_memory(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """How much is free, and who holds the rest. What is held on a GPU that CUDA does not see is no trouble."""
    for gpu in usable(report):
        if gpu.memory is None:
            if not gpu.mig_enabled:
                reason = gpu.unread.get("memory", "unknown reason")
                yield warn("memory", f"memory not readable ({reason})", gpu=gpu.index)
            continue
        message = _free(gpu, gpu.memory)
        if _is_enough(gpu.memory, subject):
            yield ok("memory", message + _holders(gpu), gpu=gpu.index)
        elif gpu.index not in report.visible.indexes and not gpu.mig_enabled:
            yield ok("memory", f"{message}{_holders(gpu)}; hidden from CUDA", gpu=gpu.index)
        else:
            yield _held(gpu, gpu.memory, report, subject)


def _free(gpu: GpuReading, memory: MemoryReading) -> str:
    kind = " shared with the host" if gpu.is_unified else ""
    return f"{format_bytes(memory.free_bytes)} of {format_bytes(memory.total_bytes)}{kind} free"


def _refusing(subject: Subject) -> list[EngineSpec]:
    """Engines that do not start with less than their share of all memory."""
    return [engine for engine in subject.engines if engine.kv_pool_rule == "fraction_of_total"]


def _is_enough(memory: MemoryReading, subject: Subject) -> bool:
    fractions = [engine.memory_fraction for engine in _refusing(subject)]
    return memory.free_bytes >= max(fractions, default=_FRACTION_ENGINES_TAKE) * memory.total_bytes


def _held(gpu: GpuReading, memory: MemoryReading, report: HardwareReport, subject: Subject) -> Finding:
    message = _free(gpu, memory) + (_holders(gpu) or "; the process that holds the rest is not visible from here")
    meanings: dict[str, list[str]] = {}
    for engine in subject.engines:
        meanings.setdefault(_meaning(engine, memory), []).append(engine.name)
    sentences = [message, *(f"{', '.join(names)}: {meaning}" for meaning, names in meanings.items())]
    taken = gpu.index in _taken(report, subject)
    severity = fail if subject.certain and _refusing(subject) and taken else warn
    if not taken:
        sentences.append("Engines take the first GPUs that CUDA shows, and the plan needs no more than those before it")
    return severity("memory", ". ".join(sentences), _advice(gpu, memory, report, subject), gpu=gpu.index)


def _taken(report: HardwareReport, subject: Subject) -> tuple[int, ...]:
    """The GPUs that a plan's replicas take: engines take the first that CUDA shows them. Without a plan, any."""
    shown = report.visible.indexes
    if subject.planned is None:
        return shown
    each = subject.planned.gpus_here
    rooms = len(shown) // each
    return shown[: each * min(rooms, subject.planned.replicas or rooms)]


def is_held(gpu: GpuReading, subject: Subject) -> bool:
    """Whether less is free than the engines want of a GPU, as far as its memory can be read."""
    return gpu.memory is not None and not _is_enough(gpu.memory, subject)


def _meaning(engine: EngineSpec, memory: MemoryReading) -> str:
    """What an engine does with less than all of a GPU, by its rule for the KV pool."""
    match engine.kv_pool_rule:
        case "fraction_of_total":
            wanted = engine.memory_fraction * memory.total_bytes
            if memory.free_bytes >= wanted:
                return "starts"
            return f"refuses to start, for it wants {engine.memory_fraction:g} of all, {format_bytes(wanted)}"
        case "fraction_of_free" | "fraction_static":
            return "starts with a KV pool smaller by what is held"
        case "explicit_context":
            return "must fit weights and context in what is free"


def _advice(gpu: GpuReading, memory: MemoryReading, report: HardwareReport, subject: Subject) -> str:
    who = ",".join(str(process.pid) for process in gpu.processes or ())
    advice = [f"ps -o pid,user,etime,args -p {who} shows who; stop it" if who else "stop what holds it"]
    free = [other.index for other in visible(report) if other.memory and not is_held(other, subject)]
    if len(free) >= (subject.planned.gpus_here if subject.planned else 1):
        advice.append(f"keep to the free ones: export CUDA_VISIBLE_DEVICES={','.join(map(str, free))}")
    fraction = int(max(0.0, memory.free_bytes - _CONTEXT_BYTES) / memory.total_bytes * 100) / 100
    if fraction > 0 and subject.planned is None:
        start = " or ".join(f"start {engine.name}" for engine in _refusing(subject)) or "plan"
        context = f"{format_bytes(_CONTEXT_BYTES)} left for its own CUDA context, assumed"
        advice.append(f"{start} with --gpu-memory-utilization {fraction:.2f} ({context})")
    return ", or ".join(advice)


def _holders(gpu: GpuReading) -> str:
    if not gpu.processes:
        return ""
    names = [
        f"{process.name or 'a process outside this container'} (pid {process.pid}"
        + (f", {format_bytes(process.memory_bytes)})" if process.memory_bytes is not None else ")")
        for process in gpu.processes[:_HOLDERS_NAMED]
    ]
    unnamed = len(gpu.processes) - len(names)
    return f"; held by {', '.join(names)}" + (f" and {unnamed} more" if unnamed else "")
