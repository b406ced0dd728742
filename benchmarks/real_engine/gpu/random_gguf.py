"""A GGUF file of a real model's shape and quantization mix, with random weights: same bytes, same speed, no download.

`python random_gguf.py SHAPE MIX VOCABULARY OUT` with SHAPE of `SHAPES` and MIX of `MIXES`. The tensors and their types
are those that llama.cpp's converter and `llama-quantize` write; norms are 1 and scales are small, so that no value
overflows. The tokenizer is that of VOCABULARY (JSON, gzipped), filled up to the model's size with words of its own.
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

F32, F16, Q8_0, Q4_K, Q6_K, BF16 = 0, 1, 8, 12, 14, 30
BLOCK: Final = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34), Q4_K: (256, 144), Q6_K: (256, 210), BF16: (1, 2)}
"""Values and bytes of a block."""
FILE_TYPES: Final = {"q4_k_m": 15, "q8_0": 7, "bf16": 32}
ALIGNMENT = 32
TILE_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a model's config says."""

    architecture: str
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    context_tokens: int
    rope_base: float
    experts: int = 0
    experts_used: int = 0
    expert_intermediate: int = 0


SHAPES: Final = {
    "llama-3.1-8b": Shape(
        architecture="llama", layers=32, hidden=4096, heads=32, kv_heads=8, head_dim=128, intermediate=14336,
        vocabulary=128256, context_tokens=131072, rope_base=500000.0,
    ),
    "qwen3-30b-a3b": Shape(
        architecture="qwen3moe", layers=48, hidden=2048, heads=32, kv_heads=4, head_dim=128, intermediate=6144,
        vocabulary=151936, context_tokens=40960, rope_base=1000000.0, experts=128, experts_used=8,
        expert_intermediate=768,
    ),
    "tiny": Shape(
        architecture="llama", layers=4, hidden=256, heads=4, kv_heads=2, head_dim=64, intermediate=768,
        vocabulary=49280, context_tokens=8192, rope_base=10000.0,
    ),
    "tiny-moe": Shape(
        architecture="qwen3moe", layers=4, hidden=256, heads=4, kv_heads=2, head_dim=64, intermediate=768,
        vocabulary=49280, context_tokens=8192, rope_base=10000.0, experts=8, experts_used=2, expert_intermediate=256,
    ),
}  # fmt: skip


def tensors(shape: Shape, mix: str) -> Iterator[tuple[str, int, tuple[int, ...]]]:
    """Name, type and shape (fastest dimension first) of each tensor."""
    s, wide = shape, shape.heads * shape.head_dim
    narrow = s.kv_heads * s.head_dim
    yield "token_embd.weight", kind(mix, "plain"), (s.hidden, s.vocabulary)
    yield "output_norm.weight", F32, (s.hidden,)
    yield "output.weight", kind(mix, "output"), (s.hidden, s.vocabulary)
    if s.architecture == "llama":
        yield "rope_freqs.weight", F32, (s.head_dim // 2,)
    for layer in range(s.layers):
        more = kind(mix, "better" if more_bits(layer, s.layers) else "plain")
        plain = kind(mix, "plain")
        block = f"blk.{layer}"
        yield f"{block}.attn_norm.weight", F32, (s.hidden,)
        yield f"{block}.attn_q.weight", plain, (s.hidden, wide)
        yield f"{block}.attn_k.weight", plain, (s.hidden, narrow)
        yield f"{block}.attn_v.weight", more, (s.hidden, narrow)
        yield f"{block}.attn_output.weight", plain, (wide, s.hidden)
        yield f"{block}.ffn_norm.weight", F32, (s.hidden,)
        if s.architecture == "qwen3moe":
            yield f"{block}.attn_q_norm.weight", F32, (s.head_dim,)
            yield f"{block}.attn_k_norm.weight", F32, (s.head_dim,)
        if not s.experts:
            yield f"{block}.ffn_gate.weight", plain, (s.hidden, s.intermediate)
            yield f"{block}.ffn_up.weight", plain, (s.hidden, s.intermediate)
            yield f"{block}.ffn_down.weight", more, (s.intermediate, s.hidden)
            continue
        yield f"{block}.ffn_gate_inp.weight", F32, (s.hidden, s.experts)
        yield f"{block}.ffn_gate_exps.weight", plain, (s.hidden, s.expert_intermediate, s.experts)
        yield f"{block}.ffn_up_exps.weight", plain, (s.hidden, s.expert_intermediate, s.experts)
        yield f"{block}.ffn_down_exps.weight", more, (s.expert_intermediate, s.hidden, s.experts)


def more_bits(layer: int, layers: int) -> bool:
    """Layers whose values and down projections `llama-quantize` keeps at more bits in a `_M` mix."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def kind(mix: str, role: str) -> int:
    """Type of a matrix in that role."""
    if mix == "q4_k_m":
        return Q4_K if role == "plain" else Q6_K
    return {"q8_0": Q8_0, "bf16": BF16}[mix]


def bytes_of(type_id: int, dims: tuple[int, ...]) -> int:
    """Bytes of a tensor."""
    values, size = BLOCK[type_id]
    count = int(np.prod(dims, dtype=np.int64))
    assert dims[0] % values == 0, dims
    return count // values * size


def metadata(shape: Shape, mix: str, vocabulary: dict[str, Any]) -> dict[str, Any]:
    """As the converter states it."""
    tokens = list(vocabulary["tokenizer.ggml.tokens"])
    tokens += [f"<filler_{index}>" for index in range(shape.vocabulary - len(tokens))]
    a, s = shape.architecture, shape
    stated: dict[str, Any] = {
        "general.architecture": a, "general.name": "random weights", "general.file_type": FILE_TYPES[mix],
        "general.quantization_version": 2, f"{a}.block_count": s.layers, f"{a}.context_length": s.context_tokens,
        f"{a}.embedding_length": s.hidden, f"{a}.feed_forward_length": s.intermediate,
        f"{a}.attention.head_count": s.heads, f"{a}.attention.head_count_kv": s.kv_heads,
        f"{a}.attention.key_length": s.head_dim, f"{a}.attention.value_length": s.head_dim,
        f"{a}.rope.freq_base": s.rope_base, f"{a}.attention.layer_norm_rms_epsilon": 1e-5,
        f"{a}.vocab_size": s.vocabulary,
    }  # fmt: skip
    if a == "llama":
        stated[f"{a}.rope.dimension_count"] = s.head_dim
    if s.experts:
        stated |= {
            f"{a}.expert_count": s.experts, f"{a}.expert_used_count": s.experts_used,
            f"{a}.expert_feed_forward_length": s.expert_intermediate,
        }  # fmt: skip
    words = {name: value for name, value in vocabulary.items() if name.startswith("tokenizer.")}
    types = list(words.get("tokenizer.ggml.token_type", [1] * len(tokens)))
    types += [1] * (len(tokens) - len(types))
    return stated | words | {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types}


def write(path: Path, shape: Shape, mix: str, vocabulary: dict[str, Any]) -> int:
    """The file; returns the bytes of its tensors."""
    listed = list(tensors(shape, mix))
    stated = metadata(shape, mix, vocabulary)
    rng = np.random.default_rng(7)
    tiles = {type_id: tile(type_id, rng) for type_id in {each[1] for each in listed} - {F32}}
    total = 0
    with path.open("wb", buffering=0) as file:
        head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(stated)))
        for name, value in stated.items():
            head += text(name) + typed(value)
        offset = 0
        for name, type_id, dims in listed:
            head += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, type_id, offset)
            offset += aligned(bytes_of(type_id, dims))
        file.write(bytes(head).ljust(aligned(len(head)), b"\0"))
        for name, type_id, dims in listed:
            size = bytes_of(type_id, dims)
            total += size
            if type_id == F32:
                ones = name.endswith(("norm.weight", "rope_freqs.weight"))
                values = np.ones(dims[::-1], "<f4") if ones else rng.normal(0, 0.02, dims[::-1]).astype("<f4")
                file.write(values.tobytes().ljust(aligned(size), b"\0"))
            else:
                fill(file, tiles[type_id], BLOCK[type_id][1], size, rng)
    return total


def fill(file: BinaryIO, made: memoryview, block: int, size: int, rng: np.random.Generator) -> None:
    """Random blocks, from the made ones at random places."""
    left = size
    while left:
        start = int(rng.integers(len(made) // 2 // block)) * block
        part = made[start : start + min(left, len(made) - start)]
        written = 0
        while written < len(part):
            written += file.write(part[written:])
        left -= len(part)
    file.write(b"\0" * (aligned(size) - size))


def tile(type_id: int, rng: np.random.Generator) -> memoryview:
    """Blocks of random quanta with scales that give values of about 0.02."""
    size = BLOCK[type_id][1]
    count = TILE_BYTES // size
    if type_id in (F16, BF16):
        floats = rng.normal(0, 0.02, count).astype("<f4")
        made = floats.view("<u4") >> 16 if type_id == BF16 else floats.astype("<f2")
        return memoryview(made.astype("<u2" if type_id == BF16 else "<f2").tobytes())
    blocks = rng.integers(0, 256, (count, size), np.uint8)
    scale = {Q8_0: 0.02 / 74, Q4_K: 0.02 / 180, Q6_K: 0.02 / 1300}[type_id]
    at = {Q8_0: 0, Q4_K: 0, Q6_K: size - 2}[type_id]
    blocks[:, at : at + 2] = np.full((count, 1), scale, "<f2").view(np.uint8)
    if type_id == Q4_K:
        blocks[:, 2:4] = np.full((count, 1), 7.5 * scale, "<f2").view(np.uint8)
    return memoryview(blocks.tobytes())


def aligned(size: int) -> int:
    """Up to the next multiple of the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def text(value: str) -> bytes:
    """A GGUF string."""
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def typed(value: Any) -> bytes:
    """A GGUF value with its type in front."""
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + text(value)
        case list():
            if isinstance(value[0], str):
                return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(text, value))
            if isinstance(value[0], float):
                return struct.pack("<IIQ", 9, 6, len(value)) + np.asarray(value, "<f4").tobytes()
            return struct.pack("<IIQ", 9, 5, len(value)) + np.asarray(value, "<i4").tobytes()
        case _:
            raise TypeError(type(value))


def main(shape: str, mix: str, vocabulary: str, out: str) -> None:
    """Write it and say how large it is."""
    words = json.loads(gzip.decompress(Path(vocabulary).read_bytes()))
    print(json.dumps({"file": out, "tensor_bytes": write(Path(out), SHAPES[shape], mix, words)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
