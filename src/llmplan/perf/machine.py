"""One machine's coefficients from a few of its own measurements, with the shipped ones as prior."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from llmplan.errors import DataError
from llmplan.perf.calibration import COEFFICIENT_NAMES
from llmplan.perf.coefficient_bounds import bounds_of, width_of
from llmplan.perf.estimate import prepare, steady_state
from llmplan.perf.fitting import Box, Vector, jacobian, minimize
from llmplan.perf.floor import Floor
from llmplan.perf.steady_state import Engine, Steady
from llmplan.perf.work import Work, work_of
from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.machine_fit import CoefficientMove, MachineFit, PointFit
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.calibration import Calibration, ResidualBand, calibration_id
from llmplan.spec.provenance import Provenance, Source

NOISE: Mapping[str, float] = {"tpot": 0.05, "throughput": 0.05, "ttft": 0.15}
"""log ratio by which repeats of one benchmark on one machine differ"""
KNEE = 1.5
"""in units of noise: beyond it a point pulls linearly"""
FAR = 3.0
"""in units of noise: beyond it a point does not agree with the others"""
CUT = 3.0
"""log ratio that is as bad as an unbounded one"""
TOLD = 0.3
"""in units of noise: a coefficient that moves no point by more within its prior is left alone"""
MOVED = 0.005
"""log ratio below which a coefficient counts as unmoved"""
ROUNDS, REFIT_ROUNDS, FOLDS = 15, 5, 10
PRIOR_POINTS = 5.0
"""the prior's band counts like this many points of the machine's own"""
SLACK = 0.9
"""of the least possible time, below which a measurement cannot be of this model on this GPU"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One measured load of a replica that fits: `measured` in seconds, and output tokens per second."""

    origin: str
    replica: Replica
    memory: MemoryBudget
    load: Load
    work: Work
    measured: Mapping[str, float]
    client: bool = True
    """whether a client measured it over a connection, not the engine itself"""
    samples: bool = True
    """whether tokens were chosen: llama-bench runs the model alone, without a server's work for each sequence"""

    @classmethod
    def of(
        cls,
        origin: str,
        replica: Replica,
        memory: MemoryBudget,
        load: Load,
        measured: Mapping[str, float],
        *,
        client: bool = True,
        samples: bool = True,
    ) -> Point:
        """A point with those of its quantities that the model has a counterpart of.

        A burst fills and drains, so that its mean TPOT is no steady state's; at saturation TTFT grows without end.
        """
        work = work_of(replica.model, replica.weights, replica.kv, replica.parallel)
        without = {"burst": "tpot" if load.value > 1.0 else "", "saturation": "ttft"}.get(load.kind, "")
        kept = {name: value for name, value in measured.items() if name in NOISE and name != without}
        return cls(
            origin=origin, replica=replica, memory=memory, load=load, work=work, measured=kept, client=client,
            samples=samples,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the calibration is of: an engine on a GPU, serving one model or (None) several."""

    engine: str
    generation: str
    gpu: str
    model: str | None


def predict(point: Point, calibration: Calibration) -> dict[str, float]:
    """What a calibration says of each quantity that the point measured [s, tokens/s]; no bound is infinity."""
    calibration = calibration if point.samples else unsampled(calibration)
    prepared = prepare(point.replica, point.memory, point.load, calibration, point.work)
    found = said(prepared.engine, point.load, client=point.client, full=prepared.full)
    return {name: found[name] for name in point.measured}


def unsampled(calibration: Calibration) -> Calibration:
    """The calibration as it is for the model alone, without a server's work for each sequence."""
    return replace(calibration, coefficients={**calibration.coefficients, "sequence_s": 0.0})


def said(engine: Engine, load: Load, *, client: bool, full: Steady | None = None) -> dict[str, float]:
    """What an engine says of each quantity that is measured under a load [s, tokens/s]; no bound is infinity.

    client: whether a client measures over a connection, and so sees `request_s`, or the engine itself; full: the state
    in which every slot is taken, where it is known.
    """
    steady, saturated = steady_state(engine, load, full)
    unbounded = load.kind == "saturation" or (saturated and load.kind == "rate")
    return {
        "tpot": steady.tpot_s,
        "ttft": math.inf if unbounded else steady.ttft_s - (0.0 if client else engine.model.request_s),
        "throughput": steady.requests_per_s * load.output_tokens.mean,
    }


def impossible(point: Point) -> tuple[str, ...]:
    """Quantities that beat the memory bandwidth or the peak of the GPU: another model, another GPU, or speculation."""
    replica, load = point.replica, point.load
    floor = Floor.of(replica, float(point.memory.capacity_tokens), point.work)
    prompt, output = load.input_tokens.mean, load.output_tokens.mean
    users = load.value if load.kind in ("concurrency", "burst") else 0.0
    alone_s, cached = floor.tpot_s(1.0, prompt + output / 2.0), prompt * load.prefix_share
    measured = point.measured
    beaten = {
        "tpot": measured.get("tpot", math.inf) < SLACK * alone_s,
        "ttft": measured.get("ttft", math.inf) < SLACK * floor.ttft_s(prompt, cached),
        "throughput": users > 0.0 and measured.get("throughput", 0.0) * SLACK * alone_s > max(1.0, users),
    }
    return tuple(name for name, is_beaten in beaten.items() if is_beaten)


def fit_machine(
    points: Sequence[Point], prior: Calibration, machine: Machine, *, source: Source, day: date, validity: str
) -> MachineFit:
    """The calibration that the points ask for, with the errors before, after, and of each point left out of the fit.

    points: what was measured; prior: the calibration that applied so far; source, day, validity: for its provenance.
    Coefficients that no point tells stay the prior's. Bands mix the spread of the left-out points with the prior's.
    """
    if not points:
        raise DataError("nothing to calibrate with: no point has a measurement")
    prior = prior.for_model(is_moe=any(point.replica.model.is_moe for point in points))
    fitted = fit(points, prior)
    left_out = leave_out(points, prior, fitted)
    results = tuple(_results(points, prior, fitted, left_out))
    moves = tuple(_moves(prior, fitted))
    found = replace(
        fitted,
        id=calibration_id(machine.engine, machine.generation, machine.gpu, machine.model),
        engine=machine.engine,
        generation=machine.generation,
        gpu=machine.gpu,
        model=machine.model,
        validity=validity,
        fitted=day,
        rows=len(points),
        most_seqs=_most_seqs(prior, points),
        bands={name: blended(prior_band, _ratios(results, name)) for name, prior_band in prior.bands.items()},
    )
    fresh = Provenance(source=source, as_of=day, kind="derived")
    moved = {move.name for move in moves}
    provenance = {name: prior.provenance.get(name, fresh) for name in prior.coefficients if name not in moved}
    counted = ("rows",) if found.most_seqs is None else ("rows", "most_seqs")
    for name in (
        *moved,
        *counted,
        *(f"{q}_{edge}" for q in found.bands for edge in ("low_ratio", "high_ratio", "rows")),
    ):
        provenance[name] = fresh
    return MachineFit(
        calibration=replace(found, provenance=provenance), prior=prior, points=results, moves=moves, far=_far(results)
    )


def fit(points: Sequence[Point], prior: Calibration, begin: Calibration | None = None) -> Calibration:
    """The prior with the coefficients that the points tell; quick from `begin`, a fit of nearly the same points."""
    names = [name for name in COEFFICIENT_NAMES if 0.0 < prior.coefficients.get(name, 0.0) < math.inf]
    edges = [bounds_of(name, prior.coefficients[name]) for name in names]
    centre = _logs(prior, names)
    box = Box(
        low=np.log([low for low, _ in edges]),
        high=np.log([high for _, high in edges]),
        centre=centre,
        width=np.array([width_of(name) for name in names]),
    )
    every = _errors(points, prior, names)
    told = np.abs(jacobian(every, centre, every(centre), box)).max(axis=0, initial=0.0) * box.width > TOLD
    kept = [name for name, is_told in zip(names, told, strict=True) if is_told]
    if not kept:
        return prior
    smaller = Box(low=box.low[told], high=box.high[told], centre=centre[told], width=box.width[told])
    start, rounds = (centre[told], ROUNDS) if begin is None else (_logs(begin, kept), REFIT_ROUNDS)
    best = minimize(_errors(points, prior, kept), start, smaller, rounds=rounds, knee=KNEE)
    return _with(prior, kept, best)


def leave_out(points: Sequence[Point], prior: Calibration, fitted: Calibration) -> list[Calibration]:
    """For each point, the coefficients fitted without it, or without a tenth of the points where there are many."""
    folds = min(len(points), FOLDS)
    refits = [
        fit(rest, prior, fitted) if (rest := [p for i, p in enumerate(points) if i % folds != fold]) else prior
        for fold in range(folds)
    ]
    return [refits[index % folds] for index in range(len(points))]


def blended(prior: ResidualBand, ratios: Sequence[float]) -> ResidualBand:
    """A band from the machine's own residuals and the prior's.

    ratios: measured / predicted of the points, each left out of the fit [-]. In logarithms, each edge is
    (n x own percentile + 5 x prior's) / (n + 5), and never on the other side of 1.
    """
    own = [ratio for ratio in ratios if 0.0 < ratio < math.inf]
    if not own:
        return prior
    share = len(own) / (len(own) + PRIOR_POINTS)
    low, high = np.percentile(np.log(own), [10.0, 90.0])
    return ResidualBand(
        low_ratio=math.exp(min(0.0, share * min(0.0, float(low)) + (1.0 - share) * math.log(prior.low_ratio))),
        high_ratio=math.exp(max(0.0, share * max(0.0, float(high)) + (1.0 - share) * math.log(prior.high_ratio))),
        rows=len(own),
    )


def _most_seqs(prior: Calibration, points: Sequence[Point]) -> int | None:
    """How many sequences ran at once at most, where the prior has seen few: then and now."""
    if prior.most_seqs is None:
        return None
    closed = [point for point in points if point.load.kind in ("concurrency", "burst")]
    return max([prior.most_seqs, *(round(min(p.load.value, p.replica.settings.max_num_seqs)) for p in closed)])


def _errors(points: Sequence[Point], prior: Calibration, names: Sequence[str]) -> Callable[[Vector], Vector]:
    def errors(logs: Vector) -> Vector:
        tried = _with(prior, names, logs)
        return np.array(
            [
                _log_ratio(value, point.measured[name]) / NOISE[name]
                for point in points
                for name, value in predict(point, tried).items()
            ]
        )

    return errors


def _log_ratio(predicted: float, measured: float) -> float:
    return max(-CUT, min(CUT, math.log(predicted / measured)))


def _with(prior: Calibration, names: Sequence[str], logs: Vector) -> Calibration:
    changed = dict(zip(names, np.exp(logs).tolist(), strict=True))
    return replace(prior, coefficients={**prior.coefficients, **changed})


def _logs(calibration: Calibration, names: Sequence[str]) -> Vector:
    return np.log([calibration.coefficients[name] for name in names])


def _results(
    points: Sequence[Point], prior: Calibration, fitted: Calibration, left_out: Sequence[Calibration]
) -> Iterable[PointFit]:
    for point, without in zip(points, left_out, strict=True):
        before, after, unseen = (predict(point, each) for each in (prior, fitted, without))
        for name, value in point.measured.items():
            yield PointFit(
                origin=point.origin, load=point.load, quantity=name, measured=value, before=before[name],
                after=after[name], left_out=unseen[name],
            )  # fmt: skip


def _ratios(results: Iterable[PointFit], quantity: str) -> list[float]:
    return [each.measured / each.left_out for each in results if each.quantity == quantity]


def _moves(prior: Calibration, fitted: Calibration) -> Iterable[CoefficientMove]:
    for name, value in fitted.coefficients.items():
        before = prior.coefficients[name]
        if value != before and abs(math.log(value / before)) > MOVED:
            yield CoefficientMove(name=name, before=before, after=value)


def _far(results: Iterable[PointFit]) -> tuple[PointFit, ...]:
    def distance(each: PointFit) -> float:
        return abs(_log_ratio(each.after, each.measured)) / NOISE[each.quantity]

    return tuple(sorted((each for each in results if distance(each) > FAR), key=distance, reverse=True))
