"""Which of a quantized checkpoint's modules stay in 16 bit.

`ModelSpec.unquantized_modules` lists module paths: with `{i}` for every layer, or with a layer's own number. The
inventory has one tensor for a group of equal layers, so the answer is a share of them.
"""

from __future__ import annotations

from llmplan.memory.places import Place


def kept_share(place: Place, modules: frozenset[str]) -> float:
    """Share of the layers holding a tensor in which its module is listed.

    place: the tensor and its layers; modules: the paths that stay in 16 bit, without `.weight`.

    >>> from llmplan.memory.places import Part
    >>> from llmplan.spec.model import Shard, Tensor, TensorRole
    >>> q = Tensor(name="layers.{i}.q_proj.weight", shape=(4, 4), role=TensorRole.LINEAR, shard=Shard.COLUMN)
    >>> kept_share(Place(tensor=q, layers=4, part=Part.ATTENTION), frozenset({"layers.{i}.q_proj"}))
    1.0
    """
    module = place.tensor.name.removesuffix(".weight").removesuffix(".bias")
    if module in modules:
        return 1.0
    if place.group is None:
        return 0.0
    listed = sum(module.replace("{i}", str(index)) in modules for index in place.group.indices)
    return listed / place.layers
