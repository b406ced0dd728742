"""Time of one engine step: a sum of terms, each the longer of reading and computing, or a message, or fixed.

`StepModel` folds a replica, its work and its achieved rates into a few dozen floats once; after that a step
costs a handful of multiplications, so that a planner can ask thousands of times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmplan.perf.calibration import Coefficients
from llmplan.perf.links import link_between
from llmplan.perf.offload import HostWork, host_step_s, placement_of
from llmplan.perf.pace import Pace
from llmplan.perf.rates import rates_of
from llmplan.perf.roofline import overlapped_s, visible_pairs
from llmplan.perf.step_terms import (
    ADAPTER_LAUNCH_FACTOR,
    ADAPTER_PASSES,
    COLLECTIVES_PER_LAYER,
    HOST_OVERLAP,
    StepTerms,
    expert_flop_per_row,
    started_kernels,
)
from llmplan.perf.work import Work, adapter_slot_rank, exchanged_bytes_per_token, work_of
from llmplan.plan.deployment import Replica


class StepModel:
    """Step times of one replica. Batches and tokens are the whole replica's; contexts are tokens per sequence."""

    __slots__ = (
        "_a2a_fixed_s", "_a2a_token_s", "_activation_s", "_adapter_read_s", "_adapter_token_s", "_adapters",
        "_all_on_gpu", "_attention", "_bunching_share", "_chunk_tokens", "_collective_fixed_s", "_collective_token_s",
        "_dense_flop_s", "_dense_read_s", "_experts", "_fixed_s", "_groups", "_head_flop_s", "_head_read_s", "_host",
        "_host_kv_bytes", "_lockstep_share", "_parts", "_passes_in_flight", "_placement", "_power", "_prefill_host_s",
        "_request_s", "_routing_exponent", "_seen", "_send_fixed_s", "_send_token_s", "_sequence_s",
        "_shared_experts", "_spill_s", "_stages", "_streamed_s", "_width",
    )  # fmt: skip

    def __init__(
        self, replica: Replica, coefficients: Coefficients, capacity_tokens: float, *, work: Work | None = None
    ) -> None:
        parallel = replica.parallel
        work = work or work_of(replica.model, replica.weights, replica.kv, parallel)
        placement = placement_of(replica, coefficients, capacity_tokens)
        self._placement = placement
        self._power = coefficients.roofline_exponent
        self._stages, self._groups = parallel.pp, parallel.dp
        self._parts = parallel.pp * parallel.dp
        self._shared_experts = parallel.dp
        self._width = 1.0 + (replica.speculation.tokens if replica.speculation else 0)
        self._chunk_tokens = float(max(1, replica.pass_tokens))
        passes = replica.settings.max_num_batched_tokens / self._chunk_tokens
        self._passes_in_flight = passes if passes > 1.0 else math.inf
        host = coefficients.legacy_host_factor if replica.engine.legacy_host else 1.0
        self._request_s = host * coefficients.request_s
        self._set_matrices(replica, work, coefficients)
        self._set_links(replica, work, coefficients)
        kernels = started_kernels(replica, work)
        launch_s = coefficients.launch_s * (1.0 + ADAPTER_LAUNCH_FACTOR if self._adapters else 1.0)
        routed_s = coefficients.expert_layer_s * work.expert_layers
        self._fixed_s = host * (coefficients.step_s / parallel.pp + launch_s * kernels + routed_s)
        self._routing_exponent = coefficients.routing_exponent
        self._sequence_s = host * coefficients.sequence_s
        prompts_s = coefficients.prefill_launch_s * kernels + coefficients.prefill_expert_layer_s * work.expert_layers
        self._prefill_host_s = host * prompts_s
        self._lockstep_share = coefficients.lockstep_share
        self._bunching_share = coefficients.bunching_share
        self._all_on_gpu = self._host.is_idle and not self._streamed_s and placement.spilled_tokens_from is None
        self._seen = (0.0, 0.0, self.pairs(0.0, 0.0))  # of the prompt that was asked about last: it rarely changes

    def _set_matrices(self, replica: Replica, work: Work, coefficients: Coefficients) -> None:
        rates, place = rates_of(replica, coefficients), self._placement
        on_gpu, off_gpu = place.gpu_share, 1.0 - place.gpu_share
        experts_on_gpu = place.expert_gpu_share * on_gpu
        streamed = min(place.streamed_bytes, work.resident_bytes)
        kept = 1.0 - streamed / work.resident_bytes
        tenancy = replica.tenancy
        self._adapters = float(tenancy.adapters) if tenancy is not None else 0.0
        adapter_bytes = work.adapter_bytes_per_rank_unit * adapter_slot_rank(replica)
        moved_bytes = ADAPTER_PASSES * work.adapter_bytes_per_rank_unit if self._adapters else 0.0
        self._adapter_token_s = moved_bytes / rates.dense_bytes_per_s
        self._adapter_read_s = adapter_bytes / rates.dense_bytes_per_s
        self._dense_read_s = work.dense_bytes * on_gpu * kept / rates.dense_bytes_per_s
        self._dense_flop_s = 2.0 * work.dense_weights * on_gpu / rates.dense_flop_per_s
        self._experts = tuple(
            (
                e.coverage,
                e.resident_bytes * experts_on_gpu * kept / rates.expert_bytes_per_s,
                flop * e.chosen / e.experts / rates.expert_flop_per_s,
                flop * coefficients.expert_tile_rows / rates.expert_flop_per_s,
            )
            for e in work.experts
            for flop in (expert_flop_per_row(e, coefficients) * experts_on_gpu,)
        )
        passes = work.layers * coefficients.activation_passes * on_gpu
        self._activation_s = passes * work.hidden_bytes_per_token / rates.head_bytes_per_s
        self._head_read_s = work.head_bytes * kept / rates.head_bytes_per_s
        self._head_flop_s = 2.0 * work.head_weights / rates.head_flop_per_s
        self._attention = tuple(
            (
                a.window_tokens,
                a.cache_bytes_per_context_token * on_gpu / rates.kv_bytes_per_s,
                a.decode_flop_per_context_token * on_gpu / rates.attention_flop_per_s,
                a.prefill_flop_per_context_token / rates.attention_flop_per_s,
            )
            for a in work.attention
        )
        cache_bytes = work.cache_bytes_per_context_token
        self._host = HostWork.of(work, rates, place, coefficients.routing_exponent)
        self._host_kv_bytes = cache_bytes * off_gpu
        self._streamed_s = streamed / place.stream_bytes_per_s
        self._spill_s = cache_bytes / place.stream_bytes_per_s

    def _set_links(self, replica: Replica, work: Work, coefficients: Coefficients) -> None:
        parallel, gpu, host = replica.parallel, replica.gpu, replica.host
        self._collective_fixed_s = self._collective_token_s = 0.0
        self._a2a_fixed_s = self._a2a_token_s = self._send_fixed_s = self._send_token_s = 0.0
        hidden = work.hidden_bytes_per_token
        if parallel.tp > 1:
            link = link_between(parallel.tp, gpu, host, coefficients)
            messages = COLLECTIVES_PER_LAYER * work.layers
            self._collective_fixed_s = messages * link.hops * link.hop_s
            self._collective_token_s = messages * hidden * link.allreduce_s_per_byte
        ranks = parallel.tp * parallel.dp
        if parallel.dp > 1 and work.experts:
            link = link_between(ranks, gpu, host, coefficients)
            self._a2a_fixed_s = COLLECTIVES_PER_LAYER * work.expert_layers * link.hops * link.hop_s
            self._a2a_token_s = COLLECTIVES_PER_LAYER * exchanged_bytes_per_token(work, parallel) / link.bytes_per_s
        if parallel.pp > 1:
            link = link_between(parallel.tp * parallel.pp, gpu, host, coefficients)
            self._send_fixed_s, self._send_token_s = link.hop_s, hidden / parallel.tp / link.bytes_per_s

    @property
    def chunk_tokens(self) -> float:
        """Prompt and decode tokens that one data-parallel group may process in one step."""
        return self._chunk_tokens

    @property
    def groups(self) -> int:
        """Data-parallel groups, each with its own batch and prompts."""
        return self._groups

    @property
    def stages(self) -> int:
        """Pipeline stages, which a token passes one after the other."""
        return self._stages

    @property
    def width(self) -> float:
        """Tokens that a running sequence has in a step: its last one and what is drafted."""
        return self._width

    @property
    def request_s(self) -> float:
        """Fixed time between a request and its first step [s]."""
        return self._request_s

    @property
    def lockstep_share(self) -> float:
        """Share of a closed loop's requests that start together [-]."""
        return self._lockstep_share

    @property
    def bunching_share(self) -> float:
        """Share of a closed loop's other requests whose prompts join the running batch in the same step [-]."""
        return self._bunching_share

    @property
    def tokens_per_step(self) -> float:
        """Tokens that a step yields for each running sequence; more than one where some are drafted."""
        return 1.0

    def decode_s(self, batch: float, context: float) -> float:
        """Time in which each of `batch` sequences with `context` tokens gets one more token [s].

        With pipeline stages the batch is cut into as many micro-batches, and a token passes every stage.
        """
        return self._stages * self._stage_s(batch, context, 0.0, 0.0, 0.0)

    def prefill_s(self, prompt: float, cached: float = 0.0, batch: float = 0.0, context: float = 0.0) -> float:
        """Time until a prompt is computed, `cached` tokens of it being there, beside `batch` decodes [s].

        Chunks follow each other through the pipeline: all of them in one stage, then the largest in the others. An
        engine that cuts a batch into passes (llama.cpp) lets the pipeline run empty after each batch.
        """
        tokens = prompt - cached
        chunks, chunk = self.prefill_chunks(tokens, batch)
        if not chunks:
            return 0.0
        first_s = chunks * self._stage_s(batch, context, chunk, prompt, cached)
        if self._stages == 1:
            return first_s
        largest = min(tokens, self._room(batch))
        drains = max(1, math.ceil(chunks / self._passes_in_flight))
        return first_s + drains * (self._stages - 1) * self._stage_s(batch, context, largest, prompt, cached)

    def pace(self, batch: float, context: float, prompt: float, cached: float = 0.0) -> Pace:
        """How steps of `batch` decodes absorb prompts of one shape."""
        tokens, room = prompt - cached, self._room(batch)
        decode_s = self._stage_s(batch, context, 0.0, 0.0, 0.0)
        chunks, chunk = self.prefill_chunks(tokens, batch)
        if not chunks:
            return Pace(self._stages * decode_s, 0.0, 0.0, 0.0, 0.0, 1.0)
        mixed_s = self._stage_s(batch, context, chunk, prompt, cached)
        full_s = self._stage_s(batch, context, room, prompt, cached)
        most, one = room / tokens, 1.0 / chunks
        further_s = (full_s - mixed_s) / (most - one) if most > one else 0.0
        return Pace(
            self._stages * decode_s, mixed_s - decode_s, chunks, full_s * tokens / room, further_s, max(1.0, most)
        )

    def prefill_chunks(self, tokens: float, batch: float = 0.0) -> tuple[float, float]:
        """How many steps `tokens` prompt tokens take beside `batch` decodes, and how many tokens each carries.

        A batch below one is a decode that is there for that share of the time.
        """
        if tokens <= 0:
            return 0.0, 0.0
        chunks = float(math.ceil(tokens / self._room(max(batch, 1.0))))
        if batch < 1.0:
            chunks += (1.0 - batch) * (math.ceil(tokens / self._room(0.0)) - chunks)
        return chunks, tokens / chunks

    def _room(self, batch: float) -> float:
        """Prompt tokens that a step has room for beside `batch` decodes; prompts are never starved altogether."""
        return max(1.0, self._chunk_tokens - batch * self._width / self._groups, 0.1 * self._chunk_tokens)

    def terms(self, batch: float, context: float) -> StepTerms:
        """The decode step taken apart, summed over the pipeline's stages."""
        return StepTerms(*(value * self._stages for value in self._terms(batch, context, 0.0, (), 0.0)))

    def pairs(self, start: float, end: float) -> tuple[float, ...]:
        """(token, earlier token) pairs of a prompt's tokens from `start` to `end`, for each kind of attention [-]."""
        return tuple(visible_pairs(end, kind[0]) - visible_pairs(start, kind[0]) for kind in self._attention)

    def matrices_s(self, tokens: float, sampled: float) -> float:
        """One pass of one stage over `tokens`, of which `sampled` get an output, without any attention [s]."""
        return sum(self._terms(0.0, 0.0, tokens, (), sampled))

    def beside_prompts_s(self, gpu_s: float) -> float:
        """A pass that takes the GPU `gpu_s` when its host starts kernels one by one, as it does with prompts [s]."""
        return overlapped_s(gpu_s, self._prefill_host_s, HOST_OVERLAP)

    def _stage_s(self, batch: float, context: float, chunk: float, prompt: float, cached: float) -> float:
        """One pass of one stage [s]: `batch` decodes and `chunk` tokens of a prompt of `prompt` tokens, of which
        `cached` need no work."""
        if chunk <= 0.0:
            return sum(self._terms(batch, context, 0.0, (), 0.0))
        if self._seen[:2] != (cached, prompt):
            self._seen = (cached, prompt, self.pairs(cached, prompt))
        share = chunk / (prompt - cached)
        pairs = [share * each for each in self._seen[2]]
        return self.beside_prompts_s(sum(self._terms(batch, context, chunk, pairs, 1.0)))

    def _terms(
        self, batch: float, context: float, chunk: float, pairs: Sequence[float], fresh: float
    ) -> tuple[float, ...]:
        """One pass of one stage, by cause, in the order of `StepTerms`: this stage's share of `batch` decodes, and
        `chunk` tokens of `fresh` prompts that attend to `pairs` of tokens in each kind of attention."""
        power, dense_read = self._power, self._dense_read_s
        decodes = self.decodes_per_pass(batch)
        tokens = decodes * self._width
        tokens, sampled = tokens + chunk, tokens + fresh
        dense = overlapped_s(dense_read, self._dense_flop_s * tokens, power)
        expert_read = expert_total = 0.0
        routed = tokens * self._shared_experts
        for coverage, read_s, flop_s, tile_s in self._experts:
            touched = coverage(routed**self._routing_exponent)
            read = read_s * touched
            expert_read += read
            expert_total += overlapped_s(read, flop_s * routed + tile_s * touched, power)
        kv_read, attention = self.attention_s(decodes, context, pairs)
        adapters_s = 0.0
        if self._adapters:
            adapters_s = self._adapter_read_s * min(self._adapters, decodes + fresh) + self._adapter_token_s * tokens
        return (
            dense_read + adapters_s,
            dense - dense_read,
            expert_read,
            expert_total - expert_read,
            overlapped_s(self._head_read_s, self._head_flop_s * sampled, power),
            self._activation_s * tokens,
            kv_read,
            attention - kv_read,
            self._collective_fixed_s + self._collective_token_s * tokens,
            self._a2a_fixed_s + self._a2a_token_s * tokens,
            self._send_fixed_s + self._send_token_s * tokens,
            0.0 if self._all_on_gpu else self._host_s(tokens, decodes * context),
            0.0 if self._all_on_gpu else self._streamed_s + self._spilled_s(batch * context),
            self._fixed_s,
            self._sequence_s * (self.outputs_per_pass(batch) + fresh),
        )

    def decodes_per_pass(self, batch: float) -> float:
        """What one stage of one group has of `batch` decodes at a time."""
        if self._parts == 1:
            return batch
        return max(min(batch, 1.0), batch / self._parts)

    def outputs_per_pass(self, batch: float) -> float:
        """Tokens of `batch` decodes that one pass of one stage has chosen: only the last stage chooses any, so that all
        stages' passes together choose each once."""
        return max(min(batch, 1.0) / self._stages, batch / self._parts) * self._width

    def context_kinks(self, batch: float) -> list[float]:
        """Tokens of context of all of `batch` sequences together at which the slope of `decode_s` changes."""
        kinks = [batch * kind[0] for kind in self._attention if math.isfinite(kind[0])]
        limit = self._placement.spilled_tokens_from
        return kinks if limit is None else [*kinks, limit]

    def cache_elsewhere_s(self, batch: float, context: float) -> float:
        """Reading what is cached in host memory, in one pass of one stage [s]."""
        if self._host.is_idle:
            return self._spilled_s(batch * context)
        seen_bytes = self._host_kv_bytes * self.decodes_per_pass(batch) * context
        return seen_bytes / self._placement.host_read_bytes_per_s + self._spilled_s(batch * context)

    def drafts_of_prompts_s(self, batch: float, context: float, tokens: float) -> float:
        """What drafting adds to a step for the prompt tokens in it [s]; nothing where nothing is drafted."""
        return 0.0

    def attention_s(self, decodes: float, context: float, pairs: Sequence[float]) -> tuple[float, float]:
        """Reading the cache of `decodes` tokens, and all of attention, with `pairs` of prompts beside them [s]."""
        kv_read = attention = 0.0
        for place, (window, kv_s, decode_flop_s, prefill_flop_s) in enumerate(self._attention):
            seen = decodes * (context if context < window else window)
            read, flop_s = kv_s * seen, decode_flop_s * seen * self._width
            if pairs:
                flop_s += prefill_flop_s * pairs[place]
            kv_read += read
            attention += overlapped_s(read, flop_s, self._power)
        return kv_read, attention

    def _host_s(self, tokens: float, context_tokens: float) -> float:
        if self._host.is_idle:
            return 0.0
        cache_s = self._host_kv_bytes * context_tokens / self._placement.host_read_bytes_per_s
        return host_step_s(self._host, tokens, self._placement) + cache_s

    def _spilled_s(self, context_tokens: float) -> float:
        limit = self._placement.spilled_tokens_from
        if limit is None:
            return 0.0
        return self._spill_s * max(0.0, context_tokens - limit) / (self._groups * self._stages)
