"""Figures with their sources: what a catalogue file must say, and what is refused with file, line and column."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from llmplan.catalogs import entity_file, packaged_profiles
from llmplan.catalogs.gpus import GpuFile, to_gpu
from llmplan.catalogs.yaml_file import read_model, read_yaml
from llmplan.errors import DataError
from llmplan.spec.gpu import GpuSpec
from llmplan.units import GIB

GOOD = """\
id: box-24gb
name: Box
aliases: [box]
vendor: NVIDIA
architecture: Ampere
segment: datacenter
form: PCIe
compute_capability: "8.6"
defaults: {source: sheet, as_of: 2026-11-20}
figures:
  memory_gib: {value: 22.5, source: nvml, kind: measured, note: read twice}
  memory_bandwidth_gb_per_s: 600
  peak_bf16_tflop_per_s: {value: 125, kind: assumed}
sources:
  sheet: {title: Data sheet, url: "https://example.org/box.pdf", retrieved: 2026-11-01, locator: p. 2}
  nvml: {title: nvidia-smi, retrieved: 2026-10-01}
"""


def read(folder: Path, text: str) -> GpuSpec:
    path = folder / "box-24gb.yaml"
    path.write_text(text, encoding="utf-8")
    return to_gpu(read_yaml(path), path)


def test_figures_come_out_in_base_units_each_with_its_provenance(tmp_path: Path) -> None:
    gpu = read(tmp_path, GOOD)
    assert gpu.memory_bytes == 22.5 * GIB
    assert gpu.memory_bandwidth_bytes_per_s == 600e9
    assert gpu.peak_flop_per_s == {"bf16": 125e12}
    memory = gpu.provenance["memory_bytes"]
    assert (memory.source.id, memory.kind, memory.note) == ("nvml", "measured", "read twice")
    assert memory.as_of == date(2026, 10, 1)
    bandwidth = gpu.provenance["memory_bandwidth_bytes_per_s"]
    assert (bandwidth.source.locator, bandwidth.kind, bandwidth.as_of) == ("p. 2", "published", date(2026, 11, 20))
    assert gpu.provenance["peak_bf16_flop_per_s"].kind == "assumed"


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("name: Box", "name: Box\ncolour: red", ":3:1", "colour: unknown key"),
        ("id: box-24gb", "id: Box 24", ":1:1", "lower-case"),
        ("  memory_bandwidth_gb_per_s: 600\n", "", ":10:1", "memory_bandwidth_gb_per_s: this figure is required"),
        ("memory_bandwidth_gb_per_s: 600", "memory_bandwidth_gb_per_s: many", ":12:3", "a number is expected"),
        ("memory_bandwidth_gb_per_s: 600", "memory_bandwidth_gb_per_s: .inf", ":12:3", "finite"),
        ("memory_bandwidth_gb_per_s: 600", "memory_bandwidth_gb_per_s: -600", ":12:3", "negative"),
        ("  memory_bandwidth_gb_per_s: 600", "  memory_bandwidth: 600", ":12:3", "ends with no known unit"),
        ("  memory_bandwidth_gb_per_s: 600", "  cache_gib: 600", ":12:3", "not a figure of this file"),
        ("source: nvml,", "source: dream,", ":11:29", "'dream' is not declared"),
        ("source: nvml, ", "", ":16:3", "sources.nvml: declared but no figure uses it"),
        (
            "defaults: {source: sheet, as_of: 2026-11-20}\n",
            "",
            ":14:3",
            "sources.sheet: declared but no figure uses it",
        ),
        ("as_of: 2026-11-20", "as_of: 2999-01-01", ":9:27", "in the future"),
        ("retrieved: 2026-10-01", "retrieved: 2999-01-01", ":16:29", "in the future"),
        ("kind: measured", "kind: guessed", ":11:43", "'published', 'measured', 'derived' or 'assumed'"),
        ("aliases: [box]", "aliases: [box, BOX]", ":3:16", "listed twice"),
        ('"8.6"', "sm_86", ":8:1", "not a compute capability"),
        ('"8.6"', '"7.5"', ":13:3", "no bf16 arithmetic below"),
        ('"8.6"', "8.6", ":8:1", "text is expected"),
        ("vendor: NVIDIA", "vendor: Nvidia", ":4:1", "'NVIDIA'"),
        ("form: PCIe", "form: PCIe\nlink: NVLink4", ":8:1", "link_gb_per_s"),
    ],
)
def test_what_is_refused_and_where(tmp_path: Path, old: str, new: str, where: str, what: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new)
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert f"box-24gb.yaml{where}: " in caught.value.message
    assert what in caught.value.message


def test_a_figure_needs_a_source(tmp_path: Path) -> None:
    text = GOOD.replace("defaults: {source: sheet, as_of: 2026-11-20}\n", "").replace("  sheet:", "  other:")
    text = text.replace("tflop_per_s: {value: 125,", "tflop_per_s: {value: 125, source: other,")
    with pytest.raises(DataError, match=r":11:3: figures\.memory_bandwidth_gb_per_s: no source"):
        read(tmp_path, text)


def test_a_figure_needs_a_date(tmp_path: Path) -> None:
    text = GOOD.replace(", as_of: 2026-11-20", "").replace(", retrieved: 2026-11-01", "")
    with pytest.raises(DataError, match="memory_bandwidth_gb_per_s: no date"):
        read(tmp_path, text)


def test_the_day_against_which_dates_are_checked_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "box-24gb.yaml"
    path.write_text(GOOD, encoding="utf-8")
    assert read_model(path, GpuFile, today=date(2026, 11, 20)).id == "box-24gb"
    with pytest.raises(DataError, match="2026-11-20 is in the future"):
        read_model(path, GpuFile, today=date(2026, 11, 19))


def test_a_clock_that_is_behind_does_not_take_the_packaged_catalogue_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entity_file, "today_of", lambda info: info.context["today"] or date(1970, 1, 1))
    path = packaged_profiles() / "gpus" / "a10-24gb.yaml"
    assert read_model(path, GpuFile).id == "a10-24gb"
    with pytest.raises(DataError, match="1970-01-01 is the last day"):
        read_model(path, GpuFile, today=date(1970, 1, 1))
