"""`cost PLAN` against a catalogue that has moved: prices warn, capacity is an error, `--force` goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmplan.cli import main
from llmplan.spec.catalog import Catalog

QUESTION = (
    "recommend", "meta-llama/Llama-3.1-8B-Instruct", "--requests-per-second", "2", "--isl", "1000", "--osl", "300",
    "--as-of", "2026-11-22", "--gpu", "l4", "--ttft-p95-ms", "2000",
)  # fmt: skip
SOURCES = {"bench": {"title": "our own bench"}}


@pytest.fixture(scope="module")
def plan_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("drift") / "plan.yaml"
    assert main([*QUESTION, "-o", str(path)]) == 0
    return path


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    """An empty catalogue layer."""
    folder = tmp_path / "layer"
    folder.mkdir()
    return folder


def patch(layer: Path, kind: str, name: str, figures: dict[str, float]) -> None:
    """Other figures of an entity of the packaged catalogue."""
    (layer / kind).mkdir(exist_ok=True)
    stated = {
        key: {"value": value, "source": "bench", "as_of": "@", "kind": "measured"} for key, value in figures.items()
    }
    content = {"id": name, "extends": name, "figures": stated, "sources": SOURCES}
    text = yaml.safe_dump(content, sort_keys=False).replace("'@'", "2026-11-23")
    (layer / kind / f"{name}.yaml").write_text(text)


def chosen_rent(plan_path: Path) -> dict[str, Any]:
    """The rented machine of the recommended row."""
    stored = yaml.safe_load(plan_path.read_text())
    (row,) = (each for each in stored["strategies"] if each["strategy"] == stored["recommended"])
    line: dict[str, Any] = row["quote"]["lines"][0]
    assert line["unit"] in ("instance-h", "GPU-h")
    return line


def raise_price(layer: Path, line: dict[str, Any], catalog: Catalog) -> float:
    """A newer offer of the same row at twice the price."""
    figure, price = line["figure"], 2 * line["unit_price_usd"]
    row = next(
        row for row in catalog.prices.hourly if (row.provider, row.instance) == (figure["provider"], figure["instance"])
    )
    offer = {"from": "@", "source": "bench", "term": figure["term"], "usd_per_hour": {figure["region"]: price}}
    machine = {"instance": figure["instance"], "gpu": row.gpu_id, "gpus": row.gpus, "per_gpu": row.per_gpu}
    content = {
        "id": figure["provider"], "name": figure["provider"], "extends": figure["provider"],
        "hourly": [{**machine, "offers": [offer]}], "sources": SOURCES,
    }  # fmt: skip
    (layer / "prices").mkdir()
    text = yaml.safe_dump(content, sort_keys=False).replace("'@'", "2026-11-23")
    (layer / "prices" / f"{figure['provider']}.yaml").write_text(text)
    return price


def test_an_unmoved_catalogue_is_silent(capsys: pytest.CaptureFixture[str], plan_path: Path) -> None:
    assert main(["cost", str(plan_path), "--json"]) == 0
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert (found["drift"], found["not_compared"]) == ([], [])
    assert captured.err == ""


def test_capacity_that_moved_is_one_error_with_exactly_the_figures(
    capsys: pytest.CaptureFixture[str], plan_path: Path, layer: Path
) -> None:
    patch(layer, "gpus", "l4-24gb", {"memory_gib": 30, "memory_bandwidth_gb_per_s": 310})
    assert main(["cost", str(plan_path), "--catalog", str(layer)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("error:") == 1
    assert captured.err.count("→") == 2
    assert "gpus/l4-24gb/memory_bytes: 22.49 GiB (" in captured.err
    assert "→ 30.00 GiB (our own bench, 2026-11-23)" in captured.err
    assert "gpus/l4-24gb/memory_bandwidth_bytes_per_s: 300 GB/s" in captured.err
    assert "--force" in captured.err


def test_force_prices_the_plan_as_it_stands(capsys: pytest.CaptureFixture[str], plan_path: Path, layer: Path) -> None:
    patch(layer, "gpus", "l4-24gb", {"memory_gib": 30})
    assert main(["cost", str(plan_path), "--catalog", str(layer), "--force", "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("warning:")
    (moved,) = json.loads(captured.out)["drift"]
    assert (moved["path"], moved["kind"]) == ("gpus/l4-24gb/memory_bytes", "capacity")
    assert moved["now"] == {"value": 30 * 1024**3, "source": "our own bench", "as_of": "2026-11-23"}


def test_a_price_that_moved_warns_and_the_plan_keeps_its_own(
    capsys: pytest.CaptureFixture[str], plan_path: Path, layer: Path, catalog: Catalog
) -> None:
    line = chosen_rent(plan_path)
    price = raise_price(layer, line, catalog)
    assert main(["cost", str(plan_path), "--catalog", str(layer), "--json"]) == 0
    captured = capsys.readouterr()
    assert captured.err.count("warning:") == 1
    assert f"{line['figure']['source']}, {line['figure']['as_of']}) → $" in captured.err
    found = json.loads(captured.out)
    (moved,) = found["drift"]
    assert (moved["kind"], moved["planned"]["value"], moved["now"]["value"]) == ("price", line["unit_price_usd"], price)
    (chosen,) = (row for row in found["strategies"] if row["strategy"] == found["recommended"])
    (rent,) = (each for each in chosen["quote"]["lines"] if not each["beside"])
    assert rent["usd_per_month"] == line["usd_per_month"]


def test_power_draw_warns(capsys: pytest.CaptureFixture[str], plan_path: Path, layer: Path) -> None:
    patch(layer, "gpus", "l4-24gb", {"tdp_w": 75})
    assert main(["cost", str(plan_path), "--catalog", str(layer)]) == 0
    assert "warning: moved since the plan was made: gpus/l4-24gb/tdp_w: 72 (" in capsys.readouterr().err


def test_launch_files_are_the_plans_whatever_the_catalogue_says(
    monkeypatch: pytest.MonkeyPatch, plan_path: Path, layer: Path, tmp_path: Path
) -> None:
    patch(layer, "gpus", "l4-24gb", {"memory_gib": 1})
    monkeypatch.setenv("LLMPLAN_CATALOG", str(layer))
    assert main(["emit-config", str(plan_path), "--target", "vllm", "-o", str(tmp_path / "out")]) == 0


def test_a_model_from_a_file_is_noted(capsys: pytest.CaptureFixture[str], plan_path: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 5632,
        "num_hidden_layers": 22, "num_attention_heads": 32, "num_key_value_heads": 4, "vocab_size": 32000,
        "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
    }))  # fmt: skip
    path = tmp_path / "own.yaml"
    assert main([QUESTION[0], str(config), *QUESTION[2:], "-o", str(path)]) == 0
    capsys.readouterr()
    assert main(["cost", str(path), "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["not_compared"] == [f"models/{config}"]
    assert captured.err.startswith(f"note: models/{config} is not in the catalogue")
