"""Plans for platforms that rent GPUs: a replica whose GPU has a name everywhere, by the hour or by the second."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import plan_samples as sample
from llmplan.emit import LaunchFile, Variant, emit
from llmplan.plan.deployment import Purchase, Replica
from llmplan.plan.outcome import Option, PriceFigure, Quote, QuoteLine
from llmplan.plan.plan import Plan
from llmplan.spec.band import Band

NAMES = {
    "modal": "H100!", "runpod": "NVIDIA H100 80GB HBM3", "runpod-serverless": "ADA_80_PRO,-NVIDIA H100 PCIe",
    "skypilot": "H100", "dstack": "H100", "cloud-run": "nvidia-l4",
}  # fmt: skip


def replica(**parts: Any) -> Replica:
    parts.setdefault("gpu", sample.gpu(platform_names=NAMES))
    return sample.replica(**parts)


def hourly(of: Replica | None = None, *, replicas: int = 2, provider: str = "lambda", **figure: str) -> Plan:
    """Two replicas at $3.40 an hour each, on demand."""
    option = sample.option(of=of or replica())
    (line,) = option.quote.lines
    assert line.figure is not None
    row = replace(line.figure, provider=provider, **figure)
    usd = 3.4 * 730 * replicas
    quote = replace(
        option.quote,
        lines=(replace(line, quantity=730.0 * replicas, unit="instance-h", usd_per_month=usd, figure=row),),
    )
    deployment = replace(option.deployment, replicas=replicas)
    return sample.plan(replace(option, quote=quote, deployment=deployment, start_s=150.0))


def by_second(of: Replica | None = None, *, peak: int = 3, keep_warm: int = 0, window_s: float = 60.0) -> Plan:
    """Up to three workers, an idle window of a minute unless stated."""
    one = of or replica()
    option: Option = sample.option(strategy="serverless", of=one)
    figure = PriceFigure(
        provider="koyeb", region="global", term="per second", instance="h100", source="price list",
        as_of=date(2026, 11, 20),
    )  # fmt: skip
    line = QuoteLine(name="busy", quantity=1e6, unit="GPU-s", unit_price_usd=1e-3, usd_per_month=1000.0, figure=figure)
    quote: Quote = replace(option.quote, lines=(line,))
    purchase = Purchase(kind="serverless", keep_warm=keep_warm)
    assert option.estimate is not None
    estimate = replace(option.estimate, e2e_s=Band(low=10.0, mid=20.0, high=40.0))
    filled = replace(
        option,
        deployment=replace(option.deployment, purchase=purchase, replicas=peak),
        quote=quote,
        cold={"idle_window_s": window_s, "cold_start_s": 150.0},
        start_s=150.0,
        estimate=estimate,
    )
    return sample.plan(filled, recommended="serverless")


def limited(plan: Plan, **limits: Any) -> Plan:
    """The same plan for a question with other limits."""
    question = replace(plan.question, limits=replace(plan.question.limits, **limits))
    return replace(plan, question=question)


def files(plan: Plan, target: str, **variant: Any) -> dict[str, LaunchFile]:
    return {file.path: file for file in emit(plan, strategy=None, target=target, variant=Variant(**variant))}
