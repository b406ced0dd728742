"""llama.cpp launch files: options that exist, and a context that is enough for every slot."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

import plan_samples as sample
from llmplan import emit
from llmplan.emit import Env, Variant, llama_cpp
from llmplan.emit.llama_cpp import OPTIONS
from llmplan.emit.selection import Launch, select
from llmplan.errors import UsageError
from llmplan.plan.deployment import Offload, Parallelism, Replica, Tenancy
from tests_support import DATA

HELP = DATA / "engines" / "llama-server-help.txt"


def planned(**parts: Any) -> Replica:
    base: dict[str, Any] = {
        "engine": sample.engine("llama-cpp", version="b11434", host_layers=True, memory_fraction=1.0),
        "weights": "gguf-q4_k_m",
        "kv": "fp16",
        "settings": sample.settings(max_num_seqs=4, max_num_batched_tokens=2048),
    }
    return sample.replica(**{**base, **parts})


def words_of(replica: Replica) -> tuple[str | Env, ...]:
    plan = sample.plan(sample.option(of=replica))
    words: tuple[str | Env, ...] = emit.emit(plan, strategy=None, target="llama-cpp")[0].content.words
    return words


def value(words: tuple[str | Env, ...], option: str) -> str | Env:
    return words[words.index(option) + 1]


def test_options_are_the_server_s_own() -> None:
    if not HELP.is_file():
        pytest.skip(f"no help of llama-server at {HELP} (set LLMPLAN_DATA)")
    known = {
        name
        for line in HELP.read_text(encoding="utf-8").splitlines()
        for name in re.findall(r"(?<![\w-])--?[a-z][\w-]*", line[:60])
    }
    assert set(OPTIONS) <= known


def test_context_is_multiplied_by_slots() -> None:
    words = words_of(planned())
    assert (value(words, "-c"), value(words, "-np")) == (str(8192 * 4), "4")
    assert {word for word in words if isinstance(word, str) and word.startswith("-")} <= set(OPTIONS)


def test_layers_on_the_gpu_are_those_not_on_the_host_and_the_output() -> None:
    """llama.cpp src/llama-model.cpp: layers from `n_layer + 1 - n_gpu_layers` on, and the output is layer `n_layer`."""
    assert value(words_of(planned()), "-ngl") == "all"
    split = planned(offload=Offload(kind="layers", host_layers=12))
    first_on_gpu = 32 + 1 - int(str(value(words_of(split), "-ngl")))
    assert first_on_gpu == 12


def test_the_file_is_asked_for() -> None:
    file = value(words_of(planned()), "-m")
    assert isinstance(file, Env)
    assert "GGUF file (Q4_K_M) of meta-llama/Llama-3.1-8B-Instruct" in file.message


def test_cache_types_and_prompt_cache() -> None:
    words = words_of(planned(kv="gguf-q8_0", settings=sample.settings(prefix_caching=False)))
    assert (value(words, "-ctk"), value(words, "-ctv")) == ("q8_0", "q8_0")
    assert "--no-cache-prompt" in words
    assert value(words_of(planned(parallel=Parallelism(pp=2))), "-sm") == "layer"


def launch_of(replica: Replica, prefix_share: float) -> Launch:
    plan = sample.plan(sample.option(of=replica))
    workload = replace(plan.question.workload, prefix_share=prefix_share)
    plan = replace(plan, question=replace(plan.question, workload=workload))
    return select(plan, None, Variant())


@pytest.mark.parametrize(
    ("share", "parts", "mib"),
    [(0.0, {}, 0), (0.5, {}, 8192), (0.5, {"settings": sample.settings(prefix_caching=False)}, 0)],
)
def test_finished_prompts_are_kept_where_some_come_again(share: float, parts: dict[str, Any], mib: int) -> None:
    """Stated either way: the server's default saves each one, and nothing else counts those 8 GiB."""
    launch = launch_of(planned(**parts), share)
    (setting,) = [each for each in llama_cpp.command(launch).settings if each.name == "--cache-ram"]
    assert setting.value == mib
    without = launch.memory.host_bytes if launch.memory else 0
    assert (llama_cpp.container(launch).host_memory_bytes or 0) - without == mib * 1024**2
    assert ("measured 2026-11-26" in setting.why) == (mib == 0)


def test_finished_prompts_get_half_of_the_host_memory_at_most() -> None:
    replica = planned()
    small = replace(replica, host=replace(replica.host, gpus=2, memory_bytes=16 * 1024**3))  # 8 GiB for its one GPU
    words = llama_cpp.command(launch_of(small, 0.5)).words
    assert value(words, "--cache-ram") == "4096"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"offload": Offload(kind="weights", host_weight_bytes=5)}, "does not stream weights"),
        ({"parallel": Parallelism(dp=2)}, "no data-parallel groups"),
        ({"parallel": Parallelism(pp=16)}, "one machine"),
        ({"tenancy": Tenancy(tenants=2, adapters=2)}, "no LoRA adapter"),
        ({"kv": "fp8"}, "no KV cache type"),
    ],
)
def test_what_it_cannot_do_is_said(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        words_of(planned(**parts))


def test_compose_runs_the_server_image() -> None:
    plan = sample.plan(sample.option(of=planned()))
    service = emit.emit(plan, strategy=None, target="llama-cpp")[1].content["services"]["llm"]
    assert service["image"].startswith("ghcr.io/ggml-org/llama.cpp:")
    assert service["healthcheck"]["test"][-1] == "http://localhost:8080/health"
