"""Gates in words: each with its limit, what the answer came to, and the line that breaks it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from llmplan.plan.money.gate import Verdict
from llmplan.plan.outcome import QuoteLine
from llmplan.report.blocks import Block, Items
from llmplan.report.currency import USD, Currency
from llmplan.report.explain import quantity
from llmplan.report.views import amount
from llmplan.units import format_seconds


def blocks(verdicts: Sequence[Verdict], strategy: str, currency: Currency = USD) -> Iterator[Block]:
    """All gates that were set, the broken ones first."""
    if verdicts:
        ordered = sorted(verdicts, key=lambda verdict: not verdict.broken)
        items = tuple(
            f"{'broken' if verdict.broken else 'holds'}: {sentence(verdict, strategy, currency)}" for verdict in ordered
        )
        bad = any(verdict.broken for verdict in verdicts)
        yield Items(title="Gates", items=items, tone="bad" if bad else "good")


def sentence(verdict: Verdict, strategy: str, currency: Currency = USD) -> str:
    """What the recommended strategy came to beside the limit, and the lines that decide it."""
    if verdict.gate == "require_slo":
        return _promise_sentence(verdict, strategy)
    month = verdict.gate == "max_usd_per_month"
    unit = "a month" if month else "per million tokens"
    flag = f"{flag_of(verdict.gate)} {verdict.limit:,.10g}"
    if verdict.value is None:
        return f"what a million tokens cost is not known (no rate is stated), so {flag} cannot be shown to hold"
    said = f"{currency.rounded(verdict.value)} {unit}"
    deciding = "; ".join(line_text(line, currency) for line in verdict.lines)
    if verdict.holds:
        return f"{strategy} costs {said}, within {flag}"
    if verdict.holds is None:
        return (
            f"{strategy} costs at least {said}: a charge has no known price, so it cannot be shown to stay within "
            f"{flag}; no price: {deciding}"
        )
    at_least = "" if verdict.complete else "at least "
    return f"{strategy} costs {at_least}{said}, over {flag}; the largest line: {deciding}"


def _promise_sentence(verdict: Verdict, strategy: str) -> str:
    if verdict.holds is None:
        return f"nobody states the latency of {strategy}, so --require-slo cannot be shown to hold"
    line = verdict.ledger_line
    largest = f"; the largest part of a step: {line.name} {amount(line.amount, 's')}" if line is not None else ""
    if not verdict.holds:
        missed = [promise.miss for promise in verdict.promises if promise.broken]
        return f"{strategy} misses the promise: {', '.join(missed) or 'as its plan says'}{largest}"
    kept = ", ".join(
        f"{promise.name} {format_seconds(promise.predicted_s)} of {format_seconds(promise.promised_s)}"
        for promise in verdict.promises
    )
    slow = "; at the slow end of its band " + ", ".join(p.miss for p in verdict.slow_end) if verdict.slow_end else ""
    return f"{strategy} is predicted to keep the promise: {kept or 'as its plan says'}{slow}"


def line_text(line: QuoteLine, currency: Currency = USD) -> str:
    """`1 x p5 (on-demand): 730 instance-h × $98.32 = $71,773.60 (aws us-east-1, 2026-11-01)`."""
    figure = line.figure
    when = (figure.as_of.isoformat() if figure.as_of else "undated") if figure else ""
    place = f" ({figure.provider} {figure.region}, {when})" if figure else ""
    if line.unit_price_usd is None or line.usd_per_month is None:
        return f"{line.name}{place}"
    price = currency.unit_price(line.unit_price_usd)
    return f"{line.name}: {quantity(line)} × {price} = {currency.exact(line.usd_per_month)}{place}"


def hints(verdicts: Sequence[Verdict]) -> list[str]:
    """For each broken gate the value that would let this answer pass, where one would."""
    found = []
    for verdict in verdicts:
        if verdict.broken and verdict.value is not None and verdict.complete:
            value = math.ceil(verdict.value) if verdict.value >= 1 else math.ceil(verdict.value * 1e6) / 1e6
            found.append(f"{flag_of(verdict.gate)} {value:g}" if value < 1e6 else f"{flag_of(verdict.gate)} {value}")
        elif verdict.broken and verdict.value is not None:
            found.append("llmplan cost without the gate lists the charges that have no price")
    return list(dict.fromkeys(found))


def flag_of(gate: str) -> str:
    """The flag that sets a gate."""
    return f"--{gate.replace('_', '-')}"


def records(verdicts: Sequence[Verdict], strategy: str) -> list[dict[str, Any]]:
    """`gates` in the JSON of `cost`: limits and values in USD."""
    return [
        {
            "gate": verdict.gate,
            "limit_usd": verdict.limit,
            "value_usd": verdict.value,
            "holds": verdict.holds,
            "broken": verdict.broken,
            "lines": [line.name for line in verdict.lines],
            "promises": [
                {"name": each.name, "predicted_s": each.predicted_s, "promised_s": each.promised_s}
                for each in verdict.promises
            ],
            "slow_end_breaks": [each.name for each in verdict.slow_end],
            "why": sentence(verdict, strategy),
        }
        for verdict in verdicts
    ]
