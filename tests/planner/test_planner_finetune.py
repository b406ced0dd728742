"""A fine-tuning run from a request: defaults, contradictions, the target of the remedies and the refusal."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmplan.errors import UsageError
from llmplan.plan.finetune import FinetuneRequest
from llmplan.planner import finetune
from llmplan.spec.catalog import Catalog
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.model import ModelSpec
from tests_support import LLAMA_8B


@pytest.fixture
def model(catalog: Catalog) -> ModelSpec:
    return catalog.models[LLAMA_8B]


@pytest.mark.parametrize(
    ("asked", "sharding"),
    [({}, "none"), ({"gpus": 2}, "ddp"), ({"gpus": 2, "method": "full"}, "fsdp"),
     ({"gpus": 2, "sharding": "zero3"}, "zero3")],
)  # fmt: skip
def test_gpus_divide_what_the_method_trains(model: ModelSpec, asked: dict[str, Any], sharding: str) -> None:
    request = FinetuneRequest(**asked)
    setup = finetune.setup_of(model, request)
    assert setup.sharding == sharding
    assumed = finetune.assumptions(request, setup)
    assert ("sharding" in assumed) == (request.gpus > 1 and request.sharding is None)


def test_what_is_asked_for_is_not_assumed(model: ModelSpec) -> None:
    request = FinetuneRequest(
        method="qlora", weights="nf4", double_quant=False, rank=8, targets=("q,v",), batch=2, seq_tokens=512,
        optimizer="lion", checkpointing="off", attention="eager", lengths="fixed", stack="unsloth",
    )  # fmt: skip
    assert finetune.assumptions(request, finetune.setup_of(model, request)) == {}


@pytest.mark.parametrize(
    "asked",
    [{"method": "full", "rank": 8}, {"method": "full", "targets": ("q,v",)}, {"sharding": "fsdp"},
     {"gpus": 2, "sharding": "none"}, {"double_quant": False}],
)  # fmt: skip
def test_contradictions_are_refused_with_a_way_out(model: ModelSpec, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        finetune.setup_of(model, FinetuneRequest(**asked))
    assert caught.value.hints


def test_without_a_gpu_a_refusal_is_about_the_largest(catalog: Catalog, model: ModelSpec) -> None:
    small, large = catalog.gpus["l4-24gb"], catalog.gpus["rtx-5090-32gb"]
    found = finetune.answer(model, FinetuneRequest(method="full"), [small, large])
    assert found.smallest == ()
    assert found.refusal is not None
    assert large.id in found.refusal.reason
    assert found.refusal.fix
    assert finetune.answer(model, FinetuneRequest(method="qlora"), [small, large]).refusal is None
    assert finetune.answer(model, FinetuneRequest(), []).refusal is None


def test_the_fix_is_a_change_after_which_it_fits(catalog: Catalog, model: ModelSpec) -> None:
    gpu: GpuSpec = catalog.gpus["l4-24gb"]
    request = FinetuneRequest(seq_tokens=8192)
    refused = finetune.answer(model, request, [gpu], gpu).refusal
    assert refused is not None
    assert refused.fix.startswith("add --")
    smaller = replace(request, method="qlora", stack="unsloth")
    assert finetune.answer(model, smaller, [gpu], gpu).refusal is None
