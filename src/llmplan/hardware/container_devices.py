"""`NVIDIA_VISIBLE_DEVICES`, by which a container is given its GPUs, beside what is really visible in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from llmplan.hardware.report import GpuReading, Visibility

_NAMES_NONE: Final = frozenset({"", "all", "none", "void"})
"""Values that name no GPU; `void` is also what the container toolkit leaves where it used a device specification."""


def with_container(visible: Visibility, environ: Mapping[str, str], gpus: Sequence[GpuReading]) -> Visibility:
    """What CUDA sees, with what `NVIDIA_VISIBLE_DEVICES` adds to it."""
    variable = environ.get("NVIDIA_VISIBLE_DEVICES")
    if variable is None:
        return visible
    return replace(
        visible, container_variable=variable, notes=(*visible.notes, *container_notes(variable, visible, gpus))
    )


def container_notes(variable: str, visible: Visibility, gpus: Sequence[GpuReading]) -> tuple[str, ...]:
    """What is odd about a container's own list: it holds the host's numbers, and a privileged container ignores it."""
    entries = [entry.strip() for entry in variable.split(",") if entry.strip()]
    if variable.strip() in _NAMES_NONE or any(entry.startswith("MIG") or ":" in entry for entry in entries):
        return ()
    if len(entries) < len(gpus) and visible.variable is None:
        given = f"NVIDIA_VISIBLE_DEVICES names {len(entries)} of the {len(gpus)} GPUs that are visible here"
        return (f"{given}: a privileged container sees the others' GPUs, too; set CUDA_VISIBLE_DEVICES to your own",)
    if visible.variable and entries and not visible.indexes and visible.variable.strip() == variable.strip():
        renumbered = "the container counts its GPUs from 0: unset CUDA_VISIBLE_DEVICES"
        return (f"CUDA_VISIBLE_DEVICES repeats NVIDIA_VISIBLE_DEVICES, whose numbers are the host's; {renumbered}",)
    return ()
