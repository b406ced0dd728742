"""Text decoders that multimodal files have: caches of Gemma 3n, Gemma 4 and Llama 3.2 Vision, layer by layer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError
from llmplan.spec.formats import GGUF_WEIGHT_FORMATS
from llmplan.spec.gguf import gguf_bytes
from llmplan.spec.model import GqaAttention, ModelSpec, MoeFeedForward, TensorRole
from llmplan.spec.places import Part, places
from tests_support import DATA

TEXT: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 500, "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}  # fmt: skip


def caches(model: ModelSpec) -> list[tuple[int, int, int | None, bool]]:
    """Heads, head size, window and whether a layer keeps a cache, in the order of the layers."""
    found = {}
    for group in model.layers:
        (mixer,) = group.mixers
        assert isinstance(mixer, GqaAttention)
        for index in group.indices:
            found[index] = (mixer.kv_heads, mixer.head_dim, mixer.window_tokens, bool(mixer.caches))
    return [found[index] for index in sorted(found)]


GEMMA4: dict[str, Any] = {
    **TEXT, "model_type": "gemma4_text", "num_hidden_layers": 12, "sliding_window": 32, "global_head_dim": 32,
    "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": 400, "tie_word_embeddings": True,
}  # fmt: skip


def test_the_table_of_layers_is_quantized_as_the_embedding_is() -> None:
    """llama.cpp's `tensor_get_category` takes `per_layer_token_embd` for an embedding, a tied one for the output."""
    model = read_config({**GEMMA4, "hidden_size_per_layer_input": 64, "torch_dtype": "bfloat16"}, model_id="tiny")
    (place,) = (place for place in places(model) if "embed_tokens_per_layer" in place.tensor.name)
    assert place.tensor.shape == (400, 12 * 64)
    sizes = {"gguf-q4_k_m": 210 / 256, "gguf-q8_0": 34 / 32, "gguf-f16": 2}
    weights = {each.id: each for each in GGUF_WEIGHT_FORMATS}
    for name, per_weight in sizes.items():
        assert gguf_bytes(place, place.tensor, model, weights[name]) == 400 * 12 * 64 * per_weight


def test_newer_files_state_the_heads_of_gemma_4_layer_by_layer() -> None:
    stated = {**GEMMA4, "per_layer_config": {"05": {"head_dim": 64}, "11": {"head_dim": 64, "num_key_value_heads": 1}}}
    model = read_config({**stated, "torch_dtype": "bfloat16"}, model_id="tiny")
    found = caches(model)
    assert found[4:6] == [(2, 16, 32, True), (2, 64, None, True)]
    assert found[11] == (1, 64, None, True)
    for garbage in ({"05": 3}, {"05": {"head_dim": [1]}}, [4]):
        with pytest.raises(DataError, match="per_layer_config"):
            read_config({**stated, "per_layer_config": garbage, "torch_dtype": "bfloat16"}, model_id="tiny")


def test_gemma_4_has_larger_heads_where_it_sees_everything() -> None:
    """Every sixth layer is full; keys that serve as values are cached twice all the same."""
    wide = {**GEMMA4, "attention_k_eq_v": True, "num_global_key_value_heads": 1}
    model = read_config({**wide, "torch_dtype": "bfloat16"}, model_id="tiny")
    layer = [(2, 16, 32, True)] * 5 + [(1, 32, None, True)]
    assert caches(model) == 2 * layer
    full = next(group for group in model.layers if 5 in group.indices)
    names = {tensor.name.split(".")[-2] for tensor in full.mixers[0].tensors}
    assert "v_proj" not in names
    assert "k_proj" in names
    assert full.mixers[0].cache_elements_per_token == 2 * 32


def test_late_layers_of_gemma_4_read_earlier_caches_and_may_be_twice_as_wide() -> None:
    shared = {**GEMMA4, "num_kv_shared_layers": 7, "use_double_wide_mlp": True}
    model = read_config({**shared, "torch_dtype": "bfloat16"}, model_id="tiny")
    assert [kept for *_, kept in caches(model)] == [True] * 5 + [False] * 7
    widths = {
        index: group.feed_forward.tensors[0].shape[0]
        for group in model.layers if group.feed_forward
        for index in group.indices
    }  # fmt: skip
    assert [widths[index] for index in range(12)] == [96] * 5 + [192] * 7


def test_the_mixture_of_gemma_4_stands_beside_a_dense_feed_forward() -> None:
    routed = {**GEMMA4, "enable_moe_block": True, "num_experts": 8, "top_k_experts": 2, "moe_intermediate_size": 24}
    model = read_config({**routed, "torch_dtype": "bfloat16"}, model_id="tiny")
    plain = read_config({**GEMMA4, "torch_dtype": "bfloat16"}, model_id="tiny")
    router, experts, norms = 8 * 64 + 64 + 8, 8 * 3 * 24 * 64, 3 * 64
    assert model.total_parameters - plain.total_parameters == 12 * (router + experts + norms)
    feed = model.layers[0].feed_forward
    assert isinstance(feed, MoeFeedForward)
    assert (feed.experts_per_token, feed.shared_intermediate_size) == (2, 96)


def test_gemma_3n_shares_caches_and_lists_its_widths() -> None:
    text = {
        **TEXT, "model_type": "gemma3n_text", "num_hidden_layers": 10, "num_kv_shared_layers": 4, "sliding_window": 32,
        "intermediate_size": [96] * 5 + [48] * 5, "vocab_size_per_layer_input": 400,
    }  # fmt: skip
    model = read_config({**text, "torch_dtype": "bfloat16"}, model_id="tiny")
    assert [kept for *_, kept in caches(model)] == [True] * 6 + [False] * 4
    assert [window for *_, window, _ in caches(model)] == [32, 32, 32, 32, None] * 2


def test_layers_that_attend_to_the_image_keep_nothing_per_token() -> None:
    text = {"model_type": "mllama_text_model", "num_hidden_layers": 5, "cross_attention_layers": [1, 4]}
    data = {"model_type": "mllama", "text_config": {**TEXT, **text}, "vision_config": {}, "torch_dtype": "bfloat16"}
    model = read_config(data, model_id="tiny")
    assert [kept for *_, kept in caches(model)] == [True, False, True, True, False]
    tables = [tensor for _, tensor in model.tensors() if tensor.role is TensorRole.EMBED]
    assert sum(tensor.shape[0] for tensor in tables) == 500 + 8
    assert model.towers[0].max_item_tokens == 4 * ((448 // 14) ** 2 + 1)


@pytest.mark.parametrize(
    ("name", "published", "loaded"),
    [
        ("google__gemma-4-E2B-it", 10_246_357_958, 4_628_569_344),
        ("google__gemma-4-E4B-it", 15_992_314_836, 7_463_013_376),
        ("google__gemma-4-26B-A4B", 51_611_872_412, None),
    ],
)
def test_a_checkpoint_of_gemma_4_has_the_keys_that_engines_skip(name: str, published: int, loaded: int | None) -> None:
    """Bytes of the published BF16 repositories, and the decoder's parameters that vLLM 0.32 allocates."""
    path = DATA / "configs" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"no config at {path}: set LLMPLAN_DATA")
    data = json.loads(path.read_text(encoding="utf-8"))
    if loaded is not None:
        data["audio_config"] = {}  # the copies leave it out; the class default is the published one
    model = read_config(data, model_id=name, dtype="bf16")
    assert 2 * sum(place.layers * place.tensor.elements for place in places(model, unused=True)) == published
    if loaded is not None:
        decoder = [place for place in places(model) if place.part is not Part.TOWER]
        scalars = model.layer_count
        assert sum(place.layers * place.tensor.elements for place in decoder) == loaded + scalars
