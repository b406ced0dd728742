"""Break-evens against simulated traffic: the order of two bills flips within 2 % of the load that was solved for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from llmplan import perf
from llmplan.plan.outcome import Option
from llmplan.plan.simulated import Simulated
from llmplan.planner import recommend
from llmplan.planner.comparisons.base import context_of, machines_of
from llmplan.planner.comparisons.break_even import settled
from llmplan.planner.comparisons.crossings import flips
from llmplan.planner.comparisons.machines import Machines
from llmplan.planner.comparisons.rivals import Rivals, rivals_of
from llmplan.planner.comparisons.seconds import Seconds
from llmplan.planner.comparisons.tokens import hosted
from llmplan.planner.context import Context
from llmplan.planner.demand import with_rate
from llmplan.planner.evaluate import evaluate
from llmplan.planner.over_time.stage import PROMISED_SHARE, Actor
from llmplan.planner.serverless import billed, fleet_of
from llmplan.planner.size import most_replicas
from llmplan.simulate import idle_window_s
from llmplan.simulate.fleet import Fleet, FleetSpec, Workers, summarize
from llmplan.simulate.fleet.billing import serverless_usage
from llmplan.simulate.traffic import generate
from llmplan.spec.catalog import Catalog
from llmplan.spec.request_runs import joined
from llmplan.spec.requests import Requests
from llmplan.spec.workload import Lengths, Question, Slo, Workload
from llmplan.units import SECONDS_PER_MONTH, TOKENS_PER_MTOK
from tests_support import LLAMA_8B, LLAMA_70B, Ask

QWEN_32B = "Qwen/Qwen2.5-32B-Instruct"
BEFORE, AFTER = 0.98, 1.02


def rivals_for(question: Question, catalog: Catalog) -> Rivals:
    """The ways that are set against each other."""
    plan = recommend(question, catalog)
    context = context_of(plan, catalog)
    own = machines_of(plan, context)
    assert own is not None
    machines = Machines.of(own, context)
    assert machines is not None
    rivals = rivals_of(plan, machines, context)
    assert rivals is not None
    return settled(rivals)


def played(fleet: Fleet, requests: Requests, period_s: float, slo: Slo) -> Simulated:
    """A run to its end."""
    for _ in fleet.run([requests]):
        pass
    return summarize(fleet, slo, period_s=period_s)


# -- GPUs by the second


def even_gaps(count: int, seed: int) -> np.ndarray:
    """Gaps of a Poisson process of rate one: each of `count` equally likely stretches of the exponential distribution
    once, in random order, so that a run has as many long gaps as there should be."""
    gaps = -np.log1p(-(np.arange(count) + 0.5) / count)
    return np.random.default_rng(seed).permutation(gaps / gaps.mean())


def by_the_second(seconds: Seconds, rate: float, count: int, seed: int) -> float:
    """The month's bill of workers that are started and stopped request by request [USD]."""
    context, replica, budget = seconds.context, seconds.worker.replica, seconds.worker.budget
    shape, limit = context.demand.shape, context.limits.max_utilization
    slots = perf.capacity(replica, budget, shape, context.calibration(replica), context.slo, limit).in_flight
    actor = Actor.of(replica, budget, context)
    policy = Workers(
        target_concurrency=slots,
        most_concurrency=max(slots, actor.rules.max_num_seqs),
        idle_window_s=idle_window_s(seconds.offer),
        min_replicas=seconds.deployment.purchase.keep_warm,
        max_replicas=most_replicas(seconds.deployment, replica, context),
    )
    spec = FleetSpec(router="packed", packed_up_to=slots, start_s=seconds.start_s, autoscaler=policy)
    workload = context.workload
    requests = Requests(
        arrival_s=np.cumsum(even_gaps(count, seed)) / rate,
        input_tokens=np.full(count, round(workload.input_tokens.mean)),
        output_tokens=np.full(count, round(workload.output_tokens.mean)),
    )
    run = played(Fleet(spec, actor.times, actor.rules), requests, count / rate, Slo())
    usage = serverless_usage(run, seconds.offer, seconds.start_s)
    there = with_rate(workload, rate)
    quote = billed(fleet_of(seconds.deployment, usage), usage, seconds.offer, seconds.worker, there, context)
    return quote.usd_per_month  # type: ignore[union-attr]


def assert_simulated_flip(rivals: Rivals, window_s: float | None, count: int, seeds: range) -> None:
    """Cheaper than the machines 2 % before the load that was solved for, dearer 2 % beyond, on the same gaps."""
    seconds = rivals.seconds[0]
    assert not seconds.deployment.purchase.keep_warm
    if window_s is not None:
        seconds = replace(seconds, offer=replace(seconds.offer, idle_window_s=window_s))
    (solved,) = flips(seconds, rivals.machines, seconds.compared_upto(rivals.tried_per_s))
    over = {
        factor: np.mean([by_the_second(seconds, factor * solved, count, seed) for seed in seeds])
        / rivals.machines.usd_per_month(factor * solved)
        for factor in (BEFORE, AFTER)
    }
    assert over[BEFORE] < 1.0 < over[AFTER], (solved, over)


@pytest.fixture(scope="module")
def small(catalog: Catalog, ask: Ask) -> Rivals:
    return rivals_for(ask(LLAMA_8B, requests_per_s=0.05, isl=3000, osl=100), catalog)


def test_seconds_cross_machines_in_a_simulation(small: Rivals) -> None:
    assert_simulated_flip(small, None, 10_000, range(1))


@pytest.mark.slow
@pytest.mark.parametrize("window_s", [5.0, 60.0, 300.0])
def test_seconds_cross_machines_whatever_the_idle_window(small: Rivals, window_s: float) -> None:
    assert_simulated_flip(small, window_s, 30_000, range(3))


@pytest.mark.slow
@pytest.mark.parametrize(("model", "osl"), [(QWEN_32B, 400), (LLAMA_70B, 300)])
def test_seconds_cross_machines_for_larger_models(catalog: Catalog, ask: Ask, model: str, osl: int) -> None:
    rivals = rivals_for(ask(model, requests_per_s=0.05, isl=1000, osl=osl), catalog)
    assert_simulated_flip(rivals, None, 30_000, range(4))


def test_a_worker_kept_warm_costs_more_than_the_machine_in_a_simulation(small: Rivals) -> None:
    """The planner says that machines are cheaper from no load on."""
    first = small.seconds[0]
    purchase = replace(first.deployment.purchase, keep_warm=1)
    warm = replace(first, deployment=replace(first.deployment, purchase=purchase))
    upto = warm.compared_upto(small.tried_per_s)
    assert flips(warm, small.machines, upto) == (0.0,)
    for share in (0.1, 1.0):
        assert by_the_second(warm, share * upto, 3_000, 0) > small.machines.usd_per_month(share * upto)


def test_seconds_are_compared_as_long_as_one_worker_does(small: Rivals) -> None:
    """At the end of what is compared the closed form is within 1 % of the simulated bill; where crowds start further
    workers, at ten times that, it is not."""
    seconds = small.seconds[0]
    upto = seconds.compared_upto(small.tried_per_s)
    assert 0 < upto < small.tried_per_s
    assert by_the_second(seconds, upto, 10_000, 0) == pytest.approx(seconds.usd_per_month(upto), rel=0.01)
    crowded = 10 * upto
    assert by_the_second(seconds, crowded, 10_000, 0) > 1.04 * seconds.usd_per_month(crowded)


# -- tokens


LONG = Lengths(mean=1000.0, p50=700.0, p90=2000.0, p99=5000.0)
SHORT = Lengths(mean=300.0, p50=220.0, p90=600.0, p99=1500.0)
DRAWN = 400_000


def drawn(workload: Workload, rate: float, count: int, seed: int) -> Requests:
    """Traffic as the question describes it, at another rate."""
    return joined(list(generate(with_rate(workload, rate), seed=seed, requests=count)))


def by_the_token(rivals: Rivals, provider: str, rate: float, seed: int) -> float:
    """What a seller's rates make of the tokens that were drawn, scaled to a month, and what comes beside them [USD]."""
    context = rivals.machines.context
    question = replace(
        context.question,
        workload=with_rate(context.workload, rate),
        limits=replace(context.limits, provider_ids=(provider,)),
    )
    option = evaluate(hosted(rivals.machines.deployment), Context.of(question, context.catalog))
    assert isinstance(option, Option)
    requests = drawn(context.workload, rate, DRAWN, seed)
    columns = {"input tokens": requests.input_tokens, "output tokens": requests.output_tokens}
    months = float(requests.arrival_s[-1]) / SECONDS_PER_MONTH
    usd = 0.0
    for line in option.quote.lines:
        if line.name in columns:
            assert line.unit_price_usd is not None
            usd += float(columns[line.name].sum()) / TOKENS_PER_MTOK * line.unit_price_usd / months
        else:
            usd += line.usd_per_month or 0.0
    return usd


@pytest.fixture(scope="module")
def large(catalog: Catalog, ask: Ask) -> Rivals:
    question = ask(LLAMA_70B, requests_per_s=5.0, context_tokens=16384, ttft_p95_s=2.0, tpot_p95_s=0.05)
    varied = replace(question.workload, input_tokens=LONG, output_tokens=SHORT)
    return rivals_for(replace(question, workload=varied), catalog)


def test_tokens_cross_machines_on_drawn_lengths(large: Rivals) -> None:
    """Lengths vary threefold and more, and are drawn anew on both sides."""
    tested = 0
    for seller in large.tokens:
        loads = flips(seller, large.machines, large.tried_per_s)
        if not loads or loads[0] <= 0.0:
            continue
        for seed, factor in enumerate((BEFORE, AFTER)):
            tokens = by_the_token(large, seller.provider, factor * loads[0], seed)
            rent = large.machines.usd_per_month(factor * loads[0])
            beyond = len(loads) > 1 and factor * loads[0] > loads[1]
            assert (tokens > rent) == (factor == AFTER and not beyond), (seller.provider, loads[0], tokens / rent)
        tested += 1
    assert tested >= 2


def test_the_fleet_at_a_break_even_keeps_the_promise(large: Rivals) -> None:
    """At 2 % more than the dearest and the cheapest seller's break-even, drawn requests meet the fleet as sized."""
    machines, slo = large.machines, large.machines.context.slo
    solved = [loads[0] for each in large.tokens if (loads := flips(each, machines, large.tried_per_s))]
    actor = Actor.of(machines.replica, machines.budget, machines.context)
    for load in (solved[0], solved[-1]):
        rate = AFTER * load
        requests = drawn(large.workload, rate, 3_000, 1)
        spec = FleetSpec(replicas=machines.active(rate), router="least-loaded")
        run = played(Fleet(spec, actor.times, actor.rules), requests, 3_000 / rate, slo)
        assert run.attainment.ttft is not None
        assert run.attainment.tpot is not None
        assert min(run.attainment.ttft, run.attainment.tpot) >= PROMISED_SHARE, (rate, run.attainment)
