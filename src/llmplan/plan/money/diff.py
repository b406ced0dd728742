"""Two answers about money: which lines changed, and what each part of the difference comes from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from llmplan.plan.deployment import STRATEGY_IDS, StrategyId
from llmplan.plan.money.lines import LineChange, line_changes
from llmplan.plan.money.moves import Cause, Moves, moves
from llmplan.plan.money.reasons import Effect, Reasons
from llmplan.plan.money.side import Bill, Side

__all__ = ["BillChange", "CostDiff", "Effect", "LineChange", "diff", "summed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BillChange:
    """One strategy, before and after. The differences of its lines add up to that of its total, and so do the effects
    of each line to that of the line. A side without a bill says in `why_none_*` why. `steps`: what each cause comes to
    where several moved and the bills between were there to tell them apart."""

    strategy: StrategyId
    before: Bill | None
    after: Bill | None
    lines: tuple[LineChange, ...] = ()
    steps: tuple[Effect, ...] = ()
    why_none_before: str = ""
    why_none_after: str = ""

    @property
    def usd_per_month(self) -> float | None:
        """after - before, of the lines that have a price [USD/month]; None where one of the two has no bill."""
        if self.before is None or self.after is None:
            return None
        return self.after.usd_per_month - self.before.usd_per_month

    @property
    def changed(self) -> bool:
        """Whether any line, or whether there is a bill at all, is another."""
        return bool(self.lines) or (self.before is None) != (self.after is None)

    @property
    def effects(self) -> tuple[Effect, ...]:
        """One for each cause: those of the steps, else of all lines."""
        return self.steps or summed(effect for line in self.lines for effect in line.effects)

    @property
    def tangled(self) -> bool:
        """Whether nothing tells the causes of a difference apart."""
        return any(effect.tangled for effect in self.effects)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDiff:
    """An older answer and a newer one. `effects` add up to the difference of the recommended totals."""

    old: Side
    new: Side
    moves: Moves
    bills: tuple[BillChange, ...]
    effects: tuple[Effect, ...]

    @property
    def usd_per_month(self) -> float | None:
        """after - before of what is recommended [USD/month]; None where one of the two recommends nothing."""
        before, after = self.old.chosen, self.new.chosen
        return None if before is None or after is None else after.usd_per_month - before.usd_per_month

    @property
    def changed(self) -> bool:
        """Whether any bill, or what is recommended, is another."""
        return self.old.recommended != self.new.recommended or any(bill.changed for bill in self.bills)


def diff(old: Side, new: Side, between: Sequence[Side] = ()) -> CostDiff:
    """What changed from `old` to `new`, each difference attributed.

    old, new: bills in USD per month. between: answers to the questions on the way (`steps.between`), by which causes
    that moved at once are told apart. A line is the same line where its row of price data, unit and name (without the
    number of machines) are; failing that, where unit and name are. Of the same line,
    after - before = (q1 - q0) x p0 + q1 x (p1 - p0): the first part is what moved its quantity, the second its price.
    Valid for any two answers; of different models, the model is among the causes. Reference: Laspeyres' quantity and
    Paasche's price difference.
    """
    moved = moves(old, new)
    bills = tuple(_bill_change(strategy, old, new, moved) for strategy in STRATEGY_IDS)
    if between:
        bills = tuple(_stepwise(bill, (old, *between, new)) for bill in bills)
    return CostDiff(old=old, new=new, moves=moved, bills=bills, effects=_recommended(old, new, bills))


def _bill_change(strategy: StrategyId, old: Side, new: Side, moved: Moves) -> BillChange:
    before, after = _bill(old.bills, strategy), _bill(new.bills, strategy)
    lines: tuple[LineChange, ...] = ()
    if isinstance(before, Bill) and isinstance(after, Bill):
        lines = line_changes(before, after, Reasons(moved, before, after))
    return BillChange(
        strategy=strategy,
        before=before if isinstance(before, Bill) else None,
        after=after if isinstance(after, Bill) else None,
        lines=lines,
        why_none_before="" if isinstance(before, Bill) else before,
        why_none_after="" if isinstance(after, Bill) else after,
    )


def _stepwise(bill: BillChange, sides: Sequence[Side]) -> BillChange:
    """The change with the effects of each step, where something is tangled and every side has a bill."""
    bills = [_bill(side.bills, bill.strategy) for side in sides]
    if not bill.tangled or any(isinstance(each, str) for each in bills):
        return bill
    effects = [
        effect
        for earlier, later in pairwise(sides)
        for change in _bill_change(bill.strategy, earlier, later, moves(earlier, later)).lines
        for effect in change.effects
    ]
    return replace(bill, steps=summed(effects))


def _bill(bills: Mapping[StrategyId, Bill | str], strategy: StrategyId) -> Bill | str:
    return bills.get(strategy, "not asked")


def _recommended(old: Side, new: Side, bills: Iterable[BillChange]) -> tuple[Effect, ...]:
    """What the recommended total moved by: the choice at the old prices, then what became of the chosen bill."""
    first, last = old.chosen, new.chosen
    if first is None or last is None:
        return ()
    chosen = next(bill for bill in bills if bill.strategy == new.recommended)
    if old.recommended == new.recommended:
        return chosen.effects
    text = f"{new.recommended} instead of {old.recommended}"
    if chosen.before is None:
        why = f"{text}, which was not feasible before"
        return (Effect(cause="choice", usd_per_month=last.usd_per_month - first.usd_per_month, why=why),)
    step = chosen.before.usd_per_month - first.usd_per_month
    return (Effect(cause="choice", usd_per_month=step, why=f"{text}, as both were priced before"), *chosen.effects)


def summed(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """One effect for each cause, the largest first, with every reason once."""
    by_cause: dict[Cause, list[Effect]] = {}
    for effect in effects:
        by_cause.setdefault(effect.cause, []).append(effect)
    found = [
        Effect(
            cause=cause,
            usd_per_month=math.fsum(each.usd_per_month for each in group),
            why="; ".join(dict.fromkeys(part for each in group for part in each.why.split("; ") if part)),
        )
        for cause, group in by_cause.items()
    ]
    return tuple(sorted(found, key=lambda effect: -abs(effect.usd_per_month)))
