"""What ten rows of a machine are worth on its other rows, over the whole table where it is at hand."""

from __future__ import annotations

import importlib.util
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.calibrations import load_calibrations
from llmplan.perf import select_calibration
from llmplan.perf.machine import fit

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script(name: str) -> ModuleType:
    """A module of scripts/, which is no package."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.mark.slow
def test_ten_rows_halve_the_median_error_of_the_others() -> None:
    """Of TPOT and of everything; TTFT, which the load model sees less of, falls by a fifth at least."""
    measured, accuracy = script("measured_rows"), script("calibrate_accuracy")
    folder = measured.data_folder()
    if folder is None:
        pytest.skip("no throughput.csv at hand")
    shipped = load_calibrations((packaged_profiles(),))
    machines = defaultdict(list)
    for case in measured.read_cases(folder):
        machines[accuracy.machine_of(case, several_models=False)].append(case)
    before, after = defaultdict(list), defaultdict(list)
    for cases in machines.values():
        if len(cases) < accuracy.LEAST_ROWS:
            continue
        taken, rest = accuracy.split(cases)
        assert len(taken) <= 10
        assert not {case.row_id for case in taken} & {case.row_id for case in rest}
        prior = select_calibration(shipped, cases[0].replica.engine, cases[0].replica.gpu)
        found = fit([accuracy.point_of(case) for case in taken], prior)
        for pooled, calibration in ((before, prior), (after, found)):
            for name, ratios in accuracy.ratios(rest, calibration).items():
                pooled[name] += accuracy.errors(ratios)
                pooled["all"] += accuracy.errors(ratios)
    for name, share in (("tpot", 0.5), ("ttft", 0.8), ("all", 0.5)):
        assert np.median(after[name]) <= share * np.median(before[name]), name
