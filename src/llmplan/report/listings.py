"""What the catalogue knows, one kind at a time: a table with what one compares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from llmplan.report.blocks import Column, Document, Paragraph, Row, Table
from llmplan.report.json import Record, schema
from llmplan.report.numbers import MISSING, count, format_bytes, percent, rate
from llmplan.report.readable import bandwidth, teraflops
from llmplan.spec.calibration import Calibration
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import FormatQuality, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.spec.price import Provider
from llmplan.spec.workload import Lengths, Workload

Listing: TypeAlias = tuple[tuple[Column, ...], tuple[tuple[str, ...], ...]]
"""columns and rows of one kind"""


def _columns(*titles: str) -> tuple[Column, ...]:
    """The first column is the id; a title that ends in `>` stands on the right."""
    return tuple(
        Column(title=title.removesuffix(">"), align="right" if title.endswith(">") else "left") for title in titles
    )


def gpus(specs: Iterable[GpuSpec]) -> Listing:
    """Memory, bandwidth, 16-bit peak, capability and link."""
    rows = tuple(
        (
            spec.id,
            format_bytes(spec.memory_bytes),
            bandwidth(spec.memory_bandwidth_bytes_per_s),
            teraflops(spec.peak_flop_per_s.get("bf16") or spec.peak_flop_per_s.get("fp16")),
            ".".join(map(str, spec.compute_capability)) if spec.compute_capability else MISSING,
            bandwidth(spec.link_bytes_per_s) if spec.link_bytes_per_s else "PCIe",
        )
        for spec in specs
    )
    return _columns("id", "memory>", "bandwidth>", "16-bit TFLOP/s>", "SM>", "GPU to GPU>"), rows


def hosts(specs: Iterable[HostSpec]) -> Listing:
    """GPUs, memory and PCIe of one machine."""
    rows = tuple(
        (
            spec.id, str(spec.gpus), format_bytes(spec.memory_bytes) if spec.memory_bytes else "the GPU's",
            bandwidth(spec.memory_bandwidth_bytes_per_s), bandwidth(spec.pcie_bytes_per_s),
            bandwidth(spec.network_bytes_per_s) if spec.network_bytes_per_s else MISSING,
        )
        for spec in specs
    )  # fmt: skip
    return _columns("id", "GPUs>", "memory>", "bandwidth>", "PCIe>", "network>"), rows


def engines(specs: Iterable[EngineSpec]) -> Listing:
    """Versions and the defaults that matter."""
    rows = tuple(
        (
            spec.ref, f"{spec.memory_fraction:g}", str(spec.block_tokens),
            ".".join(map(str, spec.min_compute_capability)), ", ".join(spec.weight_formats) or MISSING,
        )
        for spec in specs
    )  # fmt: skip
    columns = _columns("id", "memory fraction>", "block>", "SM from>")
    return (*columns, Column(title="weight formats", share=1)), rows


def models(specs: Iterable[ModelSpec]) -> Listing:
    """Size, active size, layers, context and published format."""
    rows = tuple(
        (
            spec.id, count(spec.total_parameters), count(spec.active_parameters), str(spec.layer_count),
            f"{spec.max_context_tokens:,}", spec.checkpoint_format,
        )
        for spec in specs
    )  # fmt: skip
    return _columns("id", "parameters>", "active>", "layers>", "context>", "format"), rows


def workloads(specs: Iterable[Workload]) -> Listing:
    """Rate, burstiness and lengths."""
    rows = tuple(
        (
            spec.id,
            rate(spec.requests_per_s) if spec.requests_per_s is not None else MISSING,
            rate(spec.peak_to_mean),
            rate(spec.cv_interarrival),
            lengths(spec.input_tokens),
            lengths(spec.output_tokens),
            percent(spec.prefix_share) if spec.prefix_share else MISSING,
        )
        for spec in specs
    )
    titles = ("id", "requests/s>", "peak/mean>", "CV>", "input mean/p99>", "output mean/p99>", "shared prefix>")
    return _columns(*titles), rows


def lengths(tokens: Lengths) -> str:
    """Mean and p99."""
    return f"{tokens.mean:,.0f}/{tokens.p99:,.0f}" if tokens.p99 is not None else f"{tokens.mean:,.0f}"


def providers(specs: Iterable[Provider], offers: Mapping[str, tuple[int, int, int]]) -> Listing:
    """Sellers with how many offers of each kind there are."""
    rows = tuple((spec.id, spec.name, spec.tier, *map(str, offers.get(spec.id, (0, 0, 0)))) for spec in specs)
    columns = _columns("id", "tier", "per hour>", "per second>", "per token>")
    return (columns[0], Column(title="name", share=1), *columns[1:]), rows


def regions(sellers: Mapping[str, Iterable[str]]) -> Listing:
    """Regions with who sells there."""
    rows = tuple((name, ", ".join(sorted(found))) for name, found in sorted(sellers.items()))
    return (Column(title="region"), Column(title="providers", share=1)), rows


def formats(specs: Iterable[WeightFormat], qualities: Mapping[str, FormatQuality]) -> Listing:
    """Bits and the measured change of quality."""
    rows = []
    for spec in specs:
        quality = qualities.get(spec.id)
        change = quality.relative_change if quality else None
        measured = str(quality.measurements) if quality else "0"
        rows.append((spec.id, f"{spec.bits:g}", spec.compute, MISSING if change is None else percent(change), measured))
    return _columns("id", "bits>", "arithmetic", "quality change>", "measurements>"), tuple(rows)


def calibrations(specs: Iterable[Calibration]) -> Listing:
    """What each was fitted on, how much and when, and the 80 % interval of TPOT [measured / predicted]."""
    rows = tuple(
        (
            spec.id, spec.engine, spec.gpu or spec.generation, spec.model or "any", str(spec.rows),
            f"{spec.bands['tpot'].low_ratio:.2f} to {spec.bands['tpot'].high_ratio:.2f}",
            spec.fitted.isoformat() if spec.fitted else MISSING,
        )
        for spec in specs
    )  # fmt: skip
    return _columns("id", "engine", "GPU or generation", "model", "measurements>", "TPOT, 80 %>", "fitted"), rows


def document(kind: str, listing: Listing) -> Document:
    """A list as a table."""
    columns, rows = listing
    table = Table(columns=columns, rows=tuple(Row(cells=cells) for cells in rows))
    return (table, Paragraph(text=f"{len(rows)} {kind}", tone="dim"))


def record(kind: str, listing: Listing) -> Record:
    """A list as JSON: ids only; `catalog show ID --json` has the figures."""
    return {"schema": schema("catalog.list"), "kind": kind, "ids": [cells[0] for cells in listing[1]]}
