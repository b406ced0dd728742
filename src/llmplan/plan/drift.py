"""Which figures of a stored plan the catalogue states differently today.

A plan keeps every figure that it was made with. Each is set beside the catalogue's: `capacity` is what a replica fits
into and how fast it runs (memory, bandwidth, peaks, the model's architecture, the engine's memory rule), `price` a rate
of a bill, `other` what shifts a time or a tie (coefficients, quality, power).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal, TypeAlias, TypeVar

from llmplan.plan.deployment import Replica
from llmplan.plan.plan import Figure
from llmplan.spec.catalog import Catalog
from llmplan.spec.engine import EngineSpec
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.inventory import Inventory, NodeGroup
from llmplan.spec.model import ModelSpec
from llmplan.spec.provenance import Provenance, ProvenanceMap

DriftKind: TypeAlias = Literal["price", "capacity", "other"]
Value: TypeAlias = float | str | None
Entity: TypeAlias = GpuSpec | HostSpec | EngineSpec | ModelSpec
T = TypeVar("T")
TOLERANCE: Final = 1e-9
"""relative difference below which two numbers are one, written and read again"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a source says of a figure. `value` None: it says nothing, or no longer does."""

    value: Value
    source: str = ""
    as_of: date | None = None


NOTHING: Final = Reading(value=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A figure that moved: as the plan has it, and as the catalogue has it."""

    path: str
    kind: DriftKind
    planned: Reading
    now: Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Every figure that moved, and what the catalogue no longer knows and so could not be compared."""

    drifts: tuple[Drift, ...] = ()
    not_compared: tuple[str, ...] = ()

    def of_kind(self, kind: DriftKind) -> tuple[Drift, ...]:
        """The figures of one kind."""
        return tuple(drift for drift in self.drifts if drift.kind == kind)

    def without(self, kind: DriftKind) -> Comparison:
        """All but one kind."""
        return replace(self, drifts=tuple(drift for drift in self.drifts if drift.kind != kind))


CAPACITY: Final[Mapping[str, tuple[str, ...]]] = {
    "gpus": ("memory_bytes", "memory_bandwidth_bytes_per_s", "link_bytes_per_s", "pcie_bytes_per_s"),
    "hosts": (
        "memory_bytes", "memory_bandwidth_bytes_per_s", "pcie_bytes_per_s", "network_bytes_per_s", "gpus",
        "fast_link_gpus",
    ),
    "engines": ("memory_fraction", "block_tokens", "vocab_padding", "kv_pool_rule", "cuda_graphs_in_budget"),
    "models": (
        "hidden_size", "vocab_size", "max_context_tokens", "layer_count", "query_heads", "total_parameters",
        "active_parameters", "checkpoint_format", "dtype",
    ),
}  # fmt: skip
"""what decides whether a replica fits and how fast it runs"""

OTHER: Final[Mapping[str, tuple[str, ...]]] = {
    "gpus": ("tdp_w",),
    "hosts": ("storage_bytes_per_s",),
    "engines": ("start_fixed_s",),
}


def same(planned: Value, now: Value) -> bool:
    """Whether two values are one.

    >>> same(0.1 + 0.2, 0.3), same(24, None), same("fp8", "fp8")
    (True, False, True)
    """
    if isinstance(planned, str) or isinstance(now, str) or planned is None or now is None:
        return planned == now
    return math.isclose(planned, now, rel_tol=TOLERANCE)


def compare(
    replicas: Iterable[Replica], figures: Iterable[Figure], catalog: Catalog, inventory: Inventory | None = None
) -> Comparison:
    """Everything but prices: the parts of each replica, and the coefficients and qualities among `figures`.

    What `inventory` states of somebody's own hardware is the owner's word, which no catalogue can contradict.
    """
    drifts: dict[str, Drift] = {}
    unknown: dict[str, None] = {}
    for replica in replicas:
        for drift in _of_replica(replica, catalog, inventory, unknown):
            drifts.setdefault(drift.path, drift)
    for drift in _of_figures(figures, catalog, unknown):
        drifts.setdefault(drift.path, drift)
    return Comparison(drifts=tuple(drifts.values()), not_compared=tuple(unknown))


def _of_replica(
    replica: Replica, catalog: Catalog, inventory: Inventory | None, unknown: dict[str, None]
) -> Iterator[Drift]:
    groups = tuple(group for group in inventory.groups if group.gpu_id == replica.gpu.id) if inventory else ()
    gpu = _known(catalog.gpus, "gpus", replica.gpu.id, unknown)
    if gpu is not None:
        stated = ("memory_bytes",) if any(group.gpu_memory_bytes is not None for group in groups) else ()
        yield from _moved(f"gpus/{replica.gpu.id}", _gpu(replica.gpu), _gpu(gpu), stated)
    engine = _known(catalog.engines, "engines", replica.engine.ref, unknown)
    if engine is not None and engine.ref == replica.engine.ref:
        yield from _moved(f"engines/{engine.ref}", _read("engines", replica.engine), _read("engines", engine))
    elif engine is not None:
        unknown.setdefault(f"engines/{replica.engine.ref}")
    model = _known(catalog.models, "models", replica.model.id, unknown)
    if model is not None:
        yield from _moved(f"models/{replica.model.id}", _model(replica.model), _model(model))
    host = _known(catalog.hosts, "hosts", replica.host.id, unknown)
    if host is not None and (inventory is None or len(groups) == 1):
        yield from _host(replica.host, host, groups[0] if groups else None)


def _known(entities: Mapping[str, T], kind: str, name: str, unknown: dict[str, None]) -> T | None:
    found = entities.get(name)
    if found is None:
        unknown.setdefault(f"{kind}/{name}")
    return found


def _gpu(gpu: GpuSpec) -> dict[str, Reading]:
    peaks = ((f"peak_{name}_flop_per_s", peak) for name, peak in gpu.peak_flop_per_s.items())
    return _read("gpus", gpu) | {name: _reading(peak, name, gpu.provenance) for name, peak in peaks}


def _model(model: ModelSpec) -> dict[str, Reading]:
    """The architecture in numbers: everything that weights, cache and operations follow from."""
    totals = {
        "cache_elements_per_token": sum(
            g.count * mixer.cache_elements_per_token for g in model.layers for mixer in g.mixers
        ),
        "window_tokens_of_all_layers": sum(
            g.count * (mixer.window_tokens or 0) for g in model.layers for mixer in g.mixers
        ),
    }
    return _read("models", model) | {name: _reading(total, name, model.provenance) for name, total in totals.items()}


def _read(kind: str, entity: Entity) -> dict[str, Reading]:
    """The figures of an entity that count, each with its source."""
    names = (*CAPACITY[kind], *OTHER.get(kind, ()))
    return {name: _reading(getattr(entity, name), name, entity.provenance) for name in names}


def _host(planned: HostSpec, now: HostSpec, group: NodeGroup | None) -> Iterator[Drift]:
    """A host, or one GPU's share of it, less what its owner stated."""
    whole_gpus = now.gpus if group is None else group.gpus_per_node
    parts = whole_gpus if planned.gpus == 1 else 1
    share = replace(
        now,
        memory_bytes=now.memory_bytes // parts,
        memory_bandwidth_bytes_per_s=now.memory_bandwidth_bytes_per_s / parts,
    )
    skipped = ["gpus", "fast_link_gpus"] if parts > 1 or group is not None else []
    if group is not None:
        skipped += ["network_bytes_per_s"]
        skipped += ["memory_bytes"] if group.host_memory_bytes is not None else []
        skipped += ["memory_bandwidth_bytes_per_s"] if group.host_memory_bandwidth_bytes_per_s is not None else []
    yield from _moved(f"hosts/{planned.id}", _read("hosts", planned), _read("hosts", share), skipped)


def _moved(
    path: str, planned: Mapping[str, Reading], now: Mapping[str, Reading], skipped: Iterable[str] = ()
) -> Iterator[Drift]:
    """Each figure of an entity whose values differ."""
    kind = path.partition("/")[0]
    for name in dict.fromkeys((*planned, *now)):
        before, after = planned.get(name, NOTHING), now.get(name, NOTHING)
        if name not in skipped and not same(before.value, after.value):
            is_other = name in OTHER.get(kind, ())
            yield Drift(path=f"{path}/{name}", kind="other" if is_other else "capacity", planned=before, now=after)


def _reading(value: Value, name: str, provenance: ProvenanceMap) -> Reading:
    """A value with its own source, else with that of the first figure of its file."""
    origin = provenance.get(name) or next(iter(provenance.values()), None)
    return NOTHING if value is None else _said(value, origin)


def _said(value: Value, origin: Provenance | None) -> Reading:
    return (
        Reading(value=value) if origin is None else Reading(value=value, source=origin.source.title, as_of=origin.as_of)
    )


def _of_figures(figures: Iterable[Figure], catalog: Catalog, unknown: dict[str, None]) -> Iterator[Drift]:
    """Coefficients and qualities, which no entity of the plan holds."""
    for figure in figures:
        kind, _, rest = figure.path.partition("/")
        name, _, entry = rest.rpartition("/")
        if kind == "calibration":
            now = _coefficient(name, entry, catalog)
        elif kind == "formats":
            now = _quality(name, catalog)
        else:
            continue
        if now is None:
            unknown.setdefault(f"{kind}/{name}")
        elif not same(figure.value, now.value):
            yield Drift(path=figure.path, kind="other", planned=_said(figure.value, figure.provenance), now=now)


def _coefficient(calibration_id: str, name: str, catalog: Catalog) -> Reading | None:
    for calibration in catalog.calibrations:
        if calibration.id == calibration_id:
            return _reading(calibration.coefficients.get(name), name, calibration.provenance)
    return None


def _quality(format_id: str, catalog: Catalog) -> Reading | None:
    quality = catalog.qualities.get(format_id)
    return None if quality is None else _said(quality.relative_change, next(iter(quality.provenance), None))
