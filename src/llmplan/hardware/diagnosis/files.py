"""Whether a model's weights have room: on the disk to which they are downloaded, and on the GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from llmplan.hardware.diagnosis.finding import Finding, Subject, fail, ok, usable, visible, warn
from llmplan.hardware.report import HardwareReport
from llmplan.units import format_bytes


def check_weights(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """Free space against what is still to be downloaded."""
    files, disk = subject.files, report.host.model_disk
    if files is None:
        return
    size = f"{files.name} is {format_bytes(files.needed_bytes)}"
    present = files.present_bytes or 0
    missing = max(0, files.needed_bytes - present)
    if not missing:
        yield ok("weights", f"{size}, and as much of it lies in {files.folder} (only its size was compared)")
        return
    there = f", of which {format_bytes(present)} are there" if present else ""
    if disk is None:
        yield warn("weights", f"{size}{there}; the room in {files.folder} is not readable")
        return
    message = f"{size}{there}; {files.folder} has {format_bytes(disk.free_bytes)} free"
    if disk.free_bytes < missing:
        advice = "free some, or set HF_HUB_CACHE to a folder on a larger disk"
        yield fail("weights", message, advice)
    else:
        yield ok("weights", message)


def check_fit(report: HardwareReport, subject: Subject) -> Iterator[Finding]:
    """The weights against the memory of the GPUs that are visible: whether they fit at all, and who says the rest."""
    files = subject.files
    if files is None or subject.planned is not None:
        return
    room, where, flags = _room(report, subject)
    if room is None:
        yield ok("fit", "no GPU here to fit them on", f"llmplan memory {files.name} --fit")
        return
    message = f"weights of {format_bytes(files.needed_bytes)}, {format_bytes(room)} on {where}"
    if files.needed_bytes >= room:
        advice = f"fewer bits, more GPUs or layers on the host: llmplan memory {files.name}{flags} --fit"
        yield warn("fit", f"{message}: they do not fit as they are", advice)
    else:
        yield ok("fit", message, f"how many requests fit beside them: llmplan memory {files.name}{flags}")


def _room(report: HardwareReport, subject: Subject) -> tuple[int | None, str, str]:
    """Memory for one replica, on what, and the flags that say so: all GPUs of the first kind, else one MIG instance."""
    gpus = visible(report)
    same = [gpu for gpu in gpus if gpu.name == gpus[0].name and gpu.memory is not None]
    if same:
        spec = subject.spec_of(same[0])
        flags = (f" --gpu {spec.id}" if spec else "") + (f" --tp {len(same)}" if len(same) > 1 else "")
        where = f"{len(same)} GPU{'s' if len(same) > 1 else ''}"
        return sum(gpu.memory.total_bytes for gpu in same if gpu.memory), where, flags
    sizes = [instance.memory_bytes or 0 for gpu in usable(report) for instance in gpu.mig]
    return (max(sizes), "the largest MIG instance", "") if any(sizes) else (None, "", "")
