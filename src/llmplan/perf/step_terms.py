"""What a step is a sum of, and the counts behind its terms that no coefficient gives."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.perf.calibration import Coefficients
from llmplan.perf.rates import computes_natively
from llmplan.perf.work import ExpertWork, Work
from llmplan.plan.deployment import Replica

COLLECTIVES_PER_LAYER = 2
"""one all-reduce after attention, one after the feed-forward"""
FUSED_EXPERT_LAUNCHES = 3.0
"""of the routed ones: sorting, activation and weighted sum run inside the grouped products of Blackwell's FP4 kernels
(FlashInfer trtllm_fp4_block_scale_moe, which vLLM, SGLang and TensorRT-LLM share)"""
HOST_OVERLAP = 4.0
"""exponent that rounds the corner between a GPU that waits for its host and a host that is ahead of its GPU"""
ADAPTER_LAUNCH_FACTOR = 1.0
"""LoRA's shrink and expand kernels are about as many again as a layer has (assumed)"""
ADAPTER_PASSES = 1.5
"""Memory traffic of the same kernels for each token, over 2 B x (inputs + outputs) of all layers: inputs are read,
outputs read and written (derived)"""


@dataclass(frozen=True, slots=True)
class StepTerms:
    """One pass through one pipeline stage, by cause [s]; in the order in which a ledger lists them."""

    weights: float
    weight_math: float
    experts: float
    expert_math: float
    head: float
    activations: float
    kv: float
    attention_math: float
    collectives: float
    all_to_all: float
    pipeline_send: float
    host: float
    streamed: float
    fixed: float
    sequences: float


def started_kernels(replica: Replica, work: Work) -> float:
    """Kernels of one pass of one stage.

    replica: whether it computes in the weights' own format; work: kernels of its layers [-].
    The plain ones, those that quantize where the weights' arithmetic is used, and not those that 4-bit arithmetic has
    fused into its grouped products. Valid for every batch. Reference: `launches`, `FUSED_EXPERT_LAUNCHES`.
    """
    weights = replica.weights
    if not computes_natively(replica) or weights.family == "float":
        return work.launches
    fused = FUSED_EXPERT_LAUNCHES * work.expert_layers if weights.compute == "fp4" else 0.0
    return work.launches + work.quantizing_launches - fused


def expert_flop_per_row(work: ExpertWork, coefficients: Coefficients) -> float:
    """What one row through all resident experts costs, in FLOP at the rate of wide experts.

    work: weights [-] and width [columns] of the experts; coefficients: `expert_half_width_columns` [columns].
    2 weights (1 + half width / width): a narrow slice of an expert fills tiles badly. Valid for grouped matrix
    products. Reference: the form is assumed, the half width fitted.
    """
    return 2.0 * work.resident_weights * (1.0 + coefficients.expert_half_width_columns / work.width)
