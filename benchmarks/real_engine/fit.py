"""Step times from one load: the coefficients with which the simulator comes nearest to its requests."""

from __future__ import annotations

from dataclasses import astuple, fields

import numpy as np
from recorded import Run
from scipy.optimize import least_squares
from steps import Coefficients, LinearTimes, replay

from llmplan.simulate.engine import Rules
from llmplan.spec.requests import Floats

NAMES = tuple(field.name for field in fields(Coefficients))
START = Coefficients(step_s=0.02, sequence_s=0.002, prompt_s=0.001, context_s=1e-6, pair_s=1e-6, request_s=0.01)
"""Where the search begins, and the scale of each; the result does not depend on it by more than noise."""


def residuals(run: Run, times: LinearTimes, rules: Rules) -> Floats:
    """Logarithms of simulated over measured: time to the first token and time per token, request by request."""
    simulated = replay(run, times, rules, as_recorded=True)
    ttft = np.log(simulated.ttft_s / run.ttft_s)
    return np.concatenate([ttft, np.log(simulated.tpot_s / run.tpot_s)])


def fit(run: Run, rules: Rules, budget_tokens: int) -> Coefficients:
    """Least absolute-ish (soft L1) differences of logarithms, with every coefficient at least zero."""
    scale = np.array(astuple(START))

    def miss(x: Floats) -> Floats:
        return residuals(run, LinearTimes(of=at(x), budget_tokens=budget_tokens), rules)

    def at(x: Floats) -> Coefficients:
        return Coefficients(**dict(zip(NAMES, (x * scale).tolist(), strict=True)))

    found = least_squares(
        miss, np.ones(len(scale)), bounds=(0.0, np.inf), loss="soft_l1", f_scale=0.1, diff_step=0.02, max_nfev=60
    )
    return at(found.x)
