"""Gates: what holds, what breaks, what cannot be told, and which line decides it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import plan_samples as sample
from llmplan.plan.ledger import Ledger, Line
from llmplan.plan.money.gate import Verdict
from llmplan.plan.outcome import Estimate, QuoteLine
from llmplan.plan.plan import Plan
from llmplan.plan.replay import Latency, OverTime, Played, Replay
from llmplan.planner import verdicts
from llmplan.report import gates
from llmplan.report.currency import Currency
from llmplan.spec.band import Band
from llmplan.spec.workload import Slo

RENT = QuoteLine(name="2 x p5", quantity=1460.0, unit="instance-h", unit_price_usd=1.5, usd_per_month=2190.0)
DISK = QuoteLine(name="disk", quantity=10.0, unit="GiB", unit_price_usd=1.0, usd_per_month=10.0)
OPEN = QuoteLine(name="egress", quantity=0.0, unit="GB", unit_price_usd=0.09, usd_per_month=None)
STEPS = Ledger(
    unit="s", lines=(Line(name="weights", amount=0.02, unit="s"), Line(name="attention", amount=0.005, unit="s"))
)  # fmt: skip


def plan(*lines: QuoteLine, slo: Slo | None = None, tokens: float = 1e9, **changes: Any) -> Plan:
    quote = replace(sample.quote(), lines=lines, input_tokens_per_month=tokens, output_tokens_per_month=0.0)
    made = sample.plan(sample.option(quote=quote, **changes))
    return replace(made, question=replace(made.question, slo=slo or Slo()))


def one(found: tuple[Verdict, ...]) -> Verdict:
    (verdict,) = found
    return verdict


@pytest.mark.parametrize(("limit", "holds"), [(2200.0, True), (2199.99, False), (5000.0, True)])
def test_the_months_bill(limit: float, holds: bool) -> None:
    """2,190 + 10 = 2,200; a limit that is met exactly holds. The largest line decides."""
    verdict = one(verdicts(plan(RENT, DISK), usd_per_month=limit))
    assert (verdict.holds, verdict.broken, verdict.value) == (holds, not holds, 2200.0)
    assert verdict.lines == (RENT,)


@pytest.mark.parametrize(("limit", "holds"), [(2.2, True), (2.1, False)])
def test_a_million_tokens(limit: float, holds: bool) -> None:
    """2,200 USD over 1,000 million tokens."""
    verdict = one(verdicts(plan(RENT, DISK), usd_per_mtok=limit))
    assert verdict.holds is holds
    assert verdict.value == pytest.approx(2.2)


def test_a_total_that_lacks_a_charge_never_passes() -> None:
    """Within the limit it cannot be told, and the line without a price is named; over it, it is broken."""
    within = one(verdicts(plan(RENT, OPEN), usd_per_month=5000.0))
    assert (within.holds, within.broken, within.lines) == (None, True, (OPEN,))
    assert "no price: egress" in gates.sentence(within, "dedicated")
    over = one(verdicts(plan(RENT, OPEN), usd_per_month=100.0))
    assert (over.holds, over.lines) == (False, (RENT,))
    assert (
        "costs at least $2,190 a month, over --max-usd-per-month 100; the largest line: 2 x p5: 1,460 instance-h"
        in (gates.sentence(over, "dedicated"))
    )


def test_without_tokens_a_price_per_million_is_not_known() -> None:
    verdict = one(verdicts(plan(RENT, tokens=0.0), usd_per_mtok=5.0))
    assert (verdict.holds, verdict.value) == (None, None)
    assert "cannot be shown to hold" in gates.sentence(verdict, "dedicated")


def estimate(ttft_s: float, high: float = 1.0) -> Estimate:
    base = sample.estimate()
    band = Band(low=ttft_s / 2, mid=ttft_s, high=ttft_s * high)
    tpot = Band(low=0.01, mid=0.02, high=0.04)
    return replace(base, ttft_s=band, ttft_p95_s=ttft_s, tpot_s=tpot, tpot_p95_s=0.02, step_ledger=STEPS)


def test_a_promise_that_is_predicted_to_hold() -> None:
    verdict = one(verdicts(plan(RENT, slo=Slo(ttft_p95_s=1.0), estimate=estimate(0.5)), slo=True))
    assert (verdict.holds, verdict.slow_end) == (True, ())
    assert "keep the promise: TTFT p95 500 ms of 1 s" in gates.sentence(verdict, "dedicated")


def test_the_slow_end_of_the_band_is_said_and_breaks_nothing() -> None:
    """TTFT p95 0.5 s in the middle, 3 x that at the slow end; promised 1 s."""
    verdict = one(verdicts(plan(RENT, slo=Slo(ttft_p95_s=1.0), estimate=estimate(0.5, high=3.0)), slo=True))
    assert verdict.holds
    assert [(each.name, each.predicted_s) for each in verdict.slow_end] == [("TTFT p95", 1.5)]
    assert "at the slow end of its band TTFT p95 is 1.5 s, asked for 1 s" in gates.sentence(verdict, "dedicated")


def test_the_whole_request_stretches_with_both_bands() -> None:
    """0.5 + 299 x 0.02 = 6.48 s in the middle; 1.0 + 299 x 0.04 = 12.96 s at the slow end."""
    asked = plan(RENT, slo=Slo(e2e_p95_s=10.0), estimate=estimate(0.5, high=2.0))
    verdict = one(verdicts(asked, slo=True))
    assert verdict.promises[0].predicted_s == pytest.approx(6.48)
    assert verdict.slow_end[0].predicted_s == pytest.approx(12.96)


def test_a_promise_that_is_missed_names_the_largest_part_of_a_step() -> None:
    verdict = one(verdicts(plan(RENT, slo=Slo(ttft_p95_s=0.1), estimate=estimate(0.5)), slo=True))
    assert (verdict.holds, verdict.ledger_line) == (False, STEPS.lines[0])
    said = gates.sentence(verdict, "dedicated")
    assert "TTFT p95 is 500 ms, asked for 100 ms" in said
    assert "the largest part of a step: weights 20 ms" in said


def test_an_api_whose_latency_nobody_states_does_not_pass() -> None:
    api = replace(sample.token_option(), quote=replace(sample.quote(), lines=(RENT,)))
    verdict = one(verdicts(sample.plan(api, recommended="serverless"), slo=True))
    assert (verdict.holds, verdict.broken) == (None, True)
    assert "nobody states the latency of serverless" in gates.sentence(verdict, "serverless")


def test_a_fleet_that_was_simulated_is_judged_by_what_it_did() -> None:
    ttft = Latency(p50=0.2, p95=0.8, p99=2.0, p95_low=0.5, p95_high=1.4)
    played = Played(
        fleet="2 replicas", keeps=True, kept_share=0.99, ttft_s=ttft, tpot_s=None, e2e_s=None, mean_replicas=2,
        peak_replicas=2,
    )  # fmt: skip
    traced = OverTime(
        trace="t.csv", requests=10, duration_s=10.0, requests_per_s=1.0, busiest_hour_requests_per_s=1.0,
        replays=(("dedicated", Replay(taken=played)),),
    )  # fmt: skip
    made = replace(plan(RENT, slo=Slo(ttft_p95_s=1.0), estimate=estimate(5.0)), over_time=traced)
    verdict = one(verdicts(made, slo=True))
    assert [each.predicted_s for each in verdict.promises] == [0.8]
    assert [each.predicted_s for each in verdict.slow_end] == [1.4]
    assert verdict.holds


def test_every_gate_that_was_set_and_no_other() -> None:
    made = plan(RENT, slo=Slo(ttft_p95_s=1.0), estimate=estimate(0.5))
    assert verdicts(made) == ()
    found = verdicts(made, usd_per_month=1.0, usd_per_mtok=1e6, slo=True)
    assert [verdict.gate for verdict in found] == ["max_usd_per_month", "max_usd_per_million_tokens", "require_slo"]
    assert [verdict.broken for verdict in found] == [True, False, False]
    assert verdicts(replace(made, recommended=None), usd_per_month=1.0) == ()


def test_the_limit_is_printed_in_dollars_and_the_bill_in_the_currency() -> None:
    verdict = one(verdicts(plan(RENT), usd_per_month=100.0))
    said = gates.sentence(verdict, "dedicated", Currency(code="EUR", per_usd=0.5))
    assert said.startswith("dedicated costs €1,095 a month, over --max-usd-per-month 100; the largest line")
    assert gates.hints((verdict,)) == ["--max-usd-per-month 2190"]
