"""Errors as Markdown tables. A cell is `median / mean / bias / P90 / in band`, all in percent."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from measured_rows import Case
from speed_accuracy.groups import Label
from speed_accuracy.guesses import guess
from speed_accuracy.rows import Measurements
from speed_accuracy.score import NAMES, Errors, Score, errors_of

from llmplan.units import format_seconds

Views = Mapping[str, Sequence[Score]]
"""what was predicted, by how: `GPU left out`, `model left out`, `as shipped`"""
WORST = 10
FATES = {
    "declined": "Declined: the model and the GPU are in the catalogue, and yet nothing is predicted",
    "excluded": "Excluded by a written rule",
    "outside": "Outside the catalogue",
}


def percent(share: float, *, sign: bool = False) -> str:
    """A share as percent, whole from ten on."""
    value = share * 100.0
    digits = 1 if round(abs(value), 1) < 10.0 else 0
    return f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"


def cell(errors: Errors | None) -> str:
    """Five figures, or a dash."""
    if errors is None:
        return "–"
    middle = f"{percent(errors.median)} / {percent(errors.mean)} / {percent(errors.bias, sign=True)}"
    return f"{middle} / {percent(errors.p90)} / {errors.covered * 100.0:.0f}"


def by_group(views: Views, quantity: str, title: str, label: Label) -> list[str]:
    """One quantity's errors, a line for each group and a column for each view."""
    grouped: dict[str, dict[str, list[Score]]] = defaultdict(lambda: defaultdict(list))
    for view, scores in views.items():
        for score in scores:
            group = label(score.case)
            if score.quantity == quantity and group is not None:
                grouped[group][view].append(score)
    lines = [f"| {title} | rows | " + " | ".join(views) + " |", "|---|---|" + "---|" * len(views)]
    for group in sorted(grouped, key=_in_order):
        own = grouped[group]
        rows = max(len(scores) for scores in own.values())
        lines.append(f"| {group} | {rows} | " + " | ".join(cell(errors_of(own.get(view, ()))) for view in views) + " |")
    return lines if grouped else []


def _in_order(group: str) -> tuple[float, str]:
    """Numbers by size, words by letter."""
    first = group.split(" ")[0]
    try:
        return float(first), group
    except ValueError:
        return math.inf, group


def overall(views: Views) -> list[str]:
    """Every quantity over all rows, a line for each view."""
    lines = [
        "| quantity | coefficients | rows | median | mean | bias | P90 | in the band |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for quantity, name in NAMES.items():
        for view, scores in views.items():
            errors = errors_of(score for score in scores if score.quantity == quantity)
            if errors is not None:
                lines.append(
                    f"| {name} | {view} | {errors.n} | {percent(errors.median)} % | {percent(errors.mean)} % "
                    f"| {percent(errors.bias, sign=True)} % | {percent(errors.p90)} % "
                    f"| {errors.covered * 100.0:.0f} % |"
                )
    return lines


def worst(scores: Iterable[Score], quantity: str) -> list[str]:
    """The rows furthest off, either way, with a guess why."""
    own = [score for score in scores if score.quantity == quantity]
    ordered = sorted(own, key=lambda score: (-abs(math.log(score.ratio)), score.case.row_id))
    lines = [
        "| row | what | load | measured | predicted | guess |",
        "|---|---|---|---|---|---|",
    ]
    for score in ordered[:WORST]:
        case = score.case
        amounts = f"{_amount(score.measured, quantity)} | {_amount(score.predicted, quantity)}"
        lines.append(f"| {case.row_id} | {_what(case)} | {_load(case)} | {amounts} | {guess(score)} |")
    return lines if own else []


def _what(case: Case) -> str:
    replica = case.replica
    ranks = "".join(
        f" {name}{count}"
        for name, count in (("TP", replica.parallel.tp), ("PP", replica.parallel.pp), ("DP", replica.parallel.dp))
        if count > 1
    )
    return f"{case.model_key} {replica.weights.id}, {replica.gpu.id}{ranks}, {replica.engine.ref.rstrip('@')}"


def _load(case: Case) -> str:
    load = case.load
    size = "" if load.kind == "saturation" else f" {load.value:g}"
    return f"{load.kind}{size}, {load.input_tokens.mean:.0f} in, {load.output_tokens.mean:.0f} out"


def _amount(value: float, quantity: str) -> str:
    return f"{value:,.0f}" if quantity == "throughput" else format_seconds(value)


def unused(found: Measurements) -> list[str]:
    """What became of the rows that are not predicted: counts by reason."""
    lines = [
        f"Of {found.rows} rows {len(found.cases)} are predicted, {len(found.of('declined'))} are declined, "
        f"{len(found.of('excluded'))} are excluded by a written rule, {len(found.of('outside'))} are about a GPU, "
        f"model or engine that is not described. Answered, of predicted and declined: {found.answered_share:.1%}."
    ]
    for fate, title in FATES.items():
        own = found.of(fate)  # type: ignore[arg-type]
        if own:
            lines += ["", f"| {title} | rows | for example |", "|---|---|---|"]
            examples = {(each.reason if fate != "outside" else each.about): each for each in reversed(own)}
            counts = Counter(each.reason if fate != "outside" else each.about for each in own)
            shown = counts.most_common(25)
            lines += [f"| {reason} | {count} | {examples[reason].row_id} |" for reason, count in shown]
            if len(counts) > len(shown):
                rest = sum(counts.values()) - sum(count for _, count in shown)
                lines.append(f"| {len(counts) - len(shown)} others | {rest} | |")
    return lines
