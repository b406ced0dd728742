"""Comparisons made by hand, with round numbers, and plans to draw them for."""

from __future__ import annotations

from dataclasses import replace

import report_samples as sample

from llmplan.plan.comparisons import BreakEven, Comparisons, Curve, Influence, TermValue
from llmplan.plan.deployment import STRATEGY_IDS
from llmplan.plan.outcome import Option
from llmplan.plan.plan import Plan
from llmplan.spec.band import Band

API_CURVE = Curve(
    label="serverless: exampleapi, per token",
    requests_per_s=(0.0, 100.0),
    usd_per_month=(0.0, 20_000.0),
    source="exampleapi global, per token, 2026-11-01",
)
GPU_CURVE = Curve(
    label="dedicated: example-24gb",
    requests_per_s=(0.0, 5.0, 5.0, 10.0, 10.0, 20.0, 20.0, 100.0),
    usd_per_month=(600.0, 600.0, 1_200.0, 1_200.0, 1_800.0, 1_800.0, 2_400.0, 2_400.0),
    source="exampleco eu-1, on-demand, 2026-11-01",
)
CROSSING = BreakEven(
    below=API_CURVE.label,
    above=GPU_CURVE.label,
    requests_per_s=3.0,
    tried_requests_per_s=100.0,
    tokens_per_day=3.0 * 1300 * 86_400,
    utilization=0.42,
    usd_per_month=600.0,
)
PRICE = Influence(
    input="price of a GPU-hour", unit="×", low=0.8, mid=1.0, high=1.25,
    usd_per_month_low=1_177.32, usd_per_month_high=1_839.57,
)  # fmt: skip
OSL = Influence(
    input="output tokens (OSL)", unit="tokens", low=150.0, mid=300.0, high=600.0,
    usd_per_month_low=1_000.0, usd_per_month_high=2_900.0, recommended_low="serverless",
)  # fmt: skip
SPEED = Influence(
    input="speed (80 % band)", unit="×", low=0.7, mid=1.0, high=1.3,
    usd_per_month_low=None, usd_per_month_high=1_463.65, note="TPOT p95 is 71 ms > 50 ms",
)  # fmt: skip
CACHE = Influence(
    input="cache hits", unit="%", low=0.0, mid=30.0, high=60.0, usd_per_month_low=1_600.0, usd_per_month_high=1_400.0
)
ON_DEMAND = TermValue(term="on-demand", what="1 × g.4", seller="exampleco eu-1", usd_per_month=1_000.0)
ONE_YEAR = TermValue(
    term="reserved-1y", what="1 × g.4", seller="exampleco eu-1", usd_per_month=700.0, break_even_months=8.4,
    committed_usd=8_400.0,
)  # fmt: skip
THREE_YEARS = TermValue(
    term="reserved-3y", what="1 × g.4", seller="exampleco eu-1", usd_per_month=500.0, break_even_months=18.0,
    committed_usd=18_000.0,
)  # fmt: skip
FOUND = Comparisons(
    curves=(API_CURVE, GPU_CURVE),
    break_evens=(CROSSING,),
    influences=(PRICE, OSL, SPEED, CACHE),
    terms=(ON_DEMAND, ONE_YEAR, THREE_YEARS),
)
NOTHING = Plan(
    question=sample.QUESTION,
    outcomes=dict.fromkeys(STRATEGY_IDS, sample.REJECTION),
    recommended=None,
    reasons=(),
    price_date=sample.PLAN.price_date,
    made_with=sample.PLAN.made_with,
)
HOSTILE = 'evil/<script>alert(1)</script>\n$\\frac{a}{0}$\x1b[31m & "q" ]]> モデル'


def option(tpot_ms: float, usd_per_month: float, strategy: str = "dedicated") -> Option:
    """A self-hosted option with this TPOT and this bill."""
    at = tpot_ms / 1e3
    speed = replace(sample.ESTIMATE, tpot_s=Band(low=at * 0.8, mid=at, high=at * 1.2), tpot_p95_s=at)
    line = replace(sample.QUOTE.lines[0], usd_per_month=usd_per_month, unit_price_usd=usd_per_month / 730)
    return replace(
        sample.DEDICATED,
        deployment=replace(sample.DEDICATED.deployment, strategy=strategy),
        estimate=speed,
        quote=replace(sample.QUOTE, lines=(line,)),
    )


def named(model_id: str) -> Plan:
    """The sample plan for a model of another name."""
    return replace(sample.PLAN, question=replace(sample.QUESTION, model_id=model_id))


OTHERS = (option(10, 4_000), option(20, 2_000), option(25, 3_000), option(80, 900, "quantized"))
