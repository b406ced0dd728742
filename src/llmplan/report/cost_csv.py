"""`llmplan cost --format csv`: one row for each line of every strategy, or for each line that changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from llmplan.plan.money.diff import BillChange, CostDiff, LineChange
from llmplan.plan.outcome import Outcome, QuoteLine, Rejection
from llmplan.report.cost_answer import CostAnswer
from llmplan.report.cost_cents import effects_of
from llmplan.report.currency import Currency

Cell: TypeAlias = str | float | bool | None
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t")
"""what a spreadsheet takes for the beginning of a formula, or skips before it"""


def render(answer: CostAnswer) -> str:
    """The table as text, quoted as RFC 4180 says; a text that a spreadsheet would compute gets an apostrophe."""
    found = answer.against
    rows = changed(found, answer.currency) if found is not None else paid(answer)
    return written(rows)


def written(rows: Iterable[Sequence[Cell]]) -> str:
    """Rows of cells as CSV, each on one line: numbers in full, nothing for what is not known.

    >>> print(written([("a", "b"), ("=1+2", None), ("x,y", 0.1)]), end="")
    a,b
    '=1+2,
    "x,y",0.1
    """
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float | int):
        return repr(value)
    text = " ".join(value.splitlines())
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def paid(answer: CostAnswer) -> Iterator[Sequence[Cell]]:
    """Every line of every strategy; a strategy that is not feasible has one row that says why."""
    plan, currency = answer.plan, answer.currency
    code = currency.code.lower()
    yield (
        "strategy", "recommended", "status", "line", "quantity", "unit", f"unit_price_{code}", f"{code}_per_month",
        "beside", "provider", "region", "term", "instance", "quality", "source", "as_of", "url", "note",
    )  # fmt: skip
    for strategy, outcome in plan.outcomes.items():
        for cells in _of(outcome, currency):
            yield (strategy, strategy == plan.recommended, *cells)


def _of(outcome: Outcome, currency: Currency) -> Iterator[Sequence[Cell]]:
    if isinstance(outcome, Rejection):
        yield ("not feasible", *(None,) * 14, outcome.reason)
        return
    for line in outcome.quote.lines:
        price, usd = _in(line.unit_price_usd, currency), _in(line.usd_per_month, currency)
        yield ("option", line.name, line.quantity, line.unit, price, usd, line.beside, *_origin(line), line.note)


def _origin(line: QuoteLine) -> Sequence[Cell]:
    figure = line.figure
    if figure is None:
        return (None,) * 8
    return (
        figure.provider, figure.region, figure.term, figure.instance, figure.quality, figure.source,
        figure.as_of.isoformat() if figure.as_of else None, figure.url,
    )  # fmt: skip


def _in(usd: float | None, currency: Currency) -> float | None:
    return None if usd is None else usd * currency.per_usd


def changed(found: CostDiff, currency: Currency) -> Iterator[Sequence[Cell]]:
    """Every line that changed, came or went, with what its difference is from."""
    code = currency.code.lower()
    pairs = [f"{name}_{when}" for name in ("quantity", f"unit_price_{code}", f"{code}_per_month") for when in WHEN]
    yield ("strategy", "recommended", "change", "line", "unit", *pairs, f"difference_{code}", "causes", "why", *SELLERS)
    for bill in found.bills:
        for line in bill.lines:
            yield (bill.strategy, bill.strategy == found.new.recommended, *_changed(line, currency))
        for kind, lines, why in _whole(bill):
            for each in lines:
                change = LineChange(
                    kind="+" if kind == "+" else "-",
                    before=None if kind == "+" else each,
                    after=each if kind == "+" else None,
                )
                yield (bill.strategy, bill.strategy == found.new.recommended, *_changed(change, currency, why))


WHEN: Final = ("before", "after")
SELLERS: Final = ("seller_before", "seller_after")


def _whole(bill: BillChange) -> Iterator[tuple[str, tuple[QuoteLine, ...], str]]:
    """The lines of a strategy that only one of the two could do."""
    if bill.before is None and bill.after is not None:
        yield "+", bill.after.lines, f"was not feasible: {bill.why_none_before}"
    if bill.after is None and bill.before is not None:
        yield "-", bill.before.lines, f"no longer feasible: {bill.why_none_after}"


KINDS: Final = {"~": "changed", "+": "added", "-": "removed"}


def _changed(change: LineChange, currency: Currency, why: str = "") -> Sequence[Cell]:
    sides = (change.before, change.after)
    causes = [
        f"{effect.cause} {currency.written(minor, signed=True)}" for effect, minor in effects_of(change, currency)
    ]
    return (
        KINDS[change.kind], change.line.name, change.line.unit,
        *(line.quantity if line else None for line in sides),
        *(_in(line.unit_price_usd, currency) if line else None for line in sides),
        *(_in(line.usd_per_month, currency) if line else None for line in sides),
        _in(change.usd_per_month, currency),
        "; ".join(causes),
        why or "; ".join(dict.fromkeys(effect.why for effect in change.effects)),
        *(" ".join(str(cell) for cell in _origin(line)[:4] if cell) if line else None for line in sides),
    )  # fmt: skip
