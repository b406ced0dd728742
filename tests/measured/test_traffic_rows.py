"""Published benchmarks replayed request by request: the event simulator beside the steady state, on the same rows."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.calibrations import load_calibrations

SCRIPTS = Path(__file__).parents[2] / "scripts"
TOLERANCE = 0.01
"""errors are shares of the measurement: one per cent of it is what the clocks of these rows round away"""
NEAR_SATURATION = 0.35
SOURCES = ("gpustack", "trt-0.14-online")


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """scripts/traffic_accuracy/page.py."""
    if str(SCRIPTS) not in sys.path:
        sys.path.insert(0, str(SCRIPTS))
    return importlib.import_module("traffic_accuracy.page")


@pytest.fixture(scope="module")
def replayed(page: ModuleType) -> dict[str, list[object]]:
    """Runs by source."""
    folder = importlib.import_module("measured_rows").data_folder()
    lengths = importlib.import_module("traffic_accuracy.replay").LENGTHS
    if folder is None or not (folder / lengths).is_file():
        pytest.skip("no throughput.csv with traces: set LLMPLAN_DATA to the folder that has them")
    found = page.replays(folder, load_calibrations((packaged_profiles(),)), SOURCES)
    return {source: [each for each in found if each.run.source == source] for source in SOURCES}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", ["ttft", "tpot"])
def test_the_simulator_is_as_good_as_the_steady_state(
    page: ModuleType, replayed: dict[str, list[object]], source: str, name: str
) -> None:
    simulated, steady = (page.errors(replayed[source], which, name) for which in ("simulated", "steady"))
    assert len(simulated) == len(steady) >= 40
    assert np.median(simulated) <= np.median(steady) + TOLERANCE
    assert np.mean(simulated) <= np.mean(steady) + TOLERANCE


@pytest.mark.parametrize("source", SOURCES)
def test_first_tokens_are_met_where_they_queue(
    page: ModuleType, replayed: dict[str, list[object]], source: str
) -> None:
    near = [each for each in replayed[source] if page.is_near_saturation(each)]
    assert len(near) >= 15
    assert np.median([each.error("simulated", "ttft") for each in near]) <= NEAR_SATURATION  # type: ignore[attr-defined]
