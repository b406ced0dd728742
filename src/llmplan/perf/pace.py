"""How a batch of decodes absorbs prompts: the step that running sequences see when others are being prefilled."""

from __future__ import annotations

from typing import NamedTuple


class Pace(NamedTuple):
    """How a batch of decodes absorbs prompts of one shape.

    `decode_s`: a step without prompt tokens. `extra_s`: what one chunk of a prompt adds to it. `chunks`: steps that
    one prompt takes. `absorbed_s`: engine time that a prompt uses up when prompts fill every step. `further_s`: what
    another prompt adds to a step that already carries one; `most`: prompts that one step has room for.
    """

    decode_s: float
    extra_s: float
    chunks: float
    absorbed_s: float
    further_s: float
    most: float

    def bunch_s(self, bunch: float) -> float:
        """What a step that carries `bunch` prompts at once (or one chunk) takes longer than one without [s]."""
        return self.extra_s + (bunch - 1.0) * self.further_s

    def step_s(self, prompts_per_step: float, bunch: float = 1.0) -> float:
        """Mean step when that many prompts join per step, `bunch` of them at once: beyond, fuller steps [s]."""
        chunks_per_step = prompts_per_step * self.chunks / bunch
        if chunks_per_step <= 1.0:
            return self.decode_s + chunks_per_step * self.bunch_s(bunch)
        return self.decode_s + self.bunch_s(bunch) + (prompts_per_step - bunch / self.chunks) * self.further_s

    def residual_s(self, prompts_per_step: float, bunch: float = 1.0) -> float:
        """What is left, on average, of the step that an arriving request finds: E[S^2] / 2 E[S] [s]."""
        mixed, extra_s = min(1.0, prompts_per_step * self.chunks / bunch), self.bunch_s(bunch)
        mixed_s, mean_s = self.decode_s + extra_s, self.decode_s + mixed * extra_s
        return ((1.0 - mixed) * self.decode_s**2 + mixed * mixed_s**2) / (2.0 * mean_s)

    def step_at_rate_s(self, prompts_per_s: float) -> float:
        """The step that `step_s` gives when prompts join at a rate in time: its fixed point [s]."""
        chunk_rate = prompts_per_s * self.chunks
        mixed_s = self.decode_s + self.extra_s
        if chunk_rate * mixed_s <= 1.0:
            return self.decode_s / (1.0 - chunk_rate * self.extra_s)
        chunk_s = self.further_s / self.chunks
        return max(mixed_s, (mixed_s - chunk_s) / (1.0 - min(prompts_per_s * self.further_s, 0.999)))
