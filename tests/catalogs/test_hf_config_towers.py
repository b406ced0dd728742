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
from llmplan.spec.model import ModelSpec, Shard

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
