"""`llmplan cost --json`: what each strategy costs, as lines whose sum is the total (docs/reference/json.md)."""

from __future__ import annotations

from llmplan.plan.money.side import side_of
from llmplan.plan.outcome import Option, Quote, QuoteLine, Rejection
from llmplan.report import gates
from llmplan.report.cost_answer import CostAnswer
from llmplan.report.json import Record, deployment, rejection, schema
from llmplan.report.json_against import against, comparable, comparable_bill


def cost(answer: CostAnswer) -> Record:
    """`llmplan cost --json`. Amounts are in USD whatever currency is printed elsewhere."""
    plan, limit = answer.plan, answer.max_usd_per_month
    side = side_of(plan, "")
    chosen, currency = plan.chosen, answer.currency
    total = chosen.quote.usd_per_month if chosen else None
    exceeded = total is not None and limit is not None and total > limit
    return {
        "schema": schema("cost"),
        "model": plan.question.model_id,
        "strategies": [
            {"strategy": name, **priced(outcome), **comparable_bill(side.bills[name])}
            for name, outcome in plan.outcomes.items()
        ],
        "by_gpu": [{"gpu": gpu_id, **priced(outcome)} for gpu_id, outcome in answer.by_gpu.items()],
        "recommended": plan.recommended,
        "usd_per_month": total,
        "limit": {"max_usd_per_month": limit, "exceeded": exceeded},
        "gates": gates.records(answer.verdicts, plan.recommended or ""),
        "currency": {"code": currency.code, "per_usd": currency.per_usd},
        "against": against(answer.against) if answer.against is not None else None,
        "remarks": list(answer.remarks),
        **comparable(side),
        "price_date": plan.price_date.isoformat(),
        "made_with": plan.made_with,
    }


def priced(outcome: Option | Rejection) -> Record:
    """What an outcome costs, or why there is nothing to pay for."""
    if isinstance(outcome, Rejection):
        return {"status": "rejection", "deployment": None, "quote": None, "rejection": rejection(outcome)}
    replica = outcome.deployment.replica
    return {
        "status": "option",
        "deployment": None if replica is None else {**deployment(replica), "gpus": outcome.deployment.gpus},
        "replicas": outcome.deployment.replicas,
        "meets_slo": outcome.meets_slo,
        "quote": quote(outcome.quote),
        "rejection": None,
    }


def quote(value: Quote) -> Record:
    """Totals, then the lines whose sum they are."""
    return {
        "usd_per_month": value.usd_per_month,
        "usd_per_hour": value.usd_per_hour,
        "usd_per_million_tokens": {
            "input": value.usd_per_mtok_input,
            "cached_input": value.usd_per_mtok_cached_input,
            "output": value.usd_per_mtok_output,
            "blended": value.usd_per_mtok_blended,
        },
        "usd_per_request": value.usd_per_request,
        "usd_per_tenant_month": value.usd_per_tenant_month,
        "complete": value.complete,
        "as_of": value.as_of.isoformat(),
        "lines": [quote_line(line) for line in value.lines],
        "alternatives": [quote_line(line) for line in value.alternatives],
    }


def quote_line(line: QuoteLine) -> Record:
    """Quantity, unit price, amount, and the row of price data behind them."""
    figure = line.figure
    return {
        "name": line.name,
        "quantity": line.quantity,
        "unit": line.unit,
        "unit_price_usd": line.unit_price_usd,
        "usd_per_month": line.usd_per_month,
        "note": line.note,
        "beside": line.beside,
        "figure": None
        if figure is None
        else {
            "provider": figure.provider,
            "instance": figure.instance,
            "region": figure.region,
            "term": figure.term,
            "quality": figure.quality,
            "source": figure.source,
            "url": figure.url,
            "as_of": figure.as_of.isoformat() if figure.as_of else None,
        },
    }
