"""Fit the speed model's coefficients to published measurements and write profiles/calibration/.

Three levels, each pulled towards the one above: everything; one engine; one engine on one GPU generation. The fit
minimizes robust log ratios over at most 10 rows of every (source, GPU, model, engine, format) group. Each of a group's
n residuals is multiplied by n^-0.25 and the loss squares it, so that a group weighs sqrt(n): 1 for one row, 3.2 for 10.
Bands are the 10th and 90th percentile of measured / predicted over rows whose whole GPU, and then whole model, was left
out. Nothing is fitted per row, model or source.

How far a level may leave its parent, the noise and the weights below were chosen by the errors of left-out rows, which
makes these a little too good.

Run with `make calibrate`; needs the folder named by LLMPLAN_DATA. `--no-cross-validation` prints the errors in sample
and writes nothing: bands need rows that were left out.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from fitted_calibrations import STATED, Key, Residual, summary, write
from measured_rows import REPO, Case, data_folder, read_cases

from llmplan.perf.calibration import ANY, Coefficients, generation_of
from llmplan.perf.coefficient_bounds import BOUNDS
from llmplan.perf.estimate import shape_of
from llmplan.perf.fitting import Box, Vector, minimize
from llmplan.perf.machine import said
from llmplan.perf.steady_state import Engine
from llmplan.perf.step import StepModel

OUT = REPO / "profiles" / "calibration"
START: dict[str, float] = {
    "memory_efficiency": 0.85,
    "weight_only_memory_efficiency": 0.8,
    "kv_memory_efficiency": 0.7,
    "expert_memory_efficiency": 0.7,
    "matrix_16bit_efficiency": 0.7,
    "matrix_8bit_efficiency": 0.6,
    "matrix_4bit_efficiency": 0.5,
    "expert_matrix_efficiency": 0.5,
    "attention_efficiency": 0.4,
    "expert_half_width_columns": 300.0,
    "expert_tile_rows": 32.0,
    "activation_passes": 12.0,
    "dequantization_factor": 1.1,
    "expert_dequantization_factor": 1.1,
    "roofline_exponent": 2.0,
    "step_s": 1e-3,
    "launch_s": 4e-6,
    "routing_exponent": 0.9,
    "expert_layer_s": 1e-5,
    "prefill_expert_layer_s": 5e-5,
    "prefill_launch_s": 3e-5,
    "lockstep_share": 0.1,
    "bunching_share": 0.5,
    "legacy_host_factor": 2.0,
    "sequence_s": 1e-5,
    "request_s": 1e-2,
    "allreduce_fast_latency_s": 4e-6,
    "allreduce_fast_efficiency": 0.6,
    "allreduce_pcie_latency_s": 1.2e-5,
    "allreduce_pcie_efficiency": 0.3,
}
"""where the first fit begins, and what it is drawn to"""
ROWS_PER_GROUP = 10
PRIOR_WIDTH = {"engine": 0.25, "generation": 0.1}
OWN_WIDTH = {
    "request_s": 1.0,
    "prefill_launch_s": 0.5,
    "prefill_expert_layer_s": 0.5,
    "expert_layer_s": 1.0,
    "launch_s": 0.25,
}
"""what an engine's parent knows little of: its host's code"""
WEIGHT_OF = {"tpot": 1.0, "throughput": 1.15, "ttft": 0.75}
KNEE = 0.07
"""log ratio beyond which an outlier no longer pulls with its square"""
CUT = 3.0
"""log ratio beyond which a row no longer pulls at all"""
NOISE = 0.2
"""log ratio that repeated measurements of one configuration spread by; weighs data against the pull of the parent"""
MIN_ROWS = {"engine": 1, "generation": 12}
NAMES = tuple(START)


def predict(case: Case, values: dict[str, float]) -> dict[str, float]:
    """What the model says of every quantity that the row measured."""
    values = values if case.client else values | {"sequence_s": 0.0}  # llama-bench runs the model and samples nothing
    model = StepModel(case.replica, Coefficients(**values), float(case.memory.capacity_tokens), work=case.work)
    shape = shape_of(case.load)
    engine = Engine(
        model,
        shape,
        max_num_seqs=case.replica.settings.max_num_seqs,
        kv_slots=case.memory.room.requests(shape.resident_tokens),
    )
    found = said(engine, case.load, client=case.client)
    return {name: found[name] for name in case.measured}


def sample(cases: Iterable[Case], per_group: int = ROWS_PER_GROUP) -> list[tuple[Case, float]]:
    """At most `per_group` rows of every group, evenly over its loads, each with the factor on its residuals."""
    groups: dict[tuple[str, ...], list[Case]] = defaultdict(list)
    for case in cases:
        replica = case.replica
        key = (case.source, case.gpu_key, case.model_key, replica.engine.calibration_id, replica.weights.id)
        groups[key].append(case)
    chosen: list[tuple[Case, float]] = []
    for group in groups.values():
        ordered = sorted(group, key=lambda c: (c.load.value, c.load.input_tokens.mean, c.row_id))
        step = max(1.0, len(ordered) / per_group)
        picked = [ordered[int(i * step)] for i in range(min(per_group, len(ordered)))]
        chosen += [(case, len(picked) ** -0.25) for case in picked]
    return chosen


def fit(
    cases: Sequence[Case],
    parent: dict[str, float],
    width: float | None,
    rounds: int,
    begin: dict[str, float] | None = None,
) -> dict[str, float]:
    """Coefficients for these rows: from `begin` (or `parent`), pulled towards `parent` by a `width` in log units."""
    picked = sample(cases)
    low, high = (np.log([BOUNDS[name][edge] for name in NAMES]) for edge in (0, 1))
    box = Box(
        low=low,
        high=high,
        centre=np.clip(np.log([parent[name] for name in NAMES]), low, high),
        width=np.array([max(width or 2.0, OWN_WIDTH.get(name, 0.0)) / NOISE for name in NAMES]),
    )

    def errors(vector: Vector) -> Vector:
        values = parent | dict(zip(NAMES, np.exp(vector).tolist(), strict=True))
        return np.array(
            [
                weight * WEIGHT_OF[name] * _log_ratio(case.measured[name], value)
                for case, weight in picked
                for name, value in predict(case, values).items()
            ]
        )

    start = np.log([(begin or parent)[name] for name in NAMES])
    best = minimize(errors, start, box, rounds=rounds, knee=KNEE)
    return parent | dict(zip(NAMES, np.exp(best).tolist(), strict=True))


def _log_ratio(measured: float, predicted: float) -> float:
    return 0.0 if math.isinf(predicted) else max(-CUT, min(CUT, math.log(predicted / measured)))


def fit_all(
    cases: Sequence[Case],
    rounds: int,
    warm: dict[Key, dict[str, float]] | None = None,
    needed: Container[Key] | None = None,
) -> dict[Key, dict[str, float]]:
    """All three levels: (any, any), (engine, any) and (engine, generation); of the lower two only what is `needed`."""
    first = START | {name: v for name, (v, _) in STATED.items()}
    warm = warm or {}
    fitted = {(ANY, ANY): fit(cases, first, None, rounds, warm.get((ANY, ANY)))}
    by_key: dict[Key, list[Case]] = defaultdict(list)
    for case in cases:
        engine = case.replica.engine.calibration_id
        by_key[engine, ANY].append(case)
        by_key[engine, generation_of(case.replica.gpu)].append(case)
    for key, own in sorted(by_key.items(), key=lambda item: (item[0][1] != ANY, item[0])):
        engine, generation = key
        level = "engine" if generation == ANY else "generation"
        if (needed is None or key in needed) and len(own) >= MIN_ROWS[level]:
            parent = fitted[ANY, ANY] if generation == ANY else fitted[engine, ANY]
            fitted[key] = fit(own, parent, PRIOR_WIDTH[level], rounds, warm.get(key))
    return fitted


def choose(fitted: dict[Key, dict[str, float]], case: Case) -> dict[str, float]:
    """The coefficients that would be selected for a row."""
    engine, generation = case.replica.engine.calibration_id, generation_of(case.replica.gpu)
    keys: tuple[Key, ...] = ((engine, generation), (engine, ANY), (ANY, ANY))
    return next(fitted[key] for key in keys if key in fitted)


def left_out(
    task: tuple[Sequence[Case], Callable[[Case], str], str, dict[Key, dict[str, float]], int],
) -> list[Residual]:
    """Measured / predicted of the rows whose group is held out, by coefficients that never saw them."""
    cases, group_of, held, warm, rounds = task
    rest = [case for case in cases if group_of(case) != held]
    engines = {
        (case.replica.engine.calibration_id, generation_of(case.replica.gpu))
        for case in cases
        if group_of(case) == held
    }
    fitted = fit_all(rest, rounds, warm, engines | {(engine, ANY) for engine, _ in engines})
    found: list[Residual] = []
    for case in cases:
        if group_of(case) == held:
            predicted = predict(case, choose(fitted, case))
            found += [(case, name, case.measured[name] / v) for name, v in predicted.items() if not math.isinf(v)]
    return found


def in_sample(cases: Sequence[Case], fitted: dict[Key, dict[str, float]]) -> list[Residual]:
    """Measured / predicted of every row by coefficients that have seen it."""
    return [
        (case, name, case.measured[name] / value)
        for case in cases
        for name, value in predict(case, choose(fitted, case)).items()
        if not math.isinf(value)
    ]


def gpu_of(case: Case) -> str:
    """Left out together: one kind of GPU."""
    return case.replica.gpu.id


def model_of(case: Case) -> str:
    """Left out together: one model."""
    return case.model_key


def cross_validate(cases: Sequence[Case], fitted: dict[Key, dict[str, float]], workers: int) -> list[Residual]:
    """Every row once with its GPU left out and once with its model left out."""
    tasks = [
        (cases, group_of, held, fitted, 3)
        for group_of in (gpu_of, model_of)
        for held in sorted({group_of(case) for case in cases})
    ]
    with ProcessPoolExecutor(workers) as pool:
        return [residual for found in pool.map(left_out, tasks) for residual in found]


def main(arguments: Sequence[str]) -> int:
    """Fit, cross-validate, write, and print the errors."""
    folder = data_folder()
    if folder is None:
        print("no throughput.csv: set LLMPLAN_DATA to the folder that has it", file=sys.stderr)
        return 1
    cases = read_cases(folder)
    fitted = fit_all(cases, 12)
    own = in_sample(cases, fitted)
    print("in sample: median/mean/p90 of the absolute error in % (rows)\n" + summary(own), flush=True)
    if "--no-cross-validation" in arguments:
        print("not cross-validated: nothing was written")
        return 0
    residuals = cross_validate(cases, fitted, 2)
    print("left out: median/mean/p90 of the absolute error in % (rows)\n" + summary(residuals))
    write(fitted, residuals, cases, OUT)
    print(f"wrote {len(fitted)} calibrations to {OUT.relative_to(REPO)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
