"""What questions share changes the time and never the answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan import planner
from llmplan.plan.outcome import Rejection
from llmplan.planner.context import Context
from llmplan.planner.evaluate import evaluate
from llmplan.planner.market import build_market
from llmplan.planner.search import by_floor_cost, exceeds
from llmplan.spec.catalog import Catalog
from llmplan.spec.workload import Question
from llmplan.strategies import STRATEGIES
from tests_support import Ask

MODEL = "Qwen/Qwen3-32B"


@pytest.fixture(scope="module")
def question(ask: Ask) -> Question:
    return ask(MODEL, requests_per_s=2, ttft_p95_s=2.0, tpot_p95_s=0.06)


def test_a_question_after_others_is_answered_as_if_alone(catalog: Catalog, question: Question) -> None:
    """Others: more traffic, another promise, other GPUs, other sellers, busier replicas."""
    shared = planner.Shared()
    others = (
        replace(question, workload=replace(question.workload, requests_per_s=9.0)),
        replace(question, slo=replace(question.slo, tpot_p95_s=0.2)),
        planner.restricted_to_gpu(question, "a10-24gb"),
        replace(question, limits=replace(question.limits, provider_ids=("aws",), max_utilization=0.5)),
        question,
    )
    for each in others:
        assert planner.recommend(each, catalog, shared=shared) == planner.recommend(each, catalog)


def test_only_what_chooses_shares_fleets(catalog: Catalog, question: Question) -> None:
    shared = planner.Shared()
    first = Context.of(question, catalog, shared)
    on_one_gpu = Context.of(planner.restricted_to_gpu(question, "a10-24gb"), catalog, shared)
    busier = Context.of(replace(question, limits=replace(question.limits, max_utilization=0.5)), catalog, shared)
    longer = replace(question.workload, output_tokens=replace(question.workload.output_tokens, mean=400.0))
    other_shape = Context.of(replace(question, workload=longer), catalog, shared)
    assert first.sized is on_one_gpu.sized
    assert first.sized is not busier.sized
    assert first.ready is busier.ready
    assert first.ready is not other_shape.ready


def test_weights_that_exceed_their_gpus_are_always_refused(catalog: Catalog, question: Question) -> None:
    """Why they may be left out of a search in which something runs."""
    context = Context.of(question, catalog)
    market = build_market(question, catalog, catalog.models[MODEL])
    seen = 0
    for strategy in STRATEGIES:
        for _, deployment in by_floor_cost(strategy.propose(market), context):
            if exceeds(deployment):
                seen += 1
                assert isinstance(evaluate(deployment, context), Rejection)
    assert seen > 100
