"""What every comparison starts from: the plan's rows, ready to be sized and priced again at another input."""

from __future__ import annotations

from dataclasses import replace

from llmplan.plan.deployment import Deployment, Replica, StrategyId
from llmplan.plan.outcome import Option, Outcome, Quote
from llmplan.plan.plan import Plan
from llmplan.planner.context import Context
from llmplan.planner.evaluate import evaluate
from llmplan.planner.rank import best_row
from llmplan.planner.shared import Shared
from llmplan.spec.catalog import Catalog
from llmplan.spec.price import GLOBAL_REGION
from llmplan.spec.workload import Lengths, Slo, Workload
from llmplan.strategies._replica import longest_request_tokens, planned_context_tokens

BY_THE_MACHINE = ("hourly", "owned")


def context_of(plan: Plan, catalog: Catalog, shared: Shared | None = None) -> Context:
    """The plan's question without its ceiling on money: what is over it is compared all the same."""
    limits = replace(plan.question.limits, max_usd_per_month=None)
    return Context.of(replace(plan.question, limits=limits), catalog, shared)


def options_of(plan: Plan) -> dict[StrategyId, Option]:
    """The rows that can be done."""
    return {name: row for name, row in plan.outcomes.items() if isinstance(row, Option)}


def machines_of(plan: Plan, context: Context) -> Option | None:
    """The recommended way of running machines all month: the plan's choice, else the best of such rows."""
    chosen = plan.chosen
    if chosen is not None and by_the_machine(chosen):
        return chosen
    rows = {name: option for name, option in options_of(plan).items() if by_the_machine(option)}
    best = best_row(rows, context)
    return rows[best] if best is not None else None


def by_the_machine(option: Option) -> bool:
    """Whether its bill is the same however few requests come."""
    return option.deployment.purchase.kind in BY_THE_MACHINE


def unsized(deployment: Deployment, context: Context) -> Deployment:
    """As the strategy proposed it: any number of replicas, on any term that the limits allow."""
    purchase = deployment.purchase
    if purchase.kind == "hourly":
        purchase = replace(purchase, terms=context.limits.terms)
    return replace(deployment, replicas=None, purchase=purchase)


def asked_again(context: Context, workload: Workload, slo: Slo | None = None) -> Context:
    """The same question about other traffic, or with another promise."""
    question = replace(context.question, workload=workload, slo=context.slo if slo is None else slo)
    return Context.of(question, context.catalog, context.shared)


def fitted(replica: Replica, workload: Workload) -> Replica:
    """The replica launched for requests as long as these."""
    tokens = planned_context_tokens(workload, replica.model)
    if tokens == replica.settings.max_model_len:
        return replica
    return replace(replica, settings=replace(replica.settings, max_model_len=tokens))


def too_long(option: Option, workload: Workload) -> str:
    """Why the model cannot take requests this long; empty where it can."""
    model, wanted = option.deployment.model, longest_request_tokens(workload)
    if wanted <= model.max_context_tokens:
        return ""
    return f"requests of {wanted:,} tokens exceed the model's {model.max_context_tokens:,}"


def evaluated(option: Option, context: Context, *, refit: bool = False) -> Outcome:
    """The option's deployment sized and priced for the question in `context`; `refit`: for other lengths."""
    deployment = unsized(option.deployment, context)
    if refit and deployment.replica is not None:
        deployment = replace(deployment, replica=fitted(deployment.replica, context.workload))
    return evaluate(deployment, context)


def scaled_lengths(lengths: Lengths, factor: float) -> Lengths:
    """Every length times a factor."""
    return Lengths(
        mean=lengths.mean * factor,
        p50=None if lengths.p50 is None else lengths.p50 * factor,
        p90=None if lengths.p90 is None else lengths.p90 * factor,
        p99=None if lengths.p99 is None else lengths.p99 * factor,
    )


def source_of(quote: Quote) -> str:
    """Seller, term and date of the rate behind the largest line: `aws us-east-1, on-demand, 2026-11-22`."""
    lines = [line for line in quote.lines if line.figure is not None]
    if not lines:
        return ""
    figure = max(lines, key=lambda line: line.usd_per_month or 0.0).figure
    assert figure is not None
    when = figure.as_of.isoformat() if figure.as_of is not None else "undated"
    where = "" if figure.region == GLOBAL_REGION else f" {figure.region}"
    return f"{figure.provider}{where}, {figure.term}, {when}"


def machine_label(option: Option) -> str:
    """`2 x h100-sxm-80gb by the hour`: GPUs of one replica, and how they are paid."""
    replica = option.deployment.replica
    assert replica is not None
    gpus = f"{replica.parallel.gpus} x " if replica.parallel.gpus > 1 else ""
    return f"{gpus}{replica.gpu.id} {'of your own' if option.deployment.purchase.kind == 'owned' else 'by the hour'}"
