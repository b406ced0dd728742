"""What the CPU server is started with: vllm.yaml of a plan whose pool is stated, and what `llmplan memory` says of it.

`python served_cases.py FOLDER`, in this project's environment. Three models, one with windowed attention, at two block
sizes each. The pool's bytes are given, so that the answer does not depend on the GPU that the plan names.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[2] / "tests")]

import plan_samples  # noqa: E402
import random_plans  # noqa: E402
from llmplan import emit, memory  # noqa: E402
from llmplan.cli._catalog import find_model  # noqa: E402
from llmplan.cli._launch_text import render  # noqa: E402
from llmplan.cli._options import ReplicaFlags  # noqa: E402
from llmplan.cli._replica import build  # noqa: E402
from llmplan.plan.outcome import MemoryBudget  # noqa: E402

GPU = "l4-24gb"
KV_GIB = 0.5
SETTINGS = {"max_model_len": 1024, "max_num_seqs": 8, "max_num_batched_tokens": 256}
BLOCKS_TOKENS = (32, 128)
_GEMMA_KINDS = ["full_attention" if layer % 6 == 5 else "sliding_attention" for layer in range(18)]
MODELS: dict[str, dict[str, Any]] = {
    "smollm2-135m": {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152,
        "max_position_embeddings": 8192, "rms_norm_eps": 1e-05, "hidden_act": "silu", "tie_word_embeddings": True,
        "torch_dtype": "bfloat16", "rope_theta": 100000, "bos_token_id": 1, "eos_token_id": 2,
    },
    "qwen3-0.6b": {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
        "vocab_size": 151936, "max_position_embeddings": 40960, "rms_norm_eps": 1e-06, "hidden_act": "silu",
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "rope_theta": 1000000, "bos_token_id": 1,
        "eos_token_id": 2,
    },
    "gemma-3-270m": {
        "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_size": 640,
        "intermediate_size": 2048, "num_hidden_layers": 18, "num_attention_heads": 4, "num_key_value_heads": 1,
        "head_dim": 256, "vocab_size": 262144, "max_position_embeddings": 32768, "sliding_window": 512,
        "layer_types": _GEMMA_KINDS, "rms_norm_eps": 1e-06, "hidden_activation": "gelu_pytorch_tanh",
        "torch_dtype": "bfloat16", "query_pre_attn_scalar": 256, "rope_theta": 1000000.0,
        "rope_local_base_freq": 10000.0, "bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0,
    },
}  # fmt: skip
"""the shapes of SmolLM2-135M, Qwen3-0.6B and Gemma 3 270M; weights are dummies"""
NO_STEP_AHEAD = (
    "models with windowed attention: the CPU build schedules no step ahead (vllm/platforms/cpu.py), a GPU one: here "
    "the prediction keeps one step of tokens beyond the window, where `llmplan memory` keeps two"
)


def main(folder: str) -> None:
    """Write every case."""
    for name, config in MODELS.items():
        for block_tokens in BLOCKS_TOKENS:
            _case(Path(folder) / f"{name}-{block_tokens}", name, config, block_tokens)


def _case(place: Path, name: str, config: dict[str, Any], block_tokens: int) -> None:
    place.mkdir(parents=True, exist_ok=True)
    (place / "model").mkdir(exist_ok=True)
    path = place / "model" / "config.json"
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    flags = ReplicaFlags(
        gpu=GPU, kv_cache_memory_gib=KV_GIB, block_size=block_tokens, enforce_eager=True, **SETTINGS  # type: ignore[arg-type]
    )  # fmt: skip
    replica = build(find_model(str(path), random_plans.catalog()), flags, random_plans.catalog(), None).replica
    budget = memory.budget(replica)
    assert isinstance(budget, MemoryBudget)
    option = plan_samples.option("dedicated", replica, memory=budget)
    for file in emit.emit(plan_samples.plan(option), strategy=None, target="vllm"):
        (place / file.path).write_text(render(file), encoding="utf-8")
    predicted = _synchronous(budget) if "layer_types" in config else _predicted(path, block_tokens)
    intent = {"case": place.name, "block_tokens": block_tokens, "predicted": predicted, "note": NO_STEP_AHEAD}
    (place / "intent.json").write_text(json.dumps(intent, indent=1), encoding="utf-8")


def _synchronous(budget: MemoryBudget) -> dict[str, float]:
    """The cut of the same pool where one step is in flight."""
    length = SETTINGS["max_model_len"]
    concurrency = replace(budget.room, in_flight_tokens=SETTINGS["max_num_batched_tokens"]).requests(length)
    return {"kv_tokens": int(concurrency * length), "blocks": budget.blocks, "max_concurrency": concurrency}


def _predicted(config: Path, block_tokens: int) -> dict[str, float]:
    """The answer of the command line, as a user gets it."""
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    words = ["memory", str(config), "--gpu", GPU, f"--kv-cache-memory-gib={KV_GIB}", f"--block-size={block_tokens}"]
    command = [sys.executable, "-m", "llmplan", *words, *flags, "--enforce-eager", "--json"]
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    kv = answer["kv"]
    return {"kv_tokens": kv["capacity_tokens"], "blocks": kv["blocks"], "max_concurrency": kv["max_concurrency"]}


if __name__ == "__main__":
    main(*sys.argv[1:])
