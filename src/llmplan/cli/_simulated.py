"""What a simulation runs on: a replica from flags, or the chosen row of a plan, with how it is paid for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmplan.cli._catalog import open_catalog, price_date, seller_ids
from llmplan.errors import NoFeasiblePlanError, UsageError

if TYPE_CHECKING:
    from llmplan.cli._fleet_flags import SellerFlags
    from llmplan.cli._options import ModelCatalogFlags, ReplicaFlags
    from llmplan.cli._replica import Built
    from llmplan.cli._workbench import Workbench
    from llmplan.plan.deployment import Deployment, Replica, StrategyId
    from llmplan.plan.outcome import MemoryBudget, Option, Rejection
    from llmplan.plan.plan import Plan
    from llmplan.spec.calibration import Calibration
    from llmplan.spec.catalog import Catalog
    from llmplan.spec.expenses import Expenses
    from llmplan.spec.workload import Limits, Slo, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A sized deployment, its memory and speed, the sellers and prices that count, and a plan's own traffic."""

    deployment: Deployment
    memory: MemoryBudget
    calibration: Calibration
    limits: Limits
    catalog: Catalog
    slo: Slo
    assumed: Mapping[str, str]
    expenses: Expenses
    workload: Workload | None = None

    @property
    def replica(self) -> Replica:
        """What each of them is."""
        assert self.deployment.replica is not None
        return self.deployment.replica


def subject_of_model(
    model: str, flags: ReplicaFlags, sellers: SellerFlags, tokens: int | None, bench: Workbench, *, by_second: bool
) -> Subject:
    """A replica from flags; raises where its engine would not start it, or where it does not fit."""
    from llmplan.cli._replica import demand_startable, refuse
    from llmplan.plan.deployment import Deployment, Purchase
    from llmplan.plan.outcome import Rejection
    from llmplan.spec.expenses import Expenses
    from llmplan.spec.workload import Limits, Slo

    built = bench.build(model, flags, tokens)
    demand_startable(built, bench.checks(built.replica), bench.catalog)
    memory = bench.budget(built.replica)
    if isinstance(memory, Rejection) and flags.max_model_len is None and tokens is None:
        built, memory = _with_room(model, flags, bench, built)
    if isinstance(memory, Rejection):
        refuse(memory)
    prices = bench.catalog.prices
    terms = (sellers.term or "on-demand",)
    limits = Limits(
        provider_ids=seller_ids(sellers.provider, prices) if sellers.provider else (),
        terms=terms,  # type: ignore[arg-type]
        price_date=prices.as_of,
    )
    deployment = Deployment(
        strategy="serverless" if by_second else "dedicated",
        model=built.replica.model,
        replica=built.replica,
        purchase=Purchase(kind="serverless" if by_second else "hourly", terms=() if by_second else limits.terms),
        levers=(),
        replicas=1,
    )
    return Subject(
        deployment=deployment, memory=memory, calibration=bench.calibration(built.replica), limits=limits,
        catalog=bench.catalog, slo=Slo(), assumed=built.assumed, expenses=Expenses(),
    )  # fmt: skip


def _with_room(
    model: str, flags: ReplicaFlags, bench: Workbench, whole: Built
) -> tuple[Built, MemoryBudget | Rejection]:
    """The longest context for one request of which there is room, where nobody asked for one."""
    from llmplan.cli._replica import CONTEXT_STEP_TOKENS
    from llmplan.plan.outcome import Rejection

    fits, too_long = 0, whole.replica.settings.max_model_len // CONTEXT_STEP_TOKENS + 1
    best: tuple[Built, MemoryBudget | Rejection] = whole, bench.budget(whole.replica)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        built = bench.build(model, flags, middle * CONTEXT_STEP_TOKENS)
        memory = bench.budget(built.replica)
        if isinstance(memory, Rejection):
            too_long = middle
        else:
            fits, best = middle, (built, memory)
    return best


def subject_of_plan(path: Path, strategy: StrategyId | None, flags: ModelCatalogFlags, *, force: bool) -> Subject:
    """A row of a plan, at the seller and the prices that it was planned with. Figures that moved since are said."""
    from llmplan import planfile
    from llmplan.cli import _drift
    from llmplan.cli._workbench import Workbench

    plan = planfile.read_plan(path, allow_edited=force)
    option = _row(plan, strategy)
    _drift.judge(_drift.compared(plan, [option], open_catalog(flags)), force=force)
    catalog = open_catalog(replace(flags, as_of=plan.price_date))
    replica = option.deployment.replica
    if replica is None or option.memory is None:
        raise UsageError(
            f"{option.deployment.strategy} buys tokens of a hosted API, whose insides nobody states",
            hints=["--strategy of a row with replicas of its own"],
        )
    price_date(flags)
    return Subject(
        deployment=option.deployment, memory=option.memory, calibration=Workbench(catalog).calibration(replica),
        limits=_as_bought(option, plan.question.limits), catalog=catalog, slo=plan.question.slo, assumed={},
        workload=plan.question.workload, expenses=plan.question.expenses,
    )  # fmt: skip


def _row(plan: Plan, strategy: StrategyId | None) -> Option:
    from llmplan.plan.outcome import Rejection

    if strategy is None and plan.chosen is None:
        raise NoFeasiblePlanError("the plan recommends nothing", hints=["--strategy of a row that is feasible"])
    outcome = plan.chosen if strategy is None else plan.outcomes[strategy]
    assert outcome is not None
    if isinstance(outcome, Rejection):
        raise NoFeasiblePlanError(f"{strategy} is not feasible in this plan: {outcome.reason}")
    return outcome


def _as_bought(option: Option, limits: Limits) -> Limits:
    """Only the seller, and the term, of the plan's quote."""
    figures = [line.figure for line in option.quote.serving if line.figure is not None]
    if not figures or option.deployment.purchase.kind == "owned":
        return limits
    terms = limits.terms
    if option.deployment.purchase.kind == "hourly":
        terms = (figures[0].term,)  # type: ignore[assignment]
    return replace(limits, provider_ids=(figures[0].provider,), terms=terms)
