"""What a figure's name says about its unit: `memory_gib` in a file is `memory_bytes` inside.

The suffix decides. A name whose suffix is not in this table is refused when a file is read, so no number enters
without a unit.
"""

from __future__ import annotations

from typing import Final

from llmplan import units

SCALED: Final[dict[str, tuple[str, float]]] = {
    "gib": ("bytes", units.GIB),
    "mib": ("bytes", units.MIB),
    "gb": ("bytes", units.GB),
    "gib_per_s": ("bytes_per_s", units.GIB),
    "gb_per_s": ("bytes_per_s", units.GB),
    "gbit_per_s": ("bytes_per_s", units.GB / 8),
    "tflop_per_s": ("flop_per_s", units.TERA),
    "us": ("s", 1e-6),
    "ms": ("s", 1 / units.MS_PER_S),
    "minutes": ("s", units.SECONDS_PER_MINUTE),
    "percent": ("share", 0.01),
}
"""suffix in a file -> suffix inside, factor"""

BASE: Final = frozenset({
    "bytes", "bytes_per_s", "flop_per_s", "s", "w", "usd_per_hour", "usd_per_s", "usd_per_mtok",
    "bytes_per_layer", "bytes_per_gpu", "s_per_layer", "s_per_token", "s_per_step",
    "tokens", "requests_per_s", "tokens_per_s", "requests", "rows", "columns", "passes", "bits",
    "gpus", "cores", "instances_max", "seqs", "measurements",
    "concurrency", "tenants", "adapters", "prefixes", "rank", "hours_per_day", "peak_to_mean", "cv_interarrival",
    "share", "fraction", "ratio", "factor", "change", "cv", "efficiency", "exponent",
})  # fmt: skip
"""suffixes that are base units, counts or pure numbers already"""

_ALL = tuple(sorted((*SCALED, *BASE), key=len, reverse=True))


def split_unit(name: str) -> str | None:
    """The unit suffix of a figure's name, the longest that fits, or None.

    >>> split_unit("memory_bandwidth_gb_per_s"), split_unit("gpus"), split_unit("memory_size")
    ('gb_per_s', 'gpus', None)
    """
    return next((suffix for suffix in _ALL if name == suffix or name.endswith(f"_{suffix}")), None)


def to_base(name: str, value: float) -> tuple[str, float]:
    """A figure under the name and in the unit that it has inside.

    >>> to_base("memory_gib", 2.0)
    ('memory_bytes', 2147483648.0)
    >>> to_base("max_num_seqs", 256)
    ('max_num_seqs', 256)
    """
    suffix = split_unit(name)
    if suffix is None:
        raise ValueError(f"{name!r} ends with no known unit")
    if suffix not in SCALED:
        return name, value
    base, factor = SCALED[suffix]
    return f"{name.removesuffix(suffix)}{base}", value * factor


def known_suffixes() -> str:
    """Every suffix, for an error message."""
    return ", ".join(sorted((*SCALED, *BASE)))
