"""Whether the driver and the GPUs can run what the engines publish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from llmplan.hardware.diagnosis.finding import Finding, Subject, fail, numbers, ok, usable, warn
from llmplan.hardware.report import HardwareReport
from llmplan.spec.engine import EngineSpec

_MIN_DRIVER_OF_CUDA: Final = {11: 450, 12: 525, 13: 580}
"""CUDA's major version -> oldest driver branch on which all its minor versions run."""
_COMPATIBILITY: Final = "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"
_FORWARD: Final = "https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html"
_SEGMENTS_WITH_FORWARD: Final = frozenset({"datacenter", "superchip"})


def check_driver_for_engines(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """The driver against the CUDA of each engine's published build."""
    if not report.nvml.ok or not report.gpus:
        return
    runs: list[EngineSpec] = []
    unknown: list[str] = []
    too_new: dict[int, list[EngineSpec]] = {}
    branch, cuda = _branch(report.driver_version), _pair(report.cuda_version)
    if branch is None and cuda is None and subject.engines:
        yield ok("cuda", "neither driver nor CUDA version is readable: not compared with the engines")
        return
    for engine in subject.engines:
        needed = _MIN_DRIVER_OF_CUDA.get(engine.cuda_version[0]) if engine.cuda_version else None
        if engine.cuda_version is None or needed is None:
            unknown.append(engine.ref)
        elif _runs(engine.cuda_version, needed, branch, cuda):
            runs.append(engine)
        else:
            too_new.setdefault(needed, []).append(engine)
    for needed, engines in too_new.items():
        yield _too_old(report, subject, engines, needed)
    if runs:
        yield _runs_these(report, runs, branch, cuda)
    if unknown:
        yield ok("cuda", f"no figure known of the driver that {', '.join(unknown)} needs: not compared")


def _runs(wanted: tuple[int, int], needed: int, branch: int | None, cuda: tuple[int, int] | None) -> bool:
    """A driver of the branch runs every minor version; where libcuda itself is that new, so does an older one."""
    return (branch is not None and branch >= needed) or (cuda is not None and cuda[0] >= wanted[0])


def _runs_these(
    report: HardwareReport, engines: list[EngineSpec], branch: int | None, cuda: tuple[int, int] | None
) -> Finding:
    newer = [engine.ref for engine in engines if cuda and engine.cuda_version and engine.cuda_version > cuda]
    forward = [
        engine.ref
        for engine in engines
        if branch is not None and engine.cuda_version and branch < _MIN_DRIVER_OF_CUDA[engine.cuda_version[0]]
    ]
    advice = None
    if newer:
        advice = (
            f"{', '.join(newer)}: newer than the driver's CUDA {report.cuda_version} but of the same major version, "
            "which runs, except for kernels that are compiled from PTX at start"
        )
    message = f"driver {report.driver_version or 'of unknown version'} runs {_builds(engines)}"
    if forward:
        message += f"; {', '.join(forward)} through the forward-compatible libcuda that is loaded"
    return ok("cuda", message, advice, source=_FORWARD if forward else _COMPATIBILITY)


def _too_old(report: HardwareReport, subject: Subject, engines: list[EngineSpec], needed: int) -> Finding:
    specs = [subject.spec_of(gpu) for gpu in usable(report)]
    advice = f"install driver {needed} or newer, or builds for CUDA {_major(report) or 'of this driver'}"
    if specs and all(spec is not None and spec.segment in _SEGMENTS_WITH_FORWARD for spec in specs):
        newest = max(engine.cuda_version for engine in engines if engine.cuda_version)
        package = f"cuda-compat-{newest[0]}-{newest[1]}"
        advice += f"; on data-centre GPUs the package {package} bridges some older branches: {_FORWARD}"
    severity = fail if subject.certain else warn
    message = f"driver {report.driver_version or 'of unknown version'} is too old for {_builds(engines)}"
    return severity("cuda", f"{message}: {needed} or newer is needed", advice, source=_COMPATIBILITY)


def _builds(engines: list[EngineSpec]) -> str:
    return ", ".join(f"{engine.ref} (CUDA {_dotted(engine.cuda_version)}{_how_sure(engine)})" for engine in engines)


def _how_sure(engine: EngineSpec) -> str:
    provenance = engine.provenance.get("builds.cuda")
    return f", {provenance.kind}" if provenance is not None and provenance.kind in ("assumed", "derived") else ""


def check_kernels(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """The GPUs' compute capability against the kernels in each engine's published build."""
    kinds: dict[tuple[int, int], list[int]] = {}
    for gpu in usable(report):
        if gpu.compute_capability is not None:
            kinds.setdefault(gpu.compute_capability, []).append(gpu.index)
        elif subject.engines:
            reason = gpu.unread.get("compute_capability", "unknown reason")
            yield ok("kernels", f"compute capability not readable ({reason}): not compared", gpu=gpu.index)
    for capability, indexes in kinds.items():
        yield from _kernels_for(capability, indexes, subject)


def _kernels_for(capability: tuple[int, int], indexes: list[int], subject: Subject) -> Iterator[Finding]:
    having = [engine for engine in subject.engines if engine.has_kernels_for(capability)]
    have = [engine.ref for engine in having]
    where = f"compute capability {_dotted(capability)} ({numbers(indexes)})"
    for engine in subject.engines:
        if engine.ref in have:
            continue
        built = (
            ", ".join(map(_dotted, engine.compute_capabilities)) or f"{_dotted(engine.min_compute_capability)} and up"
        )
        others = [ref for ref in have if ref != engine.ref]
        advice = f"use {' or '.join(others)}" if others else "use another GPU, or build the engine from source for it"
        severity = fail if subject.certain else warn
        message = f"{engine.ref} has no kernels for {where}: built for {built}"
        yield severity("kernels", message, advice, source=f"llmplan catalog show {engine.ref}")
    if having:
        listed = ", ".join(engine.ref for engine in having if engine.compute_capabilities)
        above = ", ".join(
            f"{engine.ref} (from {_dotted(engine.min_compute_capability)} on)"
            for engine in having
            if not engine.compute_capabilities
        )
        parts = [f"kernels in {listed}"] if listed else []
        parts += [f"above the minimum of {above}, which is all that is known of it"] if above else []
        yield ok("kernels", f"{where}: {'; '.join(parts)}")


def _branch(version: str | None) -> int | None:
    found = re.match(r"(\d+)", version or "")
    return int(found[1]) if found else None


def _pair(version: str | None) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", version or "")
    return (int(found[1]), int(found[2])) if found else None


def _major(report: HardwareReport) -> str | None:
    cuda = _pair(report.cuda_version)
    return str(cuda[0]) if cuda else None


def _dotted(version: tuple[int, int] | None) -> str:
    return ".".join(map(str, version)) if version else "?"
