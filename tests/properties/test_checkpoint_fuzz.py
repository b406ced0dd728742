"""Checkpoints come from strangers: whatever the bytes, the answer is a model or one error, soon and in bounds."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checkpoint_files import LLAMA_KEYS, SMALL, gguf_llama, llama, write_gguf, write_model, write_shards
from llmplan.catalogs.checkpoint import read_checkpoint
from llmplan.catalogs.checkpoint.gguf_header import read_gguf
from llmplan.catalogs.checkpoint.header import Header
from llmplan.catalogs.checkpoint.safetensors_header import read_safetensors
from llmplan.errors import LlmplanError

often = settings(
    max_examples=150, deadline=2_000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
MOST_MEMORY = 64 * 2**20
"""bytes that a small file may cost while it is read"""

Reader = Callable[[io.BytesIO, int, str], Header]
READERS: tuple[Reader, ...] = (read_safetensors, read_gguf)


def outcome(read: Callable[[], object]) -> object:
    """What came of it; anything but an error of ours goes through and fails the test."""
    tracemalloc.start()
    try:
        return read()
    except LlmplanError as error:
        return error
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < MOST_MEMORY


def header_of(reader: Reader, raw: bytes) -> object:
    return outcome(lambda: reader(io.BytesIO(raw), len(raw), "file"))


@cache
def good_files() -> tuple[bytes, bytes]:
    """A valid file of either kind."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), SMALL, llama(layers=1))
        write_gguf(Path(folder) / "small.gguf", gguf_llama(layers=1), keys=LLAMA_KEYS | {"block_count": 1})
        return (Path(folder) / "model.safetensors").read_bytes(), (Path(folder) / "small.gguf").read_bytes()


def header_bytes(kind: int) -> int:
    """Length of a valid file's header, beyond which there are only zeros."""
    raw = good_files()[kind]
    return 8 + struct.unpack("<Q", raw[:8])[0] if kind == 0 else raw.index(b"blk.0.ffn_norm.weight") + 64


@often
@given(raw=st.binary(max_size=400), kind=st.sampled_from([0, 1]))
def test_any_bytes(raw: bytes, kind: int) -> None:
    header_of(READERS[kind], raw)
    header_of(READERS[kind], (struct.pack("<Q", len(raw)) if kind == 0 else b"GGUF\x03\0\0\0") + raw)


@often
@given(data=st.data(), kind=st.sampled_from([0, 1]))
def test_flipped_bits(data: st.DataObject, kind: int) -> None:
    raw = bytearray(good_files()[kind])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, header_bytes(kind) - 1))
        raw[place] ^= 1 << data.draw(st.integers(0, 7))
    header_of(READERS[kind], bytes(raw))


@often
@given(data=st.data(), kind=st.sampled_from([0, 1]))
def test_cut_off_anywhere(data: st.DataObject, kind: int) -> None:
    raw = good_files()[kind]
    found = header_of(READERS[kind], raw[: data.draw(st.integers(0, len(raw) - 1))])
    assert isinstance(found, LlmplanError)
    assert "file" in found.message


@often
@given(data=st.data(), kind=st.sampled_from([0, 1]))
def test_numbers_of_any_size_in_the_header(data: st.DataObject, kind: int) -> None:
    raw = bytearray(good_files()[kind])
    place = data.draw(st.integers(0, header_bytes(kind) - 9))
    raw[place : place + 8] = struct.pack("<Q", data.draw(st.integers(0, 2**64 - 1)))
    header_of(READERS[kind], bytes(raw))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
entries = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "BF16", "F4", "U8", "F99"]) | json_values,
        "shape": st.lists(st.integers(0, 2**40), max_size=4) | json_values,
        "data_offsets": st.lists(st.integers(0, 2**40), min_size=2, max_size=2) | json_values,
    },
)


@often
@given(header=st.dictionaries(st.text(max_size=12), entries | json_values, max_size=5), data=st.integers(0, 64))
def test_any_json_in_a_safetensors_header(header: dict[str, Any], data: int) -> None:
    text = json.dumps(header).encode()
    header_of(read_safetensors, struct.pack("<Q", len(text)) + text + bytes(data))


@often
@given(index=st.dictionaries(st.just("weight_map") | st.text(max_size=5), json_values, max_size=3))
def test_any_json_in_an_index(tmp_path: Path, index: dict[str, Any]) -> None:
    folder = write_shards(tmp_path, SMALL, llama(), 2)
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert isinstance(outcome(lambda: read_checkpoint(folder)), LlmplanError)


numbers = st.sampled_from([0, 1, -1, 2, 3, 7, 8, 64, 96, 2**24, 2**63, 10**30, 0.5, None, "8", [8], True])


@often
@given(changes=st.dictionaries(st.sampled_from(sorted(SMALL)), numbers | json_values, min_size=1, max_size=3))
def test_any_config_beside_a_good_file(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = write_model(tmp_path, SMALL, llama())
    (folder / "config.json").write_text(json.dumps(SMALL | changes), encoding="utf-8")
    outcome(lambda: read_checkpoint(folder))


small_numbers = st.sampled_from([0, 1, 2, 3, 7, 8, 16, 64, 96, 160, 2**24, 2**31])


@often
@given(
    changes=st.dictionaries(st.sampled_from(sorted(LLAMA_KEYS)), small_numbers, max_size=3),
    more=st.dictionaries(
        st.sampled_from([
            "expert_count", "expert_used_count", "attention.kv_lora_rank", "attention.key_length", "ssm.inner_size",
            "ssm.time_step_rank", "ssm.group_count", "ssm.state_size", "ssm.conv_kernel", "nextn_predict_layers",
            "rope.dimension_count", "shortconv.l_cache", "attention.sliding_window", "moe_latent_size",
        ]), small_numbers, max_size=3,
    ),
    architecture=st.sampled_from([
        "llama", "qwen2", "qwen35", "qwen3moe", "deepseek2", "falcon", "nemotron_h", "jamba", "mamba", "mamba2", "lfm2",
        "granitehybrid", "falcon-h1", "glm-dsa", "llama4", "gpt-oss", "phi3", "chatglm", "gemma3", "olmo2", "qwen",
    ]),
)  # fmt: skip
def test_any_metadata_of_a_gguf_file(
    tmp_path: Path, changes: dict[str, Any], more: dict[str, Any], architecture: str
) -> None:  # fmt: skip
    """Zero heads, contradicting sizes, keys of other architectures."""
    path = tmp_path / "a.gguf"
    path.unlink(missing_ok=True)
    write_gguf(path, gguf_llama(), architecture=architecture, keys=LLAMA_KEYS | changes | more)
    outcome(lambda: read_checkpoint(path))


names = st.sampled_from(
    [
        "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.q_proj.weight_scale", "x", "...", "", ".",
        "model.layers.999999999999.x.weight", "model.layers.0.mlp.experts.3.up_proj.weight", "lm_head.bias", "{i}.{e}",
        "model.layers.{i}.self_attn.q_proj.weight", "model.layers.0.self_attn.q_proj.weight.absmax", "1.2.3.4.5",
        "model.layers.²." + "y", "mtp.fc.weight", "visual.blocks.0.x", "a" * 300,
    ]
) | st.text(max_size=20)  # fmt: skip


@often
@given(added=st.lists(names, max_size=6, unique=True), taken=st.integers(0, 29), dtype=st.sampled_from(["BF16", "U8"]))
def test_any_names_beside_the_usual(tmp_path: Path, added: list[str], taken: int, dtype: str) -> None:
    """Whatever is added: the total is the files' own, or a tensor is named that does not fit."""
    from checkpoint_files import stored_total, write_header

    shapes = llama()
    for name in list(shapes)[:taken]:
        del shapes[name]
    shapes |= {name: (dtype, (3, 2)) for name in added if name != "__metadata__"}
    (tmp_path / "config.json").write_text(json.dumps(SMALL), encoding="utf-8")
    write_header(tmp_path / "model.safetensors", shapes)
    found = outcome(lambda: read_checkpoint(tmp_path))
    if not isinstance(found, LlmplanError):
        assert stored_total(found.model) == found.stored_bytes  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [10, 10_000])
def test_a_long_header_of_nonsense_is_refused_at_once(tmp_path: Path, count: int) -> None:
    """Counts that a file states are held against its length before anything is built for them."""
    body = b"".join(struct.pack("<Q", 1) + b"k" + struct.pack("<IIQ", 9, 8, 2**59) for _ in range(count))
    raw = b"GGUF" + struct.pack("<IQQ", 3, 2**19, 2**15) + body
    assert isinstance(header_of(read_gguf, raw), LlmplanError)
