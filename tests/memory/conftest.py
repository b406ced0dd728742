"""Models by their published shapes, and plain hardware, for the memory tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from llmplan import memory
from llmplan.catalogs.hf_config import read_config
from llmplan.plan.deployment import EngineSettings, Offload, Parallelism, Replica, Tenancy
from llmplan.spec.engine import EngineSpec, SchedulerDefault
from llmplan.spec.gpu import GpuSpec
from llmplan.spec.host import HostSpec
from llmplan.spec.model import ModelSpec
from llmplan.units import GIB

_LLAMA = {"model_type": "llama", "rms_norm_eps": 1e-5, "torch_dtype": "bfloat16", "max_position_embeddings": 131072}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama-3.1-8b": {
        **_LLAMA, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
        "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
    },
    "llama-3.2-3b": {
        **_LLAMA, "hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 24, "num_key_value_heads": 8,
        "head_dim": 128, "intermediate_size": 8192, "vocab_size": 128256, "tie_word_embeddings": True,
    },
    "llama-3.3-70b": {
        **_LLAMA, "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8,
        "intermediate_size": 28672, "vocab_size": 128256, "tie_word_embeddings": False,
    },
    "llama-2-13b": {
        **_LLAMA, "hidden_size": 5120, "num_hidden_layers": 40, "num_attention_heads": 40, "num_key_value_heads": 40,
        "intermediate_size": 13824, "vocab_size": 32000, "tie_word_embeddings": False, "torch_dtype": "float16",
        "max_position_embeddings": 4096,
    },
    "qwen2-7b": {
        "model_type": "qwen2", "hidden_size": 3584, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "intermediate_size": 18944, "vocab_size": 152064, "tie_word_embeddings": False,
        "torch_dtype": "bfloat16", "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "use_sliding_window": False,
    },
    "opt-125m": {
        "model_type": "opt", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "ffn_dim": 3072,
        "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 768, "torch_dtype": "float16",
        "do_layer_norm_before": True,
    },
    "qwen2.5-0.5b": {
        "model_type": "qwen2", "hidden_size": 896, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "intermediate_size": 4864, "vocab_size": 151936, "tie_word_embeddings": True,
        "torch_dtype": "bfloat16", "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "use_sliding_window": False,
    },
    "mistral-large": {
        **_LLAMA, "model_type": "mistral", "hidden_size": 12288, "num_hidden_layers": 88, "num_attention_heads": 96,
        "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 28672, "vocab_size": 32768,
        "tie_word_embeddings": False, "sliding_window": None,
    },
    "gpt-oss-20b": {
        "model_type": "gpt_oss", "architectures": ["GptOssForCausalLM"],
        "hidden_size": 2880, "num_hidden_layers": 24, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 2880, "num_local_experts": 32,
        "num_experts_per_tok": 4, "vocab_size": 201088, "tie_word_embeddings": False, "sliding_window": 128,
        "attention_bias": True, "torch_dtype": "bfloat16", "max_position_embeddings": 131072, "rms_norm_eps": 1e-5,
        "layer_types": ["sliding_attention", "full_attention"] * 12,
        "quantization_config": {
            "quant_method": "mxfp4",
            "modules_to_not_convert": [
                "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head",
            ],
        },
    },
    "deepseek-v3": {
        "model_type": "deepseek_v3", "hidden_size": 7168, "num_hidden_layers": 61, "num_attention_heads": 128,
        "num_key_value_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "v_head_dim": 128, "intermediate_size": 18432, "moe_intermediate_size": 2048,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "first_k_dense_replace": 3,
        "moe_layer_freq": 1, "vocab_size": 129280, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
        "max_position_embeddings": 163840, "rms_norm_eps": 1e-6,
        "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
    },
}  # fmt: skip
CONFIGS["gpt-oss-120b"] = {
    **CONFIGS["gpt-oss-20b"], "num_hidden_layers": 36, "num_local_experts": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
}  # fmt: skip


@pytest.fixture(scope="session")
def models() -> dict[str, ModelSpec]:
    """Models by a short name."""
    return {name: read_config(data, model_id=name) for name, data in CONFIGS.items()}


@pytest.fixture(scope="session")
def engines() -> dict[str, EngineSpec]:
    """One engine per pool rule, with the defaults of the versions that the package describes."""
    scheduler = (SchedulerDefault(min_memory_bytes=0, max_num_batched_tokens=8192, max_num_seqs=256),)
    vllm = EngineSpec(
        id="vllm", version="0.33.0", name="vLLM", kv_pool_rule="fraction_of_total", memory_fraction=0.92,
        block_tokens=16, cuda_graphs_in_budget=True, scheduler_defaults=scheduler, min_compute_capability=(7, 5),
        vocab_padding=64, host_weights=True, host_kv=True, multi_lora=True,
    )  # fmt: skip
    llama_cpp = replace(
        vllm, id="llama-cpp", version="b11434", name="llama.cpp", kv_pool_rule="explicit_context", memory_fraction=1.0,
        block_tokens=1, cuda_graphs_in_budget=False, vocab_padding=1, tensor_parallel=False, host_layers=True,
    )  # fmt: skip
    trtllm = replace(
        vllm, id="tensorrt-llm", version="1.2.1", name="TensorRT-LLM", kv_pool_rule="fraction_of_free",
        memory_fraction=0.9, block_tokens=32,
    )  # fmt: skip
    sglang = replace(
        vllm, id="sglang", version="0.5.23", name="SGLang", kv_pool_rule="fraction_static", memory_fraction=0.835,
        windowed_architectures=("GptOssForCausalLM", "DeepseekV4ForCausalLM"),
        block_tokens=1, cuda_graphs_in_budget=False,
    )  # fmt: skip
    return {engine.id: engine for engine in (vllm, llama_cpp, trtllm, sglang)}


@pytest.fixture(scope="session")
def make(models: dict[str, ModelSpec], engines: dict[str, EngineSpec]) -> Callable[..., Replica]:
    """A replica from a few words; everything not said is a vLLM default on an 80 GB GPU."""

    def build(
        model: str | ModelSpec = "llama-3.1-8b", *, engine: str = "vllm", weights: str = "auto", kv: str = "auto",
        gpu_gib: float = 79.18, host_gib: float = 1024, host_gpus: int = 8, tp: int = 1, pp: int = 1, dp: int = 1,
        ep: bool = False, offload: Offload | None = None, tenancy: Tenancy | None = None, **settings: Any,
    ) -> Replica:  # fmt: skip
        spec = models[model] if isinstance(model, str) else model
        described = engines[engine]
        defaults: dict[str, Any] = {
            "max_model_len": 8192, "max_num_seqs": 256, "max_num_batched_tokens": 8192,
            "memory_fraction": described.memory_fraction, "block_tokens": described.block_tokens,
        }  # fmt: skip
        gpu = GpuSpec(
            id="gpu", name="a GPU", vendor="nvidia", architecture="hopper", segment="datacenter", form="sxm",
            memory_bytes=round(gpu_gib * GIB), memory_bandwidth_bytes_per_s=3.35e12,
        )  # fmt: skip
        host = HostSpec(
            id="host", name="a host", gpus=host_gpus, memory_bytes=round(host_gib * GIB),
            memory_bandwidth_bytes_per_s=3e11, cpu_cores=64, pcie_bytes_per_s=5e10,
        )  # fmt: skip
        return Replica(
            model=spec, gpu=gpu, host=host, engine=described, parallel=Parallelism(tp=tp, pp=pp, dp=dp, ep=ep),
            weights=memory.weight_format(weights, spec), kv=memory.kv_format(kv, spec),
            settings=EngineSettings(**(defaults | settings)), offload=offload, tenancy=tenancy,
        )  # fmt: skip

    return build
