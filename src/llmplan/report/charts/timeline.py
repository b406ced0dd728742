"""What will have been paid, or is owed, if the machines are needed for so many months: commitments in steps."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from llmplan.plan.comparisons import Comparisons, TermValue
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.report import rows
from llmplan.report.charts.caption import MOST_SERIES, bill_sources, caption, not_drawn
from llmplan.report.charts.picture import Axis, Note, Picture, Point, Series, Tick, plain
from llmplan.report.charts.scales import around
from llmplan.report.cost import bought
from llmplan.report.numbers import rate, usd
from llmplan.spec.price import Term

MONTHS = 36
MOST_WAYS = 3
"""beside the terms, where there are more of both than can be told apart"""
COMMITTED_MONTHS: dict[Term, int] = {"reserved-1y": 12, "reserved-3y": 36}
TICKS = (0, 6, 12, 18, 24, 30, 36)


def picture(plan: Plan, found: Comparisons) -> Picture:
    """Cumulated bills over three years: each term of the recommended machines, and the other ways of serving."""
    title = f"{plain(plan.question.model_id)}: paid or owed over time"
    ways = list(_ways(plan, found))
    terms = found.terms[: MOST_SERIES - min(len(ways), MOST_WAYS)]
    lines = [*_terms(terms), *ways][:MOST_SERIES]
    if not lines:
        return Picture(
            kind="timeline", title=title, caption=caption(plan, ()), empty="nothing here is feasible and priced"
        )
    x = Axis(
        label="needed for", unit="months", low=0.0, high=float(MONTHS),
        ticks=tuple(Tick(value=float(month), text=str(month)) for month in TICKS),
    )  # fmt: skip
    tops = [point.y for line in lines for point in line.points]
    remarks = ["A commitment is owed in full from its first day and again at each renewal; the rest by the month."]
    return Picture(
        kind="timeline",
        title=title,
        x=x,
        y=around(tops, label="paid or owed by then", unit="USD", scale="linear", from_zero=True, money=True),
        series=tuple(lines),
        notes=tuple(_notes(terms)),
        caption=caption(
            plan,
            [*(each.source for each in lines if each.source), *bill_sources(_options(plan))],
            *(remarks if any(value.term in COMMITTED_MONTHS for value in terms) else ()),
            *not_drawn("ways are", len(found.terms) + len(ways) - len(lines)),
        ),
    )


def owed_usd(value: TermValue, months: float) -> float:
    """What is owed once the machines have been needed for `months` [USD].

    A commitment of T months is `ceil(months / T)` times what is committed, and the rest of the bill by the month;
    on demand is months times the bill.
    """
    length = COMMITTED_MONTHS.get(value.term)
    if length is None:
        return months * value.usd_per_month
    committed = _committed(value, length)
    rest = max(0.0, value.usd_per_month - committed / length)
    return committed * max(1, math.ceil(months / length - 1e-9)) + months * rest


def _committed(value: TermValue, length: int) -> float:
    return value.usd_per_month * length if value.committed_usd is None else value.committed_usd


def _terms(values: Sequence[TermValue]) -> Iterator[Series]:
    for value in values:
        length = COMMITTED_MONTHS.get(value.term)
        points = [(0.0, owed_usd(value, 0.0))]
        for month in range(length, MONTHS, length) if length else ():
            points += [(float(month), owed_usd(value, month)), (float(month), owed_usd(value, month + 1e-6))]
        points.append((float(MONTHS), owed_usd(value, MONTHS)))
        label = f"{value.term}: {value.what}, {usd(value.usd_per_month)}/month"
        yield Series(
            label=plain(label),
            source=plain(value.seller),
            points=tuple(Point(x=at, y=sum_usd) for at, sum_usd in points),
        )


def _ways(plan: Plan, found: Comparisons) -> Iterator[Series]:
    """Bills by the month of the options; where the terms are known, those that are paid in another way."""
    for names, option in bought(plan):
        if found.terms and option.deployment.purchase.kind == "hourly":
            continue
        monthly = option.quote.usd_per_month
        what = [rows.gpus(option.deployment), rows.seller(option)]
        price = f"{usd(monthly, complete=option.quote.complete)}/month"
        label = f"{names}: {', '.join(part for part in (*what, price) if part)}"
        yield Series(label=plain(label), points=(Point(x=0.0, y=0.0), Point(x=float(MONTHS), y=monthly * MONTHS)))


def _notes(values: Sequence[TermValue]) -> Iterator[Note]:
    """Where a commitment has become cheaper than paying on demand."""
    for number, value in enumerate((each for each in values if each.break_even_months is not None), start=1):
        months = value.break_even_months
        assert months is not None
        one = f"one {value.term} commitment ({value.seller})"
        text = f"up to {rate(months)} months on demand costs less than {one}, from there to its end more"
        inside = 0 <= months <= MONTHS
        yield Note(
            number=number, text=plain(text + (f" ({value.note})" if value.note else "")),
            x=months if inside else None, y=owed_usd(value, months) if inside else None,
        )  # fmt: skip


def _options(plan: Plan) -> list[Option]:
    return [outcome for outcome in plan.outcomes.values() if isinstance(outcome, Option)]
