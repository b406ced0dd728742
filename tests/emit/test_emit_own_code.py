"""What a checkpoint needs beside its format: the flag that runs its own code, and 16 bits beside quantized weights."""

from __future__ import annotations

import pytest

import plan_samples as sample
from llmplan import emit
from llmplan.emit import Setting
from llmplan.plan.deployment import Replica

FLAG = "--trust-remote-code"


def settings(replica: Replica, target: str) -> dict[str, Setting]:
    plan = sample.plan(sample.option("dedicated", replica))
    (script,) = (file for file in emit.emit(plan, strategy=None, target=target) if file.path == "serve.sh")
    return {setting.name: setting for setting in script.content.settings}


@pytest.mark.parametrize(("target", "model_type"), [("vllm", "exaone"), ("vllm", "mimo"), ("sglang", "internlm2")])
def test_code_of_the_checkpoint_is_run_only_where_the_engine_stops_without_it(target: str, model_type: str) -> None:
    engine = sample.engine(target)
    with_code = settings(sample.replica(engine=engine, model=sample.model(model_type=model_type)), target)
    assert with_code[FLAG].value is True
    assert "look at it first" in with_code[FLAG].why
    assert FLAG not in settings(sample.replica(engine=engine), target)


def test_sglang_has_a_class_of_its_own_for_what_vllm_lacks() -> None:
    model = sample.model(model_type="exaone")
    assert FLAG not in settings(sample.replica(engine=sample.engine("sglang"), model=model), "sglang")


@pytest.mark.parametrize("target", ["vllm", "sglang"])
def test_quantized_weights_of_a_32_bit_checkpoint_go_with_16_bits(target: str) -> None:
    model = sample.model(dtype="fp32", checkpoint_format="fp32")
    replica = sample.replica(engine=sample.engine(target), model=model, weights="awq-int4")
    assert settings(replica, target)["--dtype"].value == "bfloat16"
    half = sample.replica(
        engine=sample.engine(target), model=model, weights="awq-int4", kv="fp16", gpu=sample.gpu((7, 5))
    )
    if target == "vllm":
        assert settings(half, target)["--dtype"].value == "float16"
