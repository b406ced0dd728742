"""What stands under every picture: the question, where the prices come from, and of which day they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from llmplan.plan.outcome import Option, QuoteLine
from llmplan.plan.plan import Plan
from llmplan.report.charts.picture import plain
from llmplan.report.plan import limited_to, promise, traffic

MOST_SOURCES = 6
"""named one by one; how many more there are is said"""
MOST_SERIES = 8
"""lines of one picture that can be told apart"""


def caption(plan: Plan, sources: Iterable[str], *remarks: str) -> tuple[str, ...]:
    """The question, remarks on how to read the picture, sources, and the day of the prices."""
    question = plan.question
    limits = limited_to(question.limits)
    asked = f"{question.model_id}: {traffic(question.workload)}; promise: {promise(question.slo)}"
    lines = [asked + (f"; within: {limits}" if limits else ""), *remarks]
    known = tuple(dict.fromkeys(plain(source) for source in sources if source))
    if known:
        more = f"; and {len(known) - MOST_SOURCES} more" if len(known) > MOST_SOURCES else ""
        lines.append(f"Sources: {'; '.join(known[:MOST_SOURCES])}{more}")
    lines.append(f"Prices of {plan.price_date.isoformat()}, months of 730 h. {plan.made_with}")
    return tuple(plain(line) for line in lines)


def not_drawn(what: str, count: int) -> tuple[str, ...]:
    """The remark on what was left out; none where nothing was."""
    return (f"{count} more {what} not drawn.",) if count > 0 else ()


def bill_sources(options: Iterable[Option]) -> Iterator[str]:
    """The offers behind the bills."""
    for option in options:
        yield from (text for line in option.quote.lines if (text := offer(line)))


def offer(line: QuoteLine) -> str:
    """`aws us-east-1, on-demand, 2026-11-01 (AWS price list)`; empty where nothing was looked up."""
    figure = line.figure
    if figure is None:
        return ""
    where = " ".join(part for part in (figure.provider, figure.region) if part)
    when = figure.as_of.isoformat() if figure.as_of else "undated"
    named = f" ({figure.source})" if figure.source else ""
    return ", ".join(part for part in (where, figure.term, when) if part) + named
