"""Bytes of single tensors: by format, by module, from a header, on disk and on a GPU."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.memory import weight_format
from llmplan.spec.formats import WEIGHT_FORMATS
from llmplan.spec.model import ModelSpec, MoeFeedForward
from llmplan.spec.places import Place, places
from llmplan.spec.storage import bytes_per_weight, linear_bytes, matrix_bytes, shares, tensor_bytes
from llmplan.spec.weight_format import ModuleFormat

SHAPE = {
    "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 256, "intermediate_size": 512,
    "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 1024, "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
}  # fmt: skip
UP = "model.layers.{i}.mlp.up_proj"


@pytest.fixture
def model() -> ModelSpec:
    return read_config(SHAPE, model_id="tiny")


def place_of(model: ModelSpec, name: str) -> Place:
    return next(place for place in places(model) if place.tensor.name == f"{name}.weight")


def on_disk(model: ModelSpec, name: str, weights: str) -> float:
    place = place_of(model, name)
    return tensor_bytes(place, place.tensor, model, weight_format(weights, model), loaded=False)


N, OUT, IN = 512 * 256, 512, 256


@pytest.mark.parametrize(
    ("weights", "size"),
    [
        # layouts of the tools that write the files, for one linear [512, 256]
        ("bf16", 2 * N),
        ("fp32", 4 * N),
        ("fp8", N + 4 + 4),
        ("fp8-block", N + 4 * 2 * 4),
        ("mxfp8", N + N / 32),
        ("int8", N + 4 * OUT),
        ("bnb-int8", N + 4 * OUT + 1),
        ("gptq-int2-g128", N / 4 + OUT * 2 * (2 + 2 / 8) + 4 * IN),
        ("gptq-int3-g128", 3 * N / 8 + OUT * 2 * (2 + 3 / 8) + 4 * IN),
        ("gptq-int4-g128", N / 2 + OUT * 2 * (2 + 4 / 8) + 4 * IN),
        ("gptq-int8-channel", N + OUT * (2 + 1) + 4 * IN),
        ("awq-int4-g64", N / 2 + OUT * 4 * (2 + 4 / 8)),
        ("w4a16-g32", N / 2 + OUT * 8 * 2 + 16),
        ("w4a16-asym-g128", N / 2 + OUT * 2 * (2 + 4 / 8) + 16),
        ("w4a16-actorder", N / 2 + OUT * 2 * 2 + 16 + 4 * IN),
        ("w8a16", N + OUT * 2 + 16),
        ("nvfp4", N / 2 + N / 16 + 8),
        ("hqq-int4", N / 2 + N / 64 * 4),
        ("hqq-int3", N / 10 * 4 + N / 64 * 4),
        ("mlx-int4", N / 2 + N / 64 * 4),
        ("mlx-int5-g32", N * 5 / 8 + N / 32 * 4),
        ("mlx-mxfp4", N / 2 + N / 32),
        ("gguf-q8_0", N / 32 * 34),
        ("gguf-f16", 2 * N),
        ("gguf-tq2_0", N / 256 * 66),
    ],
)
def test_one_linear_layer(model: ModelSpec, weights: str, size: float) -> None:
    assert on_disk(model, UP, weights) == pytest.approx(size)


def test_experts_alone(model: ModelSpec) -> None:
    assert on_disk(model, UP, "mxfp4") == 2 * N
    routed = read_config(
        SHAPE | {
            "model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 64,
            "decoder_sparse_step": 1, "num_key_value_heads": 4, "head_dim": 64,
        },
        model_id="tiny",
    )  # fmt: skip
    assert isinstance(routed.layers[0].feed_forward, MoeFeedForward)
    expert = 64 * 256
    name = "model.layers.{i}.mlp.experts.{e}.up_proj"
    assert on_disk(routed, name, "mxfp4") == 8 * expert * 17 / 32
    assert on_disk(routed, name, "gguf-mxfp4_moe") == 8 * expert * 17 / 32
    assert on_disk(routed, "model.layers.{i}.self_attn.q_proj", "gguf-mxfp4_moe") == 256 * 256 * 34 / 32


def test_mlx_quantizes_embedding_head_and_routers_too(model: ModelSpec) -> None:
    vocabulary = 1024 * 256
    for name in ("model.embed_tokens", "lm_head"):
        assert on_disk(model, name, "mlx-int4") == vocabulary * 4.5 / 8
        assert on_disk(model, name, "awq-int4") == vocabulary * 2


@pytest.mark.parametrize(
    ("weights", "stored", "held"),
    [
        # zeros and order of a symmetric GPTQ layer say nothing; asymmetric zeros stay; act-order keeps two indices
        ("gptq-int4", 2.5 * 2 * OUT + 4 * IN, 2 * 2 * OUT),
        ("gptq-int4-asym", 2.5 * 2 * OUT + 4 * IN, 2.5 * 2 * OUT),
        ("gptq-int4-actorder", 2.5 * 2 * OUT + 4 * IN, 2 * 2 * OUT + 8 * IN),
        ("awq-int4", 2.5 * 2 * OUT, 2.5 * 2 * OUT),
        # 8-bit scales of scales become 32-bit scales
        ("nf4", N / 64 * (1 + 4 / 256) + 1260, N / 64 * 4 + 1260),
    ],
)
def test_what_kernels_keep(weights: str, stored: float, held: float) -> None:
    found = weight_format(weights)
    assert linear_bytes(OUT, IN, found) == pytest.approx(N / 2 + stored)
    assert linear_bytes(OUT, IN, found.loaded()) == pytest.approx(N / 2 + held)


def test_modules_have_formats_of_their_own(model: ModelSpec) -> None:
    """Of four layers one is FP8, one is not quantized and two are as most."""
    nvfp4, fp8 = weight_format("nvfp4"), weight_format("fp8")
    mixed = replace(
        model, checkpoint_format="nvfp4", unquantized_modules=("model.layers.0.mlp.up_proj",),
        module_formats=(
            ModuleFormat(weights=fp8, modules=frozenset({"model.layers.3.mlp.up_proj"})),
            ModuleFormat(weights=nvfp4, modules=frozenset({"lm_head"})),
        ),
    )  # fmt: skip
    expected = (2 * N + (N + 8) + 2 * (N * 9 / 16 + 8)) / 4
    assert on_disk(mixed, UP, "auto") == pytest.approx(expected)
    assert on_disk(mixed, "lm_head", "auto") == 1024 * 256 * 9 / 16 + 8
    assert on_disk(mixed, UP, "awq-int4") == on_disk(model, UP, "awq-int4"), "the list is of the file, not of others"
    place = place_of(mixed, UP)
    assert {how.id if how else None: share for how, share in shares(place, mixed, nvfp4)} == {
        "fp8": 0.25, None: 0.25, "nvfp4": 0.5,
    }  # fmt: skip
    assert bytes_per_weight(place, mixed, nvfp4) == pytest.approx(expected / N)
    assert matrix_bytes(place, place.tensor, mixed, nvfp4) == (2 * N + N + 2 * N / 2) / 4


def test_a_header_has_the_last_word_on_its_own_format(model: ModelSpec) -> None:
    """What was read stands for the whole tensor, and by elements for a part or a padded part of it."""
    place = place_of(model, UP)
    read = replace(place, tensor=replace(place.tensor, stored_bytes=75_000.0))
    own = replace(model, checkpoint_format="gptq-int4")
    gptq, half = weight_format("gptq-int4"), replace(read.tensor, shape=(256, 256))
    assert tensor_bytes(read, read.tensor, own, gptq, loaded=False) == 75_000
    assert tensor_bytes(read, replace(half, shape=(1024, 256)), own, gptq, loaded=False) == pytest.approx(150_000)
    held = linear_bytes(256, 256, gptq.loaded()) / linear_bytes(256, 256, gptq)
    assert tensor_bytes(read, half, own, gptq, loaded=True) == pytest.approx(37_500 * held)
    plain = replace(place, tensor=replace(place.tensor, stored_bytes=2.0 * N))
    assert tensor_bytes(plain, half, own, gptq, loaded=True) == N, "16 bit in the file, 16 bit on the GPU"
    other = weight_format("awq-int4")
    assert tensor_bytes(read, read.tensor, own, other, loaded=False) == on_disk(model, UP, "awq-int4")
    coarser = weight_format("gptq-int4-g256")
    assert tensor_bytes(read, read.tensor, own, coarser, loaded=False) == linear_bytes(512, 256, coarser)


@pytest.mark.parametrize("weights", [known for known in WEIGHT_FORMATS if known.family != "gguf"], ids=lambda w: w.id)
def test_nothing_of_a_format_is_negative_or_larger_than_itself(weights: object) -> None:
    assert hasattr(weights, "loaded")
    found = next(known for known in WEIGHT_FORMATS if known == weights)
    assert 0 < found.bits <= 32
    assert min(found.scale_bytes, found.zero_bits, found.per_linear_bytes, found.index_bytes_per_input) >= 0
    assert linear_bytes(256, 256, found) >= 256 * 256 * found.bits / 8
