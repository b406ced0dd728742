"""Print how many requests per second the simulator serves on one core, and how that grows with their number.

python benchmarks/simulator.py [requests ...]

Chat traffic (log-normal lengths, mean 1,000 tokens in and 200 out, Poisson) on Llama 3.1 8B: one H100 at half its
capacity, the same beyond it, and eight of them behind each router. Each line is a process of its own, whose peak
memory is printed; making the requests and reading the catalogue count for memory and not for time.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date

import numpy as np

from llmplan import memory, perf
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.cli._options import ReplicaFlags
from llmplan.cli._workbench import Workbench
from llmplan.plan.outcome import Rejection
from llmplan.simulate.engine import rules_of
from llmplan.simulate.fleet import Fleet, FleetSpec, RouterId
from llmplan.spec.requests import Requests

MODEL, GPU = "meta-llama/Llama-3.1-8B-Instruct", "h100-sxm-80gb"
RUN_ROWS = 65_536
SCENES: dict[str, tuple[int, float, RouterId]] = {
    "one replica": (1, 15.0, "round-robin"),
    "overloaded": (1, 40.0, "round-robin"),
    "8, round robin": (8, 120.0, "round-robin"),
    "8, least loaded": (8, 120.0, "least-loaded"),
}
"""replicas, requests per second, router"""


def chat(requests: int, rate: float) -> Iterator[Requests]:
    """Poisson arrivals, log-normal lengths of which p90 is about 2.2 times the mean."""
    rng, start_s = np.random.default_rng(1), 0.0
    while requests > 0:
        count = min(requests, RUN_ROWS)
        arrival_s = start_s + np.cumsum(rng.exponential(1.0 / rate, count))
        lengths = [
            np.clip(rng.lognormal(np.log(mean) - 0.32, 0.8, count), 1, limit).astype(np.int64)
            for mean, limit in ((1000, 3000), (200, 1000))
        ]
        yield Requests(arrival_s=arrival_s, input_tokens=lengths[0], output_tokens=lengths[1])
        requests, start_s = requests - count, float(arrival_s[-1])


def one(name: str, requests: int) -> None:
    """Run one scene and print its line."""
    replicas, rate, router = SCENES[name]
    bench = Workbench(load_catalog((packaged_profiles(),), price_date=date(2026, 11, 22)))
    replica = bench.build(MODEL, ReplicaFlags(gpu=GPU), 4096).replica
    budget = memory.budget(replica)
    assert not isinstance(budget, Rejection)
    times = perf.modelled_times(replica, budget, bench.calibration(replica))
    fleet = Fleet(FleetSpec(replicas=replicas, router=router), times, rules_of(replica, budget))
    traffic = list(chat(requests, rate))
    started = time.process_time()
    for _ in fleet.run(traffic):
        pass
    spent_s = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    done = int((np.array(fleet.log.done_s) >= 0).sum())
    print(f"{name:16} {done:>9,} requests {spent_s:7.2f} s CPU {done / spent_s:>9,.0f} a second {peak_mb:7,.0f} MB")


def main(arguments: list[str]) -> None:
    """All scenes at each size, or one of them."""
    if arguments[:1] == ["--one"]:
        one(arguments[1], int(arguments[2]))
        return
    for requests in [int(text) for text in arguments] or [10_000, 100_000, 1_000_000]:
        for name in SCENES:
            subprocess.run([sys.executable, __file__, "--one", name, str(requests)], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
