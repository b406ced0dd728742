"""Which module a tensor of a file belongs to, and whether it is the weight itself, its bias, or a quantizer's scale.

A module's path is written with `{i}` for the layer's number and `{e}` for an expert's, as in the inventory.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from llmplan.catalogs.checkpoint.header import FileTensor
from llmplan.spec.tensor import Tensor


class Kind(Enum):
    """What of a module a tensor holds."""

    WEIGHT = "weight"
    BIAS = "bias"
    SIDE = "side"
    """scales, zero points and the like: stored with the weight and counted to it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A tensor of a file with its place. `layer` is the first number of its path."""

    tensor: FileTensor
    module: str
    kind: Kind
    layer: int | None


_WEIGHT: Final = re.compile(r"^(.+)(?:\.(?:weight|qweight|weight_packed|weight_q|W_q)|[._]blocks)$")
_BIAS: Final = re.compile(r"^(.+)[._]bias$")
_SCALES: Final = r"scales?|scale_inv|scale_2|scales_inv|zeros?|zero_points?|global_scale|absmax|perm|g_idx|shape"
_HQQ: Final = (
    r"axis|channel_wise|compute_dtype|encoded_state_dict|group_size|nbits|offload_meta|optimize|packing|quant_scale|"
    r"quant_zero|round_zero|stores_quant_config|unpack_view_dtype|view_as_float"
)
"""settings that HQQ stores as tensors beside each weight"""
_SIDE: Final = re.compile(
    r"^(.+?)(?:"
    r"\.(?:weight\.\w[\w.]*|weight_\w+|input_\w+|output_\w*scale\w*|pre_quant_scale|[qkv]_scale|qzeros|biases|SCB|CB)"
    rf"|\.(?:{_HQQ})"
    rf"|[._](?:weight_|input_|output_|activation_)?(?:{_SCALES}))$"
)
_LAYER: Final = "{i}"
_EXPERT: Final = "{e}"


def readings(name: str) -> Iterator[tuple[str, Kind]]:
    """What a name can mean, the likeliest first: a parameter without suffix only counts where the inventory has it.

    >>> list(readings("a.experts.gate_up_proj_scales"))[-1]
    ('a.experts.gate_up_proj', <Kind.SIDE: 'side'>)
    """
    yield name, Kind.WEIGHT
    for pattern, kind in ((_WEIGHT, Kind.WEIGHT), (_BIAS, Kind.BIAS), (_SIDE, Kind.SIDE)):
        if found := pattern.match(name):
            yield found[1], kind


def numbered(module: str) -> tuple[str, int | None]:
    """A path with its numbers as in the inventory, and the first of them, which is the layer's.

    >>> numbered("model.layers.3.mlp.experts.17.up_proj")
    ('model.layers.{i}.mlp.experts.{e}.up_proj', 3)
    """
    parts, layer = module.split("."), None
    for position, part in enumerate(parts):
        if part == _LAYER:
            layer = -1
        if not (part.isdecimal() and part.isascii() and len(part) <= 9):
            continue
        if layer is None:
            layer, parts[position] = int(part), _LAYER
        elif position and "experts" in parts[position - 1]:
            parts[position] = _EXPERT
    return ".".join(parts), None if layer == -1 else layer


def slot_of(tensor: Tensor) -> tuple[str, Kind, int | None]:
    """Module, kind and (where its name states one) layer of a tensor of the inventory."""
    kind, name = Kind.WEIGHT, tensor.name.removesuffix(".weight")
    if name.endswith(".bias"):
        kind, name = Kind.BIAS, name.removesuffix(".bias")
    module, layer = numbered(name)
    return module, kind, layer


def meaning(path: str, known: Container[tuple[str, Kind]]) -> tuple[str, Kind]:
    """The reading of a numbered path that the inventory has; else the plainest one."""
    found = list(readings(path))
    for module, kind in found:
        if (module, kind) in known or (kind is Kind.SIDE and (module, Kind.WEIGHT) in known):
            return module, kind
    return found[1] if len(found) > 1 else found[0]
