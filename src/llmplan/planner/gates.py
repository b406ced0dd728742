"""Limits that an answer is held against once it is there: a bill, a price per million tokens, a promise of latency."""

from __future__ import annotations

import math
from dataclasses import replace

from llmplan.plan.load import Load
from llmplan.plan.money.gate import GateId, Verdict
from llmplan.plan.outcome import Estimate, Option, Quote
from llmplan.plan.plan import Plan
from llmplan.plan.promise import Promise
from llmplan.plan.replay import Latency, Played
from llmplan.planner.promises import promises_of
from llmplan.spec.workload import Slo, Workload


def verdicts(
    plan: Plan, *, usd_per_month: float | None = None, usd_per_mtok: float | None = None, slo: bool = False
) -> tuple[Verdict, ...]:
    """Every gate that was set, held against the recommended option; none where nothing is feasible.

    usd_per_month: most that the month may cost [USD]. usd_per_mtok: most that a million tokens, input and output
    together, may cost [USD]. slo: whether every stated promise has to be predicted to hold, in the middle of the band.
    A total that lacks a charge is a lower bound: it can break a gate, and never shows that one holds.
    """
    option = plan.chosen
    if option is None:
        return ()
    found = []
    quote = option.quote
    if usd_per_month is not None:
        found.append(_money("max_usd_per_month", usd_per_month, quote.usd_per_month, quote))
    if usd_per_mtok is not None:
        found.append(_money("max_usd_per_million_tokens", usd_per_mtok, quote.usd_per_mtok_blended, quote))
    if slo:
        found.append(_promised(plan, option))
    return tuple(found)


def _money(gate: GateId, limit: float, value: float | None, quote: Quote) -> Verdict:
    over = value is not None and value > limit
    holds = False if over else True if quote.complete and value is not None else None
    open_lines = tuple(line for line in quote.lines if line.usd_per_month is None)
    priced = [line for line in quote.lines if line.usd_per_month is not None]
    largest = (max(priced, key=lambda line: line.usd_per_month or 0.0),) if priced else ()
    return Verdict(
        gate=gate, holds=holds, limit=limit, value=value, complete=quote.complete,
        lines=largest if over or value is None else open_lines or largest,
    )  # fmt: skip


def _promised(plan: Plan, option: Option) -> Verdict:
    question = plan.question
    played = _played(plan)
    estimate = option.estimate
    if played is not None:
        middle, slow = _of_replay(played, question.slo, slow=False), _of_replay(played, question.slo, slow=True)
    elif estimate is not None:
        load = _load(question.workload)
        middle = promises_of(estimate, question.slo, load)
        slow = promises_of(_slow(estimate), question.slo, load)
    else:
        middle, slow = (), ()
    holds = option.meets_slo
    if any(promise.broken for promise in middle):
        holds = False
    held = {promise.name for promise in middle if not promise.broken}
    steps = [line for line in estimate.step_ledger.lines if line.amount is not None] if estimate else []
    return Verdict(
        gate="require_slo",
        holds=holds,
        promises=middle,
        slow_end=tuple(promise for promise in slow if promise.broken and promise.name in held),
        ledger_line=max(steps, key=lambda line: line.amount or 0.0, default=None),
    )


def _load(workload: Workload) -> Load:
    """Of the load only the lengths matter to what is promised."""
    return Load(kind="rate", value=1.0, input_tokens=workload.input_tokens, output_tokens=workload.output_tokens)


def _slow(estimate: Estimate) -> Estimate:
    """The estimate if everything takes as long as the slow end of its band; percentiles stretch as means do."""
    ttft, tpot = estimate.ttft_s, estimate.tpot_s
    return replace(
        estimate,
        ttft_p95_s=estimate.ttft_p95_s * _stretch(ttft.mid, ttft.high),
        tpot_p95_s=estimate.tpot_p95_s * _stretch(tpot.mid, tpot.high),
        tpot_s=replace(tpot, low=tpot.high, mid=tpot.high),
    )


def _stretch(mid: float, high: float) -> float:
    return high / mid if mid > 0 and math.isfinite(high) else 1.0


def _played(plan: Plan) -> Played | None:
    """How the recommended fleet did on recorded requests, where there were some."""
    replays = dict(plan.over_time.replays) if plan.over_time is not None else {}
    replay = replays.get(plan.recommended) if plan.recommended is not None else None
    return replay.taken if replay is not None else None


def _of_replay(played: Played, slo: Slo, *, slow: bool) -> tuple[Promise, ...]:
    rows = (
        ("TTFT p95", "--ttft-p95-ms", played.ttft_s, slo.ttft_p95_s),
        ("TPOT p95", "--tpot-p95-ms", played.tpot_s, slo.tpot_p95_s),
        ("E2E p95", "--e2e-p95-ms", played.e2e_s, slo.e2e_p95_s),
    )
    return tuple(
        Promise(name=name, flag=flag, predicted_s=_p95(latency, slow=slow), promised_s=promised_s)
        for name, flag, latency, promised_s in rows
        if promised_s is not None and latency is not None
    )


def _p95(latency: Latency, *, slow: bool) -> float:
    return latency.p95_high if slow and latency.p95_high is not None else latency.p95
