"""SGLang launch files: every flag is the engine's, and reading the argument vector back gives the plan."""

from __future__ import annotations

import argparse
import ast
import json
import re
from dataclasses import replace
from typing import Any

import pytest

import plan_samples as sample
from llmplan.emit import Command, Env, LaunchFile, Variant, emit
from llmplan.emit.sglang_flags import SGLANG_FLAGS
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from llmplan.plan.plan import Plan
from llmplan.plan.speculation import Speculation
from tests_support import DATA

TABLE = DATA / "engines" / "sglang-0.5.23-flags.txt"
TYPES = {"int": int, "float": float, "str": str, "list": str}
ENVIRONMENT = {"MODEL": "env:MODEL", "DIST_INIT_ADDR": "10.0.0.1:20000", "NODE_RANK": "1"}
MOE = sample.model(feed_forward=sample.experts(8, 2, 1536, 4096))


def planned(**parts: Any) -> Plan:
    """A plan for SGLang itself."""
    engine = sample.engine(
        "sglang", version="0.5.23", image="lmsysorg/sglang:v0.5.23", kv_pool_rule="fraction_static", block_tokens=1
    )
    settings = sample.settings(memory_fraction=0.85, block_tokens=1)
    replica = sample.replica(**{"engine": engine, "settings": settings, **parts})
    return sample.plan(sample.option(of=replica))


def files_of(plan: Plan, **variant: Any) -> dict[str, LaunchFile]:
    files = emit(plan, strategy=None, target="sglang", variant=Variant(**variant))
    return {file.path: file for file in files}


def parsed(command: Command) -> dict[str, Any]:
    """The argument vector, read by a parser that knows the project's table and no abbreviations."""
    parser = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    for option, flag in SGLANG_FLAGS.items():
        if flag.type == "switch":
            parser.add_argument(option, action="store_true")
        else:
            many = "+" if flag.type == "list" else None
            parser.add_argument(option, type=TYPES[flag.type], choices=list(flag.allowed) or None, nargs=many)
    assert command.words[:2] == ("sglang", "serve")
    words = [ENVIRONMENT[word.name] if isinstance(word, Env) else word for word in command.words[2:]]
    found = vars(parser.parse_args(words))
    return {key: value for key, value in found.items() if value is not None and value is not False}


def settings_of(path: str = "serve.sh", variant: dict[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    return parsed(files_of(planned(**parts), **(variant or {}))[path].content)


def test_the_table_agrees_with_the_engine_s_own_parser() -> None:
    """A record of SGLang's parser: option, its default, its choices."""
    if not TABLE.is_file():
        pytest.skip(f"no record of the engine's parser at {TABLE} (set LLMPLAN_DATA)")
    rows = re.findall(r"^(--[\w-]+) (\(.*\))$", TABLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(rows) > 40
    seen = 0
    for option, written in rows:
        if option not in SGLANG_FLAGS:
            continue
        seen += 1
        default, choices = ast.literal_eval(written)
        stated = SGLANG_FLAGS[option].default
        if default is not None:
            assert stated == ({True: "on", False: "off"}[default] if isinstance(default, bool) else str(default)), (
                option
            )
        if choices is not None:
            assert set(SGLANG_FLAGS[option].allowed) <= set(choices), option
    assert seen >= 20


def test_every_planned_value_is_written() -> None:
    assert settings_of() == {
        "model_path": "meta-llama/Llama-3.1-8B-Instruct", "host": "0.0.0.0", "port": 30000, "tp_size": 1, "pp_size": 1,
        "dtype": "bfloat16", "kv_cache_dtype": "bf16", "mem_fraction_static": 0.85, "context_length": 8192,
        "max_running_requests": 64, "chunked_prefill_size": 8192, "enable_metrics": True,
    }  # fmt: skip
    files = files_of(planned())
    assert list(files) == ["serve.sh", "compose.yaml"]
    service = files["compose.yaml"].content["services"]["llm"]
    assert service["image"] == "lmsysorg/sglang:v0.5.23"
    assert service["entrypoint"] + service["command"] == list(files["serve.sh"].content.words)


def test_what_is_off_is_said_in_flags_that_are_not_deprecated() -> None:
    off = sample.settings(memory_fraction=0.85, block_tokens=1, prefix_caching=False, enforce_eager=True)
    found = settings_of(settings=off)
    assert found["disable_radix_cache"]
    assert found["cuda_graph_backend_decode"] == found["cuda_graph_backend_prefill"] == "disabled"


def test_groups_of_a_model_with_experts_lie_inside_tp_and_share_its_limits() -> None:
    """srt/arg_groups/parallel_hook.py divides the prefill chunk by the groups; pool_configurator.py the requests."""
    found = settings_of(model=MOE, parallel=Parallelism(tp=2, dp=4, ep=True))
    assert (found["tp_size"], found["attn_dp_size"], found["ep_size"]) == (8, 4, 8)
    assert (found["max_running_requests"], found["chunked_prefill_size"]) == (4 * 64, 4 * 8192)
    assert "dp_size" not in found


def test_replicas_of_a_dense_model_multiply_tp() -> None:
    found = settings_of(parallel=Parallelism(tp=2, dp=4))
    assert (found["tp_size"], found["dp_size"], found["max_running_requests"]) == (2, 4, 64)


def test_adapters_are_named_or_at_least_described() -> None:
    many = Tenancy(tenants=20, adapters=12, lora_rank=20)
    found = settings_of(tenancy=many)
    assert (found["enable_lora"], found["max_loras_per_batch"], found["max_loaded_loras"]) == (True, 12, 12)
    assert (found["max_lora_rank"], found["lora_target_modules"]) == (20, ["all"])
    named = settings_of(tenancy=many, variant={"adapters": {"law": "org/law", "a,b": "/mnt/x y"}})
    assert named["lora_paths"][0] == "law=org/law"
    assert json.loads(named["lora_paths"][1]) == {"lora_name": "a,b", "lora_path": "/mnt/x y"}
    with pytest.raises(UsageError, match="1 adapter named, the plan has memory for 0"):
        files_of(planned(), adapters={"law": "org/law"})


def test_host_memory_in_the_engine_s_units() -> None:
    """Whole GiB for the weights of each GPU, whole GB (1e9) for the cache of each rank."""
    found = settings_of(offload=Offload(kind="weights", host_weight_bytes=20 * 2**30 + 1))
    assert found["cpu_offload_gb"] == 21
    cache = Offload(kind="kv", host_kv_bytes=20 * 2**30)
    found = settings_of(parallel=Parallelism(tp=2), offload=cache)
    assert (found["enable_hierarchical_cache"], found["hicache_size"]) == (True, int(20 * 2**30 / 2 / 1e9))
    with pytest.raises(UsageError, match="layers on the CPU"):
        files_of(planned(offload=Offload(kind="layers", host_layers=3)))


def test_two_nodes_share_rank_and_address() -> None:
    split = Parallelism(tp=8, pp=2)
    head, worker = settings_of(parallel=split), settings_of("serve-worker.sh", parallel=split)
    assert (head["nnodes"], head["node_rank"], head["dist_init_addr"]) == (2, 0, "10.0.0.1:20000")
    assert (worker["nnodes"], worker["node_rank"], worker["tp_size"], worker["pp_size"]) == (2, 1, 8, 2)
    files = files_of(planned(parallel=split))
    assert list(files) == ["serve.sh", "serve-worker.sh", "compose.yaml", "compose-worker.yaml"]


def test_a_known_pool_is_a_limit_in_tokens() -> None:
    known = sample.settings(memory_fraction=0.85, block_tokens=1, kv_cache_memory_bytes=60 * 10**9)
    assert settings_of(settings=known)["max_total_tokens"] == sample.memory_budget().capacity_tokens


@pytest.mark.parametrize(
    ("drafts", "expected"),
    [
        (Speculation(tokens=3, acceptance_rate=0.7, drafter="mtp"), {"speculative_algorithm": "NEXTN"}),
        (Speculation(tokens=3, acceptance_rate=0.7, drafter="ngram"), {"speculative_algorithm": "NGRAM"}),
        (
            Speculation(tokens=3, acceptance_rate=0.7, drafter="model", model=sample.model(id="org/small")),
            {"speculative_algorithm": "STANDALONE", "speculative_draft_model_path": "org/small"},
        ),
    ],
)
def test_drafting(drafts: Speculation, expected: dict[str, Any]) -> None:
    plan = planned()
    option = plan.chosen
    assert option is not None
    replica = option.deployment.replica
    assert isinstance(replica, Replica)
    drafting = replace(option, deployment=replace(option.deployment, replica=replace(replica, speculation=drafts)))
    found = parsed(files_of(sample.plan(drafting))["serve.sh"].content)
    assert {key: found[key] for key in expected} == expected
    assert found["speculative_num_draft_tokens"] == 4


def test_formats_it_has_no_name_for() -> None:
    with pytest.raises(UsageError, match="no KV cache format 'gguf-q8_0'"):
        files_of(planned(kv="gguf-q8_0"))
    half = settings_of(gpu=sample.gpu((7, 5)), weights="awq-int4")
    assert (half["dtype"], half["kv_cache_dtype"], half["model_path"]) == ("float16", "auto", "env:MODEL")
