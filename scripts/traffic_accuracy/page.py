"""The section "Traffic over time" of docs/accuracy.md."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from traffic_accuracy.replay import Replayed, replay
from traffic_accuracy.runs import JUDGED, read_runs

from llmplan.spec.calibration import Calibration
from llmplan.units import format_seconds

WORST = 8
NEAR_SATURATION = 0.7
MIN_ROWS = 5
NAMES = {"tpot": "TPOT", "ttft": "TTFT", "throughput": "tokens/s"}
HOW = (
    "Each row as its benchmark ran it, request by request through the event simulator (`llmplan.simulate.engine`): as "
    "many requests as the row states, all at once, from clients that each send the next one when they are answered, "
    "or as Poisson arrivals (mean of four seeds). Lengths are the row's: fixed, spread evenly where the benchmark says "
    "so, otherwise drawn from ShareGPT's first turns in proportion to the row's means. Means or medians over all "
    "requests of the run, as the row states; *steady state* is what `predict` says of the same rows. Both use the "
    "shipped calibrations, which were fitted with the steady state; no coefficient was fitted with the simulator.",
    "`trt-0.14-online` states means only. Its answers of 16 and 256 tokens are taken as cut off there and its prompts "
    "as equally long; its pair 202 / 214 as ShareGPT, because those runs end long after an answer of the mean length "
    "would. This was settled after other readings had been tried: with every length of that source fixed the TPOT "
    "median is slightly above the steady state's, with its longer prompts spread as well the TTFT median is.",
    "On other sources the simulator is often worse. Where clients send equally long requests in a closed loop it keeps "
    "them together for longer than they were. Where SGLang serves many clients, the fitted time of a step with prompts "
    "suits steps that carry many of them, as the steady state assumes, and few do here. Where rows state a median, the "
    "steady state's mean was fitted to it, and the simulated median is lower.",
    "Cells are median / mean of |predicted / measured - 1| in percent. Rows whose rate outruns the replica have no "
    "steady TTFT and are left out of both columns, but not of *near saturation*: 70 % or more of the predicted "
    "capacity, or more prompts at once than one step holds.",
)


def replays(folder: Path, calibrations: Sequence[Calibration], sources: Sequence[str] = ()) -> list[Replayed]:
    """Every run of these sources, or of all, by both predictors."""
    runs = [run for run in read_runs(folder) if not sources or run.source in sources]
    return [replay(run, calibrations, folder) for run in runs]


def section(found: Sequence[Replayed]) -> list[str]:
    """The whole section."""
    judged = [each for each in found if each.run.source in JUDGED]
    others = [each for each in found if each.run.source not in JUDGED]
    lines = ["## Traffic over time", "", "\n\n".join(HOW), "", *table(judged, lambda each: each.run.page)]
    lines += table(judged, lambda each: each.run.source)[2:]
    lines += ["", "The other runs of the table, as a check that nothing was made for these two:", ""]
    lines += [*table(others, lambda each: each.run.source), "", "The rows of the first table furthest off:", ""]
    return [*lines, *worst(judged), ""]


def table(found: Iterable[Replayed], label: Callable[[Replayed], str]) -> list[str]:
    """Errors of both predictors, a line for each group."""
    groups: dict[str, list[Replayed]] = defaultdict(list)
    for each in found:
        groups[label(each)].append(each)
    names = [f"{name}, {who}" for name in NAMES.values() for who in ("simulated", "steady state")]
    heads = ["runs", "rows", *names, "near saturation", "TTFT there"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for group in sorted(groups):
        own = groups[group]
        cells = [_cell(errors(own, which, name)) for name in NAMES for which in ("simulated", "steady")]
        near = [each for each in own if is_near_saturation(each)]
        cells += [f"{len(near)}", _cell([each.error("simulated", "ttft") for each in near])]
        lines.append(f"| {group} | {len(own)} | " + " | ".join(cells) + " |")
    return lines


def errors(found: Iterable[Replayed], which: str, name: str) -> list[float]:
    """Errors of one quantity by one predictor, over the rows of which both have one."""
    return [
        each.error(which, name) for each in found if name in each.run.measured and np.isfinite(each.steady[name])
    ]  # fmt: skip


def is_near_saturation(each: Replayed) -> bool:
    """Whether a first token waits for more than its own prompt."""
    if "ttft" not in each.run.measured:
        return False
    return each.is_queued or (each.run.arrivals != "all at once" and each.load >= NEAR_SATURATION)


def worst(found: Iterable[Replayed]) -> list[str]:
    """The rows furthest off, either way."""
    scored = [(each, name) for each in found for name in ("tpot", "ttft") if name in each.run.measured]
    scored.sort(key=lambda one: -abs(np.log(one[0].simulated[one[1]] / one[0].run.measured[one[1]])))
    lines = ["| row | what | run | | measured | simulated | steady state |", "|---|---|---|---|---|---|---|"]
    for each, name in scored[:WORST]:
        run, replica = each.run, each.run.case.replica
        amount = f" {run.amount:g}" if run.arrivals != "all at once" else ""
        times = (run.measured[name], each.simulated[name], each.steady[name])
        shown = " | ".join(format_seconds(value) if np.isfinite(value) else "none" for value in times)
        what = f"{run.case.model_key} {replica.weights.id}, {replica.gpu.id}, {replica.engine.id}"
        load = f"{run.requests} requests, {run.arrivals}{amount}"
        lines.append(f"| {run.case.row_id} | {what} | {load} | {NAMES[name]} | {shown} |")
    return lines


def _cell(found: Sequence[float]) -> str:
    if not found:
        return "–"
    few = f" ({len(found)})" if len(found) < MIN_ROWS else ""
    return f"{np.median(found) * 100:.1f} / {np.mean(found) * 100:.0f}{few}"
