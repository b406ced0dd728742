"""Where the milliseconds of a step go, with the numbers put in: for people, so made only when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmplan.perf.arithmetic import Scene, formulas
from llmplan.perf.calibration import Coefficients
from llmplan.perf.estimate import STEP_LINES, shape_of
from llmplan.perf.offload import placement_of
from llmplan.perf.rates import rates_of
from llmplan.perf.work import work_of
from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.calibration import Calibration
from llmplan.spec.provenance import Provenance

USED: dict[str, tuple[str, ...]] = {
    "weights": ("memory_efficiency",),
    "weight_math": (
        "matrix_16bit_efficiency", "matrix_8bit_efficiency", "matrix_4bit_efficiency", "dequantization_factor",
        "roofline_exponent",
    ),
    "experts": ("expert_memory_efficiency", "routing_exponent"),
    "expert_math": (
        "expert_matrix_efficiency", "expert_half_width_columns", "expert_tile_rows", "routing_exponent",
        "expert_dequantization_factor", "roofline_exponent",
    ),
    "head": ("memory_efficiency", "matrix_16bit_efficiency"),
    "activations": ("activation_passes", "memory_efficiency"),
    "kv": ("kv_memory_efficiency",),
    "attention_math": ("attention_efficiency",),
    "collectives": ("allreduce_fast_efficiency", "allreduce_pcie_efficiency"),
    "fixed": ("step_s", "launch_s", "expert_layer_s", "legacy_host_factor"),
    "sequences": ("sequence_s",),
    "host": ("host_memory_efficiency",),
    "streamed": ("pcie_efficiency",),
}  # fmt: skip
"""The coefficients behind each line, for its sources."""


def explain_step(
    replica: Replica, memory: MemoryBudget, found: Estimate, load: Load, calibration: Calibration
) -> Ledger:
    """The estimate's step ledger with each line's arithmetic and sources; the amounts stay as they are."""
    coefficients = Coefficients.of(calibration)
    scene = Scene(
        replica=replica,
        work=work_of(replica.model, replica.weights, replica.kv, replica.parallel),
        rates=rates_of(replica, coefficients),
        coefficients=coefficients,
        place=placement_of(replica, coefficients, float(memory.capacity_tokens)),
        batch=max(1.0, found.batch_size),
        context=shape_of(load).resident_tokens,
    )
    texts = {STEP_LINES[field]: text + _per_token(replica) for field, text in formulas(scene).items()}
    fields = {label: field for field, label in STEP_LINES.items()}
    lines = tuple(
        _explained(line, texts.get(line.name, line.formula), _sources(fields.get(line.name), replica, calibration))
        for line in found.step_ledger.lines
    )
    return Ledger(unit=found.step_ledger.unit, lines=lines)


def _per_token(replica: Replica) -> str:
    """A step with drafts is shared by the tokens that it yields."""
    return f", over {replica.speculation.tokens_per_step:.4g} tokens" if replica.speculation else ""


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
