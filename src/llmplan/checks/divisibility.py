"""Rules on what a shard of quantized weights must divide into: groups, kernel tiles and blocks."""

from __future__ import annotations

from llmplan.checks.rule import GPU_SERVERS, Finding, Rule, error, warning
from llmplan.checks.shapes import cuts, expert_ranks, expert_sizes, kv_heads, spreads
from llmplan.plan.deployment import Replica
from llmplan.plan.launch_facts import LaunchFacts

MARLIN_OUTPUT, MARLIN_INPUT = 64, 128


def groups_divide(replica: Replica) -> Finding | None:
    """Group-quantized weights: a row-parallel shard holds whole groups."""
    group = replica.weights.group_size
    if group is None or replica.weights.experts_only:
        return None
    for cut in cuts(replica):
        if cut.side == "input" and cut.exact and cut.quantized and cut.part % group:
            return error(
                f"Weight input_size_per_partition = {cut.part} is not divisible by group_size = {group} "
                f"({cut.tensor}). This can be caused by too large tensor parallel size.",
                f"--tp {_smaller(replica, cut.size, cut.ranks, group)}, or a checkpoint with a smaller group",
            )
    ranks = expert_ranks(replica.parallel)
    for size in expert_sizes(replica.model) if ranks > 1 else ():
        if size % ranks or size // ranks % group:
            return error(
                f"Weight input_size_per_partition = {size // ranks} is not divisible by group_size = {group} "
                "(experts).",
                f"--ep {ranks}, or --tp {_smaller(replica, size, ranks, group)}",
            )
    return None


def groups_of_the_checkpoint_divide(replica: Replica, facts: LaunchFacts) -> Finding | None:
    """Another repository's quantized copy may be padded to whole groups: its config says it, its model does not."""
    found = groups_divide(replica)
    if found is None or facts.stored_format is None:
        return found
    return warning(
        f"{found.message} Some quantized copies are padded to whole groups: the intermediate_size in the checkpoint's "
        "own config.json decides.",
        found.fix,
    )


def marlin_tiles_fit(replica: Replica) -> Finding | None:
    """The fast 4-bit kernel works on tiles of 64 outputs by 128 inputs."""
    if replica.weights.family != "int4":
        return None
    for cut in cuts(replica):
        tile = MARLIN_OUTPUT if cut.side == "output" else MARLIN_INPUT
        if cut.exact and cut.quantized and cut.part % tile:
            return warning(
                f"Weight {cut.side}_size_per_partition = {cut.part} is not divisible by {tile} ({cut.tensor}): "
                "the Marlin kernel does not take it and a slower one runs, or loading fails.",
                f"--tp {_smaller(replica, cut.size, cut.ranks, tile)}",
            )
    return None


def blocks_divide(replica: Replica) -> Finding | None:
    """Block-scaled FP8: every shard holds whole 128 x 128 blocks."""
    block = replica.weights.block
    if block is None:
        return None
    for cut in cuts(replica):
        size, name = (block[0], "block_n") if cut.side == "output" else (block[1], "block_k")
        if cut.exact and cut.quantized and cut.part % size:
            what = "output_partition_size" if cut.side == "output" else "input_size_per_partition"
            return error(
                f"Weight {what} = {cut.part} is not divisible by weight quantization {name} = {size} ({cut.tensor}).",
                f"--tp {_smaller(replica, cut.size, cut.ranks, size)}",
            )
    ranks = expert_ranks(replica.parallel)
    for size in expert_sizes(replica.model) if ranks > 1 else ():
        if size % ranks or size // ranks % block[0]:
            return error(
                f"The output_size of gate's and up's weight = {size // ranks} is not divisible by weight quantization "
                f"block_n = {block[0]}.",
                f"--ep {ranks}, or --tp {_smaller(replica, size, ranks, block[0])}",
            )
    return None


def _smaller(replica: Replica, size: int, ranks: int, multiple: int) -> str:
    """The parallel sizes up to `ranks` whose shards are whole multiples, and which divide the heads."""
    heads, own = replica.model.divisible_heads, kv_heads(replica.model)
    shared = [n for n in range(1, ranks) if heads % n == 0 and all(spreads(each, n) for each in own)]
    good = [n for n in shared if size % n == 0 and size // n % multiple == 0]
    return ", ".join(map(str, good)) or "1"


RULES: tuple[Rule, ...] = (
    Rule(
        id="V-Q1", engines=GPU_SERVERS, severities=("error", "warning"), find=groups_divide,
        find_in_launch=groups_of_the_checkpoint_divide,
        title="Each shard of group-quantized weights holds whole groups.",
        says="Weight input_size_per_partition = {size} is not divisible by group_size = {group}. "
        "This can be caused by too large tensor parallel size.",
        source="vLLM 0.33.0 quantization/auto_awq.py:819-831, distributed/utils.py:137-152; vllm-project/vllm#5675",
        basis=("code", "issue"),
    ),
    Rule(
        id="V-Q2", engines=("vllm",), severities=("warning",), find=marlin_tiles_fit,
        title="Shards of 4-bit weights fit the tiles of the Marlin kernel (64 outputs by 128 inputs).",
        says="Weight {side}_size_per_partition = {size} is not divisible by min_thread_{n|k} = {tile}.",
        source="vLLM 0.33.0 quantization/utils/marlin_utils.py:32-37, 177-205", basis=("code",),
    ),
    Rule(
        id="V-Q3", engines=GPU_SERVERS, severities=("error",), find=blocks_divide,
        title="Each shard of block-scaled FP8 weights holds whole blocks of 128 x 128.",
        says="The output_size of gate's and up's weight = {size} is not divisible by weight quantization block_n = "
        "128.",
        source="vLLM 0.33.0 quantization/utils/fp8_utils.py:1296-1376; vllm-project/vllm#17569",
        basis=("code", "issue"),
    ),
)  # fmt: skip
