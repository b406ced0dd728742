"""The KV cache of one replica: who holds which blocks, from the admission of a request to its end."""

from __future__ import annotations

from llmplan.simulate.engine.blocks import Blocks
from llmplan.simulate.engine.job import Job
from llmplan.simulate.engine.prefix_cache import PrefixCache
from llmplan.simulate.engine.rules import Rules


class KvPool:
    """Blocks of running requests, and in what they leave, prefixes of prompts. Ticks are steps of the engine."""

    __slots__ = ("_blocks", "_cache", "_rules")

    def __init__(self, rules: Rules, prefix_block_tokens: int | None) -> None:
        self._rules = rules
        self._blocks = Blocks(rules.blocks, rules.block_tokens, rules.tables)
        self._cache: PrefixCache | None = None
        if rules.prefix_caching and prefix_block_tokens is not None and rules.tables:
            unit_blocks = rules.tables * max(1, prefix_block_tokens // rules.block_tokens)
            self._cache = PrefixCache(prefix_block_tokens, unit_blocks)

    def used_blocks(self, tick: int) -> int:
        """Blocks of running requests while that tick runs, shared ones once."""
        return self._blocks.needed(tick)

    @property
    def idle_blocks(self) -> int:
        """Blocks of prefixes that nobody uses."""
        return self._cache.idle_blocks if self._cache is not None else 0

    def reserve(self, job: Job, tick: int) -> bool:
        """Blocks for a prompt, less what is cached of it, before that tick; False if the pool has not enough."""
        blocks, rules, cache = self._blocks, self._rules, self._cache
        left = job.output - job.generated
        held = rules.growing_blocks(job.prompt + left if rules.reserves_output else job.prompt)
        held += rules.flat_blocks(job.prompt + left) if rules.flat else 0
        woken_blocks = 0
        if cache is not None and job.prefix:
            found = cache.leading(job.prefix, (job.prompt - 1) // cache.unit_tokens)
            job.units = list(job.prefix[:found])
            woken_blocks = cache.pin(job.units) * cache.unit_blocks
            held -= found * cache.unit_blocks
        wanted = held + woken_blocks
        if blocks.at_most(tick) + wanted > blocks.limit and blocks.needed(tick) + wanted > blocks.limit:
            if cache is not None and job.units:
                cache.release(job.units)
                job.units = []
            return False
        blocks.held += wanted
        job.held_blocks = held
        job.computed = len(job.units) * cache.unit_tokens if cache is not None else 0
        self.settle(tick)
        return True

    def begin(self, job: Job, tick: int) -> None:
        """Its prompt is computed: what has an id can be found from now on, and its table grows from that tick on."""
        blocks, cache = self._blocks, self._cache
        if cache is not None and job.prefix:
            kept = cache.keep(job.prefix[len(job.units) : job.prompt // cache.unit_tokens])
            job.units += kept
            job.held_blocks -= len(kept) * cache.unit_blocks
        job.growth = job.prompt + 1 - tick
        if not self._rules.reserves_output:
            growing = self._rules.growing_blocks(job.prompt)
            job.held_blocks -= growing
            blocks.held -= growing
            blocks.add(job.growth)

    def release(self, job: Job) -> None:
        """It is answered, or has to give up its slot: nothing is held any more."""
        blocks = self._blocks
        blocks.held -= job.held_blocks
        if job.growth is not None and not self._rules.reserves_output:
            blocks.remove(job.growth)
        if self._cache is not None and job.units:
            blocks.held -= self._cache.release(job.units) * self._cache.unit_blocks
            job.units = []
        job.held_blocks, job.growth = 0, None

    def has_room(self, tick: int) -> bool:
        """Whether the sequences that are there can all run that tick."""
        return self._blocks.at_most(tick) <= self._blocks.limit or self._blocks.needed(tick) <= self._blocks.limit

    def ticks_within(self, tick: int, ticks: int) -> int:
        """How many of the next `ticks` ticks they can run."""
        return self._blocks.ticks_within(tick, ticks)

    def settle(self, tick: int) -> None:
        """Idle prefixes go as far as running requests need their room."""
        cache = self._cache
        if cache is not None and cache.idle_blocks:
            cache.shrink(max(0, self._blocks.limit - self._blocks.needed(tick)))
