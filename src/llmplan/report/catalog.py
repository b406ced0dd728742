"""What the catalogue knows: lists of one kind, and one entry with the source of every figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.json import Record, schema, source
from llmplan.report.numbers import MISSING, count, format_bytes, percent, rate
from llmplan.report.views import Sources
from llmplan.spec.engine import EngineSpec, FormatSupport
from llmplan.spec.formats import FormatQuality, WeightFormat
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import (
    DenseFeedForward,
    GqaAttention,
    LayerGroup,
    MlaAttention,
    ModelSpec,
    MoeFeedForward,
)
from llmplan.spec.price import Provider
from llmplan.spec.provenance import Provenance
from llmplan.spec.workload import Lengths, Workload
from llmplan.units import GB, TERA

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
            spec.id, str(spec.gpus), format_bytes(spec.memory_bytes), bandwidth(spec.memory_bandwidth_bytes_per_s),
            bandwidth(spec.pcie_bytes_per_s),
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


def listing_document(kind: str, listing: Listing) -> Document:
    """A list as a table."""
    columns, rows = listing
    table = Table(columns=columns, rows=tuple(Row(cells=cells) for cells in rows))
    return (table, Paragraph(text=f"{len(rows)} {kind}", tone="dim"))


def listing_record(kind: str, listing: Listing) -> Record:
    """A list as JSON: ids only; `catalog show ID --json` has the figures."""
    return {"schema": schema("catalog.list"), "kind": kind, "ids": [cells[0] for cells in listing[1]]}


def entry_document(kind: str, entity: Any, path: str | None) -> Document:
    """One entry: its plain fields, then every figure with the number of its source."""
    sources = Sources()
    blocks: list[Block] = [Paragraph(text=f"{kind} {identity(entity)}", heading=1)]
    blocks.append(Facts(pairs=tuple(plain_facts(entity, path))))
    figures = tuple(
        Row(cells=(name, shown, provenance.kind, _date(provenance), sources.cite((provenance,))))
        for name, shown, provenance in sourced(entity)
        if shown != MISSING
    )
    if figures:
        columns = (Column(title="figure"), Column(title="value", share=1), *_columns("kind", "as of", "source"))
        blocks.append(Table(columns=columns, rows=figures))
    inside: dict[str, list[str]] = {}
    for name, shown, provenance in sourced(entity):
        if shown == MISSING:
            inside.setdefault(sources.cite((provenance,)), []).append(name)
    if inside:
        items = tuple(f"{', '.join(names)} {cited}" for cited, names in inside.items())
        blocks.append(Items(title="Read from the source, and part of the fields above", items=items))
    return (*blocks, *sources.blocks())


def entry_record(kind: str, entity: Any, path: str | None) -> Record:
    """One entry as JSON: fields in base units, and the source of each figure under the same name."""
    return {
        "schema": schema("catalog.show"),
        "kind": kind,
        "id": identity(entity),
        "path": path,
        "fields": {name: plain(value) for name, value in fields_of(entity)},
        "provenance": {name: source(each) for name, each in provenance_of(entity).items()},
    }


def identity(entity: Any) -> str:
    """`vllm@0.33.0` for an engine, the id for everything else."""
    return entity.ref if isinstance(entity, EngineSpec) else str(entity.id)


def fields_of(entity: Any) -> Iterator[tuple[str, Any]]:
    """The fields that are shown: not the provenance, and of a model its sizes instead of its tensors."""
    for field in dataclasses.fields(entity):
        if field.name != "provenance" and field.repr:
            yield field.name, getattr(entity, field.name)
    if isinstance(entity, ModelSpec):
        for name in ("total_parameters", "active_parameters", "embedding_parameters", "layer_count", "query_heads"):
            yield name, getattr(entity, name)


def plain_facts(entity: Any, path: str | None) -> Iterator[tuple[str, str]]:
    """Fields without a source of their own."""
    known = set(provenance_of(entity))
    for name, value in fields_of(entity):
        if (
            known.isdisjoint({name, *(entry for entry, _ in _entries(name, value))})
            and name != "id"
            and value not in (None, (), {}, "")
        ):
            yield name, readable(name, value)
    if isinstance(entity, ModelSpec):
        yield from (("layers", layer_line(group)) for group in entity.layers)
    if path:
        yield "file", path


def layer_line(group: LayerGroup) -> str:
    """A group of equal layers: `32 × 32 heads on 8 KV heads of 128, dense 14,336`."""
    attention, feed_forward = group.attention, group.feed_forward
    match attention:
        case GqaAttention():
            text = f"{attention.query_heads} heads on {attention.kv_heads} KV heads of {attention.head_dim}"
        case MlaAttention():
            text = f"{attention.query_heads} heads on a latent of {attention.kv_lora_rank}+{attention.qk_rope_head_dim}"
    if attention.window_tokens is not None:
        text += f", window {attention.window_tokens:,}"
    match feed_forward:
        case DenseFeedForward():
            text += f", dense {feed_forward.intermediate_size:,}"
        case MoeFeedForward():
            chosen = f"{feed_forward.experts_per_token} of {feed_forward.experts} experts"
            text += f", {chosen} of {feed_forward.expert_intermediate_size:,}"
    return f"{group.count} × {text}"


def sourced(entity: Any) -> Iterator[tuple[str, str, Provenance]]:
    """Each figure with its value as people write it and its provenance."""
    values = dict(fields_of(entity))
    for name, provenance in provenance_of(entity).items():
        yield name, readable(name, _value(values, name)), provenance


def provenance_of(entity: Any) -> Mapping[str, Provenance]:
    """The sources by figure."""
    found = getattr(entity, "provenance", {})
    return found if isinstance(found, Mapping) else {"offer": found}


def _value(values: Mapping[str, Any], name: str) -> Any:
    """The value behind a figure's name: a field, or an entry of one (`peak_bf16_flop_per_s`, `input_p90_tokens`)."""
    if name in values and not isinstance(values[name], Lengths):
        return values[name]
    entries = {entry: each for owner, held in values.items() for entry, each in _entries(owner, held)}
    if name in entries:
        return entries[name]
    return next((held for owner, held in values.items() if name.startswith(f"{owner}_")), None)


def _entries(owner: str, held: Any) -> Iterator[tuple[str, Any]]:
    """The names that figures have in a file, from the names and values that they have once loaded."""
    head, _, tail = owner.partition("_")
    if isinstance(held, Mapping):
        yield from ((f"{head}_{key}_{tail}", each) for key, each in held.items())
        yield from ((f"{owner}.{key}", each) for key, each in held.items())
    elif isinstance(held, tuple):
        yield from ((f"{owner}.{position}", each) for position, each in enumerate(held))
    elif isinstance(held, Lengths):
        yield owner, held.mean
        yield from ((f"{head}_{part}_{tail}", getattr(held, part)) for part in ("p50", "p90", "p99"))


def readable(name: str, value: Any) -> str:
    """A value with the unit that its name states."""
    if value is None:
        return MISSING
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "flop_per_s" in name:
            return f"{teraflops(float(value))} TFLOP/s"
        if name.endswith("bytes_per_s"):
            return bandwidth(float(value))
        if name.endswith("bytes"):
            return format_bytes(value)
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {readable(f'{name}.{key}', each)}" for key, each in value.items())
    if isinstance(value, FormatSupport):
        return support(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        stated = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return ", ".join(f"{key} {readable(key, each)}" for key, each in stated if each not in (None, ()))
    if "capabilit" in name and isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], int):
        return _dotted(value)
    if isinstance(value, tuple):
        separator = "; " if value and dataclasses.is_dataclass(value[0]) else ", "
        return separator.join(readable(name, each) for each in value)
    return str(value)


def support(value: FormatSupport) -> str:
    """Where a format runs, and from where with its own arithmetic.

    >>> support(FormatSupport(min_compute_capability=(7, 5), native_from=(8, 9)))
    'SM 7.5 up, own arithmetic from 8.9'
    """
    ceiling = value.max_compute_capability
    upto = f"to {_dotted(ceiling)}" if ceiling else "up"
    native = f"own arithmetic from {_dotted(value.native_from)}" if value.native_from else "weights only"
    return f"SM {_dotted(value.min_compute_capability)} {upto}, {native}"


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


def plain(value: Any) -> Any:
    """A value as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def bandwidth(bytes_per_s: float) -> str:
    """In decimal GB/s, as data sheets write it.

    >>> bandwidth(3.35e12)
    '3,350 GB/s'
    """
    return f"{bytes_per_s / GB:,.4g} GB/s" if bytes_per_s < 1000 * GB else f"{bytes_per_s / GB:,.0f} GB/s"


def teraflops(flop_per_s: float | None) -> str:
    """In TFLOP/s, without the unit."""
    return MISSING if flop_per_s is None else f"{flop_per_s / TERA:,.4g}"


def _date(provenance: Provenance) -> str:
    return provenance.as_of.isoformat() if provenance.as_of else "undated"
