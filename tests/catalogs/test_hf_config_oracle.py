"""Parameter counts and cache shapes against someone else's: `transformers` on the meta device, and the Hub."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.hf_config import known_types, read_config_file
from llmplan.catalogs.models import load_models
from llmplan.errors import DataError, UnsupportedModelError
from llmplan.spec.model import GqaAttention, MlaAttention, ModelSpec
from tests_support import DATA

MODELS = load_models([packaged_profiles()])

# Counted by instantiating the model class without weights (transformers 5, meta device): all weights with tied ones
# once (text decoder of multimodal models), those that take part in one token, the token embedding, and K and V
# elements that one token adds to the cache of all layers.
INSTANTIATED = {
    "meta-llama/Llama-2-70b-hf": (68976648192, 68976648192, 262144000, 80 * 8 * 256),
    "meta-llama/Llama-3.1-8B-Instruct": (8030261248, 8030261248, 525336576, 32 * 8 * 256),
    "meta-llama/Llama-3.1-405B-Instruct": (405853388800, 405853388800, 2101346304, 126 * 8 * 256),
    "meta-llama/Llama-3.2-3B-Instruct": (3212749824, 3212749824, 394002432, 28 * 8 * 256),
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": (400711848960, 17184691200, 1034485760, 48 * 8 * 256),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": (46702792704, 12879925248, 131072000, 32 * 8 * 256),
    "Qwen/Qwen2.5-7B": (7615616512, 7615616512, 544997376, 28 * 4 * 256),
    "Qwen/Qwen1.5-MoE-A2.7B": (14315784192, 2689173504, 311164928, 24 * 16 * 256),
    "Qwen/Qwen3-32B": (32762123264, 32762123264, 777912320, 64 * 8 * 256),
    "Qwen/Qwen3-235B-A22B": (235093634560, 22190763520, 622329856, 94 * 4 * 256),
    "Qwen/Qwen3-VL-30B-A3B-Instruct": (30532122624, 3353032704, 311164928, 48 * 4 * 256),
    "deepseek-ai/DeepSeek-R1": (671026404352, 37552282624, 926679040, 61 * (512 + 64)),
    "moonshotai/Kimi-K2.5": (1026408209408, 32861477888, 1174405120, 61 * (512 + 64)),
    "zai-org/GLM-4.7-Flash": (29943390976, 3896763136, 317194240, 47 * (512 + 64)),
    "openai/gpt-oss-20b": (20914757184, 4187440704, 579133440, 24 * 8 * 128),
    "openai/gpt-oss-120b": (116829156672, 5711982912, 579133440, 36 * 8 * 128),
    "google/gemma-2-27b-it": (27227128320, 27227128320, 1179648000, 46 * 16 * 256),
    "microsoft/phi-4": (14659507200, 14659507200, 513802240, 40 * 10 * 256),
    "microsoft/Phi-3.5-MoE-instruct": (41873153344, 6640999744, 131334144, 32 * 8 * 256),
    "MiniMaxAI/MiniMax-M2.5": (228689748992, 11030537216, 614596608, 62 * 8 * 256),
    "allenai/Olmo-3.1-32B-Instruct": (32233522176, 32233522176, 513423360, 64 * 8 * 256),
    "LGAI-EXAONE/EXAONE-4.0-32B": (32003216384, 32003216384, 524288000, 64 * 8 * 256),
    "ibm-granite/granite-3.1-1b-a400m-instruct": (1334628352, 428658688, 50334720, 24 * 8 * 128),
    "CohereForAI/aya-23-8B": (8028033024, 8028033024, 1048576000, 32 * 8 * 256),
    "stabilityai/stablelm-2-zephyr-1_6b": (1644515328, 1644515328, 205520896, 24 * 32 * 128),
    "togethercomputer/RedPajama-INCITE-Chat-3B-v1": (2775864320, 2775864320, 129105920, 32 * 32 * 160),
    "mosaicml/mpt-7b": (6649286656, 6649286656, 206569472, 32 * 32 * 256),
}

# Published elsewhere: the Hub's safetensors totals, GGUF headers, or printed by somebody's program.
PUBLISHED = {
    "meta-llama/Llama-3.2-1B-Instruct": 1_235_814_400,
    "meta-llama/Meta-Llama-3-8B-Instruct": 8_030_261_248,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "mistralai/Mistral-Nemo-Instruct-2407": 12_247_782_400,
    "mistralai/Mistral-Small-24B-Instruct-2501": 23_572_403_200,
    "Qwen/Qwen2.5-3B-Instruct": 3_085_938_688,
    "Qwen/Qwen2.5-32B-Instruct": 32_763_876_352,
    "Qwen/Qwen3-4B-Instruct-2507": 4_022_468_096,
    "Qwen/Qwen-7B": 7_721_324_544,
    "google/gemma-3-27b-it": 27_432_406_640,
    "tiiuae/falcon-180B": 179_522_565_120,
    "EleutherAI/gpt-j-6b": 6_050_882_784,
    "deepseek-ai/DeepSeek-V2-Lite-Chat": 15_706_484_224,
    "THUDM/chatglm3-6b": 6_243_584_000,
    "THUDM/glm-4-9b": 9_399_951_360,
    "internlm/internlm2_5-7b-chat": 7_737_708_544,
}


def cache_elements(model: ModelSpec) -> int:
    return sum(group.count * mixer.cache_elements_per_token for group in model.layers for mixer in group.mixers)


@pytest.mark.parametrize("model_id", INSTANTIATED)
def test_a_profile_counts_as_the_instantiated_model(model_id: str) -> None:
    model = MODELS[model_id]
    counted = (model.text_parameters, model.active_parameters, model.embedding_parameters, cache_elements(model))
    assert counted == INSTANTIATED[model_id]


@pytest.mark.parametrize("model_id", PUBLISHED)
def test_a_profile_counts_as_published(model_id: str) -> None:
    assert MODELS[model_id].total_parameters == PUBLISHED[model_id]


@pytest.mark.parametrize(
    ("model_id", "hub_total"), [("zai-org/GLM-4.7", 358_337_791_296), ("zai-org/GLM-4.5-Air", 110_468_824_832)]
)
def test_the_hub_counts_one_more_layer_for_multi_token_prediction(model_id: str, hub_total: int) -> None:
    """The Hub's total has router buffers, one more MoE layer, its 2h x h projection, 3 norms, embedding and head."""
    model = MODELS[model_id]
    hidden, routed = model.hidden_size, model.layers[-1]
    buffers = sum(count * tensor.elements for count, tensor in model.tensors() if tensor.buffer)
    draft = sum(tensor.elements for tensor in routed.tensors()) + 2 * hidden * hidden + 3 * hidden
    assert model.total_parameters + buffers + draft + 2 * model.vocab_size * hidden == hub_total


def test_deepseek_v3_has_the_buffers_that_its_checkpoint_has() -> None:
    """671,026,419,200 is the main model within the 684,531,386,000 that the Hub counts."""
    model = MODELS["deepseek-ai/DeepSeek-V3"]
    assert sum(count * tensor.elements for count, tensor in model.tensors()) == 671_026_419_200
    assert model.total_parameters == 671_026_419_200 - 58 * 256


def rows() -> list[dict[str, Any]]:
    path = DATA / "parameter_oracle.jsonl"
    if not path.is_file():
        pytest.skip(f"no oracle at {path}: set LLMPLAN_DATA")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


Caches = Counter[tuple[int | None, int, int]]
"""layers by window, heads and elements of one head"""


def caches(model: ModelSpec) -> Caches:
    found: Caches = Counter()
    for group in model.layers:
        for mixer in group.mixers:
            for cache in mixer.caches:
                found[(None if cache.chunked else cache.window_tokens, cache.heads, cache.elements)] += group.count
    return found


def oracle_caches(row: dict[str, Any]) -> Caches:
    """As vLLM 0.32 says of its layers, or as `transformers` caches them."""
    found: Caches = Counter()
    specs = row.get("vllm_0_32_kv_specs")
    if specs:
        for spec in specs:
            if spec["heads"]:
                found[(spec["win"], spec["heads"], spec["hs"] + spec["hsv"])] += spec["n"]
        return found
    for group in (row.get("kv") or {}).get("groups", ()):
        keys, values = group["keys"], group["values"]
        found[(group.get("sliding_window"), keys[1], keys[3] + values[3])] += group["n_layers"]
    return found


def caches_its_attention(model: ModelSpec) -> bool:
    """Whether every layer keeps keys and values, or a latent, and nothing else, of its own."""
    kinds = [mixer for group in model.layers for mixer in group.mixers]
    alone = all(len(group.mixers) == 1 for group in model.layers)
    return alone and all(isinstance(mixer, GqaAttention | MlaAttention) and len(mixer.caches) == 1 for mixer in kinds)


def chunked(model: ModelSpec) -> bool:
    """Whether the engine's table has no window where `transformers` has one."""
    return any(cache.chunked for mixer in model.mixers() for cache in mixer.caches)


def test_every_config_of_a_known_type_equals_the_oracle() -> None:
    """No exceptions: a config of a known type counts exactly as instantiated, or its row has no count."""
    matched = compared = 0
    for row in rows():
        path = DATA / "configs" / row["file"]
        known = row["model_type"] in known_types()
        try:
            model = read_config_file(path, dtype="bfloat16")
        except UnsupportedModelError:
            assert not known, row["file"]
            continue
        except DataError:
            assert row["flag"], row["file"]
            continue
        if row.get("params_text") is None or row["flag"]:
            continue
        assert model.text_parameters in (row["params_text"], row.get("vllm_0_32_params")), row["file"]
        assert not model.towers or model.total_parameters == row["params_total"], row["file"]
        idle = model.text_parameters - model.active_parameters
        assert idle == row["params_text"] - row["params_active"], row["file"]
        assert model.embedding_parameters == row["params_embedding"], row["file"]
        assert model.towers or row["flag"] or not row["params_vision"], row["file"]
        by_engine = bool(row.get("vllm_0_32_kv_specs"))
        if by_engine or (caches_its_attention(model) and row.get("kv") and not chunked(model)):
            assert caches(model) == oracle_caches(row), row["file"]
            compared += 1
        matched += 1
    assert matched >= 100
    assert compared >= 100


def test_every_profile_of_the_oracle_equals_it() -> None:
    by_id = {row["file"].removesuffix(".json").replace("__", "/"): row for row in rows()}
    compared = 0
    for model_id in MODELS:
        row = by_id.get(model_id)
        if row is None or row["flag"] or row.get("params_text") is None:
            continue
        model = MODELS[model_id]
        assert model.text_parameters in (row["params_text"], row.get("vllm_0_32_params")), model_id
        idle = model.text_parameters - model.active_parameters
        assert idle == row["params_text"] - row["params_active"], model_id
        compared += 1
    assert compared >= 60


def test_a_profile_with_an_encoder_is_the_whole_model_of_the_oracle() -> None:
    """Text decoder plus encoders is the whole model as instantiated; a profile whose encoder is not read says so."""
    by_id = {row["file"].removesuffix(".json").replace("__", "/"): row for row in rows()}
    compared = 0
    for model_id in MODELS:
        model, row = MODELS[model_id], by_id.get(model_id)
        said = any("tower" in note for note in model.notes)
        assert said or not model.uncounted_parameters, model_id
        assert not (said and model.towers), model_id
        if row is None or row["flag"] or not row.get("params_vision"):
            continue
        assert model.total_parameters == row["params_total"], model_id
        assert model.text_parameters in (row["params_text"], row.get("vllm_0_32_params")), model_id
        compared += 1
    assert compared >= 8
