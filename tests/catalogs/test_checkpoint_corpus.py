"""Real models' configs, and checkpoints of every tensor that they describe: nothing is lost, moved or left over."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import pytest

from checkpoint_files import GgufShapes, ggml_total, shapes_of, stored_total, total, write_gguf_header, write_header
from gguf_of_model import gguf_metadata, gguf_shapes
from llmplan.catalogs.checkpoint import read_checkpoint
from llmplan.catalogs.checkpoint.gguf_types import ARCHITECTURES
from llmplan.catalogs.hf_config import read_config
from llmplan.errors import LlmplanError
from llmplan.spec.model import ModelSpec
from tests_support import DATA

CONFIGS = sorted((DATA / "configs").rglob("*.json")) if (DATA / "configs").is_dir() else []
MANY_TENSORS = 4_000
MERGED = {
    "mixtral": "llama", "kimi_k2": "deepseek2", "deepseek_v2": "deepseek2", "glm4_moe_lite": "deepseek2",
    "ministral3": "mistral3", "olmo3": "olmo2", "qwen2_vl": "qwen2vl", "qwen2_5_vl": "qwen2vl", "phi3_v": "phi3",
}  # fmt: skip
"""model types that llama.cpp converts under another one's architecture"""
BY_TYPE = {model_type: name for name, model_type in reversed(ARCHITECTURES.items())} | MERGED
NAMES = set(gguf.MODEL_ARCH_NAMES.values())

pytestmark = pytest.mark.skipif(not CONFIGS, reason="no configs")


@cache
def described(path: Path) -> tuple[dict[str, Any], ModelSpec] | None:
    """A config without its quantization, and its model; None where it is not read."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        for part in (config, config.get("text_config") or {}):
            part.pop("quantization_config", None)
            part.pop("compression_config", None)
        return config, read_config(config, model_id=path.name, dtype="bf16")
    except (LlmplanError, ValueError, AttributeError):
        return None


def architecture(config: dict[str, Any]) -> str | None:
    """llama.cpp's name for a model, where its package knows one."""
    text = config.get("text_config")
    kind = str((text.get("model_type") if isinstance(text, dict) else None) or config["model_type"])
    found = BY_TYPE.get(kind, BY_TYPE.get(f"{kind}_text"))
    return found if found in NAMES else None


def shape_of_the_cache(model: ModelSpec) -> Counter[tuple[str, int | None, int]]:
    return Counter(
        (type(mixer).__name__, mixer.window_tokens, mixer.cache_elements_per_token)
        for group in model.layers
        for mixer in group.mixers
        for _ in range(group.count)
    )


@cache
def converted(path: Path) -> tuple[str, GgufShapes, list[str]] | None:
    """Architecture and tensors of the GGUF file; None where llama.cpp has no name for the model."""
    found = described(path)
    name = architecture(found[0]) if found else None
    return None if found is None or name is None else (name, *gguf_shapes(found[1], name))


def check(path: Path, folder: Path) -> None:
    found = described(path)
    assert found is not None
    config, model = found
    shapes = shapes_of(model)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_header(folder / "model.safetensors", shapes)
    read = read_checkpoint(folder)
    assert stored_total(read.model) == read.stored_bytes == total(shapes)
    assert not read.unmatched
    assert read.model.total_parameters == model.total_parameters
    assert read.model.notes == model.notes


def test_every_small_model_byte_for_byte(tmp_path: Path) -> None:
    checked = 0
    for path in CONFIGS:
        found = described(path)
        if found is None or len(shapes_of(found[1])) > MANY_TENSORS:
            continue
        folder = tmp_path / path.stem
        folder.mkdir()
        check(path, folder)
        checked += 1
    assert checked >= 90


@pytest.mark.slow
def test_every_large_model_byte_for_byte(tmp_path: Path) -> None:
    for path in CONFIGS:
        found = described(path)
        if found is not None and len(shapes_of(found[1])) > MANY_TENSORS:
            folder = tmp_path / path.stem
            folder.mkdir()
            check(path, folder)


@pytest.mark.parametrize("with_config", [True, False])
def test_every_model_that_llama_cpp_converts(tmp_path: Path, with_config: bool) -> None:
    """With the config beside the file, or from the file's own metadata: parameters and cache are the same."""
    wrong, checked = [], 0
    for path in CONFIGS:
        found, file = described(path), converted(path)
        if found is None or file is None:
            continue
        (config, model), (name, shapes, nameless) = found, file
        folder = tmp_path / path.stem
        folder.mkdir()
        if with_config:
            (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        write_gguf_header(folder / "model.gguf", shapes, gguf_metadata(config, model, name))
        checked += 1
        try:
            read = read_checkpoint(folder / "model.gguf")
        except LlmplanError as error:
            wrong.append(f"{path.name}: {error.message}; no name for {nameless[:2]}")
            continue
        same = read.model.text_parameters == model.text_parameters
        same &= shape_of_the_cache(read.model) == shape_of_the_cache(model)
        if not same or stored_total(read.model) != ggml_total(shapes) or read.unmatched:
            wrong.append(f"{path.name}: {read.model.text_parameters:,} of {model.text_parameters:,}")
    assert not wrong
    assert checked >= 120
