"""The packaged catalogue: every number has its source, every value is sane, generated files are up to date."""

from __future__ import annotations

import csv
import dataclasses
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.catalogs.schemas import schemas
from llmplan.catalogs.yaml_file import read_yaml
from llmplan.spec.catalog import Catalog
from llmplan.spec.provenance import Provenance
from llmplan.units import GIB
from tests_support import DATA

PACKAGED = packaged_profiles()
REPO = Path(__file__).resolve().parents[1]
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the data tables are not at {DATA} (set LLMPLAN_DATA)")

NOT_FIGURES = ("compute_capability", "min_compute_capability", "compute_capabilities", "max_lora_ranks")
"""identity of a product or of a version, not a measured or published quantity"""


@pytest.fixture(scope="module")
def packaged() -> Catalog:
    return load_catalog((PACKAGED,), price_date=date(2026, 11, 25))


def entities(catalog: Catalog) -> Iterator[tuple[str, Any]]:
    for kind in ("gpus", "hosts", "engines", "workloads"):
        for name, entity in getattr(catalog, kind).items():
            yield f"{kind}/{name}", entity


def numbers(entity: Any) -> Iterator[str]:
    """The provenance key of every number that the entity carries and that is not its type's default."""
    for field in dataclasses.fields(entity):
        value = getattr(entity, field.name)
        if isinstance(value, bool) or field.name == "provenance" or value == field.default:
            continue
        if isinstance(value, (int, float)):
            yield field.name
        elif field.name == "peak_flop_per_s":
            yield from (f"peak_{name}_flop_per_s" for name in value)
        elif field.name == "scheduler_defaults":
            yield from (f"scheduler_defaults.{index}" for index in range(len(value)))
        elif field.name == "static_reserve":
            yield from (f"reserve_{part.name.removeprefix('reserve_')}" for part in dataclasses.fields(value))
        elif field.name == "cuda_version":
            yield "builds.cuda"
        elif field.name in ("weight_formats", "kv_formats", "platform_names"):
            yield from (f"{field.name}.{name}" for name in value)
        elif field.name in ("input_tokens", "output_tokens"):
            side = field.name.removesuffix("_tokens")
            yield field.name
            yield from (f"{side}_{p}_tokens" for p in ("p50", "p90", "p99") if getattr(value, p) is not None)
        elif field.name == "traffic":
            parts = {part.name: getattr(value, part.name) for part in dataclasses.fields(value)}
            yield from (f"traffic.{name}" for name, part in parts.items() if part not in (None, ()))
        else:
            assert isinstance(value, str | None) or field.name in NOT_FIGURES or _is_text(value), field.name


def _is_text(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(item, str) for item in value)


ALIASES_OF_FIELDS = {"vocab_padding": "vocab_padding_rows"}


def test_provenance_survives_loading_for_every_number(packaged: Catalog) -> None:
    checked = 0
    for name, entity in entities(packaged):
        for field in numbers(entity):
            provenance = entity.provenance[ALIASES_OF_FIELDS.get(field, field)]
            assert isinstance(provenance, Provenance), (name, field)
            assert provenance.source.title, (name, field)
            assert provenance.as_of is not None, (name, field)
            checked += 1
    assert checked > 800


def test_qualities_state_their_sources(packaged: Catalog) -> None:
    assert set(packaged.qualities) >= {"fp8", "int8", "awq-int4", "gptq-int4", "w4a16", "gguf-q4_k_m", "gguf-q8_0"}
    assert "nf4" not in packaged.qualities
    for name, quality in packaged.qualities.items():
        assert quality.measurements == len(quality.figures)
        assert all(each.source.url and each.source.retrieved for each in (*quality.figures, *quality.speeds)), name
        if not quality.measurements:
            assert quality.statements or quality.speeds, name
            assert quality.relative_change is quality.worst_change is None
            continue
        assert quality.provenance, name
        assert quality.relative_change is not None
        assert quality.worst_change is not None
        assert -0.5 < quality.worst_change <= quality.relative_change <= 0.001, name
    order = [
        packaged.qualities[f"gguf-{name}"].relative_change for name in ("q8_0", "q5_k_m", "q4_k_m", "q3_k_m", "q2_k")
    ]
    assert order == sorted(order, reverse=True)


def test_quality_rows_are_those_of_their_documents(packaged: Catalog) -> None:
    """TensorRT-LLM's blog and ModelOpt's benchmark page, MMLU in AWQ: -0.85, -1.07, -1.01, -2.11, -5.66, -1.07 %."""
    awq = packaged.qualities["awq-int4"]
    assert sorted(each.change for each in awq.figures) == [-0.0566, -0.0211, -0.0107, -0.0107, -0.0101, -0.0085]
    assert awq.relative_change == -0.0107
    assert awq.summary().startswith("-1.1 % median, -5.7 % worst (Llama3.1-8B-Instruct) of 6 measurements of MMLU")
    # each model card is cited for its own model
    fp8 = {each.model: each.source.url for each in packaged.qualities["fp8"].figures if "card" in each.source.title}
    assert fp8["Meta-Llama-3.1-8B-Instruct"] == "https://huggingface.co/neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8"
    assert len(set(fp8.values())) == len(fp8) == 4
    w8a16 = packaged.qualities["w8a16"]
    assert w8a16.relative_change is None
    assert w8a16.describe().startswith('no figures known; stated: "within 3.2% on each OpenLLM v1 task"')
    assert packaged.qualities["kv-fp8"].summary() == "no figures known"


def test_every_gpu_is_sane(packaged: Catalog) -> None:
    assert len(packaged.gpus) >= 59
    for name, gpu in packaged.gpus.items():
        stated = float(name.rsplit("-", 1)[1].removesuffix("gb"))
        assert 0.90 * stated <= gpu.memory_bytes / GIB <= 1.03 * stated, name
        assert 100e9 < gpu.memory_bandwidth_bytes_per_s < 30e12, name
        assert gpu.tdp_w is not None
        assert 30 <= gpu.tdp_w <= 2000, name
        assert gpu.pcie_bytes_per_s is None or 7e9 < gpu.pcie_bytes_per_s < 130e9, name
        assert gpu.is_nvidia == (gpu.vendor == "NVIDIA")
        assert (gpu.link == "none") == (gpu.link_bytes_per_s == 0), name


def test_peaks_are_dense_not_sparse(packaged: Catalog) -> None:
    """Every published sparse figure is twice the dense one; FP8 and INT8 are about twice FP16 when both are dense."""
    dense = {
        "a100-sxm-80gb": 312,
        "h100-sxm-80gb": 989,
        "l4-24gb": 121,
        "l40s-48gb": 362,
        "b200-180gb": 2250,
        "t4-16gb": 65,
    }
    for name, tflop_per_s in dense.items():
        assert packaged.gpus[name].peak_flop_per_s["fp16"] == pytest.approx(tflop_per_s * 1e12, rel=0.01), name
    for name, gpu in packaged.gpus.items():
        peaks = gpu.peak_flop_per_s
        if "fp16" in peaks and "fp8" in peaks:
            assert 1.9 < peaks["fp8"] / peaks["fp16"] < 2.1, name
        if "fp8" in peaks and "fp4" in peaks:
            assert 1.9 < peaks["fp4"] / peaks["fp8"] < 4.1, name
        if gpu.compute_capability is not None and gpu.compute_capability < (8, 0):
            assert "bf16" not in peaks, name
        if gpu.compute_capability is not None and gpu.compute_capability < (8, 9):
            assert "fp8" not in peaks, name
        if "bf16" in peaks:
            assert peaks["bf16"] == peaks["fp16"], name


def test_int8_of_blackwell_ultra_is_known_to_be_slow(packaged: Catalog) -> None:
    peaks = packaged.gpus["b300"].peak_flop_per_s
    assert peaks["int8"] < peaks["fp16"] / 10


@pytest.mark.parametrize(
    ("alias", "gpu"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm-80gb"), ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"), ("Tesla T4", "t4-16gb"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090-24gb"), ("NVIDIA GH200 480GB", "gh200-96gb"), ("A10G", "a10g-24gb"),
        ("H200-SXM", "h200-sxm-141gb"), ("RTX-PRO-6000", "rtx-pro-6000-96gb"), ("mi300x", "mi300x-192gb"),
    ],
)  # fmt: skip
def test_names_in_use_lead_to_a_gpu(packaged: Catalog, alias: str, gpu: str) -> None:
    assert packaged.gpus[alias].id == gpu


@pytest.mark.parametrize("name", ["a100", "v100", "h100 (form mixed)", "l4 (fraction)"])
def test_names_that_mean_two_things_lead_nowhere(packaged: Catalog, name: str) -> None:
    assert name not in packaged.gpus


def test_every_gpu_has_a_host_that_takes_it(packaged: Catalog) -> None:
    for name, gpu in packaged.gpus.items():
        assert any(host.takes(gpu) for host in packaged.hosts.values()), name


def test_hosts_are_sane(packaged: Catalog) -> None:
    for name, host in packaged.hosts.items():
        assert 1 <= host.gpus <= 16, name
        assert 25e9 < host.memory_bandwidth_bytes_per_s < 6e12, name
        assert host.cpu_cores >= 2, name
        assert host.fast_link_gpus in (0, 1, 2, 4, 8, 72), name
    assert packaged.hosts["workstation"].memory_bandwidth_bytes_per_s == 2 * 5600e6 * 8
    assert packaged.hosts["epyc-12ch-ddr5"].memory_bandwidth_bytes_per_s == 12 * 4800e6 * 8


def test_schemas_are_up_to_date() -> None:
    for name, schema in schemas().items():
        path = PACKAGED / "schema" / f"{name}.schema.json"
        assert json.loads(path.read_text(encoding="utf-8")) == schema, f"run scripts/make_schemas.py ({name})"


@pytest.mark.parametrize("folder", ["gpus", "hosts", "engines", "workloads", "formats", "calibration", "prices"])
def test_files_satisfy_their_schema(folder: str) -> None:
    validator = jsonschema.Draft202012Validator(schemas()[folder])
    for path in sorted((PACKAGED / folder).glob("*.yaml")):
        errors = [error.message for error in validator.iter_errors(_with_text_dates(read_yaml(path)))]
        assert not errors, (path.name, errors)


def _with_text_dates(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_text_dates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_text_dates(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


@pytest.mark.parametrize(("page", "kind"), [("adding-a-gpu", "gpus"), ("adding-a-host", "hosts")])
def test_the_examples_of_the_documentation_load(tmp_path: Path, page: str, kind: str) -> None:
    text = (REPO / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for number, example in enumerate(re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)):
        name = re.match(r"id: (\S+)", example)
        assert name is not None
        folder = tmp_path / str(number) / kind
        folder.mkdir(parents=True)
        (folder / f"{name[1]}.yaml").write_text(example, encoding="utf-8")
        loaded = getattr(load_catalog((PACKAGED, folder.parent), price_date=date(2026, 11, 25)), kind)
        assert loaded[name[1]].id == name[1]


@needs_data
@pytest.mark.parametrize(
    ("script", "folder"),
    [("make_gpu_profiles", "gpus"), ("make_format_profiles", "formats"), ("make_workload_profiles", "workloads")],
)
def test_generated_profiles_are_up_to_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, folder: str
) -> None:
    (tmp_path / "profiles" / folder).mkdir(parents=True)
    code = f"import sys; sys.path.insert(0, {str(REPO / 'scripts')!r}); import profile_yaml, pathlib; "
    code += f"profile_yaml.ROOT = pathlib.Path({str(tmp_path)!r}); import {script}; sys.exit({script}.main())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "profiles" / folder).iterdir()}
    for name, text in made.items():
        assert (PACKAGED / folder / name).read_text(encoding="utf-8") == text, f"run scripts/{script}.py ({name})"
    if folder != "gpus":
        assert set(made) == {path.name for path in (PACKAGED / folder).glob("*.yaml")}


@needs_data
def test_every_row_of_the_specifications_became_a_profile(packaged: Catalog) -> None:
    with (DATA / "gpu_specs.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    bandwidths = sorted(float(row["mem_bw_gb_s"]) * 1e9 for row in rows)
    assert sorted(gpu.memory_bandwidth_bytes_per_s for gpu in packaged.gpus.values()) == pytest.approx(bandwidths)
    measured = {int(row["nvml_total_mib"]) for row in rows if row["nvml_total_mib"]}
    assert measured <= {round(gpu.memory_bytes / 1024**2) for gpu in packaged.gpus.values()}


def test_the_packaged_folder_is_found_from_the_package() -> None:
    assert importlib.import_module("llmplan.catalogs").packaged_profiles().name == "profiles"


def test_no_packaged_file_is_dated_in_the_future() -> None:
    """Packaged files load whatever the clock says, so their dates are held against it here."""
    tomorrow = datetime.now(UTC).date() + timedelta(days=1)
    dates = {
        (path.name, text)
        for path in PACKAGED.glob("*/*.yaml")
        for text in re.findall(r"(?:as_of|retrieved|from): (\d{4}-\d\d-\d\d)", path.read_text(encoding="utf-8"))
    }
    assert len(dates) > 100
    assert not [entry for entry in sorted(dates) if date.fromisoformat(entry[1]) > tomorrow]
