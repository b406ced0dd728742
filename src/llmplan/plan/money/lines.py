"""The lines of one bill matched with those of another, and the difference of each taken apart."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from llmplan.plan.drift import same
from llmplan.plan.money.reasons import Effect, Reasons
from llmplan.plan.money.side import Bill
from llmplan.plan.outcome import QuoteLine

RENT: Final = ("instance-h", "GPU-h")
"""units of the machines themselves"""
COUNT: Final = re.compile(r"^[0-9]+ x ")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChange:
    """A line that changed (`~`), came (`+`) or went (`-`); `effects` add up to its difference."""

    kind: Literal["~", "+", "-"]
    before: QuoteLine | None
    after: QuoteLine | None
    effects: tuple[Effect, ...] = ()

    @property
    def line(self) -> QuoteLine:
        """The newer of the two."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def usd_per_month(self) -> float:
        """after - before, where what has no price is nothing [USD/month]."""
        return amount(self.after) - amount(self.before)


def amount(line: QuoteLine | None) -> float:
    """What a line adds to its total [USD/month]."""
    return (line.usd_per_month or 0.0) if line is not None else 0.0


def line_changes(before: Bill, after: Bill, reasons: Reasons) -> tuple[LineChange, ...]:
    """Every line that is not the same, in the order of the newer bill, then what went."""
    pairs, gone = matched(before.lines, after.lines)
    lost = [line for line in gone if line.unit in RENT]
    found: list[LineChange] = []
    for old, new in pairs:
        if old is None:
            replaced = lost[0] if lost and new.unit in RENT else None
            cause, why = reasons.of_presence(new, replaced=replaced)
            found.append(LineChange(kind="+", before=None, after=new, effects=_whole(cause, amount(new), why)))
        elif not unchanged(old, new):
            found.append(LineChange(kind="~", before=old, after=new, effects=tuple(_parts(old, new, reasons))))
    came = next((new for old, new in pairs if old is None and new.unit in RENT), None)
    for old in gone:
        cause, why = reasons.of_presence(old) if came is None else reasons.of_presence(came, replaced=old)
        found.append(LineChange(kind="-", before=old, after=None, effects=_whole(cause, -amount(old), why)))
    return tuple(found)


def matched(
    before: tuple[QuoteLine, ...], after: tuple[QuoteLine, ...]
) -> tuple[list[tuple[QuoteLine | None, QuoteLine]], list[QuoteLine]]:
    """Each line of the newer bill with its older self, where it has one, and the older lines that are left."""
    left = list(before)
    partner: dict[int, QuoteLine] = {}
    for key in (_row_key, _name_key):
        for place, line in enumerate(after):
            if place in partner or key(line) is None:
                continue
            old = next((each for each in left if key(each) == key(line)), None)
            if old is not None:
                partner[place] = old
                left = [each for each in left if each is not old]
    return [(partner.get(place), line) for place, line in enumerate(after)], left


def unchanged(old: QuoteLine, new: QuoteLine) -> bool:
    """Whether quantity, price, amount and seller are the same."""
    numbers = ((old.quantity, new.quantity), (old.unit_price_usd, new.unit_price_usd))
    return all(same(*pair) for pair in numbers) and same(old.usd_per_month, new.usd_per_month) and (
        _row_key(old) == _row_key(new)
    )  # fmt: skip


Key = Callable[[QuoteLine], Hashable]


def _row_key(line: QuoteLine) -> Hashable:
    figure = line.figure
    row = None if figure is None else (figure.provider, figure.region, figure.term, figure.instance)
    return (COUNT.sub("", line.name), line.unit, row)


def _name_key(line: QuoteLine) -> Hashable:
    """Machines are told apart by their row alone: another one is no change of the first, but in its place."""
    return None if line.unit in RENT else (line.name, line.unit)


def _whole(cause: object, usd: float, why: str) -> tuple[Effect, ...]:
    return (Effect(cause=cause, usd_per_month=usd, why=why),)  # type: ignore[arg-type]


def _parts(old: QuoteLine, new: QuoteLine, reasons: Reasons) -> Iterator[Effect]:
    """Quantity at the old price, then price at the new quantity; together exactly the difference."""
    difference = amount(new) - amount(old)
    by_quantity = 0.0
    if old.unit_price_usd is not None and old.usd_per_month is not None and not same(old.quantity, new.quantity):
        by_quantity = difference
        if new.usd_per_month is not None and not same(old.unit_price_usd, new.unit_price_usd):
            by_quantity = (new.quantity - old.quantity) * old.unit_price_usd
        if new.usd_per_month is not None:
            cause, why = reasons.of_quantity(old, new)
            yield Effect(cause=cause, usd_per_month=by_quantity, why=why)
        else:
            by_quantity = 0.0
    if not same(old.unit_price_usd, new.unit_price_usd) or (old.usd_per_month is None) != (new.usd_per_month is None):
        cause, why = reasons.of_price(old, new)
        yield Effect(cause=cause, usd_per_month=difference - by_quantity, why=why)
