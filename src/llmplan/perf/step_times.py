"""Step times in the form in which a scheduler asks for them: whole tokens, whole batches, prompts by their pieces.

A step without prompts is a straight line in the tokens of context that its sequences hold together, between kinks
that attention windows make; so that the time of any number of such steps has a closed form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from llmplan.perf.calibration import Coefficients
from llmplan.perf.speculative import SpeculativeModel
from llmplan.perf.step import StepModel
from llmplan.plan.deployment import Replica
from llmplan.plan.outcome import MemoryBudget
from llmplan.spec.calibration import Calibration


class Line(NamedTuple):
    """Seconds of a step: `at_zero_s + per_token_s * context`, below a context of `until_tokens`.

    The context is that of all sequences in the step, added up [tokens].
    """

    until_tokens: float
    at_zero_s: float
    per_token_s: float


class Mixed(NamedTuple):
    """A step that carries prompts: how long until the next one starts, and how much later its prompts are through."""

    period_s: float
    lag_s: float


class StepTimes(Protocol):
    """What a scheduler needs to know of an engine's speed."""

    @property
    def request_s(self) -> float:
        """Fixed time between a request and its first step [s]."""

    @property
    def groups(self) -> int:
        """Data-parallel groups, each with its own token budget."""

    @property
    def budget_tokens(self) -> int:
        """Prompt and decode tokens of one group's step."""

    @property
    def width(self) -> float:
        """Tokens of the budget that a running sequence takes."""

    def decode(self, batch: int) -> Sequence[Line]:
        """Steps of `batch` sequences that each get one more token, by context; the last line has no end."""

    def mixed(self, batch: int, context_tokens: float, chunks: Sequence[tuple[int, int]]) -> Mixed:
        """A step that also computes these pieces (from, to) of prompts."""


class ModelledTimes:
    """`StepTimes` of a replica's step model.

    A step that yields several tokens for each sequence counts as that many shorter steps of one.
    """

    __slots__ = (
        "_is_one_pass",
        "_lines",
        "_matrices",
        "_model",
        "_sampled",
        "budget_tokens",
        "groups",
        "request_s",
        "width",
    )

    def __init__(self, model: StepModel) -> None:
        self._model = model
        self._lines: dict[int, tuple[Line, ...]] = {}
        self._matrices: dict[int, float] = {}
        self._sampled: dict[int, float] = {}
        self.request_s = model.request_s
        self.groups = model.groups
        self.budget_tokens = int(model.chunk_tokens)
        self.width = model.width
        self._is_one_pass = model.stages == 1 and model.width == 1.0

    def decode(self, batch: int) -> tuple[Line, ...]:
        """Exactly `StepModel.decode_s`, which is straight between kinks."""
        lines = self._lines.get(batch)
        if lines is None:
            lines = self._lines[batch] = tuple(self._straight(batch))
        return lines

    def _straight(self, batch: int) -> list[Line]:
        model, each, lines, start = self._model, self._model.tokens_per_step, [], 0.0
        for end in [*sorted(set(model.context_kinks(batch))), math.inf]:
            if end <= start:
                continue
            middle = 2.0 * start + batch if math.isinf(end) else (start + end) / 2.0
            first_s = model.decode_s(batch, start / batch) / each
            slope = (model.decode_s(batch, middle / batch) / each - first_s) / (middle - start)
            lines.append(Line(end, first_s - slope * start, slope))
            start = end
        return lines

    def mixed(self, batch: int, context_tokens: float, chunks: Sequence[tuple[int, int]]) -> Mixed:
        """A stage with the prompts' share of one group in place of a stage without, in a step's row of stages."""
        model = self._model
        total = largest = 0
        pairs: list[float] = []
        for start, end in chunks:
            tokens = end - start
            total += tokens
            largest = max(largest, tokens)
            seen = model.pairs(start, end)
            pairs = [a + b for a, b in zip(pairs, seen, strict=True)] if pairs else list(seen)
        chunk = max(float(largest), total / self.groups)
        if self.groups > 1:
            share = chunk / total
            pairs = [share * each for each in pairs]
        prompts = max(1.0, len(chunks) / self.groups)
        context = context_tokens / batch if batch else 0.0
        mixed_s = model.beside_prompts_s(self._stage_s(batch, context, chunk, pairs, prompts))
        if self._is_one_pass:
            return Mixed(mixed_s, 0.0)
        drafts_s = model.drafts_of_prompts_s(batch, context, chunk)
        if not batch:
            return Mixed(mixed_s + drafts_s, (model.stages - 1) * mixed_s)
        plain_s = self._stage_s(batch, context, 0.0, (), 0.0)
        step_s = self._at(batch, context_tokens)
        return Mixed(step_s + mixed_s - plain_s + drafts_s, (model.stages - 1) * max(0.0, mixed_s - plain_s))

    def _at(self, batch: int, context_tokens: float) -> float:
        for line in self.decode(batch):
            if context_tokens < line.until_tokens:
                return line.at_zero_s + line.per_token_s * context_tokens
        raise AssertionError("the last line has no end")

    def _stage_s(self, batch: int, context: float, chunk: float, pairs: Sequence[float], prompts: float) -> float:
        """The terms of `StepModel` that depend on tokens alone are remembered by their whole number."""
        model = self._model
        decodes = model.decodes_per_pass(batch)
        tokens, sampled = int(decodes * self.width + chunk + 0.5), int(decodes * self.width + prompts + 0.5)
        matrices_s, sampled_s = self._matrices.get(tokens), self._sampled.get(sampled)
        if matrices_s is None:
            matrices_s = self._matrices[tokens] = model.matrices_s(tokens, 0.0)
        if sampled_s is None:
            sampled_s = self._sampled[sampled] = model.matrices_s(1.0, sampled) - model.matrices_s(1.0, 0.0)
        attention_s = model.attention_s(decodes, context, pairs)[1]
        return matrices_s + sampled_s + attention_s + model.cache_elsewhere_s(batch, context)


def modelled_times(replica: Replica, memory: MemoryBudget, calibration: Calibration) -> ModelledTimes:
    """The step times of a replica whose memory is known.

    replica: what runs where; memory: its budget, for the KV capacity [tokens]; calibration: the coefficients.
    Those of `StepModel`, or of `SpeculativeModel` where tokens are drafted. Valid where `memory` fits.
    Reference: docs/how-it-works/speed.md.
    """
    coefficients = Coefficients.of(calibration.for_model(is_moe=replica.model.is_moe))
    held = float(memory.capacity_tokens)
    if replica.speculation is None:
        return ModelledTimes(StepModel(replica, coefficients, held))
    return ModelledTimes(SpeculativeModel(replica, replica.speculation, coefficients, held))


class PacedTimes:
    """`StepTimes` of an engine that takes `factor` times as long for every step: the ends of a band."""

    __slots__ = ("_factor", "_lines", "_times", "budget_tokens", "groups", "request_s", "width")

    def __init__(self, times: StepTimes, factor: float) -> None:
        self._times, self._factor = times, factor
        self._lines: dict[int, tuple[Line, ...]] = {}
        self.request_s, self.groups = times.request_s, times.groups
        self.budget_tokens, self.width = times.budget_tokens, times.width

    def decode(self, batch: int) -> tuple[Line, ...]:
        """The same lines, steeper."""
        lines = self._lines.get(batch)
        if lines is None:
            factor = self._factor
            lines = self._lines[batch] = tuple(
                Line(each.until_tokens, factor * each.at_zero_s, factor * each.per_token_s)
                for each in self._times.decode(batch)
            )
        return lines

    def mixed(self, batch: int, context_tokens: float, chunks: Sequence[tuple[int, int]]) -> Mixed:
        """The same step, longer."""
        found = self._times.mixed(batch, context_tokens, chunks)
        return Mixed(self._factor * found.period_s, self._factor * found.lag_s)
