"""What the header of a checkpoint file says: its tensors with their exact bytes. Tensor data is never read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from llmplan.catalogs.lfs_pointer import demand_no_pointer
from llmplan.errors import DataError
from llmplan.spec.model import ModelSpec

MAX_TENSORS: Final = 1_000_000
"""more than any published checkpoint has, over all of its files"""
MAX_ELEMENTS: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class FileTensor:
    """One tensor of a file. `shape` is as stored: a packed weight has fewer elements than the layer has weights."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    stored_bytes: int

    @property
    def elements(self) -> int:
        """Number of stored elements."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One file's tensors, and its metadata."""

    tensors: tuple[FileTensor, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All tensors of all files of one checkpoint. `layout` is `safetensors` or `gguf`."""

    where: str
    layout: str
    files: tuple[str, ...]
    tensors: tuple[FileTensor, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stored_bytes(self) -> int:
        """Bytes of all tensors; headers and padding are not counted."""
        return sum(tensor.stored_bytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A model with the exact bytes of its files, and the tensors of the files that its config does not describe."""

    model: ModelSpec
    files: int
    tensors: int
    stored_bytes: int
    unmatched: tuple[FileTensor, ...] = ()


def damaged(message: str) -> DataError:
    """The error about a file that cannot be what its format says."""
    return DataError(
        message,
        hints=[
            "download the file again: it is damaged, or written by a tool that does not follow the format",
            "or read the config alone: give the path of config.json",
        ],
    )


def joined(where: str, layout: str, headers: Iterable[tuple[str, Header]]) -> Checkpoint:
    """One checkpoint out of its files' headers; a tensor that two files hold is refused."""
    owners: dict[str, str] = {}
    tensors: list[FileTensor] = []
    files: list[str] = []
    metadata: Mapping[str, Any] = {}
    for name, header in headers:
        if not files:
            metadata = header.metadata
        files.append(name)
        for tensor in header.tensors:
            if tensor.name in owners:
                raise DataError(
                    f"{where}: tensor {clip(tensor.name)!r} is in {owners[tensor.name]} and in {name}",
                    hints=["keep one checkpoint per folder, or name one of the files"],
                )
            owners[tensor.name] = name
            tensors.append(tensor)
        if len(tensors) > MAX_TENSORS:
            raise damaged(f"{where}: more than {MAX_TENSORS:,} tensors; no checkpoint has that many")
    return Checkpoint(where=where, layout=layout, files=tuple(files), tensors=tuple(tensors), metadata=metadata)


def demand_real_file(start: bytes, where: str, size: int) -> None:
    """Refuse what commonly stands in a checkpoint's place: nothing at all, or the pointer of a large file."""
    if not size:
        raise DataError(f"{where}: the file is empty", hints=["download it again"])
    demand_no_pointer(start, where, "or read the config alone: give the path of config.json")


def elements_of(shape: tuple[int, ...], name: str, where: str) -> int:
    """Number of elements, refused where it is beyond any memory."""
    total = 1
    for size in shape:
        total *= size
        if total >= MAX_ELEMENTS:
            raise damaged(f"{where}: tensor {clip(name)!r}: a shape of astronomical size")
    return total


def clip(text: str, most: int = 120) -> str:
    """A name for a message, cut short."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
