"""The `traffic` of workload files: read, written, refused where it makes no sense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from llmplan.catalogs.workload_text import workload_text
from llmplan.catalogs.workloads import read_workload_file
from llmplan.errors import DataError
from llmplan.spec.catalog import Catalog
from llmplan.spec.traffic import (
    Arrivals,
    Bursts,
    Histogram,
    Pauses,
    RateSeries,
    Sessions,
    SharedPrefix,
    TrafficShape,
)
from llmplan.spec.workload import Lengths, Workload

EVERYTHING = Workload(
    id="mine",
    name="mine: all of it",
    requests_per_s=2.5,
    input_tokens=Lengths(mean=1000, p50=800, p90=2000, p99=4000),
    output_tokens=Lengths(mean=100),
    peak_to_mean=2.0,
    cv_interarrival=3.0,
    idle_share=0.1,
    prefix_share=0.2,
    prefixes=4,
    tenants=2,
    traffic=TrafficShape(
        arrivals=Arrivals(
            gap_cv=0.5,
            profiles=(RateSeries(bin_s=3600, rates=(1, 2.5, 0)), RateSeries(bin_s=10800, rates=(1, 2))),
            bursts=Bursts(ratio=2.0, busy_s=10, quiet_s=30),
            pauses=Pauses(share=0.25, mean_s=60, grid_s=30),
        ),
        input_tokens=Histogram(edges=(1, 10, 100), shares=(0.25, 0.75)),
        output_tokens=Histogram(edges=(5, 6), shares=(1,)),
        sessions=Sessions(
            turns=3, think_s=30, first=Lengths(mean=500, p50=400), added=Histogram(edges=(1, 9), shares=(1,))
        ),
        prefix=SharedPrefix(prefixes=4, tokens=128),
        tenant_weights=(3, 1),
    ),
)


def read(folder: Path, text: str) -> Workload:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return read_workload_file(path)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    again = read(tmp_path, workload_text(EVERYTHING, origin="A test.\nTwo lines."))
    assert replace(again, provenance={}) == EVERYTHING
    assert again.provenance["traffic.arrivals"].source.id == "user"


def test_every_named_workload_survives_writing(tmp_path: Path, catalog: Catalog) -> None:
    for workload in catalog.workloads.values():
        again = read(tmp_path, workload_text(workload, origin="A test."))
        assert again.traffic == workload.traffic, workload.id
        assert replace(again, id="", provenance={}) == replace(workload, id="", provenance={}), workload.id


STEADY = "requests_per_s: 1\ninput_tokens: 10\noutput_tokens: 5\n"


@pytest.mark.parametrize(
    ("traffic", "message"),
    [
        ("{bursts: {ratio: 2}}", "bursts: unknown key"),
        ("{arrivals: {bursts: {ratio: 9, busy_s: 10, quiet_s: 10}}}", "from 1 to 2 times the mean"),
        ("{arrivals: {bursts: {ratio: 2, busy_s: 0, quiet_s: 10}}}", "above 0 s"),
        ("{arrivals: {pauses: {share: 1.5, mean_s: 10}}}", "between 0 and 1"),
        ("{arrivals: {pauses: {share: 0.9, mean_s: 60, grid_s: 60}}}", "at least one bin"),
        ("{arrivals: {gap_cv: -1}}", "zero or more"),
        ("{arrivals: {gap_cv: .nan}}", "finite"),
        ("{arrivals: {profiles: [{bin_s: 60, rates: [0, 0]}]}}", "more than zero"),
        ("{arrivals: {profiles: [{bin_s: 60, rates: []}]}}", "at least 1 item"),
        ("{arrivals: {profiles: [{bin_s: 3600, rates: [1, 2]}, {bin_s: 86400, rates: [1]}]}}", "does not fill a bin"),
        ("{input_tokens: {edges: [1, 2], shares: [1, 2]}}", "2 bins have 3 edges"),
        ("{input_tokens: {edges: [1, 5, 3], shares: [1, 2]}}", "edges rise"),
        ("{input_tokens: {edges: [0, 5], shares: [1]}}", "from one token on"),
        ("{input_tokens: {edges: [1.5, 5], shares: [1]}}", "whole number"),
        ("{sessions: {turns: 0.5, think_s: 3}}", "at least one turn"),
        ("{sessions: {turns: 2, think_s: 3, first_tokens: {mean: 5}}}", "or neither"),
        ("{sessions: {turns: 2, think_s: 3, first_tokens: {p50: 5}, added_tokens: {mean: 5}}}", "need a mean"),
        ("{prefix: {prefixes: 0, tokens: 5}}", "at least one prefix"),
        ("{tenants: {weights: [1, 2]}}", "need `tenants: 2`"),
        ("{tenants: {weights: [0]}}", "more than zero"),
        ("{arrivals: {gap_cv: 1, source: nobody}}", "not declared"),
        ("7", "a mapping"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(tmp_path: Path, traffic: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as refused:
        read(tmp_path, f"{STEADY}traffic: {traffic}\n")
    assert "mine.yaml:4:" in refused.value.message


def test_a_part_may_name_its_own_source(tmp_path: Path) -> None:
    sources = "sources:\n  logs: {title: our logs, retrieved: 2026-11-01}\n"
    text = f"{STEADY}traffic:\n  arrivals: {{gap_cv: 2, source: logs, kind: measured, note: one day}}\n{sources}"
    origin = read(tmp_path, text).provenance["traffic.arrivals"]
    assert (origin.source.title, origin.kind, origin.note) == ("our logs", "measured", "one day")


def test_a_figure_that_is_replaced_takes_its_shape_along() -> None:
    shape = EVERYTHING.traffic
    assert shape is not None
    assert shape.without(()) == shape
    assert shape.without({"cv_interarrival"}) == replace(shape, arrivals=None)
    changed = shape.without({"input_tokens", "tenants"})
    assert (changed.input_tokens, changed.prefix, changed.tenant_weights) == (None, None, ())
    assert changed.sessions == Sessions(turns=3, think_s=30)
    assert shape.without({"prefix_share"}).sessions is None
    assert shape.without({"requests_per_s"}) == shape
