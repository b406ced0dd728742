"""Print how long `--help` and a whole-catalogue `recommend` take and how much memory they use.

python benchmarks/startup_and_recommend.py [repetitions]
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import time

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
}  # fmt: skip


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
    print(f"python {sys.version.split()[0]}, median of {repetitions}, page size {resource.getpagesize()}")
    for name, arguments in COMMANDS.items():
        runs = [once(arguments) for _ in range(repetitions)]
        wall_s, cpu_s, rss_mb = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:34} {wall_s:6.2f} s wall  {cpu_s:6.2f} s CPU  {rss_mb:6.0f} MB")


if __name__ == "__main__":
    main()
