"""A plan's figures beside a catalogue's: exactly those that moved are named, under the right kind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import plan_samples as sample
from llmplan.plan.deployment import Replica
from llmplan.plan.drift import Comparison, compare, same
from llmplan.plan.plan import Figure
from llmplan.spec.calibration import Calibration
from llmplan.spec.catalog import Catalog
from llmplan.spec.formats import FormatQuality
from llmplan.spec.inventory import Inventory, NodeGroup
from llmplan.spec.price import PriceBook

REPLICA = sample.replica()


def catalog_of(replica: Replica = REPLICA, **parts: Any) -> Catalog:
    """A catalogue with the parts of one replica."""
    empty: dict[str, Any] = {
        "gpus": {replica.gpu.id: replica.gpu},
        "hosts": {replica.host.id: replica.host},
        "engines": {replica.engine.ref: replica.engine},
        "models": {replica.model.id: replica.model},
        "workloads": {},
        "calibrations": (),
        "qualities": {},
        "prices": PriceBook(as_of=sample.SOURCE.retrieved or pytest.fail("undated")),
    }
    return Catalog(**{**empty, **parts})


def moved(found: Comparison) -> dict[str, tuple[str, Any, Any]]:
    return {each.path: (each.kind, each.planned.value, each.now.value) for each in found.drifts}


def test_the_catalogue_that_a_plan_was_made_with_has_nothing_to_say() -> None:
    assert compare([REPLICA], (), catalog_of()) == Comparison()


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("memory_bytes", 30 * 1024**3, "capacity"),
        ("memory_bandwidth_bytes_per_s", 3.0e12, "capacity"),
        ("link_bytes_per_s", 0.0, "capacity"),
        ("tdp_w", 600.0, "other"),
    ],
)
def test_a_gpu_that_moved(name: str, value: float, kind: str) -> None:
    now = replace(REPLICA.gpu, **{name: value})
    found = compare([REPLICA, REPLICA], (), catalog_of(gpus={now.id: now}))
    assert moved(found) == {f"gpus/h100-sxm-80gb/{name}": (kind, getattr(REPLICA.gpu, name), value)}


def test_a_peak_that_moved_and_one_that_is_no_longer_stated() -> None:
    now = sample.gpu(peak_flop_per_s={"bf16": 800e12})
    found = compare([REPLICA], (), catalog_of(gpus={now.id: now}))
    assert moved(found) == {
        "gpus/h100-sxm-80gb/peak_bf16_flop_per_s": ("capacity", 989e12, 800e12),
        "gpus/h100-sxm-80gb/peak_fp8_flop_per_s": ("capacity", 1979e12, None),
    }


def test_both_sources_come_along() -> None:
    newer = replace(sample.PUBLISHED, source=replace(sample.SOURCE, title="A correction"))
    now = sample.gpu(memory_bytes=80 * 10**9, provenance={"memory_bytes": newer})
    (drift,) = compare([REPLICA], (), catalog_of(gpus={now.id: now})).drifts
    assert (drift.planned.source, drift.now.source) == ("A datasheet", "A correction")
    assert drift.planned.as_of == sample.PUBLISHED.as_of


def test_engine_and_model_figures_are_capacity() -> None:
    engine = sample.engine(memory_fraction=0.9, kv_pool_rule="fraction_static", start_fixed_s=12.0)
    model = sample.model(kv_heads=4)
    found = compare([REPLICA], (), catalog_of(engines={engine.ref: engine}, models={model.id: model}))
    kinds = {path.rpartition("/")[2]: values for path, values in moved(found).items()}
    assert kinds["memory_fraction"] == ("capacity", 0.92, 0.9)
    assert kinds["kv_pool_rule"] == ("capacity", "fraction_of_total", "fraction_static")
    assert kinds["start_fixed_s"] == ("other", None, 12.0)
    assert kinds["cache_elements_per_token"] == ("capacity", 32 * 8 * 256, 32 * 4 * 256)
    fewer = 32 * 2 * 4 * 128 * 4096  # K and V projections of half the heads
    assert kinds["total_parameters"][1] - kinds["total_parameters"][2] == fewer


def test_a_share_of_a_host_is_held_against_the_same_share() -> None:
    whole = sample.host(gpus=8)
    share = replace(
        whole, gpus=1, fast_link_gpus=0, memory_bytes=whole.memory_bytes // 8,
        memory_bandwidth_bytes_per_s=whole.memory_bandwidth_bytes_per_s / 8,
    )  # fmt: skip
    part = sample.replica(host=share)
    assert compare([part], (), catalog_of(hosts={whole.id: whole})) == Comparison()
    smaller = replace(whole, memory_bytes=10**12)
    found = compare([part], (), catalog_of(hosts={whole.id: smaller}))
    assert moved(found) == {"hosts/hgx-8/memory_bytes": ("capacity", share.memory_bytes, 10**12 // 8)}


def test_what_an_owner_stated_no_catalogue_contradicts() -> None:
    group = NodeGroup(
        nodes=1, gpus_per_node=2, gpu_id="h100-sxm-80gb", host_memory_bytes=10**11, gpu_memory_bytes=8 * 10**10
    )
    mine = sample.replica(
        gpu=sample.gpu(memory_bytes=8 * 10**10),
        host=sample.host(gpus=2, memory_bytes=10**11, network_bytes_per_s=None),
    )
    book = catalog_of(hosts={"hgx-8": sample.host(network_bytes_per_s=5e10)})
    inventory = Inventory(groups=(group,))
    assert compare([mine], (), book, inventory) == Comparison()
    slower = catalog_of(hosts={"hgx-8": sample.host(memory_bandwidth_bytes_per_s=1e11)})
    assert list(moved(compare([mine], (), slower, inventory))) == ["hosts/hgx-8/memory_bandwidth_bytes_per_s"]


def test_what_the_catalogue_does_not_have_is_named_and_skipped() -> None:
    later = sample.engine(version="0.33.0.1")
    found = compare([REPLICA], (), catalog_of(gpus={}, models={}, engines={REPLICA.engine.ref: later}))
    assert found.drifts == ()
    assert found.not_compared == (
        "gpus/h100-sxm-80gb", "engines/vllm@0.33.0", "models/meta-llama/Llama-3.1-8B-Instruct",
    )  # fmt: skip


def test_coefficients_and_qualities_are_looked_up_by_their_path() -> None:
    figures = [
        Figure(path=path, value=0.8, unit="", provenance=sample.PUBLISHED)
        for path in ("calibration/vllm-hopper/memory_efficiency", "formats/fp8/quality", "formats/int8/quality")
    ]
    calibration = Calibration(
        id="vllm-hopper", engine="vllm", generation="hopper", coefficients={"memory_efficiency": 0.9}, bands={},
        rows=1, fitted=None,
    )  # fmt: skip
    book = catalog_of(calibrations=(calibration,), qualities={"fp8": FormatQuality(relative_change=0.8)})
    found = compare([], figures, book)
    assert moved(found) == {"calibration/vllm-hopper/memory_efficiency": ("other", 0.8, 0.9)}
    assert found.not_compared == ("formats/int8",)


@given(st.floats(min_value=1e-12, max_value=1e18), st.floats(min_value=1e-6, max_value=10.0))
def test_a_change_that_matters_is_never_missed(value: float, change: float) -> None:
    assert same(value, value)
    assert not same(value, value * (1 + change))
