"""Multimodal models with their encoders against totals that the Hub publishes, or the class that it names."""

from __future__ import annotations

from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.errors import UnsupportedModelError


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
