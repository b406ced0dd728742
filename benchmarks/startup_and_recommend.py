"""Print how long `--help`, a whole-catalogue `recommend` and `cost` take and how much memory they use.

python benchmarks/startup_and_recommend.py [repetitions]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROMISE = ["--isl", "1000", "--osl", "300", "--ttft-p95-ms", "2000", "--tpot-p95-ms", "60"]
COMMANDS = {
    "--help": ["--help"],
    "recommend, 8B, whole catalogue": [
        "recommend", "meta-llama/Llama-3.1-8B-Instruct", "--requests-per-second", "5", "--isl", "1000", "--osl", "300",
        "--ttft-p95-ms", "2000", "--tpot-p95-ms", "50",
    ],
    "recommend, 70B, whole catalogue": [
        "recommend", "meta-llama/Llama-3.3-70B-Instruct", "--requests-per-second", "15", "--isl", "1000",
        "--osl", "300", "--ttft-p95-ms", "1500",
    ],
    "cost, 8B, whole catalogue": ["cost", "meta-llama/Llama-3.1-8B-Instruct", "--requests-per-second", "5", *PROMISE],
    "cost, 32B, whole catalogue": ["cost", "Qwen/Qwen3-32B", "--requests-per-second", "2", *PROMISE],
    "cost, 671B MoE, whole catalogue": ["cost", "deepseek-ai/DeepSeek-V3", "--requests-per-second", "2", *PROMISE],
    "cost, a stored plan": ["cost", "PLAN"],
}  # fmt: skip
PLANNED = ["recommend", "Qwen/Qwen3-32B", "--requests-per-second", "2", *PROMISE]
"""the question of the stored plan"""


def once(arguments: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak resident MB of one run."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "llmplan", *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"llmplan {' '.join(arguments)} failed")
    return wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    """Run each command and print the median."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    compiled = "no bytecode is kept" if sys.dont_write_bytecode else "bytecode kept"
    print(f"python {sys.version.split()[0]}, {compiled}, median of {repetitions}, page size {resource.getpagesize()}")
    with tempfile.TemporaryDirectory() as folder:
        plan = str(Path(folder) / "plan.yaml")
        once([*PLANNED, "-o", plan])
        for name, arguments in COMMANDS.items():
            runs = [once([plan if each == "PLAN" else each for each in arguments]) for _ in range(repetitions)]
            wall_s, cpu_s, rss_mb = (statistics.median(column) for column in zip(*runs, strict=True))
            least_s = min(run[0] for run in runs)
            print(f"{name:34} {wall_s:6.2f} s wall ({least_s:.2f} at least) {cpu_s:6.2f} s CPU  {rss_mb:6.0f} MB")


if __name__ == "__main__":
    main()
