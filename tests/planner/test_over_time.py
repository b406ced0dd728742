"""Strategies on recorded requests: the smallest fleet that keeps the promise, workers that come and go, crossings."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from llmplan.plan.document import from_document, to_document
from llmplan.plan.outcome import Option, Rejection
from llmplan.plan.plan import Plan
from llmplan.plan.replay import Replay
from llmplan.planner.context import Context
from llmplan.planner.over_time import recommend_over_time
from llmplan.planner.over_time.crossing import bisected
from llmplan.planner.over_time.hourly import least
from llmplan.planner.over_time.stage import Actor, Stage, keeps
from llmplan.simulate.fleet import FleetSpec
from llmplan.simulate.traffic.recorded import Recorded
from llmplan.spec.catalog import Catalog
from llmplan.spec.requests import Requests
from llmplan.spec.workload import Question
from tests_support import LLAMA_8B, Ask

TTFT_S, TPOT_S = 1.0, 0.06


def steady(rate: float, *, seconds: float = 600.0, tenants: int = 1, seed: int = 4) -> Recorded:
    """Poisson requests of 800 tokens in and 150 out."""
    rng = np.random.default_rng(seed)
    count = int(rate * seconds)
    requests = Requests(
        arrival_s=np.sort(rng.uniform(0.0, seconds, count)),
        input_tokens=np.full(count, 800),
        output_tokens=np.full(count, 150),
        tenant=None if tenants == 1 else rng.integers(0, tenants, count),
    )
    return Recorded(name="steady", requests=requests, duration_s=seconds)


def rare() -> Recorded:
    """A request every 20 minutes for a day."""
    count = 72
    requests = Requests(
        arrival_s=np.arange(count) * 1200.0, input_tokens=np.full(count, 800), output_tokens=np.full(count, 150)
    )
    return Recorded(name="rare", requests=requests, duration_s=count * 1200.0)


@pytest.fixture(scope="module")
def question(ask: Ask) -> Question:
    return ask(
        LLAMA_8B, requests_per_s=20.0, isl=800, osl=150, context_tokens=2048, ttft_p95_s=TTFT_S, tpot_p95_s=TPOT_S,
        gpu_ids=("l4-24gb",), privacy="private", weight_formats=("bf16", "fp8"), spare_replicas=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def busy(question: Question, catalog: Catalog) -> Plan:
    return recommend_over_time(question, catalog, steady(20.0))


def replays(plan: Plan) -> dict[str, Replay]:
    assert plan.over_time is not None
    return dict(plan.over_time.replays)


def test_the_fleet_keeps_the_promise_and_one_replica_less_does_not(busy: Plan, catalog: Catalog) -> None:
    option, replay = busy.outcomes["dedicated"], replays(busy)["dedicated"]
    assert isinstance(option, Option)
    assert replay.taken is not None
    assert replay.taken.keeps
    assert replay.taken.ttft_s is not None
    assert replay.taken.tpot_s is not None
    assert replay.taken.ttft_s.p95 <= TTFT_S
    assert replay.taken.tpot_s.p95 <= TPOT_S
    active = (option.deployment.replicas or 0) - 1
    assert replay.taken.fleet == f"{active} replicas and 1 spare"
    context = Context.of(busy.question, catalog)
    assert option.memory is not None
    assert option.deployment.replica is not None
    actor = Actor.of(option.deployment.replica, option.memory, context)
    stage = Stage(trace=steady(20.0), slo=busy.question.slo)
    for replicas, kept in ((active, True), (active - 1, False)):
        spec = FleetSpec(replicas=replicas, router=actor.router(stage.trace))
        assert keeps(actor.play(spec, stage.trace, stage, "")[1], stage.slo) is kept


def test_the_fleet_is_paid_for_by_the_machine(busy: Plan) -> None:
    option, replay = busy.outcomes["dedicated"], replays(busy)["dedicated"]
    assert isinstance(option, Option)
    assert replay.taken is not None
    assert replay.taken.usd_per_month == option.quote.usd_per_month
    rent = [line for line in option.quote.lines if line.unit in ("instance-h", "GPU-h")]
    assert rent
    assert replay.taken.mean_replicas == pytest.approx((option.deployment.replicas or 0) - 1)


def test_an_autoscaled_fleet_is_beside_it_and_rents_what_runs(busy: Plan) -> None:
    (scaled,) = replays(busy)["dedicated"].others
    assert "by requests in flight" in scaled.fleet
    assert 1.0 <= scaled.mean_replicas <= scaled.peak_replicas


def test_steady_traffic_is_no_case_for_scale_to_zero(busy: Plan) -> None:
    serverless, dedicated = busy.outcomes["serverless"], busy.outcomes["dedicated"]
    assert isinstance(dedicated, Option)
    assert isinstance(serverless, Rejection) or serverless.quote.usd_per_month > dedicated.quote.usd_per_month
    assert busy.recommended != "serverless"


def test_rare_requests_are_cheaper_by_the_second_and_meet_cold_workers(question: Question, catalog: Catalog) -> None:
    patient = replace(
        question,
        workload=replace(question.workload, requests_per_s=1 / 1200),
        slo=replace(question.slo, ttft_p95_s=300.0),
    )
    plan = recommend_over_time(patient, catalog, rare())
    serverless, dedicated = plan.outcomes["serverless"], plan.outcomes["dedicated"]
    assert isinstance(serverless, Option)
    assert isinstance(dedicated, Option)
    assert serverless.quote.usd_per_month < 0.3 * dedicated.quote.usd_per_month
    taken = replays(plan)["serverless"].taken
    assert taken is not None
    assert taken.cold_share == 1.0
    assert taken.keeps
    assert serverless.cold["cold_request_share"] == 1.0
    assert plan.recommended == "serverless"


def test_impatient_ones_need_a_worker_that_is_warm(question: Question, catalog: Catalog) -> None:
    rate = replace(question.workload, requests_per_s=1 / 1200)
    plan = recommend_over_time(replace(question, workload=rate), catalog, rare())
    serverless, replay = plan.outcomes["serverless"], replays(plan)["serverless"]
    if isinstance(serverless, Option):
        assert serverless.deployment.purchase.keep_warm == 1
        assert replay.taken is not None
        assert replay.taken.cold_share == 0.0
    cold = [each for each in (replay.taken, *replay.others) if each is not None and each.cold_share > 0.9]
    assert cold
    assert not any(each.keeps for each in cold)


@pytest.mark.slow
def test_costs_change_their_order_where_they_are_said_to_cross(question: Question, catalog: Catalog) -> None:
    """At half of the crossing rate seconds are cheaper than a machine, at twice that they are not."""
    trace = steady(0.02, seconds=86_400.0)
    patient = replace(
        question, workload=replace(question.workload, requests_per_s=0.02), slo=replace(question.slo, ttft_p95_s=300.0)
    )
    plan = recommend_over_time(patient, catalog, trace)
    assert plan.over_time is not None
    (crossing,) = [each for each in plan.over_time.crossings if "second" in each.below]
    assert crossing.requests_per_s is not None
    assert 0 < crossing.requests_per_s < crossing.tried_requests_per_s
    for factor, cheaper in ((0.5, True), (2.0, False)):
        scaled = trace.scaled(factor * crossing.requests_per_s / 0.02)
        rate = replace(patient.workload, requests_per_s=scaled.mean_requests_per_s)
        again = replays(recommend_over_time(replace(patient, workload=rate), catalog, scaled))
        seconds, alone = again["serverless"].taken, again["dedicated"].taken
        assert seconds is not None
        assert alone is not None
        assert seconds.usd_per_month is not None
        assert alone.usd_per_month is not None
        assert (seconds.usd_per_month < alone.usd_per_month) is cheaper


def test_a_worker_kept_warm_is_no_cheaper_than_a_machine_at_any_rate(question: Question, catalog: Catalog) -> None:
    """Impatient requests need the warm worker, which costs all of the month more than the machine does."""
    calm = replace(question, workload=replace(question.workload, requests_per_s=1.0))
    plan = recommend_over_time(calm, catalog, steady(1.0))
    assert plan.over_time is not None
    (crossing,) = [each for each in plan.over_time.crossings if "second" in each.above]
    assert crossing.below == "one replica by the hour"
    assert crossing.requests_per_s is None


def test_tenants_share_one_fleet_for_less_than_one_each(question: Question, catalog: Catalog) -> None:
    shared = replace(question, workload=replace(question.workload, requests_per_s=4.0, tenants=4))
    plan = recommend_over_time(shared, catalog, steady(4.0, tenants=4))
    together = replays(plan)["multi_tenant"].taken
    apart = next(each for each in replays(plan)["multi_tenant"].others if "each of 4 tenants" in each.fleet)
    assert together is not None
    assert together.worst_tenant_ttft_p95_s is not None
    assert apart.worst_tenant_ttft_p95_s is not None
    assert apart.mean_replicas >= 4
    assert together.mean_replicas < 4
    assert together.usd_per_month is not None
    assert apart.usd_per_month is not None
    assert together.usd_per_month < apart.usd_per_month


def test_workers_are_no_more_than_the_gpus_that_may_be_used(question: Question, catalog: Catalog) -> None:
    """Ten requests a second would start more than two workers cold, at once."""
    calm = replace(question.workload, requests_per_s=1.0)
    few = replace(question, workload=calm, limits=replace(question.limits, max_gpus=2))
    plan = recommend_over_time(few, catalog, steady(10.0))
    runs = [run for replay in replays(plan).values() for run in (replay.taken, *replay.others) if run is not None]
    assert any("worker" in run.fleet for run in runs)
    assert all(run.peak_replicas <= 2 for run in runs)


def test_no_number_of_replicas_is_fast_enough_for_an_impossible_promise(question: Question, catalog: Catalog) -> None:
    """A first token within the time of half a prompt: the steady state says so, or the trace does."""
    strict = replace(question, slo=replace(question.slo, ttft_p95_s=0.01))
    plan = recommend_over_time(strict, catalog, steady(2.0))
    assert plan.recommended is None
    assert all(isinstance(row, Rejection) for row in plan.outcomes.values())


def test_the_search_for_a_fleet_stops_at_the_hardware(busy: Plan, catalog: Catalog) -> None:
    option = busy.outcomes["dedicated"]
    assert isinstance(option, Option)
    assert option.memory is not None
    assert option.deployment.replica is not None
    actor = Actor.of(option.deployment.replica, option.memory, Context.of(busy.question, catalog))
    stage = Stage(trace=steady(20.0), slo=busy.question.slo)
    sizing = least(actor, stage, stage.trace, "dedicated", first=1, most=1)
    assert (sizing.active, sizing.kept) == (1, False)


def test_a_plan_keeps_what_it_saw(busy: Plan) -> None:
    document = to_document(busy)
    again = from_document(json.loads(json.dumps(document, allow_nan=False)))
    assert again.over_time == busy.over_time
    del document["over_time"]
    assert from_document(document).over_time is None


@pytest.mark.parametrize("limit", [0.013, 0.4, 1.0, 3.3, 40.0])
def test_bisection_finds_the_last_factor_that_holds(limit: float) -> None:
    found = bisected(lambda factor: factor <= limit, most=64.0)
    assert limit * 0.97 <= found <= limit


def test_bisection_gives_up_on_what_never_holds() -> None:
    assert bisected(lambda factor: False, most=64.0) == 0.0
    assert bisected(lambda factor: True, most=64.0) == 64.0
