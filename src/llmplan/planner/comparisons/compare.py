"""Everything that is set beside the five bills, from a plan just made or a stored one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmplan.plan.comparisons import Comparisons
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.planner.comparisons.bands import bill_bands
from llmplan.planner.comparisons.base import context_of, machines_of, options_of
from llmplan.planner.comparisons.break_even import break_evens, settled
from llmplan.planner.comparisons.curves import curves
from llmplan.planner.comparisons.duels import duels
from llmplan.planner.comparisons.gpus import gpu_values
from llmplan.planner.comparisons.influences import influences
from llmplan.planner.comparisons.machines import Machines
from llmplan.planner.comparisons.rivals import rivals_of
from llmplan.planner.comparisons.terms import term_values
from llmplan.planner.context import Context
from llmplan.planner.shared import Shared
from llmplan.spec.catalog import Catalog


def compare(plan: Plan, catalog: Catalog, *, gpu_ids: Sequence[str] = (), shared: Shared | None = None) -> Comparisons:
    """Other loads, GPUs, terms and inputs beside the plan's five bills, with the planner's own sizing and prices.

    plan: just made, or stored; catalog: with the prices of the plan's date; gpu_ids: GPUs to set beside those of the
    plan, the first of them the one that the others are held against; shared: what planning to the same catalogue has
    found, which changes the time and never the answer.
    """
    context = context_of(plan, catalog, shared)
    options = options_of(plan)
    if not options:
        return Comparisons(notes=("no strategy is feasible: there is nothing to compare",))
    own = machines_of(plan, context)
    model = next(iter(options.values())).deployment.model
    machines = Machines.of(own, context) if own is not None else None
    rivals = rivals_of(plan, machines, context) if machines is not None else None
    rivals = settled(rivals) if rivals is not None else None
    found = tuple(break_evens(rivals)) if rivals is not None else ()
    return Comparisons(
        curves=tuple(curves(rivals, found)) if rivals is not None else (),
        break_evens=found,
        influences=influences(plan, context),
        gpus=gpu_values(plan, model, gpu_ids, context),
        terms=tuple(term_values(own, context)) if own is not None else (),
        duels=tuple(duels(plan, model, context)),
        bands=tuple(bill_bands(plan, context)),
        notes=tuple(_notes(plan, own, machines, context)),
    )


def _notes(plan: Plan, own: Option | None, machines: Machines | None, context: Context) -> Iterator[str]:
    if own is None:
        yield "no machine of one's own can do it: no break-even, no terms"
    elif machines is None:
        yield "the steady state cannot size the machines that the trace asks for: no break-even"
    elif context.workload.requests_per_s is None:
        yield "users in a closed loop state no rate: no break-even over the load"
    elif plan.over_time is not None:
        yield "over the load, fleets are sized for steady traffic, not on the trace"
    if own is not None and context.limits.privacy != "any":
        yield f"prompts may not leave ({context.limits.privacy}): no token API is set against the machines"
