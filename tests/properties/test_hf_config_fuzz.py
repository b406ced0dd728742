"""A config.json of any known type with any value in any key: a model with sane totals, or one error about a key."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmplan.catalogs.hf_config import known_types, read_config
from llmplan.catalogs.hf_config.normalize import MAX_PARAMETERS
from llmplan.catalogs.hf_config.wrappers import WRAPPERS, Wrapper
from llmplan.errors import DataError, LlmplanError
from llmplan.spec.model import ModelSpec

GENERIC: dict[str, Any] = {
    "torch_dtype": "bfloat16", "architectures": ["AnyModel"], "vocab_size": 1000, "hidden_size": 64,
    "intermediate_size": 96, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8,
    "max_position_embeddings": 512,
}  # fmt: skip
LISTS: dict[str, Any] = {
    "layer_types": ["full_attention"] * 4, "layers_block_type": ["attention"] * 4, "hybrid_override_pattern": "M-*E",
    "interleaved_sliding_window": [64, None] * 2, "tie_word_embeddings": True, "block_configs": [],
    "text_config": GENERIC, "vision_config": {}, "audio_config": {}, "rope_scaling": {"type": "yarn", "factor": 2.0},
}  # fmt: skip
ENCODER_KEYS = (
    "hidden_size", "embed_dim", "num_hidden_layers", "depth", "layers", "num_attention_heads", "num_heads",
    "intermediate_size", "mlp_ratio", "patch_size", "image_size", "in_channels", "num_channels", "out_hidden_size",
    "spatial_merge_size", "temporal_patch_size", "projection_dim", "model_type", "vocab_size",
    "num_position_embeddings", "d_model", "encoder_layers", "encoder_ffn_dim", "num_mel_bins", "max_source_positions",
    "deepstack_visual_indexes",
)  # fmt: skip
"""what files say of encoders of images and sound"""
SIZE = 8
"""what a key gets that is missing and unknown here"""
MISSING = re.compile(r"key `([\w.]+)`: missing")

FLAGS = st.booleans()
NUMBERS = st.sampled_from(
    [-1, 0, 1, 2, 3, 7, 2**16, 2**24, 2**31, 2**63, 10**40, 10**400, -(2**40), 0.0, 1.5, 64.0, 1e308, float("nan"),
     float("inf"), float("-inf")]
)  # fmt: skip
JUNK = st.recursive(
    st.none() | FLAGS | NUMBERS | st.integers(-2, 70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)


@cache
def base(model_type: str) -> tuple[tuple[str, Any], ...]:
    """Keys that make a file of this type, found by asking what is missing; as far as that leads."""
    keys: dict[str, Any] = {**GENERIC, "model_type": model_type}
    for _ in range(60):
        try:
            read_config(keys, model_id="fuzz")
        except DataError as error:
            missing = MISSING.search(error.message)
            if missing is None or missing[1] in keys:
                break
            keys[missing[1]] = LISTS.get(missing[1], SIZE)
        else:
            break
    return tuple(keys.items())


def examine(model: ModelSpec) -> None:
    """What holds of every model."""
    assert 0 < model.active_parameters <= model.text_parameters <= model.total_parameters
    assert model.text_parameters <= MAX_PARAMETERS
    assert model.draft_parameters >= 0
    assert 0 <= model.tower_parameters <= MAX_PARAMETERS
    assert 0 < model.max_context_tokens <= 2**31
    assert sum(len(group.indices) for group in model.layers) == model.layer_count
    assert sorted(i for group in model.layers for i in group.indices) == list(range(model.layer_count))
    for count, tensor in model.tensors():
        assert count > 0
        assert tensor.copies > 0
        assert all(size > 0 for size in tensor.shape), tensor
    for mixer in model.mixers():
        assert mixer.query_heads > 0
        assert all(cache.heads > 0 and cache.elements >= 0 for cache in mixer.caches)
        assert all(state.heads > 0 and state.elements >= 0 for state in mixer.states)


def attempt(keys: dict[str, Any]) -> None:
    """A model, or an error that says where and about which key."""
    said = None
    try:
        model = read_config(keys, model_id="fuzz")
    except LlmplanError as error:
        said = error.message
    if said is None:
        examine(model)
        return
    assert "fuzz" in said, said
    assert "`" in said or "model type" in said, said
    assert len(said) < 2000


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), model_type=st.sampled_from(known_types()))
def test_wrong_values_in_the_keys_that_a_type_reads(data: st.DataObject, model_type: str) -> None:
    keys = dict(base(model_type))
    changed = data.draw(st.sets(st.sampled_from(sorted(keys)), min_size=1, max_size=3))
    keys |= {key: data.draw(NUMBERS | JUNK) for key in sorted(changed - {"model_type"})}
    dropped = data.draw(st.sets(st.sampled_from(sorted(keys)), max_size=2))
    attempt({key: value for key, value in keys.items() if key not in dropped - {"model_type"}})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    model_type=st.sampled_from(known_types()),
    more=st.dictionaries(st.sampled_from(sorted(LISTS)), JUNK, min_size=1, max_size=3),
    text=st.dictionaries(st.sampled_from(sorted(GENERIC)), JUNK, max_size=3),
)
def test_wrong_lists_and_nested_objects(model_type: str, more: dict[str, Any], text: dict[str, Any]) -> None:
    nested = {"text_config": {**dict(base(model_type)), **text}} if text else {}
    attempt({**dict(base(model_type)), **more, **nested})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    wrapper=st.sampled_from(WRAPPERS),
    part=st.dictionaries(st.sampled_from(ENCODER_KEYS), NUMBERS | JUNK, min_size=1, max_size=4),
    sane=st.dictionaries(st.sampled_from(ENCODER_KEYS), st.sampled_from([1, 2, 8, 16, 64]), max_size=6),
)
def test_wrong_values_in_an_encoder(wrapper: Wrapper, part: dict[str, Any], sane: dict[str, Any]) -> None:
    encoders = {key: {**sane, **part} for key in (*wrapper.towers, "vision_config")}
    text = dict(base(wrapper.text_type))
    parts = {wrapper.text_key: text, **encoders}
    whole = {wrapper.inside: parts} if wrapper.inside else parts
    attempt({**text, "model_type": wrapper.model_type, **whole})


@settings(max_examples=200, deadline=None)
@given(sizes=st.lists(st.sampled_from([2**16, 2**20, 2**24]), min_size=3, max_size=3), layers=st.integers(500, 2000))
def test_sizes_that_no_model_has_are_refused(sizes: list[int], layers: int) -> None:
    hidden, inner, vocabulary = sizes
    attempt(
        {**GENERIC, "model_type": "llama", "hidden_size": hidden, "intermediate_size": inner, "vocab_size": vocabulary,
         "num_hidden_layers": layers}
    )  # fmt: skip


def test_most_types_are_reached() -> None:
    """The keys that `base` finds make a model for most types, so that the fuzzing changes working files."""
    read = 0
    for model_type in known_types():
        try:
            read_config(dict(base(model_type)), model_id="fuzz")
        except LlmplanError:
            continue
        read += 1
    assert read >= 0.7 * len(known_types())
