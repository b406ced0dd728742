"""How far one machine's coefficients may be from the shipped ones, and how readily they go there.

The shipped ones are fitted over many machines. One machine differs by clocks, drivers, kernels and above all by its
client; a few dozen measurements of it move what they see and leave the rest where it was.
"""

from __future__ import annotations

FACTOR = 4.0
"""a coefficient without bounds of its own stays within the shipped value over and times this"""
WIDTH = 0.5
"""standard deviation of one machine's coefficient around the shipped one, in log units"""

BOUNDS: dict[str, tuple[float, float]] = {
    "roofline_exponent": (1.0, 8.0),
    "dequantization_factor": (1.0, 8.0),
    "request_s": (1e-4, 3.0),
    "lockstep_share": (1e-3, 1.0),
}
"""coefficient: lowest and highest, where meaning rather than the shipped value sets them"""
WIDTHS: dict[str, float] = {"request_s": 1.0, "lockstep_share": 1.0}
"""what belongs to the client and its network rather than to the GPU differs more"""
SHARES = ("_efficiency", "_share")
"""endings of coefficients that cannot pass 1"""


def bounds_of(name: str, shipped: float) -> tuple[float, float]:
    """Lowest and highest value of one machine's coefficient.

    name: the coefficient; shipped [its own unit]: its value in the calibration that is the prior.
    The table's, else shipped / 4 to shipped x 4; a share of a peak ends at 1. The shipped value is always within.

    >>> bounds_of("memory_efficiency", 0.9), bounds_of("step_s", 0.001)
    ((0.225, 1.0), (0.00025, 0.004))
    """
    low, high = BOUNDS.get(name, (shipped / FACTOR, shipped * FACTOR))
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
