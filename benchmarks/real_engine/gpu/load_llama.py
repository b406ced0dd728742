"""Requests put to a server of the OpenAI API by so many clients at once: prompts of random token ids, a fixed length
of output. Standard library only. `python load_llama.py URL CONCURRENCY REQUESTS ISL OSL VOCABULARY`.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import Any


def at_once(
    url: str,
    concurrency: int,
    requests: int,
    isl: int,
    osl: int,
    vocabulary: int,
    seed: int = 0,
    sampling: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """A row for each request: when it was sent, had its first token and its last, and what the server says."""
    draw = random.Random(seed)
    prompts = [[draw.randrange(100, vocabulary) for _ in range(isl)] for _ in range(requests)]
    rows: list[dict[str, Any]] = []
    lock = threading.Lock()
    begin = time.perf_counter()

    def client() -> None:
        while True:
            with lock:
                if not prompts:
                    return
                prompt = prompts.pop()
            row = one(url, prompt, osl, begin, sampling or {})
            with lock:
                rows.append(row)

    clients = [threading.Thread(target=client) for _ in range(concurrency)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return rows


def one(url: str, prompt: list[int], osl: int, begin: float, sampling: Mapping[str, Any]) -> dict[str, Any]:
    """One streamed request."""
    asked = {
        "prompt": prompt, "max_tokens": osl, "ignore_eos": True, "stream": True, "cache_prompt": False,
        "stream_options": {"include_usage": True}, **sampling,
    }  # fmt: skip
    request = urllib.request.Request(
        f"{url}/v1/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    sent = time.perf_counter()
    row: dict[str, Any] = {"sent_s": sent - begin}
    with urllib.request.urlopen(request, timeout=120) as answer:
        chunks = 0
        for line in answer:
            if not line.startswith(b"data: ") or b"[DONE]" in line:
                continue
            now = time.perf_counter()
            part = json.loads(line[6:])
            if part.get("choices") and part["choices"][0].get("finish_reason") is None:
                chunks += 1
                row.setdefault("ttft_s", now - sent)
                row["last_s"] = now - begin
            row |= {key: part[key] for key in ("usage", "timings") if part.get(key)}
    row["chunks"] = chunks
    return row


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians and means over the requests, and tokens a second over the whole load."""
    tokens = [row["usage"]["completion_tokens"] for row in rows]
    tpot = [
        (row["last_s"] - row["sent_s"] - row["ttft_s"]) / (count - 1) for row, count in zip(rows, tokens, strict=True)
    ]
    ttft = [row["ttft_s"] for row in rows]
    whole = max(row["last_s"] for row in rows) - min(row["sent_s"] for row in rows)
    return {
        "requests": len(rows), "output_tokens": sum(tokens), "seconds": whole,
        "ttft_s": {"median": statistics.median(ttft), "mean": statistics.fmean(ttft), "max": max(ttft)},
        "tpot_s": {"median": statistics.median(tpot), "mean": statistics.fmean(tpot), "max": max(tpot)},
        "output_tokens_per_s": sum(tokens) / whole,
        "prompt_tokens": sorted({row["usage"]["prompt_tokens"] for row in rows}),
        "fewest_chunks": min(row["chunks"] for row in rows),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(summary(at_once(sys.argv[1], *(int(each) for each in sys.argv[2:7]))), indent=1))
