"""Encoders of images and sound, and the text decoders that only multimodal files have.

Counts: the model class of transformers 5.24 on the meta device (the weights outside the language model), with the
sections below and class defaults for what they leave out. Gemma 3n's image encoder: timm 1.0.31.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.catalogs.hf_config.wrappers import WRAPPERS
from llmplan.errors import DataError, LlmplanError, UnsupportedModelError
from llmplan.spec.model import GqaAttention, ModelSpec, MoeFeedForward, Shard, TensorRole

TEXT: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "vocab_size": 500, "max_position_embeddings": 256,
    "tie_word_embeddings": False,
}  # fmt: skip
MLA: dict[str, Any] = {
    key: value for key, value in TEXT.items() if key not in ("head_dim", "num_key_value_heads")
}  # fmt: skip
CLIP, SIGLIP, PIXTRAL = (
    {"model_type": name} for name in ("clip_vision_model", "siglip_vision_model", "pixtral")
)  # fmt: skip

CLASS_DEFAULTS: list[tuple[str, dict[str, Any], str, dict[str, Any], int]] = [
    ("gemma3", {"model_type": "gemma3_text"}, "vision_config", {}, 92_934_144),
    ("gemma4", {"model_type": "gemma4_text"}, "vision_config", {}, 167_413_760),
    ("gemma4", {"model_type": "gemma4_text"}, "audio_config", {}, 304_922_912),
    ("llama4", {"model_type": "llama4_text", "intermediate_size_mlp": 96}, "vision_config", {}, 416_348_160),
    ("mistral3", {"model_type": "mistral"}, "vision_config", PIXTRAL, 407_754_752),
    ("lighton_ocr", {"model_type": "qwen3"}, "vision_config", PIXTRAL, 407_754_752),
    ("qwen2_vl", {"model_type": "qwen2_vl_text"}, "vision_config", {}, 675_759_104),
    ("qwen2_5_vl", {"model_type": "qwen2_5_vl_text"}, "vision_config", {"hidden_size": 1280}, 676_550_144),
    ("qwen3_vl", {"model_type": "qwen3_vl_text"}, "vision_config", {}, 566_949_104),
    ("qwen3_5", {"model_type": "qwen3_5_text"}, "vision_config", {}, 453_650_672),
    ("llava", {"model_type": "llama"}, "vision_config", CLIP, 87_509_376),
    ("llava_next", {"model_type": "mistral"}, "vision_config", CLIP, 87_509_440),
    ("llava_onevision", {"model_type": "qwen2"}, "vision_config", SIGLIP, 92_937_664),
    ("vipllava", {"model_type": "llama"}, "vision_config", CLIP, 87_713_664),
    ("paligemma", {"model_type": "gemma"}, "vision_config", SIGLIP, 94_459_136),
    ("glm4v", {"model_type": "glm4v_text"}, "vision_config", {}, 892_498_432),
    ("glm_ocr", {"model_type": "glm_ocr_text"}, "vision_config", {}, 434_120_192),
    ("idefics2", {"model_type": "mistral"}, "vision_config", {}, 88_496_768),
    ("idefics3", {"model_type": "llama"}, "vision_config", {}, 152_690_688),
    ("smolvlm", {"model_type": "llama"}, "vision_config", {}, 152_690_688),
    ("aya_vision", {"model_type": "cohere2"}, "vision_config", SIGLIP, 93_089_152),
    ("cohere2_vision", {"model_type": "cohere2"}, "vision_config", SIGLIP, 207_347_008),
    ("lfm2_vl", {"model_type": "lfm2", "layer_types": ["conv", "full_attention"]}, "vision_config", {}, 100_967_232),
    ("internvl", {"model_type": "qwen2"}, "vision_config", {}, 304_213_120),
    ("paddleocr_vl", {"model_type": "paddleocr_vl_text"}, "vision_config", {}, 434_522_800),
    ("video_llama_3", {"model_type": "qwen2"}, "vision_config", {}, 85_699_968),
    ("muse_glimmer", {"model_type": "muse_glimmer_text"}, "vision_config", {}, 1_894_844_928),
    ("mllama", {"model_type": "mllama_text_model", "cross_attention_layers": [1]}, "vision_config", {}, 836_779_603),
    ("qwen2_audio", {"model_type": "qwen2"}, "audio_config", {}, 637_050_944),
    ("voxtral", {"model_type": "llama"}, "audio_config", {}, 637_300_736),
    ("qwen3_asr", {"model_type": "qwen3"}, "audio_config", {}, 319_051_904),
    ("deepseek_vl", {"model_type": "llama"}, "vision_config", SIGLIP, 92_937_600),
    ("ovis2", {"model_type": "qwen2"}, "vision_config", {}, 351_168_502),
    ("video_llava", {"model_type": "llama"}, "vision_config", CLIP, 174_965_376),
    ("exaone4_5", {"model_type": "exaone4"}, "vision_config", {"hidden_size": 1280}, 624_080_384),
    ("hyperclovax_vision_v2", {"model_type": "hyperclovax"}, "vision_config", {"hidden_size": 1280}, 676_779_584),
    ("minicpmv4_6", {"model_type": "qwen3_5_text"}, "vision_config", {}, 145_009_216),
    ("glmasr", {"model_type": "llama"}, "audio_config", {}, 635_712_704),
    ("qianfan_ocr", {"model_type": "qwen3"}, "vision_config", {}, 304_286_848),
    ("gemma4_unified", {"model_type": "gemma4_unified_text"}, "vision_config", {}, 35_422_464),
    ("gemma4_unified", {"model_type": "gemma4_unified_text"}, "audio_config", {}, 40_960),
    ("lfm3_vl", {"model_type": "lfm3", "layer_types": ["conv", "full_attention"]}, "vision_config", {}, 181_251_904),
    ("aria", {"model_type": "aria_text", "moe_num_experts": 4, "moe_topk": 2}, "vision_config", {}, 163_398_016),
]


def read(model_type: str, text: dict[str, Any] | None = None, **parts: Any) -> ModelSpec:
    data = {"model_type": model_type, "text_config": {**TEXT, **(text or {})}, "torch_dtype": "bfloat16", **parts}
    return read_config(data, model_id="tiny")


@pytest.mark.parametrize(("model_type", "text", "part", "section", "parameters"), CLASS_DEFAULTS)
def test_an_encoder_counts_as_the_instantiated_class(
    model_type: str, text: dict[str, Any], part: str, section: dict[str, Any], parameters: int
) -> None:
    model = read(model_type, text, **{part: section})
    assert [tower.kind for tower in model.towers] == [part.removesuffix("_config")]
    assert model.tower_parameters == parameters
    assert model.total_parameters == model.text_parameters + parameters
    assert not any("tower" in note for note in model.notes)


def test_a_thinker_is_read_without_the_parts_that_speak() -> None:
    """Qwen3-Omni and Qwen2.5-Omni: class counts with `out_hidden_size` and `output_dim` of 64."""
    parts = {"vision_config": {"out_hidden_size": 64}, "audio_config": {"output_dim": 64}}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    for model_type, text, audio, vision in (
        ("qwen3_omni_moe", {**TEXT, **experts}, 645_385_664, 502_054_384),
        ("qwen2_5_omni", TEXT, 635_131_072, 3_032_558_912),
    ):
        thinker = {"text_config": text, **parts}
        data = {"model_type": model_type, "thinker_config": thinker, "torch_dtype": "bfloat16"}
        model = read_config(data, model_id="tiny")
        assert {tower.kind: tower.parameters for tower in model.towers} == {"audio": audio, "vision": vision}
        assert any("speaks" in note for note in model.notes)
        assert all(tensor.name.startswith("thinker.") for _, tensor in model.tensors())


def test_gemma_3n_counts_as_published() -> None:
    """The Hub counts 7,849,978,192 of E4B, with keys and values of 15 layers that nothing reads."""
    data = {
        "model_type": "gemma3n", "text_config": {"model_type": "gemma3n_text"}, "vision_config": {},
        "audio_config": {}, "torch_dtype": "bfloat16",
    }  # fmt: skip
    model = read_config(data, model_id="tiny")
    unused = sum(count * tensor.elements for count, tensor in model.tensors() if tensor.buffer)
    assert unused == 15 * (2 * 512 * 2048 + 256)
    assert model.total_parameters + unused == 7_849_978_192
    assert model.text_parameters == 6_835_235_568
    vision, audio = model.towers
    assert vision.parameters == 294_126_912 + 128 * 2048 + 2 * 2048 + 2048 * 2048
    assert (vision.max_item_tokens, audio.max_item_tokens) == (256, 188)


def test_phi_3_vision_counts_as_published() -> None:
    """Phi-3.5-vision: the Hub counts 4,146,621,440."""
    text = {
        "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32,
        "vocab_size": 32064, "max_position_embeddings": 131072, "tie_word_embeddings": False,
    }  # fmt: skip
    seen = {"img_processor": {"name": "clip_vision_model", "image_dim_out": 1024}}
    data = {"model_type": "phi3_v", **text, **seen, "torch_dtype": "bfloat16"}
    assert read_config(data, model_id="tiny").total_parameters == 4_146_621_440


SMALL_QWEN3_VL: dict[str, Any] = {
    "model_type": "qwen3_vl", "tie_word_embeddings": True,
    "text_config": {
        "model_type": "qwen3_vl_text", "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151936,
        "max_position_embeddings": 262144, "tie_word_embeddings": True,
    },
    "vision_config": {
        "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "out_hidden_size": 2048, "patch_size": 16,
        "deepstack_visual_indexes": [5, 11, 17], "num_position_embeddings": 2304,
    },
}  # fmt: skip
GEMMA_3_4B: dict[str, Any] = {
    "model_type": "gemma3", "mm_tokens_per_image": 256,
    "text_config": {
        "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text", "num_hidden_layers": 34,
        "sliding_window": 1024,
    },
    "vision_config": {
        "hidden_size": 1152, "image_size": 896, "intermediate_size": 4304, "model_type": "siglip_vision_model",
        "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14, "vision_use_head": False,
    },
}  # fmt: skip
MISTRAL_SMALL: dict[str, Any] = {
    "model_type": "mistral3", "multimodal_projector_bias": False, "spatial_merge_size": 2,
    "text_config": {
        "model_type": "mistral", "hidden_size": 5120, "intermediate_size": 32768, "num_hidden_layers": 40,
        "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072,
        "max_position_embeddings": 131072, "sliding_window": None,
    },
    "vision_config": {
        "hidden_size": 1024, "image_size": 1540, "intermediate_size": 4096, "model_type": "pixtral",
        "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14,
    },
}  # fmt: skip
LLAVA_NEXT: dict[str, Any] = {
    "model_type": "llava_next",
    "text_config": {
        "model_type": "mistral", "intermediate_size": 14336, "max_position_embeddings": 32768,
        "num_key_value_heads": 8, "sliding_window": None, "vocab_size": 32064,
    },
    "vision_config": {
        "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096, "model_type": "clip_vision_model",
        "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14,
    },
}  # fmt: skip
SMOLVLM: dict[str, Any] = {
    "model_type": "idefics3", "scale_factor": 4, "tie_word_embeddings": False,
    "text_config": {
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
        "num_attention_heads": 9, "num_key_value_heads": 3, "head_dim": 64, "vocab_size": 49280,
        "max_position_embeddings": 8192,
    },
    "vision_config": {
        "hidden_size": 768, "image_size": 512, "intermediate_size": 3072, "num_hidden_layers": 12, "patch_size": 16,
    },
}  # fmt: skip
QWEN2_AUDIO: dict[str, Any] = {
    "model_type": "qwen2_audio",
    "text_config": {"model_type": "qwen2", "intermediate_size": 11008, "vocab_size": 156032},
    "audio_config": {"d_model": 1280, "encoder_layers": 32, "encoder_ffn_dim": 5120, "num_mel_bins": 128},
}  # fmt: skip


@pytest.mark.parametrize(
    ("data", "published"),
    [
        (SMALL_QWEN3_VL, 2_127_532_032), (GEMMA_3_4B, 4_300_079_472), (MISTRAL_SMALL, 24_011_361_280),
        (LLAVA_NEXT, 7_566_747_648), (SMOLVLM, 256_484_928), (QWEN2_AUDIO, 8_397_094_912),
    ],
    ids=lambda value: value["model_type"] if isinstance(value, dict) else str(value),
)  # fmt: skip
def test_a_multimodal_model_counts_as_the_hub_does(data: dict[str, Any], published: int) -> None:
    """Qwen3-VL-2B, Gemma 3 4B, Mistral Small 3.1, LLaVA 1.6 Mistral 7B, SmolVLM 256M, Qwen2-Audio 7B."""
    assert read_config({**data, "torch_dtype": "bfloat16"}, model_id="tiny").total_parameters == published


def test_internvl_as_its_authors_publish_it_counts_as_published() -> None:
    """InternVL3-8B: the Hub counts 7,944,373,760; an image of 448 pixels is 256 tokens."""
    text = {
        "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 151674, "max_position_embeddings": 32768,
        "tie_word_embeddings": False,
    }  # fmt: skip
    vision = {
        "hidden_size": 1024, "image_size": 448, "intermediate_size": 4096, "norm_type": "layer_norm",
        "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14, "qk_normalization": False,
        "qkv_bias": True,
    }  # fmt: skip
    data = {"model_type": "internvl_chat", "llm_config": text, "vision_config": vision, "torch_dtype": "bfloat16"}
    model = read_config(data, model_id="tiny")
    assert model.total_parameters == 7_944_373_760
    assert model.towers[0].max_item_tokens == 256


def test_granite_speech_counts_as_the_instantiated_class() -> None:
    """The class defaults of every part: 6,990,441,514."""
    data = {
        "model_type": "granite_speech", "text_config": {"model_type": "granite", "tie_word_embeddings": True},
        "encoder_config": {}, "projector_config": {}, "torch_dtype": "bfloat16",
    }  # fmt: skip
    model = read_config(data, model_id="tiny")
    assert model.total_parameters == 6_990_441_514
    assert [tower.kind for tower in model.towers] == ["audio"]


def test_a_trimmed_text_config_takes_the_class_defaults() -> None:
    """LLaVA 1.5 7B states only a vocabulary: 7,063,427,072 as instantiated."""
    data = {
        "model_type": "llava", "torch_dtype": "float16",
        "text_config": {"model_type": "llama", "vocab_size": 32064, "max_position_embeddings": 4096},
        "vision_config": {
            "model_type": "clip_vision_model", "hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
            "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14,
        },
    }  # fmt: skip
    model = read_config(data, model_id="tiny")
    assert model.total_parameters == 7_063_427_072
    assert model.towers[0].max_item_tokens == (336 // 14) ** 2


@pytest.mark.parametrize(
    ("version", "text", "queries", "published"),
    [
        (2.6, {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
               "num_key_value_heads": 4, "vocab_size": 151666}, 64, 8_099_175_152),
        ("2.5", {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "vocab_size": 128256}, 96, 8_537_092_336),
    ],
)  # fmt: skip
def test_minicpm_v_counts_as_published(
    version: float | str, text: dict[str, Any], queries: int, published: int
) -> None:  # fmt: skip
    """Totals of the Hub for MiniCPM-V-2_6 and MiniCPM-Llama3-V-2_5."""
    vision = {
        "hidden_size": 1152, "image_size": 980, "intermediate_size": 4304, "model_type": "siglip",
        "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14,
    }  # fmt: skip
    data = {
        "model_type": "minicpmv", "version": version, **text, "query_num": queries, "vision_config": vision,
        "drop_vision_last_layer": False, "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
    }  # fmt: skip
    model = read_config(data, model_id="tiny")
    assert model.total_parameters == published
    assert model.towers[0].max_item_tokens == queries
    with pytest.raises(UnsupportedModelError, match="version"):
        read_config({**data, "version": 9}, model_id="tiny")


def test_newer_files_state_the_heads_of_gemma_4_layer_by_layer() -> None:
    stated = {**GEMMA4, "per_layer_config": {"05": {"head_dim": 64}, "11": {"head_dim": 64, "num_key_value_heads": 1}}}
    model = read_config({**stated, "torch_dtype": "bfloat16"}, model_id="tiny")
    found = caches(model)
    assert found[4:6] == [(2, 16, 32, True), (2, 64, None, True)]
    assert found[11] == (1, 64, None, True)
    for garbage in ({"05": 3}, {"05": {"head_dim": [1]}}, [4]):
        with pytest.raises(DataError, match="per_layer_config"):
            read_config({**stated, "per_layer_config": garbage, "torch_dtype": "bfloat16"}, model_id="tiny")


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
    model = read("mllama", text, vision_config={})
    assert [kept for *_, kept in caches(model)] == [True, False, True, True, False]
    tables = [tensor for _, tensor in model.tensors() if tensor.role is TensorRole.EMBED]
    assert sum(tensor.shape[0] for tensor in tables) == 500 + 8
    assert model.towers[0].max_item_tokens == 4 * ((448 // 14) ** 2 + 1)


def test_tensor_parallelism_cuts_the_layers_of_an_encoder() -> None:
    """What makes heads and features is cut by column, what takes them in by row; the rest is on every rank."""
    (tower,) = read("qwen2_5_vl", {"model_type": "qwen2_5_vl_text"}, vision_config={"hidden_size": 1280}).towers
    shards = {tensor.name.removeprefix("visual."): tensor.shard for _, tensor in tower.tensors}
    assert shards["blocks.{i}.attn.qkv.weight"] is Shard.COLUMN
    assert shards["blocks.{i}.attn.proj.weight"] is Shard.ROW
    assert shards["blocks.{i}.mlp.down_proj.weight"] is Shard.ROW
    assert shards["merger.mlp.0.weight"] is Shard.COLUMN
    assert shards["merger.mlp.2.weight"] is Shard.ROW
    assert shards["patch_embed.proj.weight"] is Shard.REPLICATED


def test_an_encoder_that_runs_as_the_library_has_it_is_on_every_rank() -> None:
    model = read("gemma4", {"model_type": "gemma4_text"}, vision_config={}, audio_config={})
    assert {tensor.shard for tower in model.towers for _, tensor in tower.tensors} == {Shard.REPLICATED}


def test_names_are_those_of_the_checkpoint() -> None:
    names = {
        model_type: {tensor.name for tower in read(model_type, text, **{part: section}).towers
                     for _, tensor in tower.tensors}
        for model_type, text, part, section, _ in CLASS_DEFAULTS
    }  # fmt: skip
    assert "vision_tower.vision_model.encoder.layers.{i}.self_attn.q_proj.weight" in names["llava"]
    assert "model.visual.deepstack_merger_list.{i}.linear_fc2.bias" in names["qwen3_vl"]
    assert "vision_model.vision_adapter.mlp.fc1.weight" in names["llama4"]
    assert "multi_modal_projector.patch_merger.merging_layer.weight" in names["mistral3"]
    assert "audio_tower.layers.{i}.self_attn.k_proj.weight" in names["qwen2_audio"]


@pytest.mark.parametrize(
    ("model_type", "section", "key"),
    [
        ("qwen2_5_vl", {"hidden_size": 0}, "hidden_size"),
        ("qwen2_5_vl", {"depth": 10**9}, "depth"),
        ("qwen2_5_vl", {"depth": "many"}, "depth"),
        ("gemma3", {"model_type": "siglip_vision_model", "patch_size": 4096}, "patch_size"),
        ("gemma3", {"model_type": "siglip_vision_model", "image_size": [[9]]}, "image_size"),
        ("kimi_k25", {"merge_kernel_size": [2]}, "merge_kernel_size"),
        ("kimi_k25", {"mm_projector_type": "other"}, "mm_projector_type"),
        ("glm_ocr", {"num_heads": 7}, "num_heads"),
        ("qwen3_vl", {"deepstack_visual_indexes": 3}, "deepstack_visual_indexes"),
        ("mllama", {"max_num_tiles": -4}, "max_num_tiles"),
    ],
)
def test_what_cannot_be_an_encoder_is_refused_with_its_key(model_type: str, section: dict[str, Any], key: str) -> None:
    text = {**MLA, "model_type": "deepseek_v3"} if model_type == "kimi_k25" else {}
    with pytest.raises(DataError, match=rf"vision_config.*{key}"):
        read(model_type, text, vision_config=section)


def test_an_encoder_beside_one_that_is_read_is_said_to_be_missing() -> None:
    model = read("llava", vision_config=CLIP, audio_config={"hidden_size": 64})
    assert model.tower_parameters > 0
    assert any("is not read" in note for note in model.notes)


def test_an_encoder_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match=r"vision_config\.model_type") as caught:
        read("llava", vision_config={"model_type": "some_vit"})
    assert "clip_vision_model" in caught.value.hints[0]


def test_a_part_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(DataError, match="vision_config"):
        read("llava", vision_config=[1])


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=lambda wrapper: wrapper.model_type)
@pytest.mark.parametrize("section", [{}, {"model_type": 7}, {"hidden_size": None, "num_hidden_layers": 2.5}, "text", 4])
def test_garbage_in_a_part_is_an_error_of_ours_at_worst(wrapper: Any, section: Any) -> None:
    parts = dict.fromkeys(wrapper.towers, section)
    data = {wrapper.text_key: TEXT, **parts}
    around = {wrapper.inside: data} if wrapper.inside else data
    with suppress(LlmplanError):
        model = read_config({"model_type": wrapper.model_type, "torch_dtype": "bfloat16", **around}, model_id="tiny")
        assert model.total_parameters > 0
