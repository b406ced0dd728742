"""The longest request that an engine admits, as vLLM derives it from a config.

Start from the smallest of the length keys that the file states. RoPE scaling then multiplies it by `factor`, except:
`llama3`, `longrope` / `su` and multimodal (`mrope`) scaling, whose length keys already state the scaled length; and
`yarn`, where the factor applies to `original_max_position_embeddings`. Gemma 3 states the scaled length, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmplan.catalogs.hf_config.normalize import MAX_TOKENS, Config, show

_LENGTH_KEYS: Final = (
    "max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length",
    "max_sequence_length", "max_seq_length", "seq_len",
)  # fmt: skip
_ALREADY_SCALED: Final = frozenset({"default", "llama3", "longrope", "su", "mrope", "proportional"})


def max_context_tokens(config: Config, model_type: str) -> int:
    """Tokens of prompt and answer together.

    >>> from llmplan.catalogs.hf_config.normalize import Config
    >>> yarn = {"rope_type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}
    >>> max_context_tokens(Config(where="", values={"max_position_embeddings": 163840, "rope_scaling": yarn}), "")
    163840
    """
    stated = [config.integer(key, high=MAX_TOKENS) for key in _LENGTH_KEYS if config.has(key)]
    if not stated:
        raise config.fail("max_position_embeddings", "missing; without it no context length is known")
    length = min(stated)
    rope = _scaling(config)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if not isinstance(kind, str):
        raise config.fail("rope_scaling.rope_type", f"expected text, got {show(kind)}")
    if kind in _ALREADY_SCALED or model_type.startswith("gemma3"):
        return length
    factor = config.number(rope, "factor", "rope_scaling") or 1.0
    if kind == "yarn":
        original = config.number(rope, "original_max_position_embeddings", "rope_scaling")
        length = round(original) if original is not None else length
    return min(round(length * factor), MAX_TOKENS)


def _scaling(config: Config) -> Mapping[str, Any]:
    """The scaling in force: newer files say `rope_parameters`, possibly one per kind of layer."""
    scaling = config.mapping("rope_scaling") or config.mapping("rope_parameters")
    per_kind = scaling.get("full_attention")
    return per_kind if isinstance(per_kind, Mapping) else scaling
