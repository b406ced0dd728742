"""vLLM launch files: every flag exists in the engine, and reading the argument vector back gives the plan."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import plan_samples as sample
from llmplan.emit import Command, Env, LaunchFile, emit
from llmplan.emit.vllm_flags import ONLINE_METHODS, VERSION, VLLM_FLAGS
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from tests_support import DATA

ENGINE_TABLE = DATA / "engines" / "vllm-0.33-cuda-flags.json"
ENVIRONMENT = {"MODEL": "env:MODEL", "MASTER_ADDR": "10.0.0.1", "NODE_RANK": "1", "DP_START_RANK": "2"}
TYPES = {"int": int, "float": float, "str": str, "json": json.loads, "list": str}


def files_of(replica: Replica | None = None) -> dict[str, LaunchFile]:
    plan = sample.plan(sample.option(of=replica))
    return {file.path: file for file in emit(plan, strategy=None, target="vllm")}


def parsed(command: Command) -> tuple[Any, dict[str, Any]]:
    """The argument vector, read by a parser that knows the project's table and no abbreviations."""
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    parser.add_argument("model")
    for option, flag in VLLM_FLAGS.items():
        if flag.type == "switch":
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(
                option,
                type=TYPES[flag.type],
                choices=[TYPES[flag.type](v) for v in flag.allowed] or None,
                nargs="+" if flag.type == "list" else None,
            )
    assert command.words[:2] == ("vllm", "serve")
    words = [ENVIRONMENT[word.name] if isinstance(word, Env) else word for word in command.words[2:]]
    namespace = vars(parser.parse_args(words))
    return namespace.pop("model"), {
        key: value for key, value in namespace.items() if value is not None and value is not False
    }


def settings_of(replica: Replica | None = None, path: str = "serve.sh") -> dict[str, Any]:
    content = files_of(replica)[path].content
    assert isinstance(content, Command)
    return parsed(content)[1]


def test_the_table_matches_the_engine_s_own_parser() -> None:
    if not ENGINE_TABLE.is_file():
        pytest.skip(f"no table of the engine's flags at {ENGINE_TABLE} (set LLMPLAN_DATA)")
    table = json.loads(ENGINE_TABLE.read_text(encoding="utf-8"))
    assert table["version"] == VERSION
    engine = {option: entry for entry in table["flags"].values() for option in entry["opts"]}
    for option, flag in VLLM_FLAGS.items():
        entry = engine[option]
        assert (entry["nargs"] == "0") == (flag.type == "switch"), option
        if flag.type in ("int", "float") and entry["type"] in ("int", "float"):
            assert entry["type"] == flag.type, option
        if entry["choices"] is not None:
            assert set(flag.allowed) <= set(entry["choices"]), option
        if flag.type == "list":
            assert entry["nargs"] == "+", option
        if flag.default is not None and entry["default"] != "None":
            stated = {"off": "False", "on": "True"}.get(flag.default, flag.default)
            assert entry["default"].strip("'") == stated, option
    assert set(ONLINE_METHODS.values()) <= set(VLLM_FLAGS["--quantization"].allowed)


def test_three_files_and_every_planned_value_in_each() -> None:
    files = files_of()
    assert list(files) == ["serve.sh", "vllm.yaml", "compose.yaml"]
    expected = {
        "port": 8000, "tensor_parallel_size": 1, "pipeline_parallel_size": 1, "dtype": "bfloat16",
        "kv_cache_dtype": "bfloat16", "gpu_memory_utilization": 0.92, "block_size": 16, "max_model_len": 8192,
        "max_num_seqs": 64, "max_num_batched_tokens": 8192, "enable_prefix_caching": True,
    }  # fmt: skip
    assert settings_of() == expected
    model = {"model": "meta-llama/Llama-3.1-8B-Instruct"}
    assert files["vllm.yaml"].content == model | {key.replace("_", "-"): value for key, value in expected.items()}
    service = files["compose.yaml"].content["services"]["llm"]
    assert service["command"] == list(files["serve.sh"].content.words[2:])
    assert service["image"] == "vllm/vllm-openai:v0.33.0"
    assert service["deploy"]["resources"]["reservations"]["devices"][0]["count"] == 1
    assert service["environment"]["HF_TOKEN"] is service["environment"]["VLLM_API_KEY"] is None
    assert (files["serve.sh"].executable, files["vllm.yaml"].executable) == (True, False)


def test_config_file_avoids_what_the_reader_drops() -> None:
    off = sample.settings(prefix_caching=False, enforce_eager=True)
    content = files_of(sample.replica(settings=off))["vllm.yaml"].content
    assert content["disable-prefix-caching"] is True
    assert "enable-prefix-caching" not in content
    assert content["enforce-eager"] is True
    assert None not in content.values()
    assert False not in [value for value in content.values() if isinstance(value, bool)]


def test_a_quantized_checkpoint_carries_its_own_method() -> None:
    model = sample.model(checkpoint_format="fp8-block", id="deepseek-ai/x")
    files = files_of(sample.replica(model=model, weights="fp8-block"))
    name, found = parsed(files["serve.sh"].content)
    assert name == "deepseek-ai/x"
    assert "quantization" not in found


def test_a_method_that_vllm_is_about_to_drop_is_asked_for() -> None:
    engine = sample.engine(quantization_methods=("fp8", "fbgemm_fp8"), deprecated_methods=("fbgemm_fp8",))
    for method, asked in (("fbgemm_fp8", True), ("fp8", False)):
        model = sample.model(checkpoint_format="fp8", id="org/x-FP8", quantization_method=method)
        _, found = parsed(files_of(sample.replica(model=model, weights="fp8", engine=engine))["serve.sh"].content)
        assert ("allow_deprecated_quantization" in found) is asked
    elsewhere = sample.model(quantization_method=None)
    _, found = parsed(files_of(sample.replica(model=elsewhere, weights="fp8", engine=engine))["serve.sh"].content)
    assert "allow_deprecated_quantization" not in found


def test_sixteen_bit_to_fp8_is_converted_while_loading() -> None:
    name, found = parsed(files_of(sample.replica(weights="fp8"))["serve.sh"].content)
    assert name == "meta-llama/Llama-3.1-8B-Instruct"
    assert found["quantization"] == "fp8"


@pytest.mark.parametrize("weights", ["awq-int4", "gptq-int4", "w4a16", "nvfp4", "int8"])
def test_other_formats_ask_for_a_checkpoint_instead_of_loading_the_wrong_one(weights: str) -> None:
    files = files_of(sample.replica(weights=weights))
    name, found = parsed(files["serve.sh"].content)
    assert name == "env:MODEL"
    assert "quantization" not in found
    assert found["served_model_name"] == "meta-llama/Llama-3.1-8B-Instruct"
    assert "model" not in files["vllm.yaml"].content
    assert files["compose.yaml"].content["services"]["llm"]["command"][0].startswith("${MODEL:?set MODEL to ")
    assert any("set MODEL to" in line for line in files["serve.sh"].header)


def test_half_precision_where_there_is_no_bfloat16() -> None:
    found = settings_of(sample.replica(gpu=sample.gpu((7, 5), id="t4-16gb"), weights="awq-int4"))
    assert (found["dtype"], found["kv_cache_dtype"]) == ("float16", "float16")


def test_kv_formats() -> None:
    assert settings_of(sample.replica(kv="fp8"))["kv_cache_dtype"] == "fp8"
    assert settings_of(sample.replica(kv="int8"))["kv_cache_dtype"] == "int8_per_token_head"


def test_lora_ranks_are_rounded_up_to_what_the_engine_has() -> None:
    many = sample.replica(tenancy=Tenancy(tenants=200, adapters=200))
    assert settings_of(many)["max_loras"] == many.settings.max_num_seqs
    found = settings_of(sample.replica(tenancy=Tenancy(tenants=20, adapters=12, lora_rank=20)))
    assert (found["enable_lora"], found["max_loras"], found["max_lora_rank"], found["max_cpu_loras"]) == (
        True,
        12,
        32,
        12,
    )
    with pytest.raises(UsageError, match="rank 512"):
        files_of(sample.replica(tenancy=Tenancy(tenants=1, adapters=1, lora_rank=600)))


def test_offload_is_per_gpu_for_weights_and_in_total_for_the_cache() -> None:
    weights = Offload(kind="weights", host_weight_bytes=20 * 2**30)
    assert settings_of(sample.replica(parallel=Parallelism(tp=2), offload=weights))["cpu_offload_gb"] == 20.0
    cache = Offload(kind="kv", host_kv_bytes=20 * 2**30)
    assert settings_of(sample.replica(parallel=Parallelism(tp=2), offload=cache))["kv_offloading_size"] == 20.0
    with pytest.raises(UsageError, match="layers on the CPU"):
        files_of(sample.replica(offload=Offload(kind="layers", host_layers=3)))


def test_a_known_pool_is_written_in_bytes() -> None:
    known = sample.settings(kv_cache_memory_bytes=60 * 2**30)
    assert settings_of(sample.replica(settings=known))["kv_cache_memory_bytes"] == 60 * 2**30


def test_latent_attention_chooses_its_own_block_size() -> None:
    assert "block_size" not in settings_of(sample.replica(model=sample.model(latent=True)))


def test_experts_and_data_parallel_groups() -> None:
    moe = sample.model(feed_forward=sample.experts(8, 2, 1536, 4096))
    found = settings_of(sample.replica(model=moe, parallel=Parallelism(tp=1, dp=8, ep=True)))
    assert (found["data_parallel_size"], found["enable_expert_parallel"], found["tensor_parallel_size"]) == (8, True, 1)
    assert "nnodes" not in found


def test_two_nodes_share_ranks_and_address() -> None:
    replica = sample.replica(parallel=Parallelism(tp=8, pp=2))
    files = files_of(replica)
    assert list(files) == ["serve.sh", "serve-worker.sh", "vllm.yaml", "compose.yaml", "compose-worker.yaml"]
    head, worker = settings_of(replica), settings_of(replica, "serve-worker.sh")
    assert (head["nnodes"], head["node_rank"], head["master_port"]) == (2, 0, 29501)
    assert "headless" not in head
    words = files["serve-worker.sh"].content.words
    assert words[words.index("--node-rank") + 1].name == "NODE_RANK"  # type: ignore[union-attr]
    assert "--headless" in words
    assert worker["tensor_parallel_size"] * worker["pipeline_parallel_size"] == 16
    assert files["compose.yaml"].content["services"]["llm"]["network_mode"] == "host"
    device = files["compose-worker.yaml"].content["services"]["llm"]["deploy"]["resources"]["reservations"]["devices"][
        0
    ]
    assert device["count"] == 8


def test_data_parallel_groups_over_two_nodes() -> None:
    replica = sample.replica(parallel=Parallelism(tp=4, dp=4))
    head = settings_of(replica)
    assert (head["data_parallel_size"], head["data_parallel_size_local"]) == (4, 2)
    assert "nnodes" not in head
    with pytest.raises(UsageError, match="evenly"):
        files_of(sample.replica(parallel=Parallelism(tp=16, dp=2)))


def test_a_model_cannot_pass_for_an_option() -> None:
    with pytest.raises(UsageError, match="as an option"):
        files_of(sample.replica(model=sample.model(id="--trust-remote-code")))


def all_words(files: dict[str, LaunchFile]) -> Iterator[str]:
    for file in files.values():
        if isinstance(file.content, Command):
            yield from (word for word in file.content.words if isinstance(word, str) and word.startswith("--"))
        elif file.path == "vllm.yaml":
            yield from (f"--{key}" for key in file.content if key != "model")


@settings(max_examples=60, deadline=None)
@given(
    tp=st.sampled_from([1, 2, 4, 8]),
    pp=st.sampled_from([1, 2]),
    weights=st.sampled_from(["bf16", "fp16", "fp8", "awq-int4", "nvfp4"]),
    kv=st.sampled_from(["bf16", "fp8"]),
    length=st.integers(1, 131072),
    seqs=st.integers(1, 1024),
    fraction=st.integers(1, 99),
    adapters=st.integers(0, 20),
    caching=st.booleans(),
)
def test_reading_the_arguments_back_gives_the_plan(
    tp: int, pp: int, weights: str, kv: str, length: int, seqs: int, fraction: int, adapters: int, caching: bool
) -> None:
    planned = sample.settings(
        max_model_len=length, max_num_seqs=seqs, memory_fraction=fraction / 100, prefix_caching=caching
    )
    tenancy = Tenancy(tenants=5, adapters=adapters)
    replica = sample.replica(
        weights=weights, kv=kv, parallel=Parallelism(tp=tp, pp=pp), settings=planned, tenancy=tenancy
    )
    files = files_of(replica)
    assert set(all_words(files)) <= set(VLLM_FLAGS)
    _, found = parsed(files["serve.sh"].content)
    assert (found["tensor_parallel_size"], found["pipeline_parallel_size"]) == (tp, pp)
    assert (found["max_model_len"], found["max_num_seqs"]) == (length, seqs)
    assert found["gpu_memory_utilization"] == fraction / 100
    assert found.get("max_loras", 0) == min(adapters, seqs)
    assert found.get("max_cpu_loras", 0) == adapters
    assert ("enable_prefix_caching" in found, "disable_prefix_caching" in found) == (caching, not caching)
