"""The bill of each way of serving over the load, and where one becomes cheaper than another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from llmplan.plan.comparisons import BreakEven, Comparisons, Curve
from llmplan.plan.plan import Plan
from llmplan.report.charts.caption import caption, not_drawn
from llmplan.report.charts.picture import Axis, Note, Picture, Point, Rule, Series, plain
from llmplan.report.charts.scales import around, between
from llmplan.report.numbers import count, percent, rate, usd

MOST_CURVES = 6
"""that can be told apart"""
AROUND = 10.0
"""how far beyond the loads of interest the picture reaches, as a factor"""
BELOW_THE_ANSWER = 30.0
"""how far below the bills of interest it reaches: a bill by the token falls to nothing with the load"""


def picture(plan: Plan, found: Comparisons) -> Picture:
    """Curves over the load on logarithmic axes, the load that was asked, and each break-even with its number."""
    title = f"{plain(plan.question.model_id)}: bill over load"
    chosen = _chosen(found, plan.question.workload.requests_per_s)
    if not chosen:
        return Picture(
            kind="breakeven", title=title, caption=caption(plan, ()),
            empty="; ".join(map(plain, found.notes)) or "no bill over the load is known",
        )  # fmt: skip
    asked = plan.question.workload.requests_per_s
    drawn = {curve.label for curve in chosen}
    crossings = sorted(
        (each for each in found.break_evens if {each.below, each.above} <= drawn),
        key=lambda each: each.requests_per_s is None,
    )
    x = _loads(chosen, crossings, asked)
    y = _bills(chosen, x, crossings, asked)
    series = tuple(
        Series(label=plain(curve.label), points=_points(curve), source=plain(curve.source)) for curve in chosen
    )
    notes = tuple(_note(place, each, chosen, x) for place, each in enumerate(crossings, start=1))
    rules = () if asked is None else (Rule(of="x", value=asked, label=f"asked: {rate(asked)} requests/s"),)
    remarks = (
        "Numbers mark break-evens: the load from which the second way costs less, every other input as asked.",
        *not_drawn("ways, and their break-evens, are", len(found.curves) - len(chosen)),
        *found.notes,
    )
    sources = (f"{each.label}: {each.source}" if each.source else "" for each in chosen)
    return Picture(
        kind="breakeven", title=title, x=x, y=y, series=series, rules=rules, notes=notes,
        caption=caption(plan, sources, *remarks),
    )  # fmt: skip


def bill_at(curve: Curve, requests_per_s: float) -> float | None:
    """The bill at a load [USD/month], on the straight lines between the points; None beyond them."""
    pairs = list(zip(curve.requests_per_s, curve.usd_per_month, strict=True))
    for (load, bill), (next_load, next_bill) in pairwise(pairs):
        if load <= requests_per_s <= next_load and next_load > load:
            return bill + (next_bill - bill) * (requests_per_s - load) / (next_load - load)
    return next((bill for load, bill in pairs if load == requests_per_s), None)


def _chosen(found: Comparisons, asked: float | None) -> tuple[Curve, ...]:
    """As many as can be told apart: steps and bends first, then straight lines from the cheapest to the dearest."""
    drawable = [curve for curve in found.curves if any(load > 0 for load in curve.requests_per_s)]
    bent = [curve for curve in drawable if len(curve.requests_per_s) > 2][:MOST_CURVES]
    straight = [curve for curve in drawable if len(curve.requests_per_s) <= 2]
    kept = [*bent, *spread(sorted(straight, key=lambda curve: _bill(curve, asked)), MOST_CURVES - len(bent))]
    return tuple(curve for curve in drawable if curve in kept)


def spread(values: Sequence[Curve], most: int) -> list[Curve]:
    """At most so many, evenly over their order, with the first and the last."""
    if len(values) <= most:
        return list(values)
    if most <= 1:
        return list(values[:most])
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


def _bill(curve: Curve, asked: float | None) -> float:
    """By which curves are put in order [USD/month]."""
    bill = bill_at(curve, asked) if asked is not None else None
    return curve.usd_per_month[-1] if bill is None else bill


def _points(curve: Curve) -> tuple[Point, ...]:
    pairs = zip(curve.requests_per_s, curve.usd_per_month, strict=True)
    return tuple(Point(x=load, y=bill) for load, bill in pairs if math.isfinite(bill))


def _loads(curves: Sequence[Curve], crossings: Sequence[BreakEven], asked: float | None) -> Axis:
    """A decade below what matters and above, within the loads that were computed."""
    loads = [load for curve in curves for load in curve.requests_per_s if load > 0]
    last = max(loads)
    where = [at for each in crossings for at in (each.requests_per_s, *each.flips_requests_per_s)]
    matter = [at for at in (*where, asked) if at and at <= last * (1 + 1e-9)]
    first = min(matter, default=last / 100) / AROUND
    if all(min(curve.requests_per_s) > 0 for curve in curves):
        first = max(first, min(loads))
    high = min(last, max(matter, default=last) * AROUND)
    return between(min(first, high / 2), high, label="load", unit="requests/s", scale="log")


def _bills(curves: Sequence[Curve], x: Axis, crossings: Sequence[BreakEven], asked: float | None) -> Axis:
    """What is in view; curves that fall to nothing are cut off well below the bills that matter."""
    seen = []
    matter = [
        each.usd_per_month for each in crossings
        if each.usd_per_month and each.requests_per_s and x.low <= each.requests_per_s <= x.high
    ]  # fmt: skip
    for curve in curves:
        points = zip(curve.requests_per_s, curve.usd_per_month, strict=True)
        ends = (bill_at(curve, load) for load in (x.low, x.high))
        seen += [bill for load, bill in points if x.low <= load <= x.high and math.isfinite(bill)]
        seen += [bill for bill in ends if bill is not None]
        at_asked = bill_at(curve, asked) if asked is not None else None
        matter += [at_asked] if at_asked else []
    seen = [bill for bill in seen if bill > 0] or [1.0]
    floor = min(matter) / BELOW_THE_ANSWER if matter else min(seen)
    return around(
        [max(bill, floor) for bill in seen] + matter, label="bill", unit="USD/month", scale="log", money=True
    )  # fmt: skip


def _note(number: int, each: BreakEven, curves: Sequence[Curve], x: Axis) -> Note:
    """With its place, where that is in the picture."""
    at, bill, text = each.requests_per_s, each.usd_per_month, plain(crossing(each))
    if at is None:
        return Note(number=number, text=text)
    above = next(curve for curve in curves if curve.label == each.above)
    if not x.low <= at <= x.high:
        first = next((flip for flip in each.flips_requests_per_s if x.low <= flip <= x.high), None)
        if first is None:
            return Note(number=number, text=f"{text}; outside the picture")
        text += f"; marked at {rate(first)} requests/s, where the order first changes"
        at, bill = first, None
    bill = bill_at(above, at) if bill is None else bill
    return Note(number=number, text=text, x=at if bill else None, y=bill or None)


def crossing(each: BreakEven) -> str:
    """One sentence: `3.2 requests/s (1.1B tokens/day), $1,594 a month: from there on A costs less than B`."""
    note = f" ({each.note})" if each.note else ""
    if each.requests_per_s is None:
        most = rate(each.tried_requests_per_s)
        return f"{each.below} costs less than {each.above} at any load up to {most} requests/s{note}"
    more = [f"{count(each.tokens_per_day)} tokens/day"] if each.tokens_per_day is not None else []
    more += [f"{percent(each.utilization)} busy"] if each.utilization is not None else []
    where = f"{rate(each.requests_per_s)} requests/s" + (f" ({', '.join(more)})" if more else "")
    bill = f", {usd(each.usd_per_month)} a month" if each.usd_per_month is not None else ""
    flips = each.flips_requests_per_s
    until = f"up to {rate(flips[-1])}" if flips and len(flips) % 2 == 0 else "on"
    return f"{where}{bill}: from there {until} {each.above} costs less than {each.below}{note}"
