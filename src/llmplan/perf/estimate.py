"""The speed of one replica under one load, with a band on everything and a ledger of one step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from llmplan.errors import DataError, UsageError
from llmplan.perf.calibration import Coefficients, widened, widened_for
from llmplan.perf.floor import Floor, not_above, not_below
from llmplan.perf.mixing import is_unmeasured
from llmplan.perf.percentiles import tpot_p95_s, ttft_p95_s
from llmplan.perf.speculative import SpeculativeModel, speculative_engine
from llmplan.perf.steady_state import Engine, Shape, Steady
from llmplan.perf.step import StepModel
from llmplan.perf.work import Work, work_of
from llmplan.plan.deployment import Replica
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.load import Load
from llmplan.plan.outcome import Estimate, MemoryBudget
from llmplan.spec.band import Band
from llmplan.spec.calibration import Calibration, ResidualBand
from llmplan.spec.workload import Lengths

SPREAD_PER_LOG_P90 = 1.2815515655446004
"""standard normal quantile of 0.9: what turns log(p90 / p50) into a log-normal's sigma"""
DRAFT_LINE = "drafting passes"

STEP_LINES: dict[str, str] = {
    "weights": "weight reads",
    "weight_math": "matrix math beyond weight reads",
    "experts": "expert reads",
    "expert_math": "expert math beyond reads",
    "head": "output head",
    "activations": "activations between kernels",
    "kv": "KV cache reads",
    "attention_math": "attention math beyond KV reads",
    "collectives": "tensor-parallel all-reduce",
    "all_to_all": "expert all-to-all",
    "pipeline_send": "pipeline sends",
    "host": "layers in host memory",
    "streamed": "PCIe streaming",
    "fixed": "fixed time per step and layer",
    "sequences": "per-sequence work",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A replica made ready to be asked about several loads of one shape."""

    engine: Engine
    full: Steady
    floor: Floor
    calibration: Calibration


def prepare(
    replica: Replica, memory: MemoryBudget, load: Load, calibration: Calibration, work: Work | None = None
) -> Prepared:
    """Fold replica, cache capacity and calibration into an engine, and find what it completes when it is full.

    `work` is the replica's, for a caller that asks often.
    """
    if load.input_tokens.mean <= 0 or load.output_tokens.mean <= 0:
        raise UsageError(
            f"a request needs input and output tokens, not {load.input_tokens.mean:g} and {load.output_tokens.mean:g}"
        )
    if load.kind != "saturation" and not (load.value >= 0 and math.isfinite(load.value)):
        raise UsageError(f"a load of {load.value:g} makes no sense for {load.kind}")
    held = float(memory.capacity_tokens)
    work = work or work_of(replica.model, replica.weights, replica.kv, replica.parallel)
    calibration = calibration.for_model(is_moe=replica.model.is_moe)
    if calibration.model is None and any(is_unmeasured(mixer) for mixer in replica.model.mixers()):
        calibration = widened(calibration)  # no shipped measurement has one
    if calibration.gpu is None and replica.offload is not None and replica.offload.kind in ("layers", "experts"):
        calibration = widened(calibration)  # nor any layer on a CPU
    shape = shape_of(load)
    spilled = spilled_tokens(replica, memory) / shape.resident_tokens
    kv_slots = memory.room.requests(shape.resident_tokens, *_shared(replica, load, shape)) + spilled
    engine = _engine(replica, Coefficients.of(calibration), held, work, shape, kv_slots)
    full = engine.closed(engine.slots)
    return Prepared(engine=engine, full=full, floor=Floor.of(replica, held, work), calibration=calibration)


def _engine(
    replica: Replica, coefficients: Coefficients, held_tokens: float, work: Work, shape: Shape, kv_slots: float
) -> Engine:
    """The replica's steps behind its slots; drafts are made only where the replica asks for them."""
    seqs, speculation = replica.settings.max_num_seqs, replica.speculation
    if speculation is None:
        model = StepModel(replica, coefficients, held_tokens, work=work)
        return Engine(model, shape, max_num_seqs=seqs, kv_slots=kv_slots)
    drafted = SpeculativeModel(replica, speculation, coefficients, held_tokens, work=work)
    return speculative_engine(drafted, shape, max_num_seqs=seqs, kv_slots=kv_slots)


def _shared(replica: Replica, load: Load, shape: Shape) -> tuple[float, int | None]:
    """Prompt tokens whose blocks requests share, and how many different ones there are: none where every slot owns
    its cells, or where blocks are not looked for again."""
    if not replica.settings.prefix_caching or replica.engine.kv_pool_rule == "explicit_context":
        return 0.0, None
    return shape.cached, load.prefixes


def estimate(replica: Replica, memory: MemoryBudget, load: Load, calibration: Calibration) -> Estimate:
    """How fast one replica answers under a load.

    replica: what runs where; memory: its budget, for the KV capacity [tokens]; load: arrivals [1/s or count] and
    lengths [tokens]; calibration: coefficients and residual bands.
    TTFT = queue + prefill among running decodes; TPOT = decode step + its share of other requests' prefill.
    Valid where `memory` fits. Reference: docs/how-it-works/speed.md.
    """
    return estimate_prepared(prepare(replica, memory, load, calibration), load)


def estimate_prepared(prepared: Prepared, load: Load) -> Estimate:
    """`estimate` for a replica that is ready; `load` must have the shape it was prepared for."""
    engine, full = prepared.engine, prepared.full
    steady, saturated = steady_state(engine, load, full)
    slot_load = load.value / full.requests_per_s if load.kind == "rate" else 1.0
    overrun = load.kind == "rate" and saturated
    return estimate_of(
        prepared,
        load,
        steady,
        saturated=saturated,
        ttft_s=math.inf if overrun else steady.ttft_s,
        ttft_p95=math.inf if overrun else ttft_p95_s(engine, steady, load, slot_load),
        tpot_p95=tpot_p95_s(engine, steady, load),
        exact_rate=load.value if load.kind == "rate" and not saturated else None,
    )


def shape_of(load: Load) -> Shape:
    """The request shape of a load, with the spread of work that its length percentiles tell."""
    prompt = load.input_tokens.mean
    return Shape(
        prompt=prompt,
        cached=prompt * min(max(load.prefix_share, 0.0), 1.0),
        output=load.output_tokens.mean,
        cv2_interarrival=load.cv_interarrival**2,
        cv2_service=max(cv2_of(load.input_tokens), cv2_of(load.output_tokens)),
    )


def cv2_of(lengths: Lengths) -> float:
    """Squared coefficient of variation of a length whose median and 90th percentile are known.

    lengths [tokens].
    exp(s^2) - 1 with s = ln(p90 / p50) / 1.2816, capped at 25. Valid for log-normal lengths; 0 without percentiles.
    Reference: Johnson & Kotz, Continuous Univariate Distributions, ch. 14.

    >>> cv2_of(Lengths.fixed(100)), round(cv2_of(Lengths(mean=165, p50=100, p90=360)), 2)
    (0.0, 1.72)
    """
    if lengths.p50 is None or lengths.p90 is None or lengths.p50 <= 0 or lengths.p90 <= lengths.p50:
        return 0.0
    sigma = math.log(lengths.p90 / lengths.p50) / SPREAD_PER_LOG_P90
    return min(math.expm1(sigma * sigma), 25.0)


def steady_state(engine: Engine, load: Load, full: Steady | None = None) -> tuple[Steady, bool]:
    """The state under the load, and whether more is asked than the replica completes; `full` where it is known."""
    if load.kind == "concurrency":
        users = max(1.0, load.value)
        return (full if full and users == engine.slots else engine.closed(users)), users > engine.slots
    full = full or engine.closed(engine.slots)
    match load.kind:
        case "saturation":
            return full, True
        case "burst":
            return engine.burst(max(1.0, load.value), full), load.value > engine.slots
        case "rate":
            if load.value >= full.requests_per_s:
                return full, True
            return engine.open(load.value, full), False


def estimate_of(
    prepared: Prepared,
    load: Load,
    steady: Steady,
    *,
    saturated: bool,
    ttft_s: float,
    ttft_p95: float,
    tpot_p95: float,
    exact_rate: float | None,
) -> Estimate:
    """The answer at a state: bands on its means, and one step as a ledger; p95 values are given [s]."""
    engine, full = prepared.engine, prepared.full
    calibration = widened_for(prepared.calibration, steady.batch)
    bands = calibration.bands
    shape, floor = engine.shape, prepared.floor
    steady_tpot_s = steady.tpot_s / engine.model.tokens_per_step
    ttft = not_below(_band(ttft_s, bands, "ttft"), floor.ttft_s(shape.prompt, shape.cached))
    least_s = floor.tpot_s(steady.batch, engine.context) / engine.model.tokens_per_step
    tpot = not_below(_band(steady_tpot_s, bands, "tpot"), least_s)
    steps = max(load.output_tokens.mean - 1.0, 0.0)
    e2e = Band(low=ttft.low + steps * tpot.low, mid=ttft.mid + steps * tpot.mid, high=ttft.high + steps * tpot.high)
    requests = Band.exact(exact_rate) if exact_rate is not None else _band(steady.requests_per_s, bands, "throughput")
    if load.kind == "concurrency":
        requests = not_above(requests, requests.mid * e2e.mid / e2e.low)
    ledger = step_ledger(engine, steady)
    return Estimate(
        ttft_s=ttft,
        tpot_s=tpot,
        e2e_s=e2e,
        ttft_p95_s=ttft_p95,
        tpot_p95_s=tpot_p95,
        output_tokens_per_s=requests.scaled(load.output_tokens.mean),
        total_tokens_per_s=requests.scaled(load.input_tokens.mean + load.output_tokens.mean),
        requests_per_s=requests,
        batch_size=steady.batch,
        kv_limited=saturated and engine.kv_slots < engine.sequence_slots,
        saturated=saturated,
        bottleneck=max(ledger.lines, key=lambda line: line.amount or 0.0).name,
        utilization=min(1.0, steady.requests_per_s / full.requests_per_s),
        capacity_requests_per_s=full.requests_per_s,
        step_ledger=ledger,
        calibration_id=calibration.id,
        extrapolated=calibration.rows == 0,
    )


def step_ledger(engine: Engine, steady: Steady) -> Ledger:
    """One decode step at the operating point by cause, with other requests' prefill as its own line; sums to TPOT.

    Where tokens are drafted, a step's terms over the tokens that it yields.
    """
    batch, model = max(1.0, steady.batch), engine.model
    terms, each = model.terms(batch, engine.context), model.tokens_per_step
    scene = f"batch {batch:.4g}, context {engine.context:.4g}"
    scene += f", over {each:.4g} tokens" if each > 1.0 else ""
    lines = [
        Line(name=label, amount=amount / each, unit="s", formula=scene)
        for field, label in STEP_LINES.items()
        if (amount := getattr(terms, field)) > 0.0
    ]
    drafts_s = model.drafts_s(batch, engine.context) / each if isinstance(model, SpeculativeModel) else 0.0
    lines += [Line(name=DRAFT_LINE, amount=drafts_s, unit="s", formula=scene)] if drafts_s else []
    interference = steady.tpot_s / each - math.fsum(line.amount or 0.0 for line in lines)
    if interference > 1e-9:
        lines.append(Line(name="prefill of other requests", amount=interference, unit="s", formula="TPOT - step"))
    return Ledger(unit="s", lines=tuple(lines))


def _band(mid: float, bands: Mapping[str, ResidualBand], quantity: str) -> Band:
    band = bands[quantity]
    return Band.of(mid, low_ratio=band.low_ratio, high_ratio=band.high_ratio)


def spilled_tokens(replica: Replica, memory: MemoryBudget) -> float:
    """Context tokens that a host pool of KV blocks adds to the replica's capacity.

    replica: the pool's size [bytes] and its ranks; memory: KV bytes of a token on one GPU [bytes].
    pool / (bytes per token x TP x PP). Valid for a pool shared by all ranks. Reference: none.
    """
    offload = replica.offload
    if offload is None or offload.kind != "kv":
        return 0.0
    if memory.kv_bytes_per_token <= 0:
        raise DataError(f"the budget of {replica.model.id} states no KV bytes per token")
    ranks = replica.parallel.tp * replica.parallel.pp
    return offload.host_kv_bytes / (memory.kv_bytes_per_token * ranks)
