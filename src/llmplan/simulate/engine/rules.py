"""What an engine's scheduler may do with a replica: sequences, token budget, blocks of KV cache."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from llmplan.perf.estimate import spilled_tokens
from llmplan.plan.cache import CacheGroup
from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.engine import KvPoolRule

PLACEHOLDER_BLOCKS: Mapping[KvPoolRule, int] = {"fraction_of_total": 1}
"""blocks of a pool that no request gets: vLLM's null block, which stands in where a window has moved on (vLLM 0.32
v1/core/block_pool.py; with it a pool of 32 blocks preempted as often as measured)"""
UNBOUNDED_BLOCKS = 1 << 60
"""where nothing is kept for a token, or only by the sequence"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Limits of a whole replica, all data-parallel groups together.

    `tables`: block tables that grow with every token, one for each group of layers that keeps them all. `flat`:
    groups of layers that hold at most a window or a state. `reserves_output`: a request is admitted only with blocks
    for all of its answer, so that none is ever preempted. `prompts_first`: a step carries prompts or running sequences,
    and prompts go first. `fair_share`: tenants take turns in the queue (`FairQueue`), else first come first served.
    """

    max_num_seqs: int
    blocks: int
    block_tokens: int
    tables: int = 1
    flat: tuple[CacheGroup, ...] = ()
    in_flight_tokens: int = 0
    reserves_output: bool = False
    prompts_first: bool = False
    prefix_caching: bool = False
    fair_share: bool = False
    longest_tokens: int = 1 << 60

    def growing_blocks(self, tokens: int) -> int:
        """Blocks of the tables that grow, for a sequence of so many tokens."""
        return self.tables * -(-tokens // self.block_tokens)

    def flat_blocks(self, tokens: int) -> int:
        """Blocks of windows and states, of a sequence that will get so long."""
        return sum(group.blocks(tokens, min(self.in_flight_tokens, tokens)) for group in self.flat)

    def admits(self, prompt: int, output: int) -> bool:
        """Whether a request can ever be served."""
        tokens = prompt + output
        needed = self.growing_blocks(tokens) + self.flat_blocks(tokens)
        return tokens <= self.longest_tokens and needed <= self.blocks


def rules_of(replica: Replica, memory: MemoryBudget) -> Rules:
    """The scheduler's limits on a replica.

    replica: settings and parallel groups; memory: its blocks and how they are cut.
    blocks = groups x blocks of one GPU, and those that a host pool adds; sequences = groups x max_num_seqs, at most
    those for whose states there is room. Valid for one pool per group, here taken as one. Reference: `KvRoom`.
    """
    room, groups = memory.room, replica.parallel.dp
    growing = [group for group in room.layout.groups if group.window_tokens is None and not group.state_blocks]
    flat = tuple(group for group in room.layout.groups if group not in growing)
    block_tokens = growing[0].block_tokens if growing else max(1, room.layout.block_tokens)
    tables = sum(block_tokens / group.block_tokens for group in growing)
    placeholders = PLACEHOLDER_BLOCKS.get(replica.engine.kv_pool_rule, 0)
    blocks = max(0, room.blocks - placeholders) * room.groups if room.layout.block_bytes else UNBOUNDED_BLOCKS
    blocks += int(spilled_tokens(replica, memory) / block_tokens * tables)
    seqs = min(float(replica.settings.max_num_seqs * groups), room.groups * room.state_slots)
    return Rules(
        max_num_seqs=int(seqs) if math.isfinite(seqs) else replica.settings.max_num_seqs * groups,
        blocks=blocks,
        block_tokens=block_tokens,
        tables=math.ceil(tables),
        flat=flat,
        in_flight_tokens=room.in_flight_tokens,
        reserves_output=replica.engine.reserves_output,
        prompts_first=_prompts_first(replica),
        prefix_caching=replica.settings.prefix_caching and replica.engine.kv_pool_rule != "explicit_context",
        longest_tokens=replica.settings.max_model_len,
    )


def _prompts_first(replica: Replica) -> bool:
    """Also where whole prompts are computed because the engine does not cut them by default (vLLM's first engine)."""
    engine, gpu, settings = replica.engine, replica.gpu, replica.settings
    default = engine.scheduler_default(gpu.memory_bytes, gpu.architecture, replica.parallel.tp)
    whole = default.whole_prompts_tokens >= settings.max_model_len
    return engine.prompts_first or (whole and settings.max_num_batched_tokens >= settings.max_model_len)
