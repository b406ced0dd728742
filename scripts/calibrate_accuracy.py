"""How much ten measurements of a machine are worth: the error on its other measurements before and after.

A machine is one (source, GPU, model, engine, version, format, parallelism) of the table; those with 16 usable rows or
more are scored. At most ten rows, spread over the loads by their order alone, calibrate it with the shipped
calibration as prior, exactly as `llmplan calibrate` does; the rows that were held back are predicted before and after.
`--several-models` takes all models of a (source, GPU, engine) together instead.

Needs the folder named by LLMPLAN_DATA.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from datetime import date

import numpy as np
from measured_rows import QUANTITIES, Case, data_folder, read_cases

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.calibrations import load_calibrations
from llmplan.perf.calibration import generation_of, select_calibration
from llmplan.perf.machine import Machine, Point, fit_machine, predict
from llmplan.plan.machine_fit import MachineFit
from llmplan.spec.calibration import Calibration
from llmplan.spec.provenance import Source

LEAST_ROWS = 16
TAKEN = 10
NEAR_NOISE = 0.05
"""a median error before calibration that leaves little to halve"""
SOURCE = Source(id="calibrate", title="ten rows of the table")
Ratios = dict[str, list[float]]
"""quantity: predicted / measured, infinite where a queue was predicted to grow without end"""
Scored = tuple[str, Ratios, Ratios, Calibration, Calibration]
"""a machine, its held-back rows before and after, and the calibrations that predicted them"""
TITLES = {"tpot": "TPOT", "ttft": "TTFT", "throughput": "output tokens/s"}


def machine_of(case: Case, *, several_models: bool) -> tuple[Hashable, ...]:
    """What counts as one machine."""
    engine, parallel, host = case.replica.engine, case.replica.parallel, case.replica.host
    if several_models:
        return (case.source, case.gpu_key, engine.calibration_id)
    layout = (parallel.tp, parallel.pp, parallel.dp, parallel.ep, host.fast_link_gpus)
    return (case.source, case.gpu_key, case.model_key, engine.id, engine.version, case.replica.weights.id, *layout)


def split(cases: Sequence[Case]) -> tuple[list[Case], list[Case]]:
    """At most ten rows evenly over the sorted loads, and the others."""
    ordered = sorted(
        cases, key=lambda c: (c.load.kind, c.load.value, c.load.input_tokens.mean, c.load.output_tokens.mean, c.row_id)
    )
    taken = {int((index + 0.5) * len(ordered) / TAKEN) for index in range(TAKEN)}
    return [c for i, c in enumerate(ordered) if i in taken], [c for i, c in enumerate(ordered) if i not in taken]


def calibrate(cases: Sequence[Case], prior: Calibration) -> MachineFit:
    """What the command would do with these rows."""
    replica = cases[0].replica
    models = {case.replica.model.id for case in cases}
    machine = Machine(
        engine=replica.engine.calibration_id,
        generation=generation_of(replica.gpu),
        gpu=replica.gpu.id,
        model=models.pop() if len(models) == 1 else None,
    )
    day = date(2026, 1, 1)
    return fit_machine([point_of(case) for case in cases], prior, machine, source=SOURCE, day=day, validity="")


def point_of(case: Case) -> Point:
    """A row as the command sees it."""
    return Point.of(
        case.row_id, case.replica, case.memory, case.load, case.measured, client=case.client, samples=case.client
    )


def ratios(cases: Iterable[Case], calibration: Calibration) -> Ratios:
    """Predicted / measured of some rows."""
    found: Ratios = defaultdict(list)
    for case in cases:
        point = point_of(case)
        for name, value in predict(point, calibration).items():
            found[name].append(value / point.measured[name])
    return found


def errors(found: Sequence[float]) -> list[float]:
    """Absolute errors of the predictions."""
    return [abs(ratio - 1.0) for ratio in found]


def median(found: Sequence[float]) -> float:
    """The median absolute error in percent."""
    return float(np.median(errors(found))) * 100.0 if found else math.nan


def covered(found: Sequence[float], calibration: Calibration, quantity: str) -> list[bool]:
    """Whether each measurement lies in the band of its prediction."""
    band = calibration.bands[quantity]
    return [band.low_ratio * ratio <= 1.0 <= band.high_ratio * ratio for ratio in found]


def report(groups: Iterable[Scored]) -> list[str]:
    """One line a machine, then the totals."""
    lines = [f"{'median error in % on held-back rows':60}" + "".join(f"{name:>22}" for name in QUANTITIES)]
    pooled: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    inside: dict[tuple[str, str], list[bool]] = defaultdict(list)
    machines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for label, before, after, prior, found in groups:
        cells = ""
        for name in QUANTITIES:
            first, then = median(before[name]), median(after[name])
            cells += f"{f'{first:.1f} -> {then:.1f} ({len(before[name])})' if before[name] else '-':>22}"
            if before[name]:
                machines[name].append((first, then))
                pairs = list(zip(errors(before[name]), errors(after[name]), strict=True))
                pooled["all", name] += pairs
                pooled["near noise" if first <= NEAR_NOISE * 100.0 else "others", name] += pairs
                inside["before", name] += covered(before[name], prior, name)
                inside["after", name] += covered(after[name], found, name)
        lines.append(f"{label[:60]:60}{cells}")
    return [*lines, "", *_totals(pooled, machines, inside)]


def _totals(
    pooled: dict[tuple[str, str], list[tuple[float, float]]],
    machines: dict[str, list[tuple[float, float]]],
    inside: dict[tuple[str, str], list[bool]],
) -> Iterable[str]:
    for kind in ("all", "near noise", "others"):
        cells = [pooled[kind, name] for name in QUANTITIES]
        for name, pairs in zip(("all quantities", *QUANTITIES), ([p for c in cells for p in c], *cells), strict=True):
            if pairs:
                first, then = (float(np.median([pair[i] for pair in pairs])) * 100.0 for i in (0, 1))
                p90 = [float(np.percentile([pair[i] for pair in pairs], 90.0)) * 100.0 for i in (0, 1)]
                yield (
                    f"{kind:12}{name:16} median {first:5.1f} -> {then:5.1f} % (x {then / first:.2f}), "
                    f"p90 {p90[0]:5.0f} -> {p90[1]:5.0f} %, {len(pairs)} rows"
                )
    for name in QUANTITIES:
        halved = sum(math.isfinite(then) and then <= first / 2.0 for first, then in machines[name])
        better = sum(then < first for first, then in machines[name])
        coverage = [
            f"{100.0 * np.mean(inside[stage, name]):.0f}" for stage in ("before", "after") if inside[stage, name]
        ]
        yield (
            f"{name:12} halved in {halved} and better in {better} of {len(machines[name])} machines; "
            f"80 % bands hold {' -> '.join(coverage)} %"
        )


def scored(cases: Iterable[Case], shipped: Sequence[Calibration], *, several_models: bool = False) -> list[Scored]:
    """Every machine with enough rows: calibrated with ten of them, and the others predicted before and after."""
    grouped: dict[tuple[Hashable, ...], list[Case]] = defaultdict(list)
    for case in cases:
        grouped[machine_of(case, several_models=several_models)].append(case)
    found: list[Scored] = []
    for key, own in grouped.items():
        if len(own) < LEAST_ROWS:
            continue
        taken, rest = split(own)
        prior = select_calibration(shipped, own[0].replica.engine, own[0].replica.gpu)
        prior = prior.for_model(is_moe=own[0].replica.model.is_moe)
        calibration = calibrate(taken, prior).calibration
        label = " ".join(str(part) for part in key if part not in (False, 1, ""))
        found.append((label, ratios(rest, prior), ratios(rest, calibration), prior, calibration))
    return found


def markdown_lines(cases: Iterable[Case], shipped: Sequence[Calibration]) -> Iterator[str]:
    """The section of docs/accuracy.md."""
    machines = scored(cases, shipped)
    yield "## Machines calibrated with ten rows of their own"
    yield ""
    yield (
        f"{len(machines)} machines with {LEAST_ROWS} rows or more: ten of them calibrate as `llmplan calibrate` does, "
        "the others are predicted before and after. *Before* are the shipped calibrations, which have seen them all."
    )
    yield ""
    yield "| held-back rows | rows | median before | after | better on machines | in the 80 % band before | after |"
    yield "|---|---|---|---|---|---|---|"
    for name in QUANTITIES:
        own = [each for each in machines if each[1][name]]
        first, then = ([ratio for each in own for ratio in each[stage][name]] for stage in (1, 2))
        better = sum(median(each[2][name]) < median(each[1][name]) for each in own)
        inside = [
            [hit for each in own for hit in covered(each[stage][name], each[stage + 2], name)]  # type: ignore[arg-type]
            for stage in (1, 2)
        ]
        if first:
            bands = " | ".join(f"{np.mean(hits):.0%}" for hits in inside)
            medians = f"{median(first):.1f} % | {median(then):.1f} %"
            yield f"| {TITLES[name]} | {len(first)} | {medians} | {better} of {len(own)} | {bands} |"


def main(arguments: Sequence[str]) -> int:
    """Split, calibrate, score, print."""
    folder = data_folder()
    if folder is None:
        print("no throughput.csv: set LLMPLAN_DATA to the folder that has it", file=sys.stderr)
        return 1
    shipped = load_calibrations((packaged_profiles(),))
    found = scored(read_cases(folder), shipped, several_models="--several-models" in arguments)
    print("\n".join(report(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
