"""The header of a GGUF file (versions 2 and 3): metadata and tensor table. Long arrays are passed over, not built."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, TypeAlias

from llmplan.catalogs.checkpoint.cursor import Cursor
from llmplan.catalogs.checkpoint.ggml import BLOCK_SIZES, TYPES
from llmplan.catalogs.checkpoint.header import (
    MAX_TENSORS,
    FileTensor,
    Header,
    clip,
    damaged,
    demand_real_file,
    elements_of,
)
from llmplan.errors import DataError

MAGIC: Final = b"GGUF"
VERSIONS: Final = (2, 3)
ALIGNMENT_KEY: Final = "general.alignment"
MAX_KEYS: Final = 65_536
MAX_KEY_BYTES: Final = 65_535
MAX_NAME_BYTES: Final = 1_024
MAX_DIMENSIONS: Final = 4
KEPT_ITEMS: Final = 4_096
"""numbers per layer are kept; token lists are only counted"""
KEPT_TEXT_BYTES: Final = 4_096
"""names are kept; a longer text (a chat template) is only passed over"""

_STRING, _ARRAY = 8, 9
_SCALARS: Final = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d",
}  # fmt: skip
_LEAST_KEY_BYTES: Final = 13
_LEAST_TENSOR_BYTES: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A value that was passed over: a long array (`count` items) or a long text (`count` bytes)."""

    count: int


Value: TypeAlias = "int | float | bool | str | tuple[Any, ...] | Skipped"


def read_gguf(file: BinaryIO, size: int, where: str) -> Header:
    """The metadata and the tensors of one file of `size` bytes."""
    cursor = Cursor(file, size, where)
    demand_real_file(cursor.peek(32), where, size)
    if cursor.take(4, "the magic number") != MAGIC:
        raise damaged(f"{where}: not a GGUF file: it does not begin with GGUF")
    _demand_version(cursor.number("<I", "the version"), where)
    tensors, keys = cursor.number("<Q", "the number of tensors"), cursor.number("<Q", "the number of metadata keys")
    _demand_possible(tensors, MAX_TENSORS, _LEAST_TENSOR_BYTES, "tensors", cursor)
    _demand_possible(keys, MAX_KEYS, _LEAST_KEY_BYTES, "metadata keys", cursor)
    metadata: dict[str, Value] = {}
    for _ in range(keys):
        key = _text(cursor, "a metadata key", MAX_KEY_BYTES)
        if key in metadata:
            raise damaged(f"{where}: metadata key {clip(key)!r} is stated twice")
        metadata[key] = _value(cursor, key)
    alignment = _alignment(metadata, where)
    table = list(_table(cursor, tensors))
    _demand_inside(table, -(-cursor.position // alignment) * alignment, alignment, size, where)
    return Header(tensors=tuple(tensor for _, tensor in table), metadata=metadata)


def _demand_version(version: int, where: str) -> None:
    if version in VERSIONS:
        return
    swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
    what = "big-endian files are not read" if swapped in VERSIONS else f"GGUF version {version} is not read"
    raise DataError(f"{where}: {what}", hints=["convert the model again with a current llama.cpp"])


def _demand_possible(count: int, most: int, least_bytes: int, what: str, cursor: Cursor) -> None:
    """Refuse a count that is absurd, or that the rest of the file has no room for."""
    if count > most:
        raise damaged(f"{cursor.where}: {count:,} {what}: the header is damaged, or this is no model")
    if count * least_bytes > cursor.left:
        raise DataError(f"{cursor.where}: cut off: {count:,} {what} do not fit the file", hints=["download it again"])


def _text(cursor: Cursor, what: str, most: int) -> str:
    length = cursor.number("<Q", what)
    if length > most:
        raise damaged(f"{cursor.where}: {what} is {length:,} bytes long")
    try:
        return cursor.take(length, what).decode("utf-8")
    except UnicodeDecodeError:
        raise damaged(f"{cursor.where}: {what} is not UTF-8 text") from None


def _value(cursor: Cursor, key: str) -> Value:
    what = f"metadata key {clip(key)!r}"
    kind = cursor.number("<I", what)
    if kind in _SCALARS:
        found: int | float | bool = cursor.number(_SCALARS[kind], what)
        return found
    if kind == _STRING:
        return _string(cursor, what)
    if kind == _ARRAY:
        return _array(cursor, what)
    raise damaged(f"{cursor.where}: {what} has a value of unknown type {kind}")


def _string(cursor: Cursor, what: str) -> Value:
    length = cursor.number("<Q", what)
    if length > KEPT_TEXT_BYTES:
        cursor.skip(length, what)
        return Skipped(count=length)
    return cursor.take(length, what).decode("utf-8", errors="replace")


def _array(cursor: Cursor, what: str) -> Value:
    kind, count = cursor.number("<I", what), cursor.number("<Q", what)
    if kind in _SCALARS:
        width = struct.calcsize(_SCALARS[kind])
        if count > KEPT_ITEMS:
            cursor.skip(count * width, what)
            return Skipped(count=count)
        return struct.unpack(f"<{count}{_SCALARS[kind][1]}", cursor.take(count * width, what))
    if kind == _STRING:
        cursor.skip_strings(count, what)
        return Skipped(count=count)
    named = "an array inside an array" if kind == _ARRAY else f"an array of unknown type {kind}"
    raise damaged(f"{cursor.where}: {what} is {named}")


def _alignment(metadata: dict[str, Value], where: str) -> int:
    value = metadata.get(ALIGNMENT_KEY, 32)
    if type(value) is not int or value <= 0 or value & (value - 1) or value > 2**20:
        raise damaged(f"{where}: metadata key {ALIGNMENT_KEY!r}: {clip(repr(value), 40)} is no power of two")
    return value


def _table(cursor: Cursor, count: int) -> Iterator[tuple[int, FileTensor]]:
    """Offset and description of every tensor. Shapes are turned round: rows last, as everywhere else."""
    seen: set[str] = set()
    for _ in range(count):
        name = _text(cursor, "a tensor's name", MAX_NAME_BYTES)
        what = f"tensor {clip(name)!r}"
        if name in seen:
            raise damaged(f"{cursor.where}: {what} is listed twice")
        seen.add(name)
        dimensions = cursor.number("<I", what)
        if dimensions > MAX_DIMENSIONS:
            raise damaged(f"{cursor.where}: {what} has {dimensions} dimensions")
        shape = struct.unpack(f"<{dimensions}Q", cursor.take(8 * dimensions, what))[::-1]
        kind, offset = cursor.number("<I", what), cursor.number("<Q", what)
        if kind not in TYPES:
            raise DataError(
                f"{cursor.where}: {what} has the unknown ggml type {kind}",
                hints=["the type was removed from llama.cpp, or is newer than this program"],
            )
        dtype = TYPES[kind]
        block_bytes, weights = BLOCK_SIZES[dtype]
        elements = elements_of(shape, name, cursor.where)
        if (shape[-1] if shape else 1) % weights:
            raise damaged(f"{cursor.where}: {what}: rows of {shape[-1]} are no multiple of {dtype}'s {weights}")
        stored = elements // weights * block_bytes
        yield offset, FileTensor(name=name, dtype=dtype, shape=shape, stored_bytes=stored)


def _demand_inside(
    table: list[tuple[int, FileTensor]], data_start: int, alignment: int, size: int, where: str
) -> None:  # fmt: skip
    """Refuse tensors that overlap, are not aligned, or run beyond the end of the file."""
    end = 0
    for offset, tensor in sorted(table, key=lambda entry: (entry[0], entry[1].stored_bytes)):
        if offset % alignment:
            raise damaged(f"{where}: tensor {clip(tensor.name)!r} is not aligned to {alignment} bytes")
        if offset < end:
            raise damaged(f"{where}: tensor {clip(tensor.name)!r} overlaps the one before it")
        end = offset + tensor.stored_bytes
    if end and data_start + end > size:
        missing = data_start + end - size
        raise DataError(
            f"{where}: cut off: {missing:,} of {data_start + end:,} bytes are missing", hints=["download it again"]
        )
