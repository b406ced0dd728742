"""`llmplan hardware`: what this machine has, as NVML and the kernel tell it, and what of it can be planned on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console
from llmplan.cli._catalog import open_catalog
from llmplan.cli._flags import takes_flags
from llmplan.cli._options import CatalogFlags, OutputFlags

if TYPE_CHECKING:
    from llmplan.hardware.report import GpuReading, HardwareReport, PeerReading
    from llmplan.report.blocks import Block
    from llmplan.spec.gpu import GpuSpec

SCHEMA = "llmplan.hardware/v1"
CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", metavar="DIR", help="A folder of your own profiles, over the packaged ones.")
]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HardwareOutput(OutputFlags):
    """How the answer is printed; here the explanation is of what is missing."""

    explain: Annotated[bool, typer.Option("--explain", help="Also list what NVML did not give, with the reason.")] = (
        False
    )


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("hardware", short_help="Show this machine's GPUs, their links and its host.")(hardware)


@takes_flags
def hardware(*, output: HardwareOutput, catalog: CatalogOption = None) -> int:
    """Show this machine's GPUs, their links and its host; a machine without GPUs is a normal answer."""
    from llmplan.hardware import scan

    report = scan(os.environ)
    gpus: Mapping[str, GpuSpec] = catalogue_gpus(catalog) if report.gpus else {}
    _console.answer(
        output.chosen,
        record=lambda: to_record(report, gpus),
        document=lambda: tuple(document(report, gpus, explain=output.explain)),
    )
    return 0


def catalogue_gpus(extra: Path | None) -> Mapping[str, GpuSpec]:
    """The GPUs of the catalogue, by id."""
    return open_catalog(CatalogFlags(catalog=extra)).gpus


def to_record(report: HardwareReport, gpus: Mapping[str, GpuSpec]) -> dict[str, Any]:
    """The report as JSON values, under the names of its fields, each GPU with its catalogue id or null."""
    from llmplan.hardware import to_inventory

    record = {
        "schema": SCHEMA,
        **dataclasses.asdict(report),
        "inventory": dataclasses.asdict(to_inventory(report, gpus)),
    }
    for gpu, entry in zip(report.gpus, record["gpus"], strict=True):
        entry["catalogue_id"] = catalogue_id(gpu, gpus)
    return record


def catalogue_id(gpu: GpuReading, gpus: Mapping[str, GpuSpec]) -> str | None:
    """The catalogue's name for this GPU."""
    from llmplan.hardware import match_product

    return match_product(gpu.name, gpu.memory.total_bytes if gpu.memory else None, gpus).gpu_id if gpu.name else None


def document(report: HardwareReport, gpus: Mapping[str, GpuSpec], *, explain: bool) -> Iterator[Block]:
    """The report for people."""
    from llmplan.hardware import to_inventory
    from llmplan.report.blocks import Items, Paragraph

    if report.gpus:
        cuda = f", CUDA up to {report.cuda_version}" if report.cuda_version else ""
        yield Paragraph(text=f"NVIDIA driver {report.driver_version or 'of unknown version'}{cuda}")
        yield _gpu_table(report.gpus, gpus)
        yield from _mig_table(report)
        yield from _peers(report.peers)
    elif report.nvml.ok:
        yield Paragraph(text="The NVIDIA driver lists no GPU.")
    else:
        yield Paragraph(text=f"No GPU can be read here: {report.nvml.message or report.nvml.state}.")
        yield Items(items=(report.nvml.advice,))
    yield _host(report)
    notes = to_inventory(report, gpus).notes
    if notes:
        yield Items(title="Notes", items=notes)
    if explain:
        yield from _unread(report)


def _gpu_table(readings: Sequence[GpuReading], gpus: Mapping[str, GpuSpec]) -> Block:
    from llmplan.report.blocks import Column, Row, Table

    columns = (
        Column(title="GPU", align="right"),
        Column(title="product", share=1),
        Column(title="memory", align="right"),
        Column(title="PCIe"),
        Column(title="NVLink"),
        Column(title="power", align="right"),
        Column(title="busy", align="right"),
    )
    rows = tuple(Row(cells=_cells(gpu, gpus), tone="plain" if gpu.access == "ok" else "bad") for gpu in readings)
    return Table(columns=columns, rows=rows, spaced=len(rows) > 1)


def _cells(gpu: GpuReading, gpus: Mapping[str, GpuSpec]) -> tuple[str, ...]:
    from llmplan.report.numbers import MISSING, percent
    from llmplan.units import format_bytes

    if gpu.access != "ok":
        return (str(gpu.index), f"cannot be used: {gpu.access_error}", *[MISSING] * 5)
    known = catalogue_id(gpu, gpus) or "not in the catalogue"
    capability = gpu.compute_capability
    memory = gpu.memory
    return (
        str(gpu.index),
        f"{gpu.name or MISSING}\n{known}" + (f", SM {capability[0]}.{capability[1]}" if capability else ""),
        f"{format_bytes(memory.total_bytes)}\n{format_bytes(memory.free_bytes)} free" if memory else MISSING,
        _pcie(gpu),
        f"{gpu.active_nvlinks} of {len(gpu.nvlinks)}" if gpu.nvlinks else "none",
        f"{gpu.power_limit_w:.0f} W" if gpu.power_limit_w is not None else MISSING,
        percent(gpu.utilization) if gpu.utilization is not None else MISSING,
    )


def _pcie(gpu: GpuReading) -> str:
    """Best generation and lanes, since idle GPUs lower the generation; lanes that are missing are said."""
    from llmplan.report.numbers import MISSING

    link = gpu.pcie
    if link is None or gpu.is_unified or link.width is None:
        return MISSING
    lanes = f"x{link.width}" + (f"\nof x{link.max_width}" if link.is_narrowed else "")
    return f"{link.max_generation}.0 {lanes}" if link.max_generation is not None else lanes


def _mig_table(report: HardwareReport) -> Iterator[Block]:
    from llmplan.report.blocks import Column, Row, Table
    from llmplan.report.numbers import MISSING
    from llmplan.units import format_bytes

    rows = tuple(
        Row(
            cells=(
                f"{gpu.index}.{mig.index}",
                mig.profile or MISSING,
                format_bytes(mig.memory_bytes) if mig.memory_bytes is not None else MISSING,
                str(mig.multiprocessors or MISSING),
                mig.uuid or MISSING,
            )
        )
        for gpu in report.gpus
        for mig in gpu.mig
    )
    if rows:
        columns = (
            Column(title="GPU", align="right"),
            Column(title="profile"),
            Column(title="memory", align="right"),
            Column(title="SMs", align="right"),
            Column(title="UUID", share=1),
        )
        yield Table(title="MIG instances", columns=columns, rows=rows)


def _peers(peers: Sequence[PeerReading]) -> Iterator[Block]:
    """The paths between GPUs, those of one kind together."""
    from llmplan.report.blocks import Facts

    pairs: dict[str, list[str]] = {}
    for peer in peers:
        path = "NVLink" if peer.nvlink else f"PCIe, {peer.pcie_path}" if peer.pcie_path else "unknown"
        pairs.setdefault(path, []).append(f"{peer.first}-{peer.second}")
    if pairs:
        yield Facts(title="Between GPUs", pairs=tuple((path, ", ".join(found)) for path, found in pairs.items()))


def _host(report: HardwareReport) -> Block:
    from llmplan.report.blocks import Facts
    from llmplan.units import format_bytes

    host = report.host
    pairs: list[tuple[str, str]] = []
    if host.cpus is not None:
        usable = host.cpus_usable if host.cpus_usable is not None else host.cpus
        quota = f", quota {host.cgroup_cpus:g}" if host.cgroup_cpus is not None else ""
        pairs.append(("CPU", f"{host.cpu_model or 'unnamed'}, {usable} of {host.cpus} usable{quota}"))
    if host.memory_total_bytes is not None:
        available = format_bytes(host.memory_available_bytes or 0)
        pairs.append(("memory", f"{format_bytes(host.memory_total_bytes)}, {available} available"))
    if host.cgroup_memory_limit_bytes is not None:
        pairs.append(("memory limit", f"{format_bytes(host.cgroup_memory_limit_bytes)} (control group)"))
    if host.shm is not None:
        pairs.append(("/dev/shm", format_bytes(host.shm.total_bytes)))
    pairs += [(f"disk {disk.path}", f"{format_bytes(disk.free_bytes)} free") for disk in host.disks]
    return Facts(title="Host", pairs=tuple(pairs))


def _unread(report: HardwareReport) -> Iterator[Block]:
    from llmplan.report.blocks import Items

    for gpu in report.gpus:
        if gpu.unread:
            unread = tuple(f"{field}: {reason}" for field, reason in gpu.unread.items())
            yield Items(title=f"GPU {gpu.index}: fields that NVML does not give", items=unread)
