"""A run of a benchmark through the event simulator, beside what the steady state says of the same load."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from traffic_accuracy.runs import Run

from llmplan.perf import select_calibration
from llmplan.perf.estimate import Prepared, estimate_prepared, prepare
from llmplan.perf.step_times import modelled_times
from llmplan.plan.deployment import Replica
from llmplan.simulate.engine import Job, ReplicaRun, RequestLog, rules_of
from llmplan.spec.calibration import Calibration
from llmplan.spec.requests import Floats, Integers, Requests

SEEDS = {"rate": 4, "dataset": 4, "range": 1, "fixed": 1}
"""runs averaged, where something is drawn"""
LENGTHS = "traces/sharegpt_first_turn_lengths_30k.csv"
LONGEST_TOKENS = 1 << 40
"""a case's replica is made for requests of the mean length"""
RANGE_OF_MEAN = (8 / 9, 10 / 9)
CAPPINGS = 30
FILTER = (4, 1024, 2048)
"""vLLM's benchmark keeps prompts and answers of at least 4 tokens, prompts up to 1024, both together up to 2048"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A run beside both predictions [s, tokens/s]; infinite where the steady state has none. `load` is that on the
    replica over what it completes when full [-]."""

    run: Run
    simulated: Mapping[str, float]
    steady: Mapping[str, float]
    load: float
    is_queued: bool

    def error(self, which: str, name: str) -> float:
        """|predicted / measured - 1| of one quantity by `simulated` or `steady`."""
        return abs(self.signed(which, name))

    def signed(self, which: str, name: str) -> float:
        """predicted / measured - 1."""
        predicted: Mapping[str, float] = getattr(self, which)
        return predicted[name] / self.run.measured[name] - 1.0


def replay(run: Run, calibrations: Sequence[Calibration], folder: Path) -> Replayed:
    """Both predictions of a run, with the calibration as shipped."""
    case = run.case
    calibration = select_calibration(calibrations, case.replica.engine, case.replica.gpu)
    prepared = prepare(case.replica, case.memory, case.load, calibration, case.work)
    found = estimate_prepared(prepared, case.load)
    steady = {"ttft": found.ttft_s.mid, "tpot": found.tpot_s.mid, "throughput": found.output_tokens_per_s.mid}
    replica = _as_served(case.replica)
    times = modelled_times(replica, case.memory, calibration)
    rules = replace(rules_of(replica, case.memory), longest_tokens=LONGEST_TOKENS)
    seeds = max(SEEDS.get(run.arrivals, 1), SEEDS[run.spread])
    simulated = [
        _simulate(run, ReplicaRun(times, rules, RequestLog()), np.random.default_rng(seed), folder)
        for seed in range(seeds)
    ]
    mean = {name: float(np.mean([each[name] for each in simulated])) for name in simulated[0]}
    return Replayed(
        run=run, simulated=mean, steady=steady, load=_load(run, prepared), is_queued=_is_queued(run, prepared)
    )  # fmt: skip


def _load(run: Run, prepared: Prepared) -> float:
    match run.arrivals:
        case "rate":
            return run.amount / prepared.full.requests_per_s
        case "clients":
            return min(1.0, run.amount / prepared.engine.slots)
        case _:
            return 1.0


def _is_queued(run: Run, prepared: Prepared) -> bool:
    """Whether all that came at once could not be computed in one step."""
    prompts = run.requests * prepared.engine.shape.prompt
    return run.arrivals == "all at once" and prompts > prepared.engine.model.groups * prepared.engine.model.chunk_tokens


def _as_served(replica: Replica) -> Replica:
    """With the context that the engine had by default, that of the model, where its steps depend on that; a case's
    replica is made for requests of the mean length."""
    settings, engine, gpu = replica.settings, replica.engine, replica.gpu
    default = engine.scheduler_default(gpu.memory_bytes, gpu.architecture, replica.parallel.tp)
    if settings.max_num_batched_tokens != default.step_tokens(settings.max_model_len):
        return replica
    context = replica.model.default_context_tokens or replica.model.max_context_tokens
    return replace(replica, settings=replace(
        settings, max_model_len=context, max_num_batched_tokens=default.step_tokens(context)
    ))  # fmt: skip


def _simulate(run: Run, engine: ReplicaRun, rng: np.random.Generator, folder: Path) -> dict[str, float]:
    count, log = run.requests, engine.log
    prompts, outputs = _lengths(run, rng, folder)
    arrivals = _poisson(run.amount, count, rng) if run.arrivals == "rate" else np.zeros(count)
    if run.arrivals == "clients":
        _closed_loop(engine, int(run.amount), prompts, outputs)
    else:
        log.extend(Requests(arrival_s=arrivals, input_tokens=prompts, output_tokens=outputs))
        for index, (at_s, prompt, output) in enumerate(
            zip(arrivals.tolist(), prompts.tolist(), outputs.tolist(), strict=True)
        ):
            engine.submit(Job(index, at_s, prompt, output))
    engine.advance(math.inf)
    return _measure(run, log, log.column("output_tokens"))


def _poisson(rate: float, count: int, rng: np.random.Generator) -> Floats:
    """Arrivals in a window of as many seconds as they take on average."""
    gaps = rng.exponential(1.0, count)
    return np.cumsum(gaps) / (rate * gaps.mean())


def _closed_loop(engine: ReplicaRun, clients: int, prompts: Integers, outputs: Integers) -> None:
    """Every client sends its first request at once, and the next of all when it is answered."""
    left = iter(zip(prompts.tolist(), outputs.tolist(), strict=True))

    def following(now_s: float) -> Job | None:
        lengths = next(left, None)
        return None if lengths is None else Job(engine.log.add(now_s, *lengths), now_s, *lengths)

    for _ in range(clients):
        job = following(0.0)
        if job is not None:
            engine.submit(job)
    engine.next_job = following


def _measure(run: Run, log: RequestLog, outputs: Integers | Floats) -> dict[str, float]:
    """What the benchmark would print."""
    first, done = log.column("first_s"), log.column("done_s")
    ok = done >= 0.0
    ttft = (first - log.column("arrival_s"))[ok]
    long = ok & (outputs > 1)
    steps, decode = outputs[long] - 1, (done - first)[long]
    statistic = run.statistic
    return {
        "ttft": _of(ttft, statistic.get("ttft")),
        "tpot": _tpot_s(decode, steps, statistic.get("tpot")),
        "throughput": float(outputs[ok].sum() / done.max()),
    }


def _tpot_s(decode_s: Floats, steps: Integers | Floats, statistic: str | None) -> float:
    """TPOT over requests, or over all tokens where a row states ITL."""
    if not len(steps):
        return math.nan
    return float(decode_s.sum() / steps.sum()) if statistic == "token" else _of(decode_s / steps, statistic)


def _of(values: Floats, statistic: str | None) -> float:
    return float(np.median(values) if statistic == "p50" else np.mean(values))


def _lengths(run: Run, rng: np.random.Generator, folder: Path) -> tuple[Integers, Integers]:
    """Prompts and answers: the row's means, and where a row names a data set the spread of that."""
    prompt, output = run.case.load.input_tokens.mean, run.case.load.output_tokens.mean
    if run.spread == "fixed":
        return _whole(np.full(run.requests, prompt), rng), _whole(np.full(run.requests, output), rng)
    if run.spread == "range":
        low, high = RANGE_OF_MEAN
        factors = rng.uniform(low, high, (2, run.requests))
        return _whole(prompt * factors[0], rng), _whole(output * factors[1], rng)
    pairs = _pairs(folder)
    drawn = pairs[rng.integers(0, len(pairs), run.requests)]
    prompts = drawn[:, 0] * prompt / drawn[:, 0].mean()
    return _whole(prompts, rng), _whole(_capped(drawn[:, 1], output, run.cap), rng)


def _capped(values: Floats, mean: float, cap: float | None) -> Floats:
    """Values in proportion, none above `cap`, with a given mean."""
    found = values * mean / values.mean()
    for _ in range(CAPPINGS if cap is not None else 0):
        found = np.minimum(found * mean / found.mean(), cap)
    return found


def _whole(values: Floats, rng: np.random.Generator) -> Integers:
    return np.maximum(1, np.floor(values + 0.5)).astype(np.int64)


@lru_cache(maxsize=1)
def _pairs(folder: Path) -> Floats:
    pairs = np.genfromtxt(folder / LENGTHS, delimiter=",", skip_header=1)
    least, prompt, both = FILTER
    kept = (pairs.min(axis=1) >= least) & (pairs[:, 0] <= prompt) & (pairs.sum(axis=1) <= both)
    found: Floats = pairs[kept]
    return found
