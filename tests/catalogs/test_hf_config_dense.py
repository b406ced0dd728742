"""Dense decoders: parameters as their classes have them, caches as engines keep them, refusals that name the key."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config
from llmplan.errors import DataError, UnsupportedModelError
from llmplan.spec.model import DenseFeedForward, GqaAttention, ModelSpec, MoeFeedForward, Shard

SIZES: dict[str, Any] = {
    "torch_dtype": "bfloat16", "hidden_size": 256, "intermediate_size": 320, "num_hidden_layers": 6,
    "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 1000,
}  # fmt: skip

# Counted by instantiating the class of transformers 5.24.0 without weights (meta device) from `SIZES` and these keys;
# every other key (tied embeddings, biases, head size, windows) is the class's own default.
CLASS_COUNTS: list[tuple[str, dict[str, Any], int]] = [
    ("apertus", {"attention_bias": True}, 2_386_668),
    ("arcee", {"attention_bias": True, "mlp_bias": True}, 2_390_016),
    ("bitnet", {"attention_bias": True}, 2_881_536),
    ("cohere", {"use_qk_norm": True}, 2_618_816),
    ("cohere2", {"tie_word_embeddings": False}, 2_873_088),
    ("cwm", {"mlp_bias": True}, 16_151_040),
    ("diffllama", {"attention_bias": True}, 2_878_272),
    ("doge", {"attention_bias": True, "mlp_bias": True}, 2_887_440),
    ("ernie4_5", {"use_bias": True}, 15_927_296),
    ("exaone4", {"tie_word_embeddings": True}, 2_618_720),
    ("glm", {"attention_bias": False}, 16_145_664),
    ("glm4", {}, 16_179_456),
    ("granite", {"attention_bias": True, "mlp_bias": True}, 2_883_456),
    ("granite_swa", {}, 2_618_816),
    ("helium", {"head_dim": 8, "mlp_bias": True}, 2_880_000),
    ("hyperclovax", {}, 2_877_696),
    ("internlm3", {"attention_bias": True, "mlp_bias": True}, 16_183_296),
    ("iquestcoder", {}, 16_145_664),
    ("jais2", {"mlp_bias": False}, 2_389_888),
    ("llama", {"head_dim": 16, "attention_bias": True}, 3_764_736),
    ("ministral", {"head_dim": 16}, 3_759_360),
    ("ministral3", {}, 16_145_664),
    ("mistral", {}, 2_874_624),
    ("nanochat", {"attention_bias": True}, 2_383_232),
    ("nemotron", {"head_dim": 16, "attention_bias": True, "mlp_bias": True}, 3_280_000),
    ("olmo", {"attention_bias": True}, 2_874_752),
    ("olmo2", {"attention_bias": True}, 2_879_808),
    ("olmo3", {}, 2_876_352),
    ("phi", {"qk_layernorm": True}, 2_391_464),
    ("phi3", {}, 2_874_624),
    ("qwen2", {}, 2_876_544),
    ("qwen3", {"attention_bias": True}, 16_179_456),
    ("seed_oss", {"attention_out_bias": True}, 16_177_920),
    ("smollm3", {"attention_bias": True}, 2_622_080),
    ("stablelm", {"qk_layernorm": True, "use_qkv_bias": True, "use_parallel_residual": True}, 2_878_528),
    ("starcoder2", {"use_bias": False}, 2_130_432),
    ("vaultgemma", {}, 30_045_440),
    ("gemma", {}, 30_045_440),
    ("gemma2", {}, 30_048_512),
    ("gemma3_text", {"attention_bias": True}, 30_114_560),
    ("hunyuan_v1_dense", {"head_dim": 8, "attention_bias": True}, 2_878_176),
]  # fmt: skip

# The same from these keys alone.
OWN_KEYS: list[tuple[str, dict[str, Any], int]] = [
    (
        "opt",
        {
            "hidden_size": 64,
            "ffn_dim": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
            "word_embed_proj_dim": 32,
            "do_layer_norm_before": False,
        },
        255_328,
    ),
    (
        "opt",
        {
            "hidden_size": 64,
            "ffn_dim": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
            "enable_bias": False,
            "max_position_embeddings": 100,
        },
        157_440,
    ),
    ("bloom", {"n_embed": 64, "n_layer": 3, "n_head": 8, "vocab_size": 1000}, 214_208),
    ("gpt_neo", {"hidden_size": 64, "num_layers": 4, "num_heads": 8, "vocab_size": 1000}, 394_368),
    ("codegen", {"n_embd": 64, "n_layer": 3, "n_head": 8, "vocab_size": 1000}, 277_928),
    ("xglm", {"d_model": 64, "ffn_dim": 96, "num_layers": 3, "attention_heads": 8, "vocab_size": 1000}, 152_160),
    (
        "biogpt",
        {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
        },
        217_824,
    ),
    (
        "persimmon",
        {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
        },
        216_256,
    ),
    ("openai-gpt", {"n_embd": 64, "n_layer": 3, "n_head": 8, "vocab_size": 1000}, 246_720),
    (
        "falcon",
        {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
            "new_decoder_architecture": True,
            "num_kv_heads": 2,
            "num_ln_in_parallel_attn": 1,
        },
        193_536,
    ),
    (
        "falcon",
        {
            "hidden_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
            "parallel_attn": False,
            "multi_query": False,
            "bias": True,
        },
        214_080,
    ),
    (
        "phi",
        {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
            "tie_word_embeddings": True,
        },
        152_776,
    ),
    (
        "exaone",
        {"hidden_size": 64, "intermediate_size": 96, "num_layers": 3, "num_attention_heads": 8, "vocab_size": 1000},
        232_896,
    ),
    (
        "gpt_neox",
        {
            "hidden_size": 64,
            "intermediate_size": 96,
            "num_hidden_layers": 3,
            "num_attention_heads": 8,
            "vocab_size": 1000,
            "attention_bias": False,
        },
        215_392,
    ),
    (
        "modernbert-decoder",
        {
            "hidden_size": 64,
            "intermediate_size": 160,
            "num_hidden_layers": 5,
            "num_attention_heads": 8,
            "vocab_size": 1000,
            "norm_bias": True,
            "attention_bias": True,
            "mlp_bias": True,
            "classifier_bias": True,
        },
        309_416,
    ),
]

# The same with the sizes of the class's defaults, or the weights of the published checkpoint (safetensors total on the
# Hub): StarCoder2 3B and 15B, GLM-4 9B and 32B, EXAONE 3.5, CWM, BitNet, OPT 350m, BLOOM, Falcon 7B and 40B,
# MiniCPM 2B, Command R7B and R+, Seed-OSS 36B, Apertus 8B, Phi-2, StableLM 2 12B, Gemma 3 270M, EmbeddingGemma,
# Granite 3.1 8B.
LARGE: list[tuple[str, dict[str, Any], int]] = [
    ("starcoder2", {"hidden_size": 3072, "intermediate_size": 12288, "num_hidden_layers": 30, "num_attention_heads": 24,
                    "vocab_size": 49152}, 3_030_371_328),
    ("glm", {"hidden_size": 4096, "intermediate_size": 13696, "num_hidden_layers": 40, "num_attention_heads": 32,
             "vocab_size": 151552}, 9_399_951_360),
    ("exaone", {"hidden_size": 4096, "intermediate_size": 14336, "num_layers": 32, "num_attention_heads": 32,
                "vocab_size": 102400}, 7_818_448_896),
    ("cwm", {"hidden_size": 6144, "intermediate_size": 21504, "num_hidden_layers": 64, "num_attention_heads": 48,
             "vocab_size": 128256}, 32_581_097_472),
    ("bitnet", {"hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 30, "num_attention_heads": 20,
                "vocab_size": 128256}, 2_741_155_840),
    ("opt", {"hidden_size": 1024, "ffn_dim": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
             "word_embed_proj_dim": 512, "do_layer_norm_before": False, "vocab_size": 50272}, 331_196_416),
    ("bloom", {"n_embed": 14336, "n_layer": 70, "num_attention_heads": 112, "vocab_size": 250880}, 176_247_271_424),
    ("RefinedWebModel", {"hidden_size": 4544, "n_layer": 32, "n_head": 71, "multi_query": True, "parallel_attn": True,
                         "vocab_size": 65024}, 6_921_720_704),
    ("RefinedWeb", {"hidden_size": 8192, "n_layer": 60, "n_head": 128, "n_head_kv": 8, "parallel_attn": True,
                    "vocab_size": 65024}, 41_303_293_952),
    ("minicpm", {"hidden_size": 2304, "intermediate_size": 5760, "num_hidden_layers": 40, "num_attention_heads": 36,
                 "vocab_size": 122753}, 2_724_880_896),
    ("starcoder2", {"hidden_size": 6144, "intermediate_size": 24576, "num_hidden_layers": 40, "num_attention_heads": 48,
                    "num_key_value_heads": 4, "vocab_size": 49152, "tie_word_embeddings": False}, 15_957_889_024),
    ("glm4", {"hidden_size": 6144, "intermediate_size": 23040, "num_hidden_layers": 61, "num_attention_heads": 48,
              "vocab_size": 151552, "attention_bias": False}, 32_566_081_536),
    ("cohere2", {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "vocab_size": 256000}, 8_028_033_024),
    ("cohere", {"hidden_size": 12288, "intermediate_size": 33792, "num_hidden_layers": 64, "num_attention_heads": 96,
                "num_key_value_heads": 8, "vocab_size": 256000, "use_qk_norm": True}, 103_810_674_688),
    ("seed_oss", {"hidden_size": 5120, "intermediate_size": 27648, "num_hidden_layers": 64, "num_attention_heads": 80,
                  "vocab_size": 155136}, 36_151_104_512),
    ("apertus", {"hidden_size": 4096, "intermediate_size": 21504, "num_hidden_layers": 32, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "vocab_size": 131072}, 8_053_338_176),
    ("phi", {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 32, "num_attention_heads": 32,
             "vocab_size": 51200}, 2_779_683_840),
    ("stablelm", {"hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40, "num_attention_heads": 32,
                  "num_key_value_heads": 8, "vocab_size": 100352, "use_parallel_residual": True,
                  "qk_layernorm": True}, 12_143_185_920),
    ("gemma3_text", {"hidden_size": 640, "intermediate_size": 2048, "num_hidden_layers": 18, "num_attention_heads": 4,
                     "num_key_value_heads": 1, "vocab_size": 262144}, 268_098_176),
    ("gemma3_text", {"hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 24, "num_attention_heads": 3,
                     "num_key_value_heads": 1, "vocab_size": 262144, "use_bidirectional_attention": True}, 302_863_104),
    ("granite", {"hidden_size": 4096, "intermediate_size": 12800, "num_hidden_layers": 40, "num_attention_heads": 32,
                 "num_key_value_heads": 8, "vocab_size": 49155, "tie_word_embeddings": True}, 8_170_848_256),
]  # fmt: skip


def read(model_type: str, **keys: Any) -> ModelSpec:
    return read_config({**SIZES, "model_type": model_type, **keys}, model_id="tiny")


def bare(model_type: str, keys: dict[str, Any]) -> ModelSpec:
    return read_config({"torch_dtype": "bfloat16", "model_type": model_type, **keys}, model_id="tiny")


def windows(model: ModelSpec) -> list[int | None]:
    """The window of every layer, in their order."""
    found: dict[int, int | None] = {}
    for group in model.layers:
        for index in group.indices:
            found[index] = group.mixers[0].window_tokens
    return [found[i] for i in range(model.layer_count)]


@pytest.mark.parametrize(("model_type", "keys", "count"), CLASS_COUNTS, ids=[row[0] for row in CLASS_COUNTS])
def test_a_decoder_counts_as_its_class(model_type: str, keys: dict[str, Any], count: int) -> None:
    assert read(model_type, **keys).total_parameters == count


@pytest.mark.parametrize(("model_type", "keys", "count"), [*OWN_KEYS, *LARGE])
def test_a_decoder_with_keys_of_its_own_counts_as_its_class(model_type: str, keys: dict[str, Any], count: int) -> None:
    assert bare(model_type, keys).total_parameters == count


@pytest.mark.parametrize(("model_type", "keys"), [(row[0], row[1]) for row in CLASS_COUNTS])
def test_tensor_parallelism_divides_every_tensor_that_it_cuts(model_type: str, keys: dict[str, Any]) -> None:
    """Four ranks: column and vocabulary cuts by rows, row cuts by inputs, KV cuts by whole heads."""
    model = read(model_type, **keys)
    for group in model.layers:
        for mixer in group.mixers:
            assert isinstance(mixer, GqaAttention)
            assert mixer.query_heads % 4 == 0
            for tensor in mixer.tensors:
                if tensor.shard is Shard.KV_COLUMN and len(tensor.shape) == 2:
                    assert tensor.shape[0] % mixer.kv_heads == 0, tensor.name
    for _, tensor in model.tensors():
        if tensor.shard in (Shard.COLUMN, Shard.VOCAB):
            assert tensor.shape[0] % 4 == 0, tensor.name
        elif tensor.shard is Shard.ROW:
            assert tensor.shape[1] % 4 == 0, tensor.name


def test_a_tensor_keeps_the_checkpoint_s_name() -> None:
    names = {tensor.name for _, tensor in bare("opt", OWN_KEYS[0][1]).tensors()}
    assert {"model.decoder.layers.{i}.fc1.weight", "model.decoder.project_in.weight"} <= names
    assert "model.decoder.layers.{i}.self_attn.out_proj.bias" in names
    names = {tensor.name for _, tensor in bare("gpt_neo", OWN_KEYS[3][1]).tensors()}
    assert {"transformer.h.{i}.attn.attention.q_proj.weight", "transformer.wpe.weight"} <= names


def test_windows_as_the_engine_keeps_them() -> None:
    """Cohere 2 counts the tokens before a token, so that the engine's window has one more (vLLM 0.33, commandr.py)."""
    assert windows(read("cohere2", sliding_window=512)) == [513, 513, 513, None, 513, 513]
    assert windows(read("cohere2", sliding_window=512, sliding_window_pattern=2)) == [513, None] * 3
    assert windows(read("modernbert-decoder", local_attention=128)) == [None, 64, 64, None, 64, 64]
    assert windows(read("cwm", sliding_window=512)) == [None, 512, 512, 512, None, 512]
    assert windows(read("granite_swa")) == [None, 128, 128, 128, None, 128]
    assert windows(read("vaultgemma")) == [4096, None] * 3
    assert windows(read("mistral")) == [4096] * 6
    assert windows(read("mistral", sliding_window=None)) == [None] * 6
    assert windows(read("ministral3")) == [None] * 6
    kinds = ["sliding_attention", "full_attention"] * 3
    assert windows(read("ministral", sliding_window=512, layer_types=kinds)) == [512, None] * 3
    assert windows(read("smollm3", sliding_window=512)) == [None] * 6
    assert windows(read("smollm3", sliding_window=512, use_sliding_window=True)) == [None, None, None, 512, None, None]
    assert windows(read("qwen2", use_sliding_window=True, max_window_layers=4)) == [None] * 4 + [4096] * 2
    assert windows(read("qwen2", use_sliding_window=True)) == [None] * 6
    plamo = read("plamo3", tie_word_embeddings=True, interleaved_sliding_window=[64, None] * 3, head_dim=8,
                 max_position_embeddings=4096)  # fmt: skip
    assert windows(plamo) == [64, None] * 3


def test_a_window_wider_than_the_context_is_a_window() -> None:
    """As vLLM keeps Phi-3-mini-128k: SlidingWindowSpec of 262144 under a context of 131072."""
    model = read("phi3", sliding_window=262144, max_position_embeddings=131072)
    assert windows(model) == [262144] * 6
    assert model.max_context_tokens == 131072


def test_heads_that_a_file_leaves_out_are_the_class_s() -> None:
    """A missing key takes the class's number, an explicit null as many KV heads as heads."""
    missing = {key: value for key, value in SIZES.items() if key != "num_key_value_heads"}
    attention = read_config({**missing, "model_type": "mistral"}, model_id="tiny").layers[0].mixers[0]
    assert isinstance(attention, GqaAttention)
    assert (attention.kv_heads, attention.head_dim) == (8, 8)
    attention = read("mistral", num_key_value_heads=None).layers[0].mixers[0]
    assert attention.kv_heads == 32
    attention = read("qwen3", head_dim=None).layers[0].mixers[0]
    assert isinstance(attention, GqaAttention)
    assert attention.head_dim == 8
    assert read("ministral3").layers[0].mixers[0].cache_elements_per_token == 4 * 256


def test_multi_query_keeps_one_head() -> None:
    model = bare("RefinedWebModel", {"hidden_size": 64, "n_layer": 2, "n_head": 8, "vocab_size": 100})
    assert model.layers[0].mixers[0].cache_elements_per_token == 2 * 8


def test_a_model_with_experts_or_without() -> None:
    assert isinstance(read("minicpm").layers[0].feed_forward, DenseFeedForward)
    routed = read("minicpm", num_experts=8, num_experts_per_tok=2).layers[0].feed_forward
    assert isinstance(routed, MoeFeedForward)
    assert (routed.experts, routed.expert_intermediate_size) == (8, 320)


def test_a_layer_that_loops_keeps_a_cache_for_every_loop() -> None:
    """Dory with its class's sizes: transformers 5.24.0 counts 3,975,229,440; vLLM 0.33 (dory.py) gives its 20 looped
    layers two caches each, the 16 others one; the second loop of IQuest's coder sees 64 tokens
    (iquest_loopcoder.py)."""
    blocks = [kind for i in range(36) for kind in ("full_attention" if i % 4 == 3 else "sliding_attention", "mlp")]
    model = read(
        "dory", hidden_size=2560, intermediate_size=7168, num_hidden_layers=72, num_attention_heads=16,
        vocab_size=131072, layer_types=blocks, n_input_layers=16, n_recurrent_layers=40, n_recurrent_loops=2,
    )  # fmt: skip
    assert model.total_parameters == 3_975_229_440
    kept = Counter(
        cache.window_tokens
        for group in model.layers for mixer in group.mixers for cache in mixer.caches for _ in group.indices
    )  # fmt: skip
    assert kept == {1024: 42, None: 14}
    once = bare("iquestloopcoder", {**SIZES, "max_position_embeddings": 4096})
    assert [mixer.window_tokens for mixer in once.layers[0].mixers] == [None, 64]
    gates = 6 * (32 * 8 + 32)
    assert once.total_parameters == read("llama", max_position_embeddings=4096).total_parameters + gates


@pytest.mark.parametrize(
    ("keys", "tokens"),
    [
        ({"max_position_embeddings": 8192, "model_max_length": 131072}, 131072),
        ({"max_position_embeddings": 8192, "seq_length": 4096}, 4096),
        ({"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}}, 4096),
        ({"rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 4.0},
                              "sliding_attention": {"rope_type": "default"}}}, 8192),
        ({"max_position_embeddings": 32768, "rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, 32768),
        ({"max_position_embeddings": 131072, "rope_scaling": {"type": "longrope", "factor": 32.0}}, 131072),
    ],
)  # fmt: skip
def test_context_as_vllm_derives_it(keys: dict[str, Any], tokens: int) -> None:
    """vLLM 0.33: config/model.py and transformers_utils/model_arch_config_convertor.py; class default 2048."""
    assert read("llama", **keys).max_context_tokens == tokens


@pytest.mark.parametrize(
    ("model_type", "keys", "key"),
    [
        ("granite", {"num_key_value_heads": 5}, "num_key_value_heads"),
        ("granite", {"num_attention_heads": 0}, "num_attention_heads"),
        ("granite", {"hidden_size": 250}, "num_attention_heads"),
        ("granite", {"intermediate_size": 2**60}, "intermediate_size"),
        ("glm4", {"intermediate_size": None}, "intermediate_size"),
        ("cohere2", {"sliding_window": -1}, "sliding_window"),
        ("cohere2", {"layer_types": ["sliding_attention"]}, "layer_types"),
        ("smollm3", {"use_sliding_window": True, "sliding_window": 8, "no_rope_layers": [1]}, "no_rope_layers"),
        ("plamo3", {}, "tie_word_embeddings"),
        ("plamo3", {"tie_word_embeddings": True}, "interleaved_sliding_window"),
        ("plamo3", {"tie_word_embeddings": True, "interleaved_sliding_window": ["x"] * 6},
         "interleaved_sliding_window"),
        ("falcon", {"num_ln_in_parallel_attn": 3}, "num_ln_in_parallel_attn"),
        ("orion", {}, "max_position_embeddings"),
        ("opt", {"ffn_dim": 0}, "ffn_dim"),
        ("xglm", {"d_model": "wide"}, "d_model"),
    ],
)  # fmt: skip
def test_a_bad_value_is_an_error_that_names_the_key(model_type: str, keys: dict[str, Any], key: str) -> None:
    with pytest.raises(DataError) as caught:
        read(model_type, **keys)
    assert f"`{key}`" in caught.value.message


@pytest.mark.parametrize("model_type", ["t5", "bart", "whisper", "marian", "pegasus", "mt5"])
def test_an_encoder_decoder_is_refused_as_such(model_type: str) -> None:
    with pytest.raises(UnsupportedModelError, match="encoder-decoder"):
        read(model_type, is_encoder_decoder=True)


def test_a_mixture_of_a_kind_that_is_not_read_is_refused() -> None:
    with pytest.raises(UnsupportedModelError, match="is_moe"):
        read("doge", is_moe=True)
