"""Print how many cases per second `llmplan predict --cases` answers on one core.

python benchmarks/cases.py [lines] [--no-two-alike] [--profile]

Lines differ in model, GPU, format, lengths and load, as a sweep over hardware does; every one is answered, some with
an error. The start of the program and the reading of the catalogue count.
"""

from __future__ import annotations

import cProfile
import io
import itertools
import json
import os
import pstats
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODELS = (
    ("meta-llama/Llama-3.1-8B-Instruct", 1), ("Qwen/Qwen2.5-7B-Instruct", 1), ("Qwen/Qwen3-30B-A3B", 1),
    ("openai/gpt-oss-120b", 2), ("meta-llama/Llama-3.3-70B-Instruct", 4), ("Qwen/Qwen3-235B-A22B-FP8", 4),
    ("deepseek-ai/DeepSeek-R1", 8),
)  # fmt: skip
GPUS = ("h100", "h200", "b200", "a100-sxm-80gb", "l40s", "rtx-4090", "mi300x")
LENGTHS = ((128, 128), (512, 256), (1000, 300), (2048, 512), (8000, 1000), (32000, 500))
LOADS: tuple[dict[str, Any], ...] = (
    *({"concurrency": users} for users in (1, 4, 16, 64, 256)),
    *({"rate": rate} for rate in (0.1, 1, 4)),
    {"burst": 200},
    {"saturation": True},
)


def questions(lines: int, *, no_two_alike: bool = False, seed: int = 1) -> Iterator[dict[str, Any]]:
    """A sweep in random order, where ten loads share each request shape; or lines of which none shares its own."""
    every = list(itertools.product(MODELS, GPUS, LENGTHS, LOADS))
    draw = random.Random(seed)
    draw.shuffle(every)
    for number, ((model, tp), gpu, (isl, osl), load) in zip(range(lines), itertools.cycle(every), strict=False):
        longer = number if no_two_alike else number // len(every)
        yield {"id": number, "model": model, "gpu": gpu, "tp": tp, "isl": isl + longer % 16384, "osl": osl, **load}


def whole(path: Path, lines: int) -> None:
    """Time the command as a user runs it."""
    command = [sys.executable, "-m", "llmplan", "predict", "--cases", str(path)]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    answered = sum(b'"ok": true' in line for line in process.stdout)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s, cpu_s = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit("llmplan predict --cases failed")
    print(
        f"{lines} cases, {answered} with a prediction: {wall_s:.2f} s wall, {cpu_s:.2f} s CPU, "
        f"{lines / cpu_s:,.0f} cases per CPU second"
    )


def profiled(path: Path) -> None:
    """Print where the time goes."""
    from llmplan.cli import main

    profiler, out, sys.stdout = cProfile.Profile(), sys.stdout, io.StringIO()
    try:
        profiler.runcall(main, ["predict", "--cases", str(path)])
    finally:
        sys.stdout = out
    pstats.Stats(profiler).sort_stats("tottime").print_stats(40)


def main(arguments: list[str]) -> None:
    """Write the questions, ask them, print the rate."""
    numbers = [int(each) for each in arguments if each.isdigit()]
    lines = numbers[0] if numbers else 20_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.jsonl"
        asked = questions(lines, no_two_alike="--no-two-alike" in arguments)
        path.write_text("".join(json.dumps(each) + "\n" for each in asked), encoding="utf-8")
        if "--profile" in arguments:
            profiled(path)
        else:
            whole(path, lines)


if __name__ == "__main__":
    main(sys.argv[1:])
