"""Which of a quantized checkpoint's modules stay in their own type.

`ModelSpec.unquantized_modules` lists module paths: with `{i}` for every layer, or with a layer's own number. The
inventory has one tensor for a group of equal layers, so the answer is a share of them.
"""

from __future__ import annotations

from llmplan.spec.model import LayerGroup, Tensor


def kept_share(tensor: Tensor, group: LayerGroup | None, modules: frozenset[str]) -> float:
    """Share of the layers holding a tensor in which its module is listed.

    tensor: one of the layers' or, with `group` None, one outside them; modules: the paths that are not quantized,
    without `.weight`. Listed layers / layers [-]; a path names one module, never part of another's name.
    Valid for every checkpoint whose `quantization_config` was read. Reference: `ModelSpec.unquantized_modules`.

    >>> from llmplan.spec.model import Shard, TensorRole
    >>> q = Tensor(name="layers.{i}.q_proj.weight", shape=(4, 4), role=TensorRole.LINEAR, shard=Shard.COLUMN)
    >>> kept_share(q, None, frozenset({"layers.{i}.q_proj"})), kept_share(q, None, frozenset({"layers.{i}.q"}))
    (1.0, 0.0)
    """
    if not modules:
        return 0.0
    module = tensor.name.removesuffix(".weight").removesuffix(".bias")
    if module in modules:
        return 1.0
    if group is None:
        return 0.0
    return sum(module.replace("{i}", str(index)) in modules for index in group.indices) / group.count
