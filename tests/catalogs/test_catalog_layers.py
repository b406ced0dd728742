"""Layers of folders, `extends`, lookups by id and alias."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmplan.catalogs import default_layers, packaged_profiles
from llmplan.catalogs.engines import engine_library, version_key
from llmplan.catalogs.gpus import gpu_library
from llmplan.catalogs.layers import entries
from llmplan.errors import DataError, UnknownIdError, UsageError
from llmplan.spec.gpu import GpuSpec

PACKAGED = packaged_profiles()

PATCH = """\
id: {id}
extends: {base}
{extra}figures:
  memory_bandwidth_gb_per_s: {{value: 1234, source: bench, kind: measured}}
sources:
  bench: {{title: my own benchmark, retrieved: 2026-11-01}}
"""


def layer(folder: Path, **files: str) -> Path:
    (folder / "gpus").mkdir(parents=True)
    for stem, text in files.items():
        (folder / "gpus" / f"{stem.replace('_', '-')}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_layers_are_packaged_then_the_users_then_the_environments_then_the_flags(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "llmplan" / "profiles"
    own.mkdir(parents=True)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "flag").mkdir()
    environ = {"HOME": str(tmp_path), "LLMPLAN_CATALOG": f"{tmp_path / 'one'}{os.pathsep}{tmp_path / 'two'}"}
    assert default_layers(environ, tmp_path / "flag") == (
        PACKAGED, own, tmp_path / "one", tmp_path / "two", tmp_path / "flag",
    )  # fmt: skip


def test_a_layer_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    assert default_layers({"HOME": str(tmp_path)}, None) == (PACKAGED,)
    with pytest.raises(UsageError, match="--catalog"):
        default_layers({"HOME": str(tmp_path)}, tmp_path / "absent")
    with pytest.raises(UsageError, match="LLMPLAN_CATALOG"):
        default_layers({"HOME": str(tmp_path), "LLMPLAN_CATALOG": str(tmp_path / "absent")}, None)


def test_the_config_folder_of_the_desktop_standard_is_honoured(tmp_path: Path) -> None:
    own = tmp_path / "llmplan" / "profiles"
    own.mkdir(parents=True)
    assert default_layers({"HOME": "/nowhere", "XDG_CONFIG_HOME": str(tmp_path)}, None) == (PACKAGED, own)


def test_cached_prices_lie_under_what_the_user_wrote(tmp_path: Path) -> None:
    own = tmp_path / ".config" / "llmplan" / "profiles"
    fetched = tmp_path / ".cache" / "llmplan" / "prices" / "20261126T080000Z-0123abcd"
    own.mkdir(parents=True)
    (fetched / "prices").mkdir(parents=True)
    assert default_layers({"HOME": str(tmp_path)}) == (PACKAGED, own)
    (fetched.parent / "current").write_text(f"{fetched.name}\n", encoding="utf-8")
    assert default_layers({"HOME": str(tmp_path)}) == (PACKAGED, fetched, own)
    elsewhere = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "other")}
    assert default_layers(elsewhere) == (PACKAGED, own)


def test_a_later_layer_replaces_an_entry_as_a_whole(tmp_path: Path) -> None:
    text = (PACKAGED / "gpus" / "a10-24gb.yaml").read_text(encoding="utf-8")
    top = layer(tmp_path, a10_24gb=text.replace("memory_bandwidth_gb_per_s: 600", "memory_bandwidth_gb_per_s: 500"))
    gpus = gpu_library((PACKAGED, top))
    assert gpus["a10"].memory_bandwidth_bytes_per_s == 500e9
    assert gpus.path("a10") == top / "gpus" / "a10-24gb.yaml"
    assert len(gpus) == len(gpu_library((PACKAGED,)))


def test_extends_patches_figures_and_keeps_the_rest_with_its_sources(tmp_path: Path) -> None:
    below = gpu_library((PACKAGED,))["h100-sxm-80gb"]
    top = layer(tmp_path, h100_sxm_80gb=PATCH.format(id="h100-sxm-80gb", base="h100-sxm-80gb", extra=""))
    patched = gpu_library((PACKAGED, top))["NVIDIA H100 80GB HBM3"]
    assert patched.memory_bandwidth_bytes_per_s == 1234e9
    assert patched.provenance["memory_bandwidth_bytes_per_s"].source.title == "my own benchmark"
    assert patched.aliases == below.aliases
    for name, provenance in below.provenance.items():
        if name != "memory_bandwidth_bytes_per_s":
            assert patched.provenance[name] == provenance


def test_extends_may_make_a_new_entry_of_another(tmp_path: Path) -> None:
    extra = "name: Mine\naliases: [mine]\n"
    top = layer(tmp_path, my_gpu=PATCH.format(id="my-gpu", base="l4-24gb", extra=extra))
    gpus = gpu_library((PACKAGED, top))
    assert (gpus["mine"].id, gpus["mine"].name) == ("my-gpu", "Mine")
    assert gpus["mine"].memory_bytes == gpus["l4"].memory_bytes
    assert gpus["l4"].id == "l4-24gb"


def test_a_source_of_the_same_name_below_keeps_its_own_figures(tmp_path: Path) -> None:
    text = PATCH.format(id="l4-24gb", base="l4-24gb", extra="").replace("bench,", "specs,").replace("bench:", "specs:")
    patched = gpu_library((PACKAGED, layer(tmp_path, l4_24gb=text)))["l4"]
    assert patched.provenance["memory_bandwidth_bytes_per_s"].source.title == "my own benchmark"
    assert "TechPowerUp" in patched.provenance["tdp_w"].source.title


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"nova": PATCH.format(id="nova", base="absent-1gb", extra="")}, "no lower layer has"),
        ({"nova": PATCH.format(id="nova", base="nova", extra="")}, "no lower layer has"),
        (
            {
                "nova": PATCH.format(id="nova", base="vega", extra=""),
                "vega": PATCH.format(id="vega", base="nova", extra=""),
            },
            "circle",
        ),
        ({"nova": PATCH.format(id="vega", base="l4-24gb", extra="")}, "the file is named 'nova'"),
    ],
)  # fmt: skip
def test_extends_and_names_that_lead_nowhere(tmp_path: Path, files: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        gpu_library((PACKAGED, layer(tmp_path, **files)))["nova"]


def test_names_are_found_in_any_case_and_by_every_alias() -> None:
    gpus = gpu_library((PACKAGED,))
    for gpu_id, gpu in gpus.items():
        for name in (gpu_id, gpu_id.upper(), *gpu.aliases, *(alias.upper() for alias in gpu.aliases)):
            assert gpus[name] is gpu, name


def test_only_the_file_that_is_asked_for_is_read(tmp_path: Path) -> None:
    top = layer(tmp_path, broken_1gb="id: [")
    gpus = gpu_library((PACKAGED, top))
    assert gpus["h100"].id == "h100-sxm-80gb"
    assert "broken-1gb" in gpus
    with pytest.raises(DataError, match=r"broken-1gb\.yaml"):
        gpus["broken-1gb"]


def test_an_unknown_name_offers_the_nearest() -> None:
    gpus = gpu_library((PACKAGED,))
    with pytest.raises(UnknownIdError) as caught:
        gpus["h100-smx-80gb"]
    assert "h100-sxm-80gb" in caught.value.hints[0]
    assert gpus.get("h100-smx-80gb") is None
    assert "h100-smx-80gb" not in gpus


def test_an_alias_of_two_files_is_refused_unless_a_higher_layer_has_it(tmp_path: Path) -> None:
    mine = PATCH.format(id="mine", base="l4-24gb", extra="aliases: [h100]\n")
    yours = PATCH.format(id="yours", base="t4-16gb", extra="aliases: [H100]\n")
    assert gpu_library((PACKAGED, layer(tmp_path / "a", mine=mine)))["h100"].id == "mine"
    with pytest.raises(DataError, match="is claimed by"):
        gpu_library((PACKAGED, layer(tmp_path / "b", mine=mine, yours=yours)))["h100"]


def test_other_files_are_not_entries(tmp_path: Path) -> None:
    top = layer(tmp_path)
    for name in ("notes.txt", ".hidden.yaml", "x.yml"):
        (top / "gpus" / name).write_text("x", encoding="utf-8")
    assert entries((top,), "gpus") == {}


def test_iterating_yields_every_gpu_once() -> None:
    gpus = gpu_library((PACKAGED,))
    assert len(list(gpus)) == len(set(gpus)) == len(gpus)
    assert all(isinstance(gpu, GpuSpec) for gpu in gpus.values())


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("vllm", "vllm@0.33.0"), ("vLLM@0.33", "vllm@0.33.0"), ("vllm@v0.33.0", "vllm@0.33.0"),
        ("tensorrt-llm", "tensorrt-llm@1.2.1"), ("trtllm", "tensorrt-llm@1.2.1"), ("TRT-LLM@main", "tensorrt-llm@main"),
        ("llama.cpp", "llama-cpp@b11434"), ("sglang", "sglang@0.5.23"),
    ],
)  # fmt: skip
def test_engines_by_name_and_version(name: str, ref: str) -> None:
    assert engine_library((PACKAGED,))[name].ref == ref


@pytest.mark.parametrize("name", ["vllm@0.3", "vllm@main", "vllm@0.33.0.1", "vlm", "@", ""])
def test_engine_versions_that_nobody_described(name: str) -> None:
    with pytest.raises(UnknownIdError):
        engine_library((PACKAGED,))[name]


def test_newer_engine_versions_win_a_bare_name(tmp_path: Path) -> None:
    text = (PACKAGED / "engines" / "vllm@0.33.0.yaml").read_text(encoding="utf-8")
    (tmp_path / "engines").mkdir()
    for version, more in (("0.33.2", ""), ("0.100.0", "stable: false\n")):
        body = text.replace("vllm@0.33.0", f"vllm@{version}").replace(
            'version: "0.33.0"', f'{more}version: "{version}"'
        )
        (tmp_path / "engines" / f"vllm@{version}.yaml").write_text(body, encoding="utf-8")
    engines = engine_library((PACKAGED, tmp_path))
    assert engines["vllm"].version == engines["vllm@0.33"].version == "0.33.2"
    assert engines["vllm@0.100"].version == "0.100.0"


def test_extends_patches_single_entries_of_an_engines_tables(tmp_path: Path) -> None:
    below = engine_library((PACKAGED,))["vllm"]
    text = (
        "id: vllm@0.33.0\nextends: vllm@0.33.0\nweight_formats:\n  nf4: {min: '7.5', source: plugin}\n"
        "figures:\n  start_fixed_s: {value: 90, source: plugin, kind: measured}\n"
        "sources:\n  plugin: {title: vllm-bnb-plugin as installed here, retrieved: 2026-11-01}\n"
    )
    (tmp_path / "engines").mkdir()
    (tmp_path / "engines" / "vllm@0.33.0.yaml").write_text(text, encoding="utf-8")
    patched = engine_library((PACKAGED, tmp_path))["vllm"]
    assert patched.weight_formats["nf4"].min_compute_capability == (7, 5)
    assert patched.start_fixed_s == 90
    assert {name: patched.weight_formats[name] for name in below.weight_formats} == below.weight_formats
    assert patched.scheduler_defaults == below.scheduler_defaults
    for name in (
        "memory_fraction",
        "weight_formats.fp16",
        "weight_formats.fp8",
        "kv_formats.int8",
        "scheduler_defaults.1",
    ):
        assert patched.provenance[name] == below.provenance[name], name


def test_versions_compare_by_number() -> None:
    assert version_key("0.100.0") > version_key("0.33.2") > version_key("main")
