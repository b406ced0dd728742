"""Whether what a file stores can be the weights that the config describes: by number of elements, or by bits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from llmplan.catalogs.checkpoint.header import FileTensor, clip

_PACKED: Final = frozenset({"U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})
"""types in which quantizers pack several weights into one element"""
_WIDTHS: Final = (2, 3, 3.2, 3.5, 4, 5, 6, 8)
"""bits that a packed weight may take; HQQ puts ten of 3 bits into 32, and the 64 of a group's column into seven times
32"""
_GROUPED: Final = ".W_q"
"""HQQ's weights, whose sides are groups and not those of the matrix"""
_PADDING: Final = 0.02
"""a packed matrix may be longer by this share: rows are filled up"""


def agrees(stored: Sequence[FileTensor], elements: int, shape: tuple[int, ...] | None) -> bool:
    """Whether the tensors hold that many weights; `shape`, where one matrix is meant, must show in a packed one."""
    if not any(is_packed(tensor) for tensor in stored):
        return sum(tensor.elements for tensor in stored) == elements
    if not elements:
        return False
    plain = sum(tensor.elements for tensor in stored if not is_packed(tensor))
    bits = sum(tensor.stored_bytes * 8 for tensor in stored if is_packed(tensor))
    if plain >= elements or not any(0 <= bits / (elements - plain) - width <= width * _PADDING for width in _WIDTHS):
        return False
    return shape is None or len(stored) > 1 or stored[0].name.endswith(_GROUPED) or _keeps_a_side(stored[0], shape)


def is_packed(tensor: FileTensor) -> bool:
    """Whether an element of a file's tensor may hold several weights. ggml's shapes are those of the weights."""
    return tensor.dtype in _PACKED and len(tensor.shape) > 1


def weight_bits(stored: Sequence[FileTensor], elements: int) -> float:
    """Bits that a weight takes, scales not counted."""
    return sum(tensor.stored_bytes for tensor in stored) * 8 / elements


def _keeps_a_side(tensor: FileTensor, shape: tuple[int, ...]) -> bool:
    """Packing shortens one side of a matrix and leaves the other; a flat one (bitsandbytes) has no sides left."""
    sides = [size for size in tensor.shape if size > 1]
    return len(shape) != 2 or len(sides) != 2 or bool(set(sides) & set(shape))


def explained(stored: Sequence[FileTensor], elements: int) -> str:
    """What disagrees."""
    shapes = " + ".join("x".join(map(str, tensor.shape)) or "1" for tensor in stored[:3])
    held = sum(math.prod(tensor.shape) for tensor in stored)
    more = f" (and {len(stored) - 1} more)" if len(stored) > 1 else ""
    return (
        f"tensor {clip(stored[0].name)!r}{more} is {shapes} of {stored[0].dtype}, {held:,} elements; "
        f"the config describes {elements:,} weights"
    )
