"""`check` and `load_catalog`: laziness, problems found across files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from llmplan.catalogs import check, load_catalog, packaged_profiles
from llmplan.catalogs.lazy import LazyCatalog
from llmplan.spec.price import PriceBook

PACKAGED = packaged_profiles()
DAY = date(2026, 11, 25)

GPU = """\
id: {id}
name: Box
aliases: [{alias}]
vendor: NVIDIA
architecture: Ampere
segment: datacenter
form: PCIe
defaults: {{source: sheet, as_of: 2026-11-20}}
figures: {{memory_gib: 10, memory_bandwidth_gb_per_s: 600}}
sources:
  sheet: {{title: Data sheet}}
"""
SPEED = """\
id: {id}
as_of: 2026-11-20
speeds:
- {{ratio: 0.5, gpu: Box, gpu_id: {gpu}, model: m, engine: e, requests: 1, isl: 1, osl: 1, source: blog}}
sources:
  blog: {{title: Blog}}
"""


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_packaged_catalogue_has_no_errors() -> None:
    assert [problem.message for problem in check((PACKAGED,), today=DAY) if problem.severity == "error"] == []


def test_stale_prices_are_warned_of() -> None:
    messages = [problem.message for problem in check((PACKAGED,), today=date(2028, 1, 1))]
    assert any("prices of lambda are" in message and "llmplan prices update" in message for message in messages)


@pytest.mark.parametrize(
    ("spoil", "severity", "what"),
    [
        (lambda top: put(top, "gpus/box.yaml", "id: box\nname: [\n"), "error", "box.yaml:3:1: not YAML"),
        (lambda top: put(top, "gpus/box.yaml", GPU.format(id="box", alias="h100")), "error", "alias 'h100' also names"),
        (lambda top: put(top, "gpus/box.yaml", GPU.format(id="box", alias="L4-24GB")), "error", "'L4-24GB' also names"),
        (lambda top: put(top, "gpus/box.yaml", GPU.format(id="other", alias="o")), "error", "the file is named 'box'"),
        (lambda top: put(top, "gpus/box.yml", "x"), "warning", "only *.yaml is read"),
        (lambda top: put(top, "formats/nf4.yaml", "id: nf4\nas_of: 2026-11-20\n"), "error", "measured or stated"),
        (lambda top: put(top, "formats/kv-fp9.yaml", SPEED.format(id="kv-fp9", gpu="h100")), "error", "'kv-fp9'"),
        (lambda top: put(top, "formats/nf4.yaml", SPEED.format(id="nf4", gpu="h101")), "error", "'h101'"),
        (lambda top: put(top, "gpu/box.yaml", "x"), "warning", "the folders are gpus"),
        (
            lambda top: put(
                top, "formats/int3.yaml",
                "id: int3\nas_of: 2026-11-01\nmeasurements: [{change: -0.1, model: m, metric: x, source: s}]\n"
                "sources: {s: {title: t}}\n",
            ),
            "error", "no such weight format: 'int3'",
        ),
        (
            lambda top: put(
                top, "hosts/pcie-8.yaml",
                "id: pcie-8\nextends: pcie-8\ngpu_architectures: [Amper]\n",
            ),
            "error", "no such GPU architecture: 'Amper'",
        ),
    ],
)  # fmt: skip
def test_what_is_found(tmp_path: Path, spoil: Callable[[Path], Any], severity: str, what: str) -> None:
    spoil(tmp_path)
    found = [problem for problem in check((PACKAGED, tmp_path), today=DAY) if what in problem.message]
    assert [problem.severity for problem in found] == [severity]


def test_opening_the_catalogue_reads_nothing(tmp_path: Path) -> None:
    for name in ("gpus/bad.yaml", "hosts/bad.yaml", "engines/bad@1.yaml", "models/a--bad.yaml", "prices/bad.yaml"):
        put(tmp_path, name, "[")
    catalog = load_catalog((PACKAGED, tmp_path), price_date=DAY)
    assert catalog.gpus["h100"].id == "h100-sxm-80gb"
    assert catalog.hosts["hgx-8-sxm"].gpus == 8
    assert catalog.engines["vllm"].version == "0.33.0"
    assert catalog.qualities.get("nf4") is None
    assert catalog.qualities["fp8"].relative_change is not None


def test_prices_and_calibrations_are_read_once_when_used() -> None:
    calls: list[str] = []
    nothing: dict[str, Any] = {}

    def prices() -> PriceBook:
        calls.append("prices")
        return PriceBook(as_of=DAY)

    catalog = LazyCatalog(
        gpus=nothing, hosts=nothing, engines=nothing, models=nothing, workloads=nothing, qualities=nothing,
        prices=prices, calibrations=(),
    )  # fmt: skip
    assert calls == []
    assert catalog.prices is catalog.prices
    assert catalog.calibrations == ()
    assert calls == ["prices"]
    changed = dataclasses.replace(catalog, gpus={"x": object()})  # type: ignore[dict-item]
    assert changed.prices is catalog.prices
    assert list(changed.gpus) == ["x"]
    with pytest.raises(AttributeError):
        catalog.prices = PriceBook(as_of=DAY)  # type: ignore[misc]
