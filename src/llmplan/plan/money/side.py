"""What two answers about money are compared by: bills with their lines, the question, and the figures behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, TypeAlias

from llmplan.plan.codec import Encoder
from llmplan.plan.deployment import Deployment, StrategyId
from llmplan.plan.outcome import Option, Outcome, QuoteLine
from llmplan.plan.plain import Plain
from llmplan.plan.plan import Plan
from llmplan.spec.workload import Question

Scalar: TypeAlias = str | int | float | bool | None
LEFT_OUT: Final = ("provenance", "id", "name")
"""names of a question's parts that decide nothing"""
LONG_LIST: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What one strategy costs, and what is run for it. `built`: GPU, formats, engine and how they are paid for, in
    words. `rests_on`: the beginnings of the paths of the figures that its size follows from."""

    lines: tuple[QuoteLine, ...]
    built: Mapping[str, str]
    rests_on: tuple[str, ...] = ()

    @property
    def usd_per_month(self) -> float:
        """Sum of the lines that have a price."""
        return sum(line.usd_per_month for line in self.lines if line.usd_per_month is not None)

    @property
    def complete(self) -> bool:
        """Whether every line has a price."""
        return all(line.usd_per_month is not None for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two answers. A bill that is a text says why there is none."""

    name: str
    model_id: str
    price_date: date
    made_with: str
    question: Mapping[str, Scalar]
    bills: Mapping[StrategyId, Bill | str]
    recommended: StrategyId | None
    figures: Mapping[str, float]

    @property
    def chosen(self) -> Bill | None:
        """The bill of the recommended strategy."""
        found = self.bills.get(self.recommended) if self.recommended else None
        return found if isinstance(found, Bill) else None


def side_of(plan: Plan, name: str) -> Side:
    """A plan as one of the two."""
    return Side(
        name=name,
        model_id=plan.question.model_id,
        price_date=plan.price_date,
        made_with=plan.made_with,
        question=fields_of(plan.question),
        bills={strategy: bill_of(outcome) for strategy, outcome in plan.outcomes.items()},
        recommended=plan.recommended,
        figures={figure.path: figure.value for figure in plan.figures},
    )


def bill_of(outcome: Outcome) -> Bill | str:
    """The bill of an option, or why there is none."""
    if not isinstance(outcome, Option):
        return outcome.reason
    estimate = outcome.estimate
    return Bill(
        lines=outcome.quote.lines,
        built=built(outcome.deployment),
        rests_on=rests_on(outcome.deployment, estimate.calibration_id if estimate else None),
    )


def built(deployment: Deployment) -> dict[str, str]:
    """What is run, without how many of it."""
    replica = deployment.replica
    if replica is None:
        return {"paid by": deployment.purchase.kind}
    return {
        "paid by": deployment.purchase.kind,
        "GPU": replica.gpu.id,
        "parallel": replica.parallel.describe(),
        "weights": replica.weights.id,
        "KV cache": replica.kv.id,
        "engine": replica.engine.ref,
        "host memory": replica.offload.kind if replica.offload else "unused",
    }


def rests_on(deployment: Deployment, calibration_id: str | None) -> tuple[str, ...]:
    """Where the figures stand that decide how many GPUs it takes."""
    replica = deployment.replica
    if replica is None:
        return ()
    paths = (
        f"gpus/{replica.gpu.id}/", f"hosts/{replica.host.id}/", f"engines/{replica.engine.ref}/",
        f"models/{replica.model.id}/", f"formats/{replica.weights.id}/",
    )  # fmt: skip
    return (*paths, f"calibration/{calibration_id}/") if calibration_id else paths


def fields_of(question: Question) -> dict[str, Scalar]:
    """Every field of a question under its path, as `workload.requests_per_s`; texts about it are left out."""
    return dict(_flat(Encoder().encode(question, Question), ""))


def _flat(value: Plain, path: str) -> Iterator[tuple[str, Scalar]]:
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in LEFT_OUT:
                yield from _flat(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        yield path, _listed(value)
    else:
        yield path, value


def _listed(values: list[Plain]) -> str:
    """A short list in full, a long one by its length and sum, which tells two of them apart."""
    plain = [each for each in values if not isinstance(each, dict | list)]
    if len(plain) == len(values) <= LONG_LIST:
        return ", ".join(map(str, values))
    if len(plain) < len(values):
        return "; ".join(", ".join(f"{name} {each}" for name, each in _flat(one, "")) for one in values)
    numbers = [each for each in plain if isinstance(each, int | float)]
    return f"{len(values)} values, in all {sum(numbers):.9g}"
