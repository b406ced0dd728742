"""What a layer keeps of a token and of a sequence, against the specifications that vLLM 0.32 makes of real configs.

The oracle's rows have one entry for each kind of layer: its number of layers, the bytes of a page of so many tokens,
and for recurrences the shapes of their states. It was read with states in 32 bit, whatever the model asks for, so those
are compared by their numbers of elements.
"""

from __future__ import annotations

import json
from collections import Counter
from math import prod
from typing import Any

import pytest

from llmplan.catalogs.hf_config import read_config_file
from llmplan.memory import kv_format
from llmplan.spec.caches import entry_bytes
from llmplan.spec.model import ModelSpec
from tests_support import DATA

ORACLE = DATA / "parameter_oracle.jsonl"


def rows() -> list[dict[str, Any]]:
    if not ORACLE.is_file():
        return []
    with ORACLE.open(encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row.get("vllm_0_32_kv_specs")]


ROWS = rows()


def kept_per_token(model: ModelSpec) -> Counter[float]:
    """Bytes of one token in one layer in 16 bit, and how many layers keep that many."""
    found: Counter[float] = Counter()
    for group in model.layers:
        for cache in (cache for mixer in group.mixers for cache in mixer.caches):
            found[entry_bytes(cache, kv_format("bf16"), 1) / cache.tokens_per_entry] += group.count
    return found


def kept_per_sequence(model: ModelSpec) -> Counter[int]:
    """Elements of one layer's states, and how many layers have that many."""
    found: Counter[int] = Counter()
    for group in model.layers:
        for mixer in group.mixers:
            if mixer.states:
                found[sum(state.heads * state.elements for state in mixer.states)] += group.count
    return found


@pytest.mark.skipif(not ROWS, reason=f"no oracle at {ORACLE} (set LLMPLAN_DATA)")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"].removesuffix(".json"))
def test_layers_keep_what_the_engine_keeps(row: dict[str, Any]) -> None:
    model = read_config_file(DATA / "configs" / row["file"], dtype="bf16")
    tokens: Counter[float] = Counter()
    states: Counter[int] = Counter()
    for spec in row["vllm_0_32_kv_specs"]:
        if spec["shapes"] is not None:
            states[sum(prod(shape) for shape in spec["shapes"])] += spec["n"]
        else:
            tokens[spec["page"] / spec["block"]] += spec["n"]
    assert kept_per_token(model) == tokens
    assert kept_per_sequence(model) == states


@pytest.mark.skipif(not ROWS, reason=f"no oracle at {ORACLE} (set LLMPLAN_DATA)")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"].removesuffix(".json"))
def test_windows_are_those_of_the_engine(row: dict[str, Any]) -> None:
    """A window at least as long as the context is none."""
    model = read_config_file(DATA / "configs" / row["file"], dtype="bf16")
    limit = model.max_context_tokens
    wanted: Counter[int | None] = Counter()
    for spec in row["vllm_0_32_kv_specs"]:
        if spec["shapes"] is None and spec["spec"] != "ChunkedLocalAttentionSpec":
            width = spec["win"]
            wanted[width if width is not None and width < limit else None] += spec["n"]
    found: Counter[int | None] = Counter()
    for group in model.layers:
        for cache in (cache for mixer in group.mixers for cache in mixer.caches):
            if not cache.chunked:
                width = cache.window_tokens
                found[width if width is not None and width < limit else None] += group.count
    assert found == wanted
