"""Measured rows beside what `predict` says of them, and beside coefficients that have not seen them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from measured_rows import Case

from llmplan.perf import select_calibration
from llmplan.perf.estimate import estimate_prepared, prepare
from llmplan.perf.machine import unsampled
from llmplan.plan.outcome import Estimate
from llmplan.spec.band import Band
from llmplan.spec.calibration import Calibration

QUANTITIES = ("tpot", "throughput", "ttft", "e2e")
NAMES = {"tpot": "TPOT", "throughput": "output tokens/s", "ttft": "TTFT", "e2e": "E2E"}
Ratio = tuple[Case, str, float]
"""a row, a quantity, measured / predicted"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One quantity of one row: measured and predicted [s or tokens/s], and the band that `predict` prints, over its
    middle."""

    case: Case
    quantity: str
    measured: float
    predicted: float
    low_ratio: float
    high_ratio: float
    estimate: Estimate

    @property
    def signed(self) -> float:
        """predicted / measured - 1: above zero is too much."""
        return self.predicted / self.measured - 1.0

    @property
    def ratio(self) -> float:
        """measured / predicted."""
        return self.measured / self.predicted

    @property
    def is_covered(self) -> bool:
        """Whether the measurement lies in the band."""
        return self.low_ratio <= self.ratio <= self.high_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Absolute errors of some scores, as shares of the measurement; `bias` is the median signed one."""

    n: int
    median: float
    mean: float
    bias: float
    p90: float
    covered: float


def errors_of(scores: Iterable[Score]) -> Errors | None:
    """The errors of some scores, None of none."""
    found = list(scores)
    if not found:
        return None
    signed = np.array([score.signed for score in found])
    absolute = np.abs(signed)
    return Errors(
        n=len(found),
        median=float(np.median(absolute)),
        mean=float(absolute.mean()),
        bias=float(np.median(signed)),
        p90=float(np.percentile(absolute, 90)),
        covered=sum(score.is_covered for score in found) / len(found),
    )


def as_shipped(cases: Iterable[Case], calibrations: Sequence[Calibration]) -> tuple[list[Score], list[Case]]:
    """What `predict` answers to every row; and the rows of which it says that the load outruns the replica, so that
    the first token never comes on average: their TTFT is infinite and not scored. What an engine measured of itself is
    held against the prediction without the client's share, and llama-bench without a server's work for a sequence."""
    scores: list[Score] = []
    overrun: list[Case] = []
    for case in cases:
        replica = case.replica
        calibration = select_calibration(calibrations, replica.engine, replica.gpu)
        calibration = calibration if case.client else unsampled(calibration)
        prepared = prepare(replica, case.memory, case.load, calibration, case.work)
        found = estimate_prepared(prepared, case.load)
        beside_s = 0.0 if case.client else prepared.engine.model.request_s
        measured = with_e2e(case)
        bands: dict[str, Band] = {
            "tpot": found.tpot_s, "throughput": found.output_tokens_per_s, "ttft": found.ttft_s, "e2e": found.e2e_s,
        }  # fmt: skip
        if math.isinf(found.ttft_s.mid) and "ttft" in measured:
            overrun.append(case)
        scores += [
            Score(
                case=case,
                quantity=name,
                measured=value,
                predicted=bands[name].mid - (beside_s if name == "ttft" else 0.0),
                low_ratio=bands[name].low / bands[name].mid,
                high_ratio=bands[name].high / bands[name].mid,
                estimate=found,
            )
            for name, value in measured.items()
            if math.isfinite(bands[name].mid) and not (case.load.kind == "saturation" and name == "ttft")
        ]
    return scores, overrun


def with_e2e(case: Case) -> dict[str, float]:
    """What a row measured; with TTFT and TPOT also TTFT + (OSL - 1) x TPOT [s]."""
    measured = dict(case.measured)
    if "ttft" in measured and "tpot" in measured:
        measured["e2e"] = measured["ttft"] + _steps(case) * measured["tpot"]
    return measured


def _steps(case: Case) -> float:
    return max(case.load.output_tokens.mean - 1.0, 0.0)


def by_turns(ratios: Iterable[Ratio]) -> tuple[list[Ratio], list[Ratio]]:
    """`cross_validate` answers every row twice: first with its GPU, then with its model left out."""
    turns: tuple[list[Ratio], list[Ratio]] = ([], [])
    seen: set[tuple[str, str]] = set()
    for ratio in ratios:
        key = (ratio[0].row_id, ratio[1])
        turns[key in seen].append(ratio)
        seen.add(key)
    return turns


def left_out(shipped: Iterable[Score], ratios: Iterable[Ratio]) -> list[Score]:
    """The same scores with the middles that other coefficients give; bands stay those that are printed, relative to
    the middle."""
    found = {(case.row_id, name): ratio for case, name, ratio in ratios}
    scores: list[Score] = []
    for score in shipped:
        predicted = _predicted(score, found)
        if predicted is not None:
            scores.append(replace(score, predicted=predicted))
    return scores


def _predicted(score: Score, ratios: Mapping[tuple[str, str], float]) -> float | None:
    measured, row = score.case.measured, score.case.row_id
    if score.quantity != "e2e":
        ratio = ratios.get((row, score.quantity))
        return None if ratio is None else score.measured / ratio
    ttft, tpot = ratios.get((row, "ttft")), ratios.get((row, "tpot"))
    if ttft is None or tpot is None:
        return None
    return measured["ttft"] / ttft + _steps(score.case) * measured["tpot"] / tpot
