"""Step times from one load: the coefficients with which the simulator comes nearest to its requests.

For a given schedule - which step held what - every measured time is a sum of the coefficients, each with a whole
number before it: non-negative least squares. The schedule comes from the simulator with the coefficients of the round
before; rounds go on until they bring nothing more.
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
from recorded import Run
from replay import replay
from scipy.optimize import nnls
from steps import Coefficients, LinearTimes, WalkedTimes

from llmplan.simulate.engine import Rules
from llmplan.spec.requests import Floats

START = Coefficients(step_s=0.02, sequence_s=0.002, prompt_s=0.001, context_s=1e-6, pair_s=1e-6, request_s=0.01)
"""Where the rounds begin, and the scale of each coefficient."""
ROUNDS = 15
OUTLIER = 0.1
"""relative error from which on a request counts by its error, not by its square"""


def terms(run: Run, simulated: Run, walked: WalkedTimes) -> Floats:
    """What stands before each coefficient: in the time to the first token of each request, and in the rest of it."""
    ready_s = run.arrival_s + walked.request_s
    first_s = run.arrival_s + simulated.ttft_s
    done_s = run.arrival_s + simulated.e2e_s
    at_ready, at_first, at_done = (walked.terms_until(at_s) for at_s in (ready_s, first_s, done_s))
    once, never = np.ones((len(run.arrival_s), 1)), np.zeros((len(run.arrival_s), 1))
    return np.vstack([np.hstack([at_first - at_ready, once]), np.hstack([at_done - at_first, never])])


def solve(matrix: Floats, scale: Floats) -> Floats:
    """x >= 0 with which matrix x is nearest to 1, errors above `OUTLIER` counted by their size (reweighted)."""
    weights = np.ones(len(matrix))
    for _ in range(10):
        x = nnls(matrix * scale * weights[:, None], weights)[0] * scale
        weights = (1.0 + ((matrix @ x - 1.0) / OUTLIER) ** 2) ** -0.25
    return np.asarray(x)


def fit(run: Run, rules: Rules, budget_tokens: int) -> Coefficients:
    """The coefficients of the best round. A request counts twice: time to its first token, and from there to its last;
    both relative."""
    scale = np.array(astuple(START))
    measured_s = np.concatenate([run.ttft_s, run.e2e_s - run.ttft_s])
    now, best, least = START, START, np.inf
    for turn in range(ROUNDS):
        walked = WalkedTimes(LinearTimes(of=now, budget_tokens=budget_tokens))
        simulated = replay(run, walked, rules, as_recorded=True)
        errors = np.concatenate([simulated.ttft_s, simulated.e2e_s - simulated.ttft_s]) / measured_s - 1.0
        miss = float(np.sum(np.sqrt(1.0 + (errors / OUTLIER) ** 2) - 1.0))
        if miss < least:
            best, least = now, miss
        found = solve(terms(run, simulated, walked) / measured_s[:, None], scale)
        step = found if turn < 2 else (np.array(astuple(now)) + found) / 2.0
        now = Coefficients(*np.maximum(step, 1e-6 * scale).tolist())
    return best
