"""What to know of the number format of an option: its speed against 16 bit on the same machine, and its quality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmplan import checks, memory
from llmplan.plan.deployment import Replica
from llmplan.plan.load import Load
from llmplan.plan.outcome import MemoryBudget, Option, Outcome
from llmplan.planner.context import Context
from llmplan.planner.evaluate import replica_key
from llmplan.planner.format_advice import disputed_by, quality_note
from llmplan.planner.format_rows import against, sixteen_bit, timed
from llmplan.spec.formats import WEIGHT_FORMATS


def with_format_notes(outcome: Outcome, context: Context) -> Outcome:
    """The outcome with a line on the speed and one on the quality of converted weights; others as they are."""
    if not isinstance(outcome, Option):
        return outcome
    found = tuple(_notes(outcome, context))
    return replace(outcome, notes=(*outcome.notes, *found)) if found else outcome


def _notes(option: Option, context: Context) -> Iterator[str]:
    quality, replica = quality_note(option), option.deployment.replica
    if quality is None or replica is None:
        return
    if replica.offload is None and option.memory is not None:
        key = ("speed against 16 bit", replica_key(replica))
        if key not in context.ready:
            context.ready[key] = speed_note(replica, option.memory, context)
        yield f"{replica.weights.id} speed {context.ready[key]}"
    yield quality


def speed_note(replica: Replica, budget: MemoryBudget, context: Context) -> str:
    """The sign of the speed change against 16-bit weights on the same GPUs, and why."""
    name = sixteen_bit(replica.model, replica.gpu)
    weights = next(each for each in WEIGHT_FORMATS if each.id == name)
    wide = replace(replica, weights=weights)
    refused = any(each.severity == "error" for each in checks.run(wide))
    outcome = None if refused else memory.budget(wide)
    if not isinstance(outcome, MemoryBudget):
        return f"against {name}: not known, for {name} weights do not run on these GPUs"
    load = per_replica(context)
    mine = timed(replica, budget, load, context.calibration(replica))
    other = timed(wide, outcome, load, context.calibration(wide))
    found = against(mine, other, load, context.calibration)
    known = context.catalog.qualities.get(replica.weights.id)
    disputed = disputed_by(found, known.speeds if known is not None else ())
    if disputed:
        found = replace(found, disputed=disputed)
        return f"against {name} on the same GPUs: {found.advice}; of the published ratios {found.dispute}"
    return f"against {name} on the same GPUs: {found.advice}"


def per_replica(context: Context) -> Load:
    """The shape of the question's requests, one in flight: the notes speak of other loads themselves."""
    return replace(context.demand.shape, kind="concurrency", value=1.0)
