"""Where coefficients of many machines may lie, how far one machine's may be from them, and how readily they go there.

The shipped ones are fitted over many machines, inside `BOUNDS`. One machine differs by clocks, drivers, kernels and
above all by its client; a few dozen measurements of it move what they see and leave the rest where it was.
"""

from __future__ import annotations

FACTOR = 4.0
"""a coefficient without bounds of its own stays within the shipped value over and times this"""
WIDTH = 0.5
"""standard deviation of one machine's coefficient around the shipped one, in log units"""

BOUNDS: dict[str, tuple[float, float]] = {
    "memory_efficiency": (0.5, 0.95),
    "weight_only_memory_efficiency": (0.3, 1.0),
    "kv_memory_efficiency": (0.2, 0.95),
    "expert_memory_efficiency": (0.2, 0.95),
    "matrix_16bit_efficiency": (0.3, 0.95),
    "matrix_8bit_efficiency": (0.2, 0.95),
    "matrix_4bit_efficiency": (0.1, 0.95),
    "expert_matrix_efficiency": (0.05, 1.0),
    "attention_efficiency": (0.1, 0.9),
    "expert_half_width_columns": (1.0, 4000.0),
    "expert_tile_rows": (1.0, 128.0),
    "activation_passes": (1.0, 60.0),
    "dequantization_factor": (1.03, 2.5),
    "expert_dequantization_factor": (1.03, 2.5),
    "roofline_exponent": (1.0, 8.0),
    "step_s": (1e-4, 1e-2),
    "launch_s": (5e-7, 2e-5),
    "routing_exponent": (0.6, 1.0),
    "expert_layer_s": (1e-6, 2e-4),
    "prefill_expert_layer_s": (1e-6, 3e-3),
    "prefill_launch_s": (1e-7, 3e-4),
    "lockstep_share": (0.01, 0.15),
    "bunching_share": (0.01, 1.0),
    "legacy_host_factor": (1.0, 8.0),
    "sequence_s": (1e-7, 2e-4),
    "request_s": (5e-4, 0.2),
    "allreduce_fast_latency_s": (5e-7, 4e-5),
    "allreduce_fast_efficiency": (0.1, 0.95),
    "allreduce_pcie_latency_s": (8e-6, 1e-4),
    "allreduce_pcie_efficiency": (0.03, 0.6),
}
"""coefficient: lowest and highest of what ships, fitted over many machines. Over PCIe a hop is a kernel that waits for
the host bridge, and a message crosses the bus twice where cards have no peer access: the bounds keep legacy hosts'
overhead out of them."""
MEANT = (
    "dequantization_factor",
    "expert_dequantization_factor",
    "roofline_exponent",
    "routing_exponent",
    "legacy_host_factor",
)
"""those whose meaning sets the bounds, for one machine as for many"""
OWN: dict[str, tuple[float, float]] = {
    "request_s": (1e-4, 3.0),
    "lockstep_share": (1e-3, 1.0),
    "bunching_share": (1e-3, 1.0),
}
"""what one machine's client and its network may be, however far from the shipped value"""
WIDTHS: dict[str, float] = {"request_s": 1.0, "lockstep_share": 1.0, "bunching_share": 1.0}
"""what belongs to the client and its network rather than to the GPU differs more"""
SHARES = ("_efficiency", "_share")
"""endings of coefficients that cannot pass 1"""


def bounds_of(name: str, shipped: float) -> tuple[float, float]:
    """Lowest and highest value of one machine's coefficient.

    name: the coefficient; shipped [its own unit]: its value in the calibration that is the prior.
    What its meaning or its client allows, else shipped / 4 to shipped x 4; a share of a peak ends at 1. The shipped
    value is always within.

    >>> bounds_of("memory_efficiency", 0.9), bounds_of("step_s", 0.001)
    ((0.225, 1.0), (0.00025, 0.004))
    """
    low, high = OWN.get(name) or (BOUNDS[name] if name in MEANT else (shipped / FACTOR, shipped * FACTOR))
    if name.endswith(SHARES):
        high = min(high, 1.0)
    return min(low, shipped), max(high, shipped)


def width_of(name: str) -> float:
    """Standard deviation of one machine's coefficient around the shipped one.

    name: the coefficient. In log units [-]: 0.5 is a factor of 1.65 either way.
    Valid as a prior only: a coefficient that the points tell goes where they say. Reference: the spread of coefficients
    between the GPU generations of one engine in profiles/calibration, which is as large.

    >>> width_of("memory_efficiency"), width_of("request_s")
    (0.5, 1.0)
    """
    return WIDTHS.get(name, WIDTH)
