"""Every key and value of trtllm.yaml, nested ones too, is in the engine's own manifest, whatever the plan."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import random_plans
from llmplan import emit
from llmplan.errors import UsageError
from tests_support import DATA

KEYS_FILE = DATA / "engines" / "trtllm_keys.txt"
PLANS = 300
TYPES: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (float, int), "bool": (bool,)}


def manifest(text: str) -> dict[str, str]:
    """`section.key` or `key` to what the manifest says of its value; braces and lists of alternatives taken apart."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            found |= dict(_entries(line, ""))
    return found


def _entries(text: str, section: str) -> Iterator[tuple[str, str]]:
    for part in _split(text):
        nested = re.match(r"([\w.]+?)\.\{(.*)\}$", part)
        if nested:
            yield section + nested[1], "section"
            yield from _entries(nested[2], f"{section}{nested[1]}.")
            continue
        key, _, value = part.partition(":")
        if re.fullmatch(r"[\w.]+", key.strip()):
            yield section + key.strip(), value.strip()


def _split(text: str) -> list[str]:
    """At commas, or at two blanks on the top level, outside brackets."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(text):
        depth += (char in "{[(") - (char in "}])")
        apart = char == "," or text[place : place + 2] == "  " or re.match(r" (?=[a-z_]{4,}[.:])", text[place:])
        if depth == 0 and apart:
            parts.append(text[start:place])
            start = place + 1
    return [part.strip() for part in (*parts, text[start:]) if part.strip()]


def leaves(content: Mapping[str, Any], section: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, dict):
            yield section + key, None
            yield from leaves(value, f"{section}{key}.")
        else:
            yield section + key, value


def is_allowed(value: Any, stated: str) -> bool:
    """Whether a value is of the stated type, or one of the stated names."""
    kind = re.match(r"(int|float|bool)\b", stated)
    if kind:
        return isinstance(value, TYPES[kind[1]]) and (kind[1] == "bool") == isinstance(value, bool)
    names = {name.strip() for name in re.split(r"[|(=]", stated)}
    return value is None or not stated or value in names or str(value).lower() in names


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    if not KEYS_FILE.is_file():
        pytest.skip(f"no list of the engine's keys at {KEYS_FILE} (set LLMPLAN_DATA)")
    return manifest(KEYS_FILE.read_text(encoding="utf-8"))


def test_the_manifest_is_read_in_full(known: dict[str, str]) -> None:
    assert len(known) > 150
    assert known["max_num_tokens"].startswith("int")
    assert known["kv_cache_config.host_cache_size"].startswith("int")
    assert known["kv_cache_config.block_reuse_config.max_num_turns"].startswith("int")
    assert is_allowed("bfloat16", known["dtype"])
    assert not is_allowed("bf16", known["dtype"])
    assert not is_allowed(True, known["tensor_parallel_size"])


def test_keys_and_values_of_random_plans(known: dict[str, str]) -> None:
    tried, refused = set(), 0
    for plan in random_plans.random_plans(PLANS, 11, engine="tensorrt-llm"):
        try:
            files = emit.emit(plan, strategy=None, target="tensorrt-llm")
        except UsageError as error:
            assert "attention data parallelism has groups of one GPU" in str(error)  # noqa: PT017
            refused += 1
            continue
        (config,) = (file.content for file in files if file.path == "trtllm.yaml")
        for key, value in leaves(config):
            assert key in known, key
            assert value is None or is_allowed(value, known[key]), (key, value, known[key])
            tried.add(key)
    assert {"kv_cache_config.dtype", "cuda_graph_config.max_batch_size", "tensor_parallel_size"} <= tried
    assert refused < PLANS / 10
