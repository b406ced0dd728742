"""Encoders served for embeddings: parameters as their classes or publishers count them, and no cache."""

from __future__ import annotations

from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError
from llmplan.spec.model import GqaAttention, ModelSpec, MoeFeedForward

SMALL: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 1000,
    "max_position_embeddings": 100, "pad_token_id": 1, "id2label": {"0": "a", "1": "b", "2": "c"},
}  # fmt: skip

# Counted by instantiating the class of transformers 5.24.0 without weights from `SMALL`.
CLASS_COUNTS = [
    ("bert", "BertModel", 225_216),
    ("bert", "BertForMaskedLM", 226_344),
    ("bert", "BertForSequenceClassification", 225_411),
    ("bert", "BertForTokenClassification", 221_251),
    ("roberta", "RobertaModel", 225_216),
    ("xlm-roberta", "XLMRobertaForMaskedLM", 226_344),
    ("xlm-roberta", "XLMRobertaForSequenceClassification", 225_411),
    ("camembert", "CamembertForTokenClassification", 221_251),
    ("modernbert", "ModernBertModel", 252_992),
    ("modernbert", "ModernBertForMaskedLM", 258_152),
    ("modernbert", "ModernBertForSequenceClassification", 257_347),
    ("eurobert", "EuroBertModel", 252_992),
    ("eurobert", "EuroBertForMaskedLM", 316_992),
    ("eurobert", "EuroBertForSequenceClassification", 257_347),
    ("eurobert", "EuroBertForTokenClassification", 253_187),
]

# Weights of the published checkpoints (safetensors totals on the Hub; BERT and GTE as transformers 5.24.0 counts them).
PUBLISHED: list[tuple[dict[str, Any], int]] = [
    ({"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 768, "intermediate_size": 3072,
      "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 30522}, 109_482_240),
    ({"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"], "hidden_size": 1024, "intermediate_size": 4096,
      "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 250002, "max_position_embeddings": 8194,
      "type_vocab_size": 1}, 567_754_752),
    ({"model_type": "xlm-roberta", "architectures": ["XLMRobertaForSequenceClassification"], "hidden_size": 1024,
      "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 250002,
      "max_position_embeddings": 8194, "type_vocab_size": 1, "id2label": {"0": "LABEL_0"}}, 567_755_777),
    ({"model_type": "nomic_bert", "n_embd": 768, "n_inner": 3072, "n_layer": 12, "n_head": 12, "vocab_size": 30528,
      "n_positions": 8192, "activation_function": "swiglu"}, 136_731_648),
    ({"model_type": "nomic_bert", "n_embd": 768, "n_inner": 3072, "n_layer": 12, "n_head": 12, "vocab_size": 250048,
      "n_positions": 2048, "activation_function": "gelu", "type_vocab_size": 1, "qkv_proj_bias": True,
      "mlp_fc1_bias": True, "num_experts": 8, "moe_top_k": 2, "moe_every_n_layers": 2}, 475_292_928),
    ({"model_type": "new", "architectures": ["NewModel"], "hidden_size": 768, "intermediate_size": 3072,
      "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 30528, "type_vocab_size": 0}, 136_776_192),
    ({"model_type": "new", "architectures": ["NewModel"], "hidden_size": 1024, "intermediate_size": 4096,
      "num_hidden_layers": 24, "num_attention_heads": 16, "vocab_size": 30528, "type_vocab_size": 2}, 434_139_136),
    ({"model_type": "gte", "architectures": ["GteModel"], "hidden_size": 768, "intermediate_size": 3072,
      "num_hidden_layers": 12, "num_attention_heads": 12, "vocab_size": 250048}, 305_368_320),
]  # fmt: skip


def read(**keys: Any) -> ModelSpec:
    return read_config({"torch_dtype": "float16", **keys}, model_id="tiny")


@pytest.mark.parametrize(("model_type", "architecture", "count"), CLASS_COUNTS)
def test_an_encoder_counts_as_its_class(model_type: str, architecture: str, count: int) -> None:
    assert read(**SMALL, model_type=model_type, architectures=[architecture]).total_parameters == count


@pytest.mark.parametrize(("keys", "count"), PUBLISHED)
def test_an_encoder_counts_as_published(keys: dict[str, Any], count: int) -> None:
    assert read(**keys).total_parameters == count


@pytest.mark.parametrize("model_type", ["bert", "roberta", "modernbert", "new", "eurobert"])
def test_an_encoder_keeps_nothing(model_type: str) -> None:
    """vLLM 0.33 gives encoder-only attention no cache (v1/kv_cache_interface.py)."""
    mixers = list(read(**SMALL, model_type=model_type).mixers())
    assert mixers
    assert all(isinstance(mixer, GqaAttention) and mixer.encoder for mixer in mixers)
    assert not any(mixer.caches or mixer.states for mixer in mixers)


def test_a_decoder_that_a_file_makes_bidirectional_keeps_nothing() -> None:
    """EmbeddingGemma: vLLM 0.33 runs gemma3.py with encoder-only attention (model_executor/models/config.py)."""
    sizes = {key: SMALL[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size")}
    causal = read(model_type="gemma3_text", **sizes)
    both = read(model_type="gemma3_text", **sizes, use_bidirectional_attention=True)
    assert all(mixer.caches for mixer in causal.mixers())
    assert not any(mixer.caches for mixer in both.mixers())
    assert both.total_parameters == causal.total_parameters


def test_local_layers_of_modernbert() -> None:
    """Every third layer sees all; the others 64 tokens on each side and themselves (vLLM 0.33, modernbert.py)."""
    groups = read(**SMALL, model_type="modernbert", local_attention=128, global_attn_every_n_layers=3).layers
    found = {index: group.mixers[0].window_tokens for group in groups for index in group.indices}
    assert [found[i] for i in range(4)] == [None, 129, 129, None]


def test_positions_behind_the_padding_token() -> None:
    """RoBERTa's table of 514 rows serves inputs of 512 tokens."""
    model = read(**{**SMALL, "max_position_embeddings": 514}, model_type="roberta")
    rows = {tensor.name: tensor.shape[0] for _, tensor in model.tensors()}
    assert (rows["embeddings.position_embeddings.weight"], model.max_context_tokens) == (514, 512)


def test_every_second_layer_of_nomic_routes() -> None:
    groups = read(**next(keys for keys, _ in PUBLISHED if "num_experts" in keys)).layers
    routed = [i for group in groups if isinstance(group.feed_forward, MoeFeedForward) for i in group.indices]
    assert sorted(routed) == [1, 3, 5, 7, 9, 11]


@pytest.mark.parametrize(
    ("keys", "key"),
    [
        ({"model_type": "roberta", "max_position_embeddings": 2}, "max_position_embeddings"),
        ({"model_type": "bert", "architectures": "BertModel"}, "architectures"),
        ({"model_type": "bert", "architectures": ["BertForTokenClassification"], "id2label": 3}, "id2label"),
        ({"model_type": "bert", "type_vocab_size": -1}, "type_vocab_size"),
        ({"model_type": "modernbert", "local_attention": 0}, "local_attention"),
    ],
)
def test_a_bad_value_is_an_error_that_names_the_key(keys: dict[str, Any], key: str) -> None:
    with pytest.raises(DataError) as caught:
        read(**{**SMALL, **keys})
    assert f"`{key}`" in caught.value.message
