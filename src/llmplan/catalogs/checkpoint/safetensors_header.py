"""The header of a safetensors file: eight bytes of length, then JSON that names each tensor's type, shape and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Final, TypeGuard

from llmplan.catalogs.checkpoint.bounded_json import MAX_JSON_BYTES, parse_bounded
from llmplan.catalogs.checkpoint.header import FileTensor, Header, clip, damaged, demand_real_file, elements_of
from llmplan.errors import DataError

LENGTH_BYTES: Final = 8
METADATA: Final = "__metadata__"
DTYPE_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip
_MAX_DIMENSIONS: Final = 32


def read_safetensors(file: BinaryIO, size: int, where: str) -> Header:
    """The tensors of one file of `size` bytes; only the header is read.

    As in the library, the tensors must cover the rest of the file without gap or overlap.
    """
    beginning = file.read(32)
    demand_real_file(beginning, where, size)
    start, opening = beginning[:LENGTH_BYTES], beginning[LENGTH_BYTES : LENGTH_BYTES + 1]
    if len(start) < LENGTH_BYTES:
        raise DataError(f"{where}: {size} bytes are too few for a safetensors header", hints=["download it again"])
    length = int.from_bytes(start, "little")
    if length > MAX_JSON_BYTES or (length and opening not in (b"{", b"")):
        raise DataError(
            f"{where}: not a safetensors file: it does not begin with the length of a header and the header",
            hints=["a .bin or .pt file is not read: convert it to safetensors, or give the path of config.json"],
        )
    if length > size - LENGTH_BYTES:
        raise _cut(where, LENGTH_BYTES + length, size)
    file.seek(LENGTH_BYTES)
    raw = file.read(length)
    if len(raw) < length:
        raise _cut(where, LENGTH_BYTES + length, LENGTH_BYTES + len(raw))
    data = parse_bounded(raw, f"{where}: header")
    metadata = data.pop(METADATA, {})
    spans = [_entry(name, entry, where) for name, entry in data.items()]
    _demand_covered(spans, size - LENGTH_BYTES - length, LENGTH_BYTES + length, where)
    return Header(tensors=tuple(tensor for _, tensor in spans), metadata=metadata if isinstance(metadata, dict) else {})


def _cut(where: str, needed: int, size: int) -> DataError:
    return DataError(
        f"{where}: cut off: {needed - size:,} of {needed:,} bytes are missing", hints=["download the file again"]
    )


def _entry(name: str, entry: Any, where: str) -> tuple[int, FileTensor]:
    """Where one tensor begins, and the tensor; its bytes follow from type and shape and must agree with the offsets."""
    if not isinstance(entry, Mapping):
        raise _bad(name, where, "expected an object")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise _bad(name, where, f"unknown type {clip(repr(dtype), 40)}")
    if not _whole_numbers(shape) or len(shape) > _MAX_DIMENSIONS:
        raise _bad(name, where, "`shape` is not a list of whole numbers")
    if not _whole_numbers(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise _bad(name, where, "`data_offsets` is not a beginning and an end")
    bits = elements_of(tuple(shape), name, where) * DTYPE_BITS[dtype]
    if bits % 8 or offsets[1] - offsets[0] != bits // 8:
        raise _bad(name, where, f"its offsets span another number of bytes than {dtype} of its shape takes")
    return offsets[0], FileTensor(name=name, dtype=dtype, shape=tuple(shape), stored_bytes=bits // 8)


def _whole_numbers(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and item >= 0 for item in value)


def _bad(name: str, where: str, problem: str) -> DataError:
    return DataError(f"{where}: tensor {clip(name)!r}: {problem}", hints=["the header is damaged: download it again"])


def _demand_covered(spans: list[tuple[int, FileTensor]], data_bytes: int, data_start: int, where: str) -> None:
    """Refuse tensors that overlap, leave a gap, run beyond the file or end before it does."""
    end = 0
    for begin, tensor in sorted(spans, key=lambda span: (span[0], span[1].stored_bytes)):
        if begin != end:
            problem = "overlaps the one before it" if begin < end else "leaves a gap to the one before it"
            raise _bad(tensor.name, where, problem)
        end = begin + tensor.stored_bytes
    if end > data_bytes:
        raise _cut(where, data_start + end, data_start + data_bytes)
    if end < data_bytes:
        raise damaged(f"{where}: {data_bytes - end:,} bytes at its end belong to no tensor")
