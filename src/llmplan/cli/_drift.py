"""A stored plan held against today's catalogue: prices that moved warn, capacity that moved is an error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from llmplan.cli import _console
from llmplan.errors import LlmplanError

if TYPE_CHECKING:
    from llmplan.plan.drift import Comparison
    from llmplan.plan.outcome import Option
    from llmplan.plan.plan import Plan
    from llmplan.spec.catalog import Catalog

HINTS = (
    "llmplan recommend MODEL ... -o FILE --force plans again with today's figures",
    "add --force to price the plan as it stands",
)


def compared(plan: Plan, options: Iterable[Option], catalog: Catalog) -> Comparison:
    """The figures behind `options` of a plan, beside the same figures of a catalogue."""
    from dataclasses import replace

    from llmplan import pricing
    from llmplan.plan import drift

    shown = list(options)
    replicas = [option.deployment.replica for option in shown if option.deployment.replica is not None]
    found = drift.compare(replicas, plan.figures, catalog, plan.question.limits.inventory)
    return replace(found, drifts=(*pricing.moved_prices(shown, catalog.prices), *found.drifts))


def judge(found: Comparison, *, force: bool) -> None:
    """Say what moved. Capacity that moved ends the command: the plan may not fit, or not be as fast; not so with
    `force`."""
    from llmplan.report.drift import line, lines

    for path in found.not_compared:
        _console.say(f"note: {path} is not in the catalogue, so its figures were not compared with the plan's")
    _warn("the price moved since the plan was made:", map(line, found.of_kind("price")))
    _warn("moved since the plan was made:", lines(found.of_kind("other")))
    moved = [line(drift) for drift in found.of_kind("capacity")]
    if moved and not force:
        raise LlmplanError("\n  ".join(["the hardware or model is not what was planned with:", *moved]), hints=HINTS)
    _warn("not what was planned with:", moved)


def _warn(what: str, lines: Iterable[str]) -> None:
    for text in lines:
        _console.warn(f"{what} {text}")
