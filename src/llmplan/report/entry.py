"""One entry of the catalogue, with the source, date and kind of each of its figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from llmplan.report.blocks import Block, Column, Document, Facts, Items, Paragraph, Row, Table
from llmplan.report.json import Record, schema, source
from llmplan.report.numbers import MISSING
from llmplan.report.readable import readable
from llmplan.report.views import Sources
from llmplan.spec.engine import EngineSpec
from llmplan.spec.formats import FormatQuality, WeightFormat
from llmplan.spec.model import (
    CompressedAttention,
    DenseFeedForward,
    GqaAttention,
    LayerGroup,
    Mixer,
    MlaAttention,
    ModelSpec,
    MoeFeedForward,
    RecurrentKind,
    RecurrentMixer,
)
from llmplan.spec.provenance import Provenance
from llmplan.spec.traffic import TrafficShape
from llmplan.spec.workload import Lengths

NOTES = "notes"
"""a field of models that has a block of its own"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFormat:
    """A weight format with what was measured of its quality (relative, negative is a loss)."""

    id: str
    aliases: tuple[str, ...]
    bits: float
    arithmetic: str
    weight_only: bool
    group_size: int | None
    median_quality_change: float | None
    worst_quality_change: float | None
    measurements: int
    quality: str
    measured: tuple[str, ...]
    published_speed: tuple[str, ...]
    provenance: Mapping[str, Provenance]


def measured_format(spec: WeightFormat, quality: FormatQuality | None) -> MeasuredFormat:
    """The two put together; without figures the changes are None and the measurements 0."""
    stated = quality or FormatQuality(relative_change=None)
    return MeasuredFormat(
        id=spec.id,
        aliases=spec.aliases,
        bits=spec.bits,
        arithmetic=spec.compute,
        weight_only=spec.weight_only,
        group_size=spec.group_size,
        median_quality_change=stated.relative_change,
        worst_quality_change=stated.worst_change,
        measurements=stated.measurements,
        quality=stated.describe(),
        measured=tuple(f"{each.change * 100:+.3g} % {each.metric} of {each.model}" for each in stated.figures),
        published_speed=tuple(
            f"{each.ratio:.2f}× on {each.gpu} with {each.requests} requests of {each.input_tokens}/{each.output_tokens}"
            for each in stated.speeds
        ),
        provenance=dict(_sources(stated)),
    )


def _sources(quality: FormatQuality) -> Iterator[tuple[str, Provenance]]:
    """Every document behind what was measured of quality, then those behind speeds alone."""
    for number, each in enumerate(quality.provenance, start=1):
        yield f"quality {number}", each
    cited = {each.source.id for each in quality.provenance}
    timed = {row.source.id: row.source for row in quality.speeds if row.source.id not in cited}
    for number, source_read in enumerate(timed.values(), start=1):
        yield f"speed {number}", Provenance(source=source_read, as_of=source_read.retrieved, kind="measured")


def document(kind: str, entity: Any, path: str | None) -> Document:
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
        names = ("kind", "as of", "source")
        columns = (Column(title="figure"), Column(title="value", share=1), *(Column(title=name) for name in names))
        blocks.append(Table(columns=columns, rows=figures))
    inside: dict[str, list[str]] = {}
    for name, shown, provenance in sourced(entity):
        if shown == MISSING:
            inside.setdefault(sources.cite((provenance,)), []).append(name)
    if inside:
        items = tuple(f"{', '.join(names)} {cited}" for cited, names in inside.items())
        blocks.append(Items(title="Read from the source, and part of the fields above", items=items))
    if isinstance(entity, ModelSpec) and entity.notes:
        blocks.insert(2, Items(title="Good to know", items=entity.notes, tone="warn"))
    return (*blocks, *sources.blocks())


def record(kind: str, entity: Any, path: str | None) -> Record:
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
        yield NOTES, entity.notes


def plain_facts(entity: Any, path: str | None) -> Iterator[tuple[str, str]]:
    """Fields without a source of their own."""
    known = set(provenance_of(entity))
    for name, value in fields_of(entity):
        if (
            known.isdisjoint({name, *(entry for entry, _ in _entries(name, value))})
            and name not in ("id", NOTES)
            and value not in (None, (), {}, "")
        ):
            yield name, readable(name, value)
    if isinstance(entity, ModelSpec):
        yield from (("layers", layer_line(group)) for group in entity.layers)
    if path:
        yield "file", path


def layer_line(group: LayerGroup) -> str:
    """A group of equal layers: `32 × 32 heads on 8 KV heads of 128, dense 14,336`."""
    parts = [_mixer_words(mixer) for mixer in group.mixers]
    match group.feed_forward:
        case DenseFeedForward(intermediate_size=size):
            parts.append(f"dense {size:,}")
        case MoeFeedForward() as moe:
            chosen = f"{moe.experts_per_token} of {moe.experts} experts"
            parts.append(f"{chosen} of {moe.expert_intermediate_size:,}")
        case None:
            pass
    text = ", ".join(parts)
    return f"{group.count} × {text}"


def _mixer_words(mixer: Mixer) -> str:
    match mixer:
        case GqaAttention():
            text = f"{mixer.query_heads} heads on {mixer.kv_heads} KV heads of {mixer.head_dim}"
            if mixer.borrowed_cache:
                text += " (an earlier layer's cache)"
            if mixer.cross:
                text += " (of an encoder)"
        case MlaAttention():
            text = f"{mixer.query_heads} heads on a latent of {mixer.kv_lora_rank}+{mixer.qk_rope_head_dim}"
        case CompressedAttention():
            text = f"{mixer.query_heads} heads on latents of {mixer.head_dim}"
            if mixer.compress_tokens:
                text += f", one more for every {mixer.compress_tokens} tokens"
        case RecurrentMixer(kind=RecurrentKind.SHORT_CONV):
            text = f"short convolution of {mixer.conv_width} taps"
        case RecurrentMixer():
            text = f"{mixer.heads} states of {mixer.key_dim} × {mixer.value_dim} ({mixer.kind.replace('_', ' ')})"
    if mixer.window_tokens is not None:
        text += f", window {mixer.window_tokens:,}"
    return text


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
    elif isinstance(held, TrafficShape):
        yield from ((f"{owner}.{part.name}", getattr(held, part.name)) for part in dataclasses.fields(held))
        yield f"{owner}.tenants", held.tenant_weights
    elif isinstance(held, Lengths):
        yield owner, held.mean
        yield from ((f"{head}_{part}_{tail}", getattr(held, part)) for part in ("p50", "p90", "p99"))


def plain(value: Any) -> Any:
    """A value as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def _date(provenance: Provenance) -> str:
    return provenance.as_of.isoformat() if provenance.as_of else "undated"
