"""Checkpoints to read: written by the formats' own packages where they are small, headers alone where they are not."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import gguf
import numpy as np
from safetensors import TensorSpec, serialize_file

from llmplan.catalogs.checkpoint.entries import Entry, entries
from llmplan.spec.model import ModelSpec
from llmplan.spec.tensor import TensorRole

Shapes: TypeAlias = dict[str, tuple[str, tuple[int, ...]]]
"""name: type and shape, as a safetensors header states them"""

BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "U8": 1, "I8": 1, "I32": 4, "U32": 4, "I64": 8}
_LIBRARY_NAMES = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn", "U8": "uint8", "I8": "int8",
    "I32": "int32", "U32": "uint32", "I64": "int64", "F64": "float64",
}  # fmt: skip

SMALL: dict[str, Any] = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "torch_dtype": "bfloat16", "hidden_size": 64,
    "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 2,
    "vocab_size": 96, "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
"""a Llama: q and o are 64 x 64, k and v 16 x 64, gate, up and down 160 x 64, embedding and head 96 x 64"""
SMALL_LAYER = 2 * 64 * 64 + 2 * 16 * 64 + 3 * 160 * 64 + 2 * 64
SMALL_WEIGHTS = 3 * SMALL_LAYER + 2 * 96 * 64 + 64


def size_of(tensor: tuple[str, tuple[int, ...]]) -> int:
    """Bytes of one tensor."""
    return BYTES[tensor[0]] * math.prod(tensor[1])


def total(shapes: Mapping[str, tuple[str, tuple[int, ...]]]) -> int:
    """Bytes of all."""
    return sum(size_of(tensor) for tensor in shapes.values())


def llama(dtype: str = "BF16", layers: int = 3) -> Shapes:
    """The tensors of `SMALL`, written down by hand."""
    found: Shapes = {
        "model.embed_tokens.weight": (dtype, (96, 64)), "model.norm.weight": (dtype, (64,)),
        "lm_head.weight": (dtype, (96, 64)),
    }  # fmt: skip
    matrices = {
        "self_attn.q_proj": (64, 64), "self_attn.k_proj": (16, 64), "self_attn.v_proj": (16, 64),
        "self_attn.o_proj": (64, 64), "mlp.gate_proj": (160, 64), "mlp.up_proj": (160, 64), "mlp.down_proj": (64, 160),
        "input_layernorm": (64,), "post_attention_layernorm": (64,),
    }  # fmt: skip
    for layer in range(layers):
        for name, shape in matrices.items():
            found[f"model.layers.{layer}.{name}.weight"] = (dtype, shape)
    return found


def write_safetensors(path: Path, shapes: Shapes) -> None:
    """A file with zeros for data, by the library itself."""
    zeros = np.zeros(max(map(size_of, shapes.values()), default=1) + 1, dtype=np.uint8)
    serialize_file(
        {
            name: TensorSpec(
                dtype=_LIBRARY_NAMES[dtype], shape=list(shape), data_ptr=zeros.ctypes.data,
                data_len=size_of((dtype, shape)),
            )
            for name, (dtype, shape) in shapes.items()
        },
        str(path),
        {"format": "pt"},
    )  # fmt: skip


def write_header(path: Path, shapes: Shapes) -> None:
    """A file of the right length with holes for data, so that a large model takes no space."""
    begin, header = 0, {}
    for name, tensor in shapes.items():
        end = begin + size_of(tensor)
        header[name] = {"dtype": tensor[0], "shape": list(tensor[1]), "data_offsets": [begin, end]}
        begin = end
    raw = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + begin)


def write_model(folder: Path, config: Mapping[str, Any], shapes: Shapes, *, name: str = "model.safetensors") -> Path:
    """A folder with config and one file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    write_safetensors(folder / name, shapes)
    return folder


def write_shards(folder: Path, config: Mapping[str, Any], shapes: Shapes, count: int) -> Path:
    """A folder with config, index and shards."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    names = list(shapes)
    weight_map = {}
    for part in range(count):
        shard = f"model-{part + 1:05d}-of-{count:05d}.safetensors"
        held = {name: shapes[name] for name in names[part::count]}
        write_header(folder / shard, held)
        weight_map |= dict.fromkeys(held, shard)
    index = {"metadata": {"total_size": total(shapes)}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def shapes_of(model: ModelSpec, dtype: str = "BF16") -> Shapes:
    """The tensors of a model's inventory as a checkpoint would hold them, fused parts joined, experts numbered."""
    found: Shapes = {}
    for entry in entries(model):
        for layer in _layers(entry):
            base = entry.tensor.name if layer is None else entry.tensor.name.replace("{i}", str(layer))
            shape, copies = entry.tensor.shape, entry.tensor.copies
            if "{e}" in base:
                found |= {base.replace("{e}", str(expert)): (dtype, shape) for expert in range(copies)}
                continue
            shape = shape if copies == 1 else (copies, *shape)
            if base in found:
                shape = (found[base][1][0] + shape[0], *shape[1:])
            found[base] = (dtype, shape)
    return found


def _layers(entry: Entry) -> tuple[int | None, ...]:
    if "{i}" not in entry.tensor.name:
        return (None,)
    return entry.layers or tuple(range(entry.count))


def stored_total(model: ModelSpec) -> int:
    """Bytes that the model says its files hold."""
    return round(math.fsum(entry.count * (entry.tensor.stored_bytes or 0.0) for entry in entries(model)))


def stored(model: ModelSpec, name: str) -> float:
    """Bytes of one layer's tensor, all parts of its name together, averaged over the layers that have it."""
    found = [entry for entry in entries(model) if entry.tensor.name == name]
    assert found
    assert all(entry.tensor.stored_bytes is not None for entry in found)
    layers = {entry.group: entry.count for entry in found}
    return math.fsum(entry.count * (entry.tensor.stored_bytes or 0.0) for entry in found) / sum(layers.values())


def by_role(model: ModelSpec, role: TensorRole) -> float:
    """Bytes of all tensors of a role."""
    return math.fsum(e.count * (e.tensor.stored_bytes or 0.0) for e in entries(model) if e.tensor.role is role)


GgufShapes: TypeAlias = dict[str, tuple[gguf.GGMLQuantizationType, tuple[int, ...]]]
"""name: ggml type and shape, rows last"""
F32, F16 = gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16
Q8_0, Q4_K, Q6_K = (
    gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.Q4_K, gguf.GGMLQuantizationType.Q6_K,
)  # fmt: skip


def ggml_bytes(tensor: tuple[gguf.GGMLQuantizationType, tuple[int, ...]]) -> int:
    """Bytes of one tensor, by the package's own block sizes."""
    weights, size = gguf.GGML_QUANT_SIZES[tensor[0]]
    return math.prod(tensor[1]) // weights * size


def ggml_total(shapes: GgufShapes) -> int:
    """Bytes of all."""
    return sum(ggml_bytes(tensor) for tensor in shapes.values())


def gguf_llama(matrix: gguf.GGMLQuantizationType = Q8_0, layers: int = 3) -> GgufShapes:
    """`SMALL` under llama.cpp's names, written down by hand."""
    found: GgufShapes = {
        "token_embd.weight": (matrix, (96, 64)), "output.weight": (matrix, (96, 64)),
        "output_norm.weight": (F32, (64,)),
    }  # fmt: skip
    for layer in range(layers):
        block = f"blk.{layer}"
        for name, shape in (
            ("attn_q", (64, 64)), ("attn_k", (16, 64)), ("attn_v", (16, 64)), ("attn_output", (64, 64)),
            ("ffn_gate", (160, 64)), ("ffn_up", (160, 64)), ("ffn_down", (64, 160)),
        ):  # fmt: skip
            found[f"{block}.{name}.weight"] = (matrix, shape)
        for name in ("attn_norm", "ffn_norm"):
            found[f"{block}.{name}.weight"] = (F32, (64,))
    return found


LLAMA_KEYS: dict[str, Any] = {
    "block_count": 3, "context_length": 2048, "embedding_length": 64, "feed_forward_length": 160,
    "attention.head_count": 8, "attention.head_count_kv": 2,
}  # fmt: skip


def write_gguf(
    path: Path,
    shapes: GgufShapes,
    *,
    architecture: str = "llama",
    keys: Mapping[str, Any] = LLAMA_KEYS,
    file_type: int | None = 7,
    split_max_tensors: int = 0,
) -> None:
    """A file (or its parts) by the package itself, tokenizer and chat template included."""
    writer = gguf.GGUFWriter(path, architecture, split_max_tensors=split_max_tensors)
    if file_type is not None:
        writer.add_file_type(file_type)
    for key, value in keys.items():
        name = f"{architecture}.{key}"
        if isinstance(value, list):
            writer.add_array(name, value)
        elif isinstance(value, str):
            writer.add_string(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        else:
            writer.add_uint32(name, value)
    writer.add_token_list([f"token-{number}" for number in range(96)])
    writer.add_token_scores([0.5] * 96)
    writer.add_chat_template("{{ messages }}" * 500)
    for name, (kind, shape) in shapes.items():
        weights, size = gguf.GGML_QUANT_SIZES[kind]
        if kind is F32:
            writer.add_tensor(name, np.zeros(shape, dtype=np.float32))
        elif kind is F16:
            writer.add_tensor(name, np.zeros(shape, dtype=np.float16))
        else:
            row = shape[-1] // weights * size
            writer.add_tensor(name, np.zeros((*shape[:-1], row), dtype=np.uint8), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_gguf_header(path: Path, shapes: GgufShapes, metadata: Mapping[str, Any]) -> None:
    """A file of the right length with holes for data; whole numbers are u32, lists are of numbers or truths."""
    body, table, offset = b"", b"", 0
    for key, value in metadata.items():
        body += _text(key) + _value(value)
    for name, (kind, shape) in shapes.items():
        table += _text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape[::-1])
        table += struct.pack("<IQ", kind.value, offset)
        offset += -(-ggml_bytes((kind, shape)) // 32) * 32
    header = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(metadata)) + body + table
    with path.open("wb") as file:
        file.write(header)
        file.truncate(-(-len(header) // 32) * 32 + offset)


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        truths = all(isinstance(item, bool) for item in value)
        form, kind = ("?", 7) if truths else ("I", 4)
        return struct.pack("<IIQ", 9, kind, len(value)) + struct.pack(f"<{len(value)}{form}", *value)
    return struct.pack("<II", 4, value)
