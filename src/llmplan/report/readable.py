"""Any value of the catalogue as people write it, its unit taken from its name."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from llmplan.report.numbers import MISSING, format_bytes, format_seconds
from llmplan.spec.engine import FormatSupport
from llmplan.spec.gpu import dotted
from llmplan.spec.traffic import Histogram, RateSeries
from llmplan.units import GB, TERA


def readable(name: str, value: Any) -> str:
    """A value with the unit that its name states."""
    if value is None:
        return MISSING
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "flop_per_s" in name:
            return f"{teraflops(float(value))} TFLOP/s"
        if name.endswith("bytes_per_s"):
            return bandwidth(float(value))
        if name.endswith("bytes"):
            return format_bytes(value)
        return f"{value:,}" if isinstance(value, int) else f"{value:,.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {readable(f'{name}.{key}', each)}" for key, each in value.items())
    if isinstance(value, FormatSupport):
        return support(value)
    if isinstance(value, RateSeries):
        return f"{len(value.rates):,} rates of {format_seconds(value.bin_s)}"
    if isinstance(value, Histogram):
        return f"{len(value.shares):,} bins from {value.edges[0]:,} to {value.edges[-1] - 1:,}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        stated = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return ", ".join(f"{key} {readable(key, each)}" for key, each in stated if each not in (None, ()))
    if "capabilit" in name and isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], int):
        return dotted(value)
    if isinstance(value, tuple):
        separator = "; " if value and dataclasses.is_dataclass(value[0]) else ", "
        return separator.join(readable(name, each) for each in value)
    return str(value)


def support(value: FormatSupport) -> str:
    """Where a format runs, and from where with its own arithmetic.

    >>> support(FormatSupport(min_compute_capability=(7, 5), native_from=(8, 9)))
    'SM 7.5 up, own arithmetic from 8.9'
    """
    ceiling = value.max_compute_capability
    upto = f"to {dotted(ceiling)}" if ceiling else "up"
    native = f"own arithmetic from {dotted(value.native_from)}" if value.native_from else "weights only"
    return f"SM {dotted(value.min_compute_capability)} {upto}, {native}"


def bandwidth(bytes_per_s: float) -> str:
    """In decimal GB/s, as data sheets write it.

    >>> bandwidth(3.35e12)
    '3,350 GB/s'
    """
    return f"{bytes_per_s / GB:,.4g} GB/s" if bytes_per_s < 1000 * GB else f"{bytes_per_s / GB:,.0f} GB/s"


def teraflops(flop_per_s: float | None) -> str:
    """In TFLOP/s, without the unit."""
    return MISSING if flop_per_s is None else f"{flop_per_s / TERA:,.4g}"
