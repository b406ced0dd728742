"""A tornado: what each input does to the bill when it alone moves, the widest first."""

from __future__ import annotations

from llmplan.plan.comparisons import Comparisons, Influence
from llmplan.plan.plan import Plan
from llmplan.report.charts.caption import bill_sources, caption, not_drawn
from llmplan.report.charts.picture import Bar, Note, Picture, Rule, plain
from llmplan.report.charts.scales import around, si
from llmplan.report.numbers import percent, usd

MOST_BARS = 12


def picture(plan: Plan, found: Comparisons) -> Picture:
    """One bar for each input, from the bill at its low end to the bill at its high end."""
    title = f"{plain(plan.question.model_id)}: what moves the bill"
    chosen = plan.chosen
    if chosen is None or not found.influences:
        reason = "nothing is recommended, so there is no bill to move" if chosen is None else "no input was varied"
        return Picture(kind="sensitivity", title=title, caption=caption(plan, ()), empty=reason)
    ordered = sorted(found.influences, key=_width, reverse=True)
    shown = ordered[:MOST_BARS]
    base = chosen.quote.usd_per_month
    ends = [end for each in shown for end in (each.usd_per_month_low, each.usd_per_month_high) if end is not None]
    now = f"as asked: {usd(base, complete=chosen.quote.complete)} ({plan.recommended})"
    said = [f"{each.input}: {text}" for each in shown if (text := _remark(each, plan.recommended))]
    notes = tuple(Note(number=place, text=plain(text)) for place, text in enumerate(said, start=1))
    return Picture(
        kind="sensitivity",
        title=title,
        x=around([*ends, base], label=f"bill of {plan.recommended}", unit="USD/month", money=True),
        bars=tuple(_bar(each) for each in shown),
        rules=(Rule(of="x", value=base, label=now),),
        notes=notes,
        caption=caption(
            plan,
            bill_sources([chosen]),
            "One input moves at a time, the others stay as asked; the ends are written on the bars.",
            *not_drawn("inputs are", len(ordered) - len(shown)),
        ),
    )


def _width(each: Influence) -> float:
    """What cannot be done at one end moves more than any bill."""
    return float("inf") if each.swing_usd_per_month is None else each.swing_usd_per_month


def _bar(each: Influence) -> Bar:
    return Bar(
        label=plain(each.input),
        low=each.usd_per_month_low,
        high=each.usd_per_month_high,
        low_text=_end(each.low, each.unit),
        high_text=_end(each.high, each.unit),
        note=plain(each.note),
    )


def _end(value: float, unit: str) -> str:
    """`500 tokens`, `0.8×`, `40 %`."""
    if unit in ("share", "-"):
        return percent(value)
    number = si(float(f"{value:.3g}"))
    return f"{number}×" if unit in ("x", "×") else plain(f"{number} {unit}")


def _remark(each: Influence, recommended: str | None) -> str:
    """What bars cannot show: an end that cannot be done, another strategy that would be recommended."""
    said = []
    for end, bill, then in (
        (each.low, each.usd_per_month_low, each.recommended_low),
        (each.high, each.usd_per_month_high, each.recommended_high),
    ):
        if bill is None:
            said.append(f"cannot be done at {_end(end, each.unit)}")
        if then not in (None, recommended):
            said.append(f"at {_end(end, each.unit)} {then} would be recommended")
    if each.note:
        said.append(each.note)
    return "; ".join(said)
