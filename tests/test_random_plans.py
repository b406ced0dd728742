"""Random plans: the same for the same seed, and all that engines differ in is among them."""

from __future__ import annotations

import random_plans
from llmplan.plan.document import to_document


def test_a_seed_gives_the_same_plans_again() -> None:
    first, again, other = (list(random_plans.random_plans(10, seed)) for seed in (3, 3, 4))
    assert [to_document(plan) for plan in first] == [to_document(plan) for plan in again]
    assert [to_document(plan) for plan in first] != [to_document(plan) for plan in other]


def test_what_engines_differ_in_is_among_them() -> None:
    found = random_plans.census(list(random_plans.random_plans(500, 7)))
    assert len(found["model"]) >= 40
    assert len(found["gpu"]) >= 20
    assert len(found["strategy"]) == 5
    assert len(found["engine"]) == 4
    assert {"None", "weights", "kv", "layers"} <= set(found["offload"])
    assert {"fp8", "awq-int4", "gptq-int4", "nvfp4", "mxfp4", "bf16", "fp16", "w4a16", "int8"} <= set(found["weights"])
    assert {"True", "False"} == set(found["adapters"]) == set(found["prefix caching"])
    assert {"None", "mtp", "ngram"} == set(found["speculation"])
    assert {"1", "2", "4"} <= set(found["nodes"])
    cuts = " ".join(found["parallel"])
    assert all(part in cuts for part in ("PP2", "DP2", "EP", "DCP"))


def test_one_engine_alone_can_be_asked_for() -> None:
    for engine in ("vllm", "sglang", "tensorrt-llm", "llama-cpp"):
        plans = list(random_plans.random_plans(8, 1, engine=engine))
        assert {random_plans.replica_of(plan).engine.id for plan in plans} == {engine}
