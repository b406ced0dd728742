"""Every stated promise counts: in refusals, in how near they came, in the way out and in the reasons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan.plan.deployment import Deployment
from llmplan.plan.outcome import Estimate, Option, Rejection
from llmplan.plan.plan import Plan
from llmplan.plan.usage import ServerlessUsage
from llmplan.planner import recommend
from llmplan.planner.context import Context
from llmplan.planner.promises import closeness, promises_of, relax
from llmplan.planner.serverless import slo_rejection
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Question, Slo
from tests_support import LLAMA_8B, LLAMA_70B, Ask

FLAGS = {"--ttft-p95-ms": "ttft_p95_s", "--tpot-p95-ms": "tpot_p95_s", "--e2e-p95-ms": "e2e_p95_s"}
USAGE = ServerlessUsage(
    mean_running_replicas=0.1, peak_replicas=1, billed_replica_s_per_month=1e5, busy_replica_s_per_month=4e4,
    idle_replica_s_per_month=5e4, starting_replica_s_per_month=1e4, cold_start_s=98.0, cold_request_share=1.0,
    starts_per_month=1000.0,
)  # fmt: skip


def with_slo(question: Question, **promised: float) -> Question:
    return replace(question, slo=Slo(**promised))


@pytest.fixture(scope="module")
def plan(catalog: Catalog, ask: Ask) -> Plan:
    question = ask(LLAMA_8B, requests_per_s=0.5, gpu_ids=("l4-24gb",), privacy="private")
    return recommend(with_slo(question, e2e_p95_s=60.0), catalog)


@pytest.fixture(scope="module")
def dedicated(plan: Plan) -> Option:
    row = plan.outcomes["dedicated"]
    assert isinstance(row, Option), row
    return row


@pytest.fixture(scope="module")
def warm(dedicated: Option) -> Estimate:
    assert dedicated.estimate is not None
    return dedicated.estimate


@pytest.fixture(scope="module")
def fleet(dedicated: Option) -> Deployment:
    return dedicated.deployment


def context_of(plan: Plan, catalog: Catalog, **promised: float) -> Context:
    return Context.of(with_slo(plan.question, **promised), catalog)


def test_only_stated_promises_are_listed_each_with_its_flag(plan: Plan, catalog: Catalog, warm: Estimate) -> None:
    load = context_of(plan, catalog).demand.shape
    assert promises_of(warm, Slo(), load) == ()
    assert relax(()) == ""
    every = promises_of(warm, Slo(ttft_p95_s=1e-3, tpot_p95_s=1e3, e2e_p95_s=1e-3), load)
    assert {each.flag: each.promised_s for each in every} == {
        "--ttft-p95-ms": 1e-3, "--tpot-p95-ms": 1e3, "--e2e-p95-ms": 1e-3
    }  # fmt: skip
    assert relax(every) == "relax --ttft-p95-ms or --e2e-p95-ms"


@pytest.mark.parametrize("flag", FLAGS)
def test_half_of_what_is_predicted_is_half_way(flag: str, plan: Plan, catalog: Catalog, warm: Estimate) -> None:
    load = context_of(plan, catalog).demand.shape
    (loose,) = promises_of(warm, Slo(**{FLAGS[flag]: 1e6}), load)
    assert closeness((loose,)) == 1.0
    half = promises_of(warm, Slo(**{FLAGS[flag]: loose.predicted_s / 2}), load)
    assert closeness(half) == pytest.approx(0.5)
    assert relax(half) == f"relax {flag}"


@pytest.mark.parametrize("load", [{"requests_per_s": 1.0}, {"concurrency": 4.0}])
@pytest.mark.parametrize("flag", FLAGS)
def test_a_broken_promise_is_the_one_to_relax(flag: str, load: dict[str, float], catalog: Catalog, ask: Ask) -> None:
    question = with_slo(ask(LLAMA_70B, gpu_ids=("h100-sxm-80gb",), **load), **{FLAGS[flag]: 1e-3})
    row = recommend(question, catalog).outcomes["dedicated"]
    assert isinstance(row, Rejection)
    assert row.code == "misses_slo"
    assert [each for each in FLAGS if each in row.fix] == [flag]
    assert 0.0 < row.closeness < 1.0


def test_reasons_set_the_whole_request_beside_its_promise(plan: Plan) -> None:
    assert plan.recommended is not None
    assert any("E2E p95" in reason and "of 60" in reason for reason in plan.reasons), plan.reasons


@pytest.mark.parametrize("flag", ["--ttft-p95-ms", "--e2e-p95-ms"])
def test_a_cold_start_that_breaks_a_promise_refuses(
    flag: str, plan: Plan, catalog: Catalog, warm: Estimate, fleet: Deployment
) -> None:
    """A warm worker keeps 60 s, one that starts in 98 s does not; up to 5 % of requests may meet it."""
    context = context_of(plan, catalog, **{FLAGS[flag]: 60.0})
    found = slo_rejection(fleet, USAGE, warm, context)
    assert found is not None
    assert found.code == "cold_start"
    assert found.fix == f"keep one worker warm, or relax {flag}"
    assert slo_rejection(fleet, replace(USAGE, cold_request_share=0.05), warm, context) is None
    assert slo_rejection(fleet, USAGE, warm, context_of(plan, catalog, **{FLAGS[flag]: 1000.0})) is None


def test_a_slow_warm_worker_is_no_cold_start(plan: Plan, catalog: Catalog, warm: Estimate, fleet: Deployment) -> None:
    found = slo_rejection(fleet, USAGE, warm, context_of(plan, catalog, tpot_p95_s=1e-4))
    assert found is not None
    assert found.code == "misses_slo"
    assert "keep one worker warm" not in found.fix
    assert "--tpot-p95-ms" in found.fix


def test_nothing_that_starts_cold_is_recommended_for_fifteen_seconds(catalog: Catalog, ask: Ask) -> None:
    """Twenty requests in three hours, nine tenths of the time silent: every request would meet a cold worker."""
    question = with_slo(ask(LLAMA_8B, requests_per_s=0.002, privacy="private"), e2e_p95_s=15.0)
    question = replace(question, workload=replace(question.workload, idle_share=0.9))
    plan = recommend(question, catalog)
    row = plan.outcomes["serverless"]
    if isinstance(row, Option):
        assert row.cold["cold_request_share"] <= 0.05
    assert plan.chosen is not None
    assert plan.chosen.cold.get("cold_request_share", 0.0) <= 0.05
