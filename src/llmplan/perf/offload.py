"""Work that leaves the GPU's own memory: layers on the CPU, weights or cache streamed over PCIe."""

from __future__ import annotations

from dataclasses import dataclass

from llmplan.perf.calibration import Coefficients
from llmplan.perf.links import pcie_bytes_per_s
from llmplan.plan.deployment import Replica


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where the bytes of one rank's stage are read from, and how fast.

    `gpu_share`: share of layers (weights, cache and FLOP) that the GPU runs, the rest runs on the host.
    `streamed_bytes`: weights that cross PCIe every step instead of being read from GPU memory.
    `spilled_tokens_from`: context tokens of the replica beyond which cache is read over PCIe (None: never).
    """

    gpu_share: float = 1.0
    host_read_bytes_per_s: float = 1.0
    stream_bytes_per_s: float = 1.0
    streamed_bytes: float = 0.0
    spilled_tokens_from: float | None = None


def placement_of(replica: Replica, coefficients: Coefficients, gpu_capacity_tokens: float) -> Placement:
    """Read a replica's `offload`; without one everything is in GPU memory."""
    offload = replica.offload
    if offload is None:
        return Placement()
    gpus_on_host = min(replica.parallel.gpus, replica.host.gpus)
    host_read = replica.host.memory_bandwidth_bytes_per_s * coefficients.host_memory_efficiency
    stream = min(pcie_bytes_per_s(replica.gpu, replica.host) * coefficients.pcie_efficiency, host_read / gpus_on_host)
    match offload.kind:
        case "layers":
            on_gpu = 1.0 - min(offload.host_layers, replica.model.layer_count) / replica.model.layer_count
            return Placement(gpu_share=on_gpu, host_read_bytes_per_s=host_read, stream_bytes_per_s=stream)
        case "weights":
            return Placement(stream_bytes_per_s=stream, streamed_bytes=float(offload.host_weight_bytes))
        case "kv":
            return Placement(stream_bytes_per_s=stream, spilled_tokens_from=gpu_capacity_tokens)


def hybrid_decode_bound_tokens_per_s(
    weight_bytes: float, gpu_share: float, gpu_bytes_per_s: float, host_bytes_per_s: float
) -> float:
    """The fastest a single stream can decode with its layers split between GPU and host.

    weight_bytes [B] read per token, gpu_share [-] of them in GPU memory, gpu_bytes_per_s and host_bytes_per_s
    [B/s] of the two memories.
    1 / (share W / bw_gpu + (1 - share) W / bw_host). Valid as an upper bound: no compute, no transfer, no fixed time.
    Reference: roofline model (Williams et al. 2009, CACM 52(4)), applied to each memory in turn.

    >>> round(hybrid_decode_bound_tokens_per_s(42.5e9, 0.5, 1008e9, 60e9), 1)
    2.7
    """
    return 1.0 / (weight_bytes * (gpu_share / gpu_bytes_per_s + (1.0 - gpu_share) / host_bytes_per_s))


def host_step_s(read_bytes: float, tokens: float, placement: Placement, gpu_s_per_token: float = 0.0) -> float:
    """Time of the layers on the host for a step of `tokens` tokens.

    read_bytes [B] of the host's layers, tokens [-] in the step, placement: host and PCIe speeds [B/s],
    gpu_s_per_token [s]: what the GPU needs to compute these layers for a token.
    max(W / bw_host, min(n W / bw_host, W / bw_pcie + n t_gpu)): the CPU streams its weights once per token; a large
    step instead copies them to the GPU and computes there.
    Valid for llama.cpp's layer split; between a few and 32 tokens it is pessimistic.
    Reference: llama.cpp backend scheduler (operations with a batch of 32 or more move to the GPU).

    >>> slow = Placement(gpu_share=0.5, host_read_bytes_per_s=50e9, stream_bytes_per_s=20e9)
    >>> host_step_s(20e9, 1, slow), host_step_s(20e9, 512, slow)
    (0.4, 1.0)
    """
    once = read_bytes / placement.host_read_bytes_per_s
    copied = read_bytes / placement.stream_bytes_per_s + gpu_s_per_token * tokens
    return max(once, min(once * tokens, copied))
