"""TensorRT-LLM launch files: keys that exist, the serving command, never an engine build."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

import plan_samples as sample
from llmplan import emit
from llmplan.cli import _launch_text
from llmplan.emit import Env
from llmplan.emit.tensorrt_llm import CONFIG_KEYS
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from tests_support import DATA

KEYS_FILE = DATA / "engines" / "trtllm_keys.txt"


def planned(**parts: Any) -> Replica:
    base: dict[str, Any] = {"engine": sample.engine("tensorrt-llm", version="1.2.1", memory_fraction=0.9)}
    base["settings"] = sample.settings(memory_fraction=0.9, block_tokens=32)
    return sample.replica(**{**base, **parts})


def files_of(replica: Replica) -> dict[str, Any]:
    plan = sample.plan(sample.option(of=replica))
    return {file.path: file.content for file in emit.emit(plan, strategy=None, target="tensorrt-llm")}


def test_keys_are_the_engine_s_own() -> None:
    if not KEYS_FILE.is_file():
        pytest.skip(f"no list of the engine's keys at {KEYS_FILE} (set LLMPLAN_DATA)")
    text = KEYS_FILE.read_text(encoding="utf-8")
    for section, keys in CONFIG_KEYS.items():
        if section:
            (inside,) = re.findall(rf"^{section}\.\{{(.*)\}}$", text, flags=re.MULTILINE)
        else:
            inside = text
        for key in keys:
            assert re.search(rf"(?<![\w.]){key}\b", inside), (section, key)
    for option in ("--config", "--host", "--port", "--served_model_name"):
        assert option in text


def test_the_config_holds_every_planned_value() -> None:
    content = files_of(planned(parallel=Parallelism(tp=2, pp=2), kv="fp8"))["trtllm.yaml"]
    assert content == {
        "backend": "pytorch", "dtype": "bfloat16", "tensor_parallel_size": 2, "pipeline_parallel_size": 2,
        "max_batch_size": 64, "max_num_tokens": 8192, "max_seq_len": 8192, "enable_chunked_prefill": True,
        "kv_cache_config": {
            "dtype": "fp8", "free_gpu_memory_fraction": 0.9, "enable_block_reuse": True, "tokens_per_block": 32,
        },
        "cuda_graph_config": {"max_batch_size": 64, "enable_padding": True},
        "enable_iter_perf_stats": True, "return_perf_metrics": True,
    }  # fmt: skip


def test_the_command_serves_the_model() -> None:
    files = files_of(planned())
    words = files["serve.sh"].words
    assert words[:4] == ("trtllm-serve", "meta-llama/Llama-3.1-8B-Instruct", "--config", "trtllm.yaml")
    assert "trtllm-build" not in str(files)


def test_every_key_is_in_the_table() -> None:
    everything = planned(
        parallel=Parallelism(tp=8, pp=2, ep=True),
        model=sample.model(feed_forward=sample.experts(8, 2, 1536, 4096)),
        tenancy=Tenancy(tenants=3, adapters=4, lora_rank=8),
        offload=Offload(kind="kv", host_kv_bytes=16 * 2**30),
        settings=sample.settings(kv_cache_memory_bytes=2**30),
    )
    content = files_of(everything)["trtllm.yaml"]
    assert set(content) <= set(CONFIG_KEYS[""])
    for section, keys in CONFIG_KEYS.items():
        assert set(content.get(section, {})) <= set(keys)
    assert content["moe_expert_parallel_size"] == 8
    assert content["gpus_per_node"] == 8
    assert content["kv_cache_config"]["host_cache_size"] == 2**30
    assert content["lora_config"] == {"max_lora_rank": 8, "max_loras": 4, "max_cpu_loras": 4}


def test_attention_data_parallelism_has_groups_of_one() -> None:
    moe = sample.model(feed_forward=sample.experts(8, 2, 1536, 4096), latent=True)
    content = files_of(planned(model=moe, parallel=Parallelism(tp=1, dp=8, ep=True)))["trtllm.yaml"]
    assert (content["tensor_parallel_size"], content["enable_attention_dp"]) == (8, True)
    with pytest.raises(UsageError, match="groups of one GPU"):
        files_of(planned(parallel=Parallelism(tp=2, dp=4)))


def test_two_nodes_start_under_mpi() -> None:
    files = files_of(planned(parallel=Parallelism(tp=8, pp=2)))
    assert set(files) == {"serve.sh", "trtllm.yaml"}
    words = files["serve.sh"].words
    assert words[:3] == ("mpirun", "-n", "16")
    assert isinstance(words[4], Env)
    plan = sample.plan(sample.option(of=planned(parallel=Parallelism(tp=8, pp=2))))
    with pytest.raises(UsageError, match="under MPI"):
        emit.emit(plan, strategy=None, target="docker-compose")


def test_without_graphs_the_section_is_off() -> None:
    eager = sample.settings(enforce_eager=True)
    assert files_of(planned(settings=eager))["trtllm.yaml"]["cuda_graph_config"] is None


def test_fp8_needs_a_checkpoint_of_its_own() -> None:
    files = files_of(planned(weights="fp8"))
    assert files["serve.sh"].words[1].name == "MODEL"
    assert files["compose.yaml"]["services"]["llm"]["command"][0].startswith("${MODEL:?")


def test_weights_in_host_memory_are_refused() -> None:
    with pytest.raises(UsageError, match="no weights in host memory"):
        files_of(planned(offload=Offload(kind="weights", host_weight_bytes=2**30)))


@pytest.mark.parametrize("cdpath", ["", "/"])
def test_the_script_finds_its_settings_from_any_folder(tmp_path: Path, cdpath: str) -> None:
    """Bash 3.2 has all that it uses: no arrays that may be empty, no `${x@Q}`; what it is called with comes last."""
    own, elsewhere = tmp_path / "own folder", tmp_path / "elsewhere"
    own.mkdir()
    elsewhere.mkdir()
    files = emit.emit(sample.plan(sample.option(of=planned())), strategy=None, target="tensorrt-llm")
    for file in files:
        (own / file.path).write_text(_launch_text.render(file), encoding="utf-8")
    stand_in = tmp_path / "trtllm-serve"
    stand_in.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n', encoding="utf-8")
    stand_in.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CDPATH": cdpath}
    command = ["bash", "../own folder/serve.sh", "--port", "9"]
    run = subprocess.run(command, cwd=elsewhere, env=environment, check=True, capture_output=True, text=True)
    words = run.stdout.splitlines()
    assert words[words.index("--config") + 1] == f"{own}/trtllm.yaml"
    assert words[-2:] == ["--port", "9"]
