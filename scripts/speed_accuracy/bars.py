"""What was asked of the predictions, what is reached, and whether that is enough."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from measured_rows import Case
from speed_accuracy.groups import decile_of
from speed_accuracy.rows import Measurements
from speed_accuracy.score import NAMES, Errors, Score, errors_of
from speed_accuracy.tables import Views, percent

COVERAGE = (0.75, 0.85)
ANSWERED = 0.95
BIAS = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """The largest median and mean absolute error of some scores, and the ones to strive for; None: not asked."""

    name: str
    quantity: str
    median: float
    best_median: float
    mean: float | None = None
    best_mean: float | None = None
    belongs: Callable[[Score], bool] = lambda score: True


def is_below_saturation(score: Score) -> bool:
    """Loads that a service runs at: clients or arrivals that the replica keeps up with, or one request alone."""
    load = score.case.load
    return not score.estimate.saturated and (load.kind in ("concurrency", "rate") or load.value <= 1)


def is_full(score: Score) -> bool:
    """As many requests as are admitted, or all of them at once."""
    return score.case.load.kind == "saturation" or (score.case.load.kind == "burst" and score.case.load.value > 1)


BARS = (
    Bar(name="TPOT", quantity="tpot", median=0.12, best_median=0.07, mean=0.18, best_mean=0.12),
    Bar(
        name="TPOT, mixture of experts", quantity="tpot", median=0.20, best_median=0.12,
        belongs=lambda score: score.case.family == "moe",
    ),
    Bar(name="throughput at saturation", quantity="throughput", median=0.12, best_median=0.07, belongs=is_full),
    Bar(
        name="TTFT below saturation", quantity="ttft", median=0.25, best_median=0.17, mean=0.35,
        belongs=is_below_saturation,
    ),
)  # fmt: skip


def table(views: Views, found: Measurements) -> list[str]:
    """A line for each bar, with what each view reaches; the first view is the one that is judged."""
    lines = [
        "| asked | bar | stretch | " + " | ".join(views) + " | met |",
        "|---|---|---|" + "---|" * len(views) + "---|",
    ]
    for bar in BARS:
        reached = [errors_of(_own(scores, bar)) for scores in views.values()]
        lines.append(_line(bar.name, _asked(bar), _best(bar), [_figures(bar, each) for each in reached], [
            each is not None and each.median <= bar.median and (bar.mean is None or each.mean <= bar.mean)
            for each in reached
        ]))  # fmt: skip
    lines.append(_bias_line(views))
    for quantity in ("tpot", "throughput", "ttft"):
        covered = [_coverage(scores, quantity) for scores in views.values()]
        met = [each is not None and COVERAGE[0] <= each <= COVERAGE[1] for each in covered]
        shown = ["–" if each is None else f"{each:.0%}" for each in covered]
        lines.append(_line(f"80 % band of {NAMES[quantity]} covers", "75 to 85 %", "", shown, met))
    share = found.answered_share
    answered = [f"{share:.1%}", *([""] * (len(views) - 1))]
    lines.append(_line("rows answered whose model and GPU are known", "95 %", "100 %", answered, [share >= ANSWERED]))
    return lines


def _line(name: str, asked: str, best: str, reached: Sequence[str], met: Sequence[bool]) -> str:
    return f"| {name} | {asked} | {best} | " + " | ".join(reached) + f" | {'yes' if met[0] else '**no**'} |"


def _own(scores: Iterable[Score], bar: Bar) -> list[Score]:
    return [score for score in scores if score.quantity == bar.quantity and bar.belongs(score)]


def _asked(bar: Bar) -> str:
    mean = f", mean {percent(bar.mean)} %" if bar.mean is not None else ""
    return f"median {percent(bar.median)} %{mean}"


def _best(bar: Bar) -> str:
    mean = f", mean {percent(bar.best_mean)} %" if bar.best_mean is not None else ""
    return f"median {percent(bar.best_median)} %{mean}"


def _figures(bar: Bar, errors: Errors | None) -> str:
    if errors is None:
        return "–"
    mean = f", mean {percent(errors.mean)} %" if bar.mean is not None else ""
    return f"median {percent(errors.median)} %{mean} ({errors.n})"


def _bias_line(views: Views) -> str:
    """TTFT's median signed error within bounds in every part of the closed-loop rows."""
    shown, met = [], []
    for scores in views.values():
        biases = [errors.bias for errors in bias_by_decile(scores).values()]
        shown.append(f"{percent(min(biases), sign=True)} to {percent(max(biases), sign=True)} %" if biases else "–")
        met.append(bool(biases) and max(map(abs, biases)) <= BIAS)
    return _line("bias of TTFT in every decile of concurrency", "within ±10 %", "", shown, met)


def bias_by_decile(scores: Sequence[Score]) -> dict[str, Errors]:
    """TTFT's errors below saturation by decile of concurrency."""
    own = [score for score in scores if score.quantity == "ttft" and is_below_saturation(score)]
    cases: dict[str, Case] = {score.case.row_id: score.case for score in scores}
    label = decile_of(list(cases.values()))
    parts: dict[str, list[Score]] = defaultdict(list)
    for score in own:
        part = label(score.case)
        if part is not None:
            parts[part].append(score)
    return {part: errors for part, each in parts.items() if (errors := errors_of(each)) is not None}


def _coverage(scores: Iterable[Score], quantity: str) -> float | None:
    errors = errors_of(score for score in scores if score.quantity == quantity)
    return errors.covered if errors is not None else None
