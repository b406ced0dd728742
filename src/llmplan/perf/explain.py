"""Where the milliseconds of a step go, with the numbers put in: for people, so made only when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from llmplan.perf.calibration import Coefficients
from llmplan.perf.estimate import STEP_LINES, shape_of
from llmplan.perf.offload import placement_of
from llmplan.perf.rates import Rates, rates_of
from llmplan.perf.step import COLLECTIVES_PER_LAYER
from llmplan.perf.work import Work, work_of
from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.calibration import Calibration
from llmplan.spec.provenance import Provenance
from llmplan.units import GB, KIB, MS_PER_S

US_PER_S = 1e6
USED: dict[str, tuple[str, ...]] = {
    "weights": ("memory_efficiency",),
    "weight_math": ("matrix_16bit_efficiency", "matrix_8bit_efficiency", "roofline_exponent"),
    "experts": ("expert_memory_efficiency",),
    "expert_math": ("expert_matrix_efficiency", "roofline_exponent"),
    "head": ("memory_efficiency", "matrix_16bit_efficiency"),
    "kv": ("kv_memory_efficiency",),
    "attention_math": ("attention_efficiency",),
    "collectives": ("allreduce_fast_efficiency", "allreduce_pcie_efficiency"),
    "fixed": ("step_s", "layer_s"),
    "sequences": ("sequence_s",),
    "host": ("host_memory_efficiency",),
    "streamed": ("pcie_efficiency",),
}
"""The coefficients behind each line, for its sources."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """A replica in one step: what is counted, at which rates, how many sequences with how much context."""

    replica: Replica
    work: Work
    rates: Rates
    coefficients: Coefficients
    capacity_tokens: float
    batch: float
    context: float


def explain_step(
    replica: Replica, memory: MemoryBudget, found: Estimate, load: Load, calibration: Calibration
) -> Ledger:
    """The estimate's step ledger with each line's arithmetic and sources; the amounts stay as they are."""
    coefficients = Coefficients.of(calibration)
    scene = _Scene(
        replica=replica,
        work=work_of(replica.model, replica.weights, replica.kv, replica.parallel),
        rates=rates_of(replica, coefficients),
        coefficients=coefficients,
        capacity_tokens=float(memory.capacity_tokens),
        batch=max(1.0, found.batch_size),
        context=shape_of(load).resident_tokens,
    )
    formulas = {STEP_LINES[field]: text for field, text in _formulas(scene).items()}
    fields = {label: field for field, label in STEP_LINES.items()}
    lines = tuple(
        _explained(line, formulas.get(line.name, line.formula), _sources(fields.get(line.name), replica, calibration))
        for line in found.step_ledger.lines
    )
    return Ledger(unit=found.step_ledger.unit, lines=lines)


def _explained(line: Line, formula: str, sources: tuple[Provenance, ...]) -> Line:
    return replace(line, formula=formula, provenance=sources)


def _sources(field: str | None, replica: Replica, calibration: Calibration) -> tuple[Provenance, ...]:
    """Sources of the coefficients and of the GPU's bandwidth behind a line."""
    known: Mapping[str, Provenance] = calibration.provenance
    names = USED.get(field or "", ())
    found = [known[name] for name in names if name in known]
    if field in ("weights", "experts", "kv", "head"):
        found += [p for p in (replica.gpu.provenance.get("memory_bandwidth_bytes_per_s"),) if p is not None]
    return tuple(dict.fromkeys(found))


def _formulas(scene: _Scene) -> dict[str, str]:
    work, rates, how = scene.work, scene.rates, scene.coefficients
    stages = f" x {scene.replica.parallel.pp} stages" if scene.replica.parallel.pp > 1 else ""
    power = f"beyond the reads they overlap with (exponent {how.roofline_exponent:.3g})"
    head_gb = work.head_bytes / GB
    return {
        "weights": f"{work.dense_bytes / GB:.2f} GB / {_rate(rates.dense_bytes_per_s)}{stages}",
        "weight_math": f"2 x {work.dense_weights / 1e9:.2f}B weights x {scene.batch:.3g} tokens / "
        f"{_flops(rates.dense_flop_per_s)}, {power}",
        "experts": _experts(scene) + stages,
        "expert_math": f"the chosen experts of {scene.batch:.3g} tokens / {_flops(rates.expert_flop_per_s)}, {power}",
        "head": f"{head_gb:.2f} GB / {_rate(rates.head_bytes_per_s)}, or {scene.batch:.3g} tokens of math",
        "kv": _cache(scene) + stages,
        "attention_math": f"attention of {scene.batch:.3g} x {scene.context:.0f} tokens / "
        f"{_flops(rates.attention_flop_per_s)}, beyond the reads",
        "collectives": f"{COLLECTIVES_PER_LAYER} x {work.layers} all-reduces over {scene.replica.parallel.tp} GPUs of "
        f"{scene.batch:.3g} x {work.hidden_bytes_per_token / KIB:.0f} KiB",
        "all_to_all": f"{work.routed_copies_per_token:.0f} copies of each hidden vector to the experts and back",
        "pipeline_send": f"{scene.replica.parallel.pp - 1} hand-overs of {scene.batch:.3g} hidden vectors",
        "host": _host(scene),
        "streamed": _streamed(scene),
        "fixed": f"{how.step_s * MS_PER_S:.2f} ms + {work.layers} layers x {how.layer_s * US_PER_S:.1f} us",
        "sequences": f"{scene.batch:.3g} sequences x {how.sequence_s * US_PER_S:.1f} us",
    }


def _experts(scene: _Scene) -> str:
    parts = [
        f"{each.resident_bytes / GB:.2f} GB x {each.coverage(scene.batch):.0%} of {each.experts} experts touched"
        for each in scene.work.experts
    ]
    return f"({' + '.join(parts)}) / {_rate(scene.rates.expert_bytes_per_s)}"


def _cache(scene: _Scene) -> str:
    parts = [
        f"{scene.batch:.3g} x {min(scene.context, each.window_tokens):.0f} tokens x "
        f"{each.cache_bytes_per_context_token / KIB:.1f} KiB"
        for each in scene.work.attention
    ]
    return f"({' + '.join(parts)}) / {_rate(scene.rates.kv_bytes_per_s)}"


def _host(scene: _Scene) -> str:
    place = placement_of(scene.replica, scene.coefficients, scene.capacity_tokens)
    resident = scene.work.dense_bytes + sum(each.resident_bytes for each in scene.work.experts)
    share = 1.0 - place.gpu_share
    return f"{resident * share / GB:.2f} GB in host memory / {_rate(place.host_read_bytes_per_s)}, once per token"


def _streamed(scene: _Scene) -> str:
    place = placement_of(scene.replica, scene.coefficients, scene.capacity_tokens)
    return f"{place.streamed_bytes / GB:.2f} GB over PCIe / {_rate(place.stream_bytes_per_s)}, every step"


def _rate(bytes_per_s: float) -> str:
    return f"{bytes_per_s / GB:,.0f} GB/s achieved"


def _flops(flop_per_s: float) -> str:
    return f"{flop_per_s / 1e12:,.0f} TFLOP/s achieved"
