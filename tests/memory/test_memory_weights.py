"""Checkpoint bytes against published files, and the cut over GPUs against arithmetic done here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan import memory
from llmplan.plan.deployment import Parallelism
from llmplan.spec.engine import EngineSpec
from llmplan.spec.model import ModelSpec, TensorRole
from llmplan.units import GB, GIB, MIB


@pytest.mark.parametrize(
    ("model", "weights", "published"),
    [
        # safetensors index total_size, github PANDASANG1231/llama_3.2-3B-huggingface-shard0
        ("llama-3.2-3b", "bf16", 6425499648),
        # "parameters" 70,553,706,496 of the Hugging Face API, two bytes each
        ("llama-3.3-70b", "bf16", 2 * 70553706496),
        # element counts by type in the tests of huggingface.js (BF16 x 2 + U8)
        ("gpt-oss-20b", "auto", 13761264768),
        ("gpt-oss-120b", "auto", 65248815744),
    ],
)
def test_published_sizes_to_the_byte(models: dict[str, ModelSpec], model: str, weights: str, published: int) -> None:
    spec = models[model]
    assert memory.checkpoint_bytes(spec, memory.weight_format(weights, spec)) == published


def test_bnb_nf4_double_quantized(models: dict[str, ModelSpec]) -> None:
    """Index of IrfanUruchi/Llama-2-13B-Computer-Engineering: 171.6 B of JSON per linear are not in the formula."""
    size = memory.checkpoint_bytes(models["llama-2-13b"], memory.weight_format("nf4"))
    assert size == pytest.approx(7201770923, rel=1e-6)


def test_bnb_int8_of_a_32_bit_checkpoint(models: dict[str, ModelSpec]) -> None:
    """Index of IrfanUruchi/Llama-3.1-8B-Computer-Networks-LLM: int8 matrices, the rest F32."""
    model = replace(models["llama-3.1-8b"], dtype="fp32", checkpoint_format="bnb-int8")
    assert memory.checkpoint_bytes(model, memory.weight_format("auto", model)) == 11188584672


@pytest.mark.parametrize(
    ("weights", "published_gb"),
    [
        # README of TheBloke/Llama-2-13B-chat-GPTQ, sizes by branch in GB to three digits
        ("gptq-int4", 7.26),
        ("gptq-int4-g32", 8.00),
        ("gptq-int4-g64", 7.51),
        ("gptq-int8", 13.65),
        ("gptq-int8-g64", 13.95),
    ],
)
def test_gptq_by_group_size(models: dict[str, ModelSpec], weights: str, published_gb: float) -> None:
    size = memory.checkpoint_bytes(models["llama-2-13b"], memory.weight_format(weights))
    assert size / GB == pytest.approx(published_gb, abs=0.0075)


def test_fp8_blocks_count_their_tiles(models: dict[str, ModelSpec]) -> None:
    """DeepSeek-V3: 671,026,419,200 parameters are published, 256 router biases in 58 layers among them."""
    model = models["deepseek-v3"]
    assert model.total_parameters + 58 * 256 == 671026419200
    size = memory.checkpoint_bytes(model, memory.weight_format("auto", model))
    unquantized = 2 * 129280 * 7168 + 58 * 256 * 7168
    assert size == pytest.approx(671026419200 + unquantized, rel=1e-3)


@pytest.mark.parametrize("tp", [1, 2, 4, 8])
def test_tensor_parallel_shares(models: dict[str, ModelSpec], engines: dict[str, EngineSpec], tp: int) -> None:
    """Llama-3.3-70B: every matrix divides; only norms are whole on each rank."""
    model = models["llama-3.3-70b"]
    norms = 2 * (2 * 80 + 1) * 8192
    tables = 131072 * 128 * 2
    expected = (2 * 70553706496 - norms) / tp + norms + tables
    share = memory.resident_weight_bytes_per_gpu(
        model, memory.weight_format("bf16"), Parallelism(tp=tp), engines["vllm"]
    )
    assert share == pytest.approx(expected, abs=2 * MIB)


def test_kv_projections_are_replicated_beyond_the_heads(
    models: dict[str, ModelSpec], engines: dict[str, EngineSpec]
) -> None:
    model, bf16 = models["llama-3.3-70b"], memory.weight_format("bf16")
    eight = memory.resident_weight_bytes_per_gpu(model, bf16, Parallelism(tp=8), engines["vllm"])
    sixteen = memory.resident_weight_bytes_per_gpu(model, bf16, Parallelism(tp=16), engines["vllm"])
    kv_projections = 80 * 2 * 8192 * 128 * 2
    assert sixteen == pytest.approx((eight + kv_projections) / 2, rel=5e-3)


def test_experts_spread_whole_under_expert_parallelism(
    models: dict[str, ModelSpec], engines: dict[str, EngineSpec]
) -> None:
    model = models["deepseek-v3"]
    fp8 = memory.weight_format("auto", model)
    cut = memory.resident_weight_bytes_per_gpu(model, fp8, Parallelism(tp=8), engines["vllm"])
    whole = memory.resident_weight_bytes_per_gpu(model, fp8, Parallelism(tp=8, ep=True), engines["vllm"])
    assert whole == pytest.approx(cut, rel=1e-3)
    attention_dp = memory.resident_weight_bytes_per_gpu(model, fp8, Parallelism(dp=8, ep=True), engines["vllm"])
    assert attention_dp > whole


def test_pipeline_stage_holds_the_head(models: dict[str, ModelSpec], engines: dict[str, EngineSpec]) -> None:
    model, bf16 = models["llama-3.3-70b"], memory.weight_format("bf16")
    half = memory.resident_weight_bytes_per_gpu(model, bf16, Parallelism(pp=2), engines["vllm"])
    assert half == pytest.approx(70553706496, rel=2e-3)


def test_air_gapped_70b_on_a_node_of_four(models: dict[str, ModelSpec], engines: dict[str, EngineSpec]) -> None:
    """A published plan for 4 x A10: 9.3 GiB of W4A16 weights per GPU."""
    share = memory.resident_weight_bytes_per_gpu(
        models["llama-3.3-70b"], memory.weight_format("awq-int4"), Parallelism(tp=4), engines["vllm"]
    )
    assert share / GIB == pytest.approx(9.3, abs=0.1)


def test_ignore_list_is_read_per_layer(models: dict[str, ModelSpec]) -> None:
    model = models["llama-3.1-8b"]
    modules = ("model.layers.0.mlp.down_proj", "model.layers.{i}.mlp.up_proj")
    kept = replace(model, checkpoint_format="nvfp4", unquantized_modules=modules)
    nvfp4 = memory.weight_format("nvfp4")
    matrix = 4096 * 14336
    more = 33 * (2 * matrix - (matrix / 2 + matrix / 16 + 8))
    assert memory.checkpoint_bytes(kept, nvfp4) - memory.checkpoint_bytes(model, nvfp4) == pytest.approx(more)


@pytest.mark.parametrize(
    ("shape", "weights", "tp", "logged_gib"),
    [
        # "Model loading took": vllm#15360 and the like, Qwen2-7B with 32,768 positions
        ("qwen2-7b", "bf16", 1, 14.2488),
        ("qwen2-7b", "bf16", 2, 7.1217),
        ("qwen2-7b", "bf16", 4, 3.5546),
        # NousResearch/Hermes-3-Llama-3.1-8B on an RTX 3090
        ("llama-3.1-8b", "bf16", 1, 14.9889),
        # vllm#10702, Meta-Llama-3.1-70B-Instruct
        ("llama-3.3-70b", "bf16", 8, 16.4605),
        # vllm#8881, Mistral-Large-Instruct-2407
        ("mistral-large", "fp8", 4, 28.7698),
        # vllm#4083 and others, facebook/opt-125m: small tensors share segments whose ends are counted
        ("opt-125m", "fp16", 1, 0.2389),
        # openai/gpt-oss-120b, experts padded to 2944 x 3072
        ("gpt-oss-120b", "auto", 1, 65.9651),
    ],
)
def test_loaded_weights_as_startup_logs_them(
    models: dict[str, ModelSpec], engines: dict[str, EngineSpec], shape: str, weights: str, tp: int, logged_gib: float
) -> None:
    """To four digits: the allocator's rounding and the rotary table are part of what is logged."""
    model = models[shape]
    share = memory.resident_weight_bytes_per_gpu(
        model, memory.weight_format(weights, model), Parallelism(tp=tp), engines["vllm"]
    )
    assert share / GIB == pytest.approx(logged_gib, rel=5e-4)


@pytest.mark.parametrize(
    ("shape", "changes", "weights", "tp", "logged_gib"),
    [
        # vllm#16141, Qwen2.5-0.5B-Instruct-AWQ through Marlin
        ("qwen2.5-0.5b", {}, "awq-int4", 1, 0.4315),
        # vllm#12323, DeepSeek-R1-Distill-Qwen-7B in GPTQ through Marlin, which leaves out zeros and order
        ("qwen2-7b", {"max_context_tokens": 131072}, "gptq-int4", 1, 5.2045),
        # vllm#8009, Meta-Llama-3-8B-Instruct-FP8
        ("llama-3.1-8b", {"max_context_tokens": 8192}, "fp8", 1, 8.4596),
        # llm-d benchmark, Llama-3.3-70B-Instruct-FP8-dynamic
        ("llama-3.3-70b", {}, "fp8", 1, 67.72),
        ("llama-3.3-70b", {}, "fp8", 2, 33.88),
        # vllm#16692, DeepSeek-R1: 0.12 GiB are 16-bit copies of the latent's up-projections
        ("deepseek-v3", {}, "auto", 16, 40.3174),
    ],
)
def test_quantized_weights_as_startup_logs_them(
    models: dict[str, ModelSpec], engines: dict[str, EngineSpec], shape: str, changes: dict[str, int], weights: str,
    tp: int, logged_gib: float,
) -> None:  # fmt: skip
    """Within 0.2 %: kernels' workspaces are not counted."""
    model = replace(models[shape], **changes)  # type: ignore[arg-type]
    share = memory.resident_weight_bytes_per_gpu(
        model, memory.weight_format(weights, model), Parallelism(tp=tp), engines["vllm"]
    )
    assert share / GIB == pytest.approx(logged_gib, rel=2e-3)


def test_nf4_scales_are_widened_once_loaded(models: dict[str, ModelSpec], engines: dict[str, EngineSpec]) -> None:
    """vllm#19964, e5-mistral-7b (no head, 32,768 positions): the doubly quantized scales are held in 32 bit."""
    llama = models["llama-3.1-8b"]
    encoder = tuple(
        replace(tensor, shape=(32000, *tensor.shape[1:])) if tensor.role is TensorRole.EMBED else tensor
        for tensor in llama.globals
        if tensor.role is not TensorRole.HEAD
    )
    model = replace(llama, globals=encoder, tied_embeddings=True, max_context_tokens=32768)
    share = memory.resident_weight_bytes_per_gpu(model, memory.weight_format("nf4"), Parallelism(tp=1), engines["vllm"])
    assert share / GIB == pytest.approx(3.9099, rel=1e-3)
