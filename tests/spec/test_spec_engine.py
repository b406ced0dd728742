"""What a published build runs on, and where a format's own arithmetic is used."""

from __future__ import annotations

from dataclasses import replace

import pytest

import plan_samples as sample
from llmplan.spec.engine import FormatSupport


@pytest.mark.parametrize(
    ("capability", "runs"),
    [
        ((8, 0), True),
        ((8, 6), True),
        ((8, 9), True),
        ((9, 0), False),
        ((12, 0), True),
        ((12, 1), True),
        ((7, 5), False),
    ],
)
def test_a_build_runs_on_later_capabilities_of_its_generation(capability: tuple[int, int], runs: bool) -> None:
    engine = replace(
        sample.replica().engine, min_compute_capability=(8, 0), compute_capabilities=((7, 5), (8, 0), (12, 0))
    )
    assert engine.has_kernels_for(capability) is runs


def test_a_build_without_a_list_runs_from_its_minimum() -> None:
    engine = replace(sample.replica().engine, min_compute_capability=(8, 0), compute_capabilities=())
    assert engine.has_kernels_for((8, 0))
    assert engine.has_kernels_for((12, 1))
    assert not engine.has_kernels_for((7, 5))


def test_own_arithmetic_from_a_capability_on_or_never() -> None:
    support = FormatSupport(min_compute_capability=(7, 5), native_from=(8, 9))
    assert support.native_on((8, 9))
    assert support.native_on((9, 0))
    assert not support.native_on((8, 6))
    assert not replace(support, native_from=None).native_on((9, 0))
