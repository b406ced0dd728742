"""The longest request that an engine admits, as vLLM derives it from a config.

The smallest of the length keys that the file states, or `model_max_length` (Command R) where it is there. RoPE scaling
then multiplies it by `factor`, except for kinds whose length keys already state the scaled length: `yarn`, `llama3`,
`longrope` and those derived from them. Gemma 3 states the scaled length, whatever its kind.

Reference: vLLM 0.33, `config/model.py` (_get_and_verify_max_len) and
`transformers_utils/model_arch_config_convertor.py` (derive_max_model_len_and_key). Releases before 0.32 multiply the
length before scaling by a `yarn` factor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config, show

_LENGTH_KEYS: Final = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length", "max_target_positions",
    "max_sequence_length", "max_seq_length", "seq_len",
)  # fmt: skip
_OVERRIDE: Final = "model_max_length"
UNBOUNDED_TOKENS: Final = 2**20
"""longest request of a model that states no length and has none by its nature"""
_ALREADY_SCALED: Final = frozenset({"su", "longrope", "llama3", "yarn", "deepseek_yarn", "deepseek_llama_scaling"})


def max_context_tokens(config: Config, *, is_scaled: bool = False) -> int:
    """Tokens of prompt and answer together; `is_scaled`: the family's length keys state the scaled length.

    >>> from llmplan.catalogs.hf_config.normalize import Config
    >>> linear = {"rope_type": "linear", "factor": 4.0}
    >>> max_context_tokens(Config(where="", values={"max_position_embeddings": 4096, "rope_scaling": linear}))
    16384
    """
    stated = {key: config.integer(key, high=MAX_TOKENS) for key in _LENGTH_KEYS if config.has(key)}
    if not stated:
        raise config.fail("max_position_embeddings", "missing; without it no context length is known")
    length = stated.get(_OVERRIDE) or min(stated.values())
    if is_scaled:
        return length
    factor = 1.0
    for rope in _scalings(config):
        kind = rope.get("rope_type", rope.get("type", "default"))
        if not isinstance(kind, str):
            raise config.fail("rope_scaling.rope_type", f"expected text, got {show(kind)}")
        stretch = config.number(rope, "factor", "rope_scaling")
        if stretch is not None and kind not in _ALREADY_SCALED:
            factor = stretch
    return max(1, min(int(length * factor), MAX_TOKENS))


def default_context_tokens(config: Config) -> int | None:
    """The length that vLLM starts with where none is asked for, if it is not the longest: the unscaled one of
    `longrope` models, which answer short prompts worse when scaled; a family's assumption where files state none.

    >>> from llmplan.catalogs.hf_config.normalize import Config
    >>> phi = {"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096}
    >>> default_context_tokens(Config(where="", values=phi))
    4096
    """
    if not states_context(config):
        return config.optional_integer("assumed_context_tokens")
    kinds = [rope.get("rope_type", rope.get("type")) for rope in _scalings(config)]
    if not any(kind in ("longrope", "su") for kind in kinds):
        return None
    return config.optional_integer("original_max_position_embeddings", low=1, high=MAX_TOKENS)


def states_context(config: Config) -> bool:
    """Whether a length is stated: some families, bounded by nothing, state none.

    >>> states_context(Config(where="", values={"max_position_embeddings": 4096}))
    True
    """
    assumed = config.optional_integer("assumed_context_tokens")
    return not (assumed and config.values.get("max_position_embeddings") == UNBOUNDED_TOKENS)


def _scalings(config: Config) -> Iterator[Mapping[str, Any]]:
    """The scalings in force: newer files say `rope_parameters`, possibly one per kind of layer."""
    scaling = config.mapping("rope_scaling") or config.mapping("rope_parameters")
    nested = [value for value in scaling.values() if isinstance(value, Mapping)]
    yield from nested or (scaling,)
