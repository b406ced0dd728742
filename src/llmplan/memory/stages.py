"""How layers are dealt to pipeline stages."""

from __future__ import annotations

from llmplan.spec.model import LayerGroup, ModelSpec


def stage_ranges(layer_count: int, pp: int) -> tuple[range, ...]:
    """Layers of each pipeline stage: equal shares, what is left over to the stages before the last.

    layer_count [layers]; pp [stages].
    Valid for vLLM 0.7 on without VLLM_PP_LAYER_PARTITION. Reference: vLLM 0.33 distributed/utils.py.

    >>> [len(stage) for stage in stage_ranges(61, 3)], [len(stage) for stage in stage_ranges(80, 2)]
    ([20, 21, 20], [40, 40])
    """
    sizes = [layer_count // pp] * pp
    for back in range(layer_count % pp):
        sizes[-2 - back] += 1
    starts = [sum(sizes[:stage]) for stage in range(pp)]
    return tuple(range(start, start + size) for start, size in zip(starts, sizes, strict=True))


def layers_in(group: LayerGroup, model: ModelSpec, stage: range) -> float:
    """Layers of a group that a stage holds; an even share where nobody stated their positions.

    group, model: the stack; stage: positions. Valid for all inventories. Reference: `LayerGroup.indices`.
    """
    if not group.indices:
        return group.count * len(stage) / model.layer_count
    return float(sum(index in stage for index in group.indices))
