"""Speculative decoding: a step that checks the drafted tokens of every sequence at once, after passes that draft them.

A step with k drafts reads the weights once and the cache once, computes k + 1 tokens per sequence and yields
`expected_tokens` of them. While reading is what takes time, the further tokens are free; once computing is, they are
not, so the gain falls with the load. Nothing here is assumed unless a replica asks for it.
"""

from __future__ import annotations

from dataclasses import replace

from llmplan.perf.calibration import Coefficients
from llmplan.perf.pace import Pace
from llmplan.perf.steady_state import Engine, Shape
from llmplan.perf.step import StepModel
from llmplan.perf.work import Work
from llmplan.plan.deployment import Parallelism, Replica
from llmplan.plan.speculation import Speculation, drafting_model

DRAFT_STEP_SHARE = 0.35
"""Of the fixed time of a step, what each drafting pass takes again: it samples and starts, but nothing is scheduled.
What is left, beside reads and kernels, of the 0.73 ms by which a step grows with each token drafted by EAGLE (Llama
3.1 8B, vllm-project/vllm#20780; rounded)."""


class SpeculativeModel(StepModel):
    """Steps that verify drafts. Times are of a whole step; `tokens_per_step` says what a sequence gets for it."""

    __slots__ = ("_drafts", "_passes", "_tokens_per_step")

    def __init__(
        self,
        replica: Replica,
        speculation: Speculation,
        coefficients: Coefficients,
        capacity_tokens: float,
        *,
        work: Work | None = None,
    ) -> None:
        super().__init__(replica, coefficients, capacity_tokens, work=work)
        self._tokens_per_step = speculation.tokens_per_step
        self._passes = float(speculation.tokens)
        drafting = drafting_replica(replica, speculation) if speculation.tokens else None
        shorter = replace(coefficients, step_s=DRAFT_STEP_SHARE * coefficients.step_s)
        self._drafts = StepModel(drafting, shorter, capacity_tokens) if drafting else None

    @property
    def tokens_per_step(self) -> float:
        """Tokens that a step yields for each running sequence."""
        return self._tokens_per_step

    def drafts_s(self, batch: float, context: float) -> float:
        """All drafting passes of one step [s]."""
        return self._passes * self._drafts.decode_s(batch, context) if self._drafts else 0.0

    def context_kinks(self, batch: float) -> list[float]:
        """Of the model and of what drafts for it."""
        return super().context_kinks(batch) + (self._drafts.context_kinks(batch) if self._drafts else [])

    def drafts_of_prompts_s(self, batch: float, context: float, tokens: float) -> float:
        """What drafts reads the prompts as well [s]."""
        return self._drafts.pace(batch, context, tokens).extra_s if self._drafts else 0.0

    def decode_s(self, batch: float, context: float) -> float:
        """A step without prompts: the drafting passes, then one that verifies [s]."""
        return super().decode_s(batch, context) + self.drafts_s(batch, context)

    def prefill_s(self, prompt: float, cached: float = 0.0, batch: float = 0.0, context: float = 0.0) -> float:
        """Time until a prompt is computed, by the model and by what drafts for it, beside `batch` decodes [s]."""
        alone_s = super().prefill_s(prompt, cached, batch, context)
        if self._drafts is None:
            return alone_s
        beside_s = self.prefill_chunks(prompt - cached, batch)[0] * (self.drafts_s(batch, context) if batch else 0.0)
        return alone_s + beside_s + self._drafts.prefill_s(prompt, cached)

    def pace(self, batch: float, context: float, prompt: float, cached: float = 0.0) -> Pace:
        """How steps of `batch` sequences absorb prompts: what drafts has the same prompts to read."""
        found = super().pace(batch, context, prompt, cached)
        if self._drafts is None:
            return found
        own = self._drafts.pace(batch, context, prompt, cached)
        drafts_s = self.drafts_s(batch, context)
        steps = (prompt - cached) / self._room(batch) if found.chunks else 0.0
        return found._replace(
            decode_s=found.decode_s + drafts_s,
            extra_s=found.extra_s + own.extra_s,
            further_s=found.further_s + own.further_s,
            absorbed_s=found.absorbed_s + own.absorbed_s + steps * max(0.0, drafts_s - own.decode_s),
        )


def drafting_replica(replica: Replica, speculation: Speculation) -> Replica | None:
    """What drafts, as a replica on the same GPUs; None where no model does."""
    model = drafting_model(replica.model, speculation)
    if model is None:
        return None
    parallel = replica.parallel
    return replace(
        replica, model=model, weights=speculation.weights or replica.weights, offload=None, tenancy=None,
        speculation=None, parallel=Parallelism(tp=parallel.tp, dp=parallel.dp, ep=parallel.ep),
    )  # fmt: skip


def speculative_engine(model: SpeculativeModel, shape: Shape, *, max_num_seqs: int, kv_slots: float) -> Engine:
    """An engine whose answers are counted in steps: one of n tokens takes (n - 1) / tokens per step of them."""
    steps = 1.0 + (shape.output - 1.0) / model.tokens_per_step
    engine = Engine(model, replace(shape, output=steps), max_num_seqs=max_num_seqs, kv_slots=kv_slots)
    engine.context = shape.resident_tokens
    return engine
