"""Why a line of a bill is another: which of the causes a change of quantity, of price or of seller comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from llmplan.plan.money.moves import Cause, Change, Moves, listed, rebuilt
from llmplan.plan.money.side import Bill
from llmplan.plan.outcome import PriceFigure, QuoteLine

ASKED: Final[tuple[Cause, ...]] = ("model", "workload", "promise", "limits", "expenses")
TRAFFIC: Final[tuple[Cause, ...]] = ("model", "workload")
BY_TRAFFIC: Final = ("Mtok",)
"""units whose quantity is the traffic itself, whatever runs"""


AT_ONCE: Final = "moved at once"
"""how a reason names several things that nothing tells apart"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One part of a difference [USD/month], with its cause and that in words."""

    cause: Cause
    usd_per_month: float
    why: str = ""

    @property
    def tangled(self) -> bool:
        """Whether several things moved, any of which may be behind it."""
        return AT_ONCE in self.why


class Reasons:
    """Why things differ between two bills of one strategy."""

    def __init__(self, moved: Moves, before: Bill, after: Bill) -> None:
        self._moved = moved
        self._built = rebuilt(before, after)
        self._parts: dict[Cause, tuple[Change, ...]] = {cause: moved.of(cause) for cause in ASKED}
        self._by_traffic = {cause: self._parts[cause] for cause in TRAFFIC}
        self._parts["figure"] = tuple(dict.fromkeys((*moved.behind(before), *moved.behind(after))))

    def of_quantity(self, before: QuoteLine, after: QuoteLine) -> tuple[Cause, str]:
        """Why there is more or less of the same line. Where nothing else differs it is the seller: one gives some of it
        free, or sells it in other units."""
        if after.unit in BY_TRAFFIC:
            return self._of(self._by_traffic)
        if self._built:
            return "deployment", self._with_cause(listed(self._built))
        cause, why = self._of(self._parts)
        if cause == "unknown" and _row(before.figure) != _row(after.figure):
            return "deployment", self._bought_elsewhere(before, after)
        return cause, why

    def of_price(self, before: QuoteLine, after: QuoteLine) -> tuple[Cause, str]:
        """Why a unit of the same line costs something else. Where its row is the same to the day, the price has tiers,
        and another quantity reached another one."""
        figure = before.figure
        same_day = figure is not None and (figure.as_of is not None or self._moved.price_date is None)
        if same_day and figure == after.figure and before.quantity != after.quantity:
            cause, why = self.of_quantity(before, after)
            return cause, f"{why}; the price has tiers"
        if _row(before.figure) == _row(after.figure):
            return "price", self._rate_moved(before, after)
        return "deployment", self._bought_elsewhere(before, after)

    def of_presence(self, line: QuoteLine, *, replaced: QuoteLine | None = None) -> tuple[Cause, str]:
        """Why only one of the two bills has this line; `replaced` is the machine on the other one."""
        if self._built:
            return "deployment", self._with_cause(listed(self._built))
        if replaced is not None:
            return "deployment", self._bought_elsewhere(replaced, line)
        cause, why = self._of(self._by_traffic if line.unit in BY_TRAFFIC else self._parts)
        if cause != "unknown":
            return cause, why
        return "coverage", f"only one of the two bills {line.name}" + self._version()

    def _of(self, parts: dict[Cause, tuple[Change, ...]]) -> tuple[Cause, str]:
        """The one part that moved, or that several or none did."""
        found = {cause: changes for cause, changes in parts.items() if changes}
        if not found:
            return "unknown", "nothing that the two state differs" + self._version()
        if len(found) == 1:
            ((cause, changes),) = found.items()
            return cause, listed(changes)
        texts = "; ".join(f"{cause}: {listed(changes)}" for cause, changes in found.items())
        return "several", f"{AT_ONCE}, and two bills cannot tell them apart: {texts}"

    def _bought_elsewhere(self, before: QuoteLine, after: QuoteLine) -> str:
        return self._with_cause(f"bought elsewhere: {_place(before.figure)} → {_place(after.figure)}")

    def _with_cause(self, what: str) -> str:
        """What changed, and because of what, where exactly one thing can have made it so."""
        found = {cause: changes for cause, changes in self._parts.items() if changes}
        date = self._moved.price_date
        if len(found) == 1:
            ((cause, changes),) = found.items()
            return f"{what}; {cause} moved: {listed(changes)}"
        if found:
            return f"{what}; {AT_ONCE}: {', '.join(found)}"
        return f"{what}; only the prices are of another day: {date.before} → {date.after}" if date is not None else what

    def _rate_moved(self, before: QuoteLine, after: QuoteLine) -> str:
        if before.unit_price_usd is None or after.unit_price_usd is None:
            return f"{_place(after.figure)}: the price of {after.name} " + (
                "became known" if after.unit_price_usd is not None else "is no longer known"
            )
        return f"{_place(after.figure)}: {_dated(before.figure)} → {_dated(after.figure)}"

    def _version(self) -> str:
        made = self._moved.made_with
        return f" ({made.before} → {made.after})" if made is not None else ""


def _row(figure: PriceFigure | None) -> tuple[str, ...]:
    return () if figure is None else (figure.provider, figure.region, figure.term, figure.instance)


def _place(figure: PriceFigure | None) -> str:
    return " ".join(part for part in _row(figure)[:3] if part) or "no row"


def _dated(figure: PriceFigure | None) -> str:
    return "undated" if figure is None or figure.as_of is None else figure.as_of.isoformat()
