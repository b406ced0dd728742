"""Two small formulae under every step: reading beside computing, and what a causal prompt attends to."""

from __future__ import annotations


def overlapped_s(read_s: float, compute_s: float, exponent: float) -> float:
    """Time of work that reads and computes at once.

    read_s [s] and compute_s [s] alone; exponent [-] at least 1.
    (read^p + compute^p)^(1/p): p = 1 adds them, p to infinity takes the longer. Valid for p >= 1.
    Reference: Williams et al. 2009 (CACM 52(4)) is the limit p to infinity.

    >>> overlapped_s(3.0, 4.0, 2.0)
    5.0
    """
    if compute_s <= 0.0:
        return read_s
    if read_s <= 0.0:
        return compute_s
    low, high = (read_s, compute_s) if read_s < compute_s else (compute_s, read_s)
    longer: float = high * (1.0 + (low / high) ** exponent) ** (1.0 / exponent)
    return longer


def visible_pairs(prompt: float, window_tokens: float) -> float:
    """(token, earlier token) pairs that causal attention scores over a prompt.

    prompt [tokens], window_tokens [tokens] (inf: full attention).
    S^2 / 2 below the window, W S - W^2 / 2 above. Valid for causal attention, S much larger than 1.
    Reference: sum of min(i, W) for i up to S.

    >>> visible_pairs(1000, float("inf")), visible_pairs(1000, 100)
    (500000.0, 95000.0)
    """
    if prompt <= window_tokens:
        return prompt * prompt / 2.0
    return window_tokens * prompt - window_tokens * window_tokens / 2.0
