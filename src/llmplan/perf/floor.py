"""What no machine beats: the same step with every peak achieved in full and nothing fixed.

A band comes from residuals, which know nothing of physics: on a card whose speed is well predicted its edge may lie
beyond what the memory can read or the tensor cores can compute. Bands end here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from llmplan.perf.calibration import COEFFICIENT_NAMES, Coefficients
from llmplan.perf.step import StepModel
from llmplan.perf.work import Work
from llmplan.plan.deployment import Replica
from llmplan.spec.band import Band

INTEGER_KERNEL_GAIN = 2.0
"""GGUF weights may be multiplied as integers, whose peak is at most twice the 16-bit one."""

UNBOUNDED = (
    "roofline_exponent", "attention_efficiency", "allreduce_fast_efficiency", "allreduce_pcie_efficiency",
    "network_efficiency",
)  # fmt: skip
"""Reading and computing overlap altogether; messages and attention math take no time."""


def _ideal(name: str) -> float:
    if name.endswith(("_s", "lockstep_share", "bunching_share", "_columns", "_rows", "_passes", "routing_exponent")):
        return 0.0
    return math.inf if name in UNBOUNDED else 1.0


IDEAL = Coefficients(**{name: _ideal(name) for name in COEFFICIENT_NAMES})
"""Memory and matrix peaks in full, all tokens routed alike; messages, attention math and fixed times for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """The ideal replica, as strict bounds on what is predicted of the real one."""

    model: StepModel

    @classmethod
    def of(cls, replica: Replica, capacity_tokens: float, work: Work) -> Floor:
        """The floor of one replica; `capacity_tokens` as for its step model."""
        gain = INTEGER_KERNEL_GAIN if replica.weights.family == "gguf" else 1.0
        replica = replace(replica, speculation=None)
        return cls(model=StepModel(replica, replace(IDEAL, matrix_16bit_efficiency=gain), capacity_tokens, work=work))

    def tpot_s(self, batch: float, context: float) -> float:
        """The least time per output token.

        batch [sequences] that decode together, context [tokens] of each.
        (dense weights + experts of one token + head + cache of the batch) / memory bandwidth, or the matrix products'
        FLOP / peak where that is longer. Valid for a step, whatever the routing; a step that checks drafts takes
        no less. Reference: Williams et al. 2009 (CACM 52(4)).
        """
        many, one = self.model.terms(max(batch, 1.0), context), self.model.terms(1.0, context)
        shared = many.weights + many.weight_math + many.head + many.kv + many.host + many.streamed
        return shared + (one.experts + one.expert_math)

    def ttft_s(self, prompt: float, cached: float) -> float:
        """The least time to the first token.

        prompt [tokens] of which `cached` [tokens] are in the prefix cache.
        max(weights / bandwidth, FLOP of the matrix products / peak). Valid for one request alone. Reference:
        Williams et al. 2009 (CACM 52(4)).
        """
        return self.model.prefill_s(prompt, cached)


def not_below(band: Band, floor: float) -> Band:
    """A band whose lower edge is at least `floor`, as far as its middle.

    >>> not_below(Band(low=1.0, mid=3.0, high=4.0), 2.0)
    Band(low=2.0, mid=3.0, high=4.0)
    """
    return Band(low=min(band.mid, max(band.low, floor)), mid=band.mid, high=band.high)


def not_above(band: Band, ceiling: float) -> Band:
    """A band whose upper edge is at most `ceiling`, as far as its middle: as many in flight as there are complete no
    faster than the least latency allows (Little 1961).

    >>> not_above(Band(low=1.0, mid=3.0, high=4.0), 3.5)
    Band(low=1.0, mid=3.0, high=3.5)
    """
    return Band(low=band.low, mid=band.mid, high=max(band.mid, min(band.high, ceiling)))
