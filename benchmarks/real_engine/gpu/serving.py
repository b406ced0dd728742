"""llama-server started by an emitted script: what it says of its memory, and its answers under load."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import load_llama
from steps_of_run import Run, llmplan, said

Words = tuple[str, ...]
BUFFER = "buffer size"


def used_mib() -> int | None:
    """GPU memory in use, by nvidia-smi."""
    try:
        command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        return int(subprocess.check_output(command, text=True, timeout=20).split()[0])
    except Exception:
        return None


def served(
    run: Run, name: str, plan: str, model: Path, loads: list[tuple[int, int]], vocabulary: int, words: Words = ()
) -> dict[str, Any]:
    """With the script emitted here; with the one that was carried, if that does not start."""
    failed = []
    for folder in (run.work / "launch", run.args.carried / "launch"):
        script = folder / plan / "serve.sh"
        try:
            return _served(run, name, script, model, loads, vocabulary, words) | {
                "script": str(script),
                "failed": failed,
            }
        except (RuntimeError, TimeoutError, OSError) as error:
            failed.append(f"{script}: {error}")
    return {"failed": failed}


def _served(
    run: Run, name: str, launch: Path, model: Path, loads: list[tuple[int, int]], vocabulary: int, words: Words
) -> dict[str, Any]:
    """Start it, read what it says of its memory, load it, stop it."""
    port = int(re.search(r"--port[ =]'?(\d+)", launch.read_text()).group(1))  # type: ignore[union-attr]
    log = run.kept / f"server-{name}.log"
    before = used_mib()
    bin_dir = run.args.build / "bin"
    environment = {
        **os.environ, "MODEL": str(model), "LLAMA_ARG_LOG_VERBOSITY": "4", "PATH": f"{bin_dir}:{os.environ['PATH']}",
    }  # fmt: skip
    begin = time.monotonic()
    with log.open("w") as file:
        server = subprocess.Popen(
            ["bash", str(launch), *words],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    found: dict[str, Any] = {"used_mib_before": before}
    try:
        _wait(server, port, min(120.0, run.left_s - 10))
        found |= {"load_s": round(time.monotonic() - begin, 2), "used_mib_started": used_mib()}
        lines = log.read_text(errors="replace").splitlines()
        found["buffers"] = [line.split(" I ", 1)[-1].strip() for line in lines if BUFFER in line]
        found["slots"] = [line.split(" I ", 1)[-1].strip() for line in lines if "n_ctx" in line]
        url = f"http://127.0.0.1:{port}"
        for path in ("props", "slots", "v1/models", "metrics"):
            run.keep(f"{name}-{path.replace('/', '-')}-before.txt", _read(f"{url}/{path}"))
        load_llama.at_once(url, 2, 2, 64, 16, vocabulary, seed=99)
        found["loads"] = {}
        for concurrency, requests in loads:
            if run.left_s < 25:
                found["loads"][str(concurrency)] = {"skipped": "no time"}
                continue
            rows = load_llama.at_once(
                url, concurrency, requests, 512, 128, vocabulary, seed=concurrency, sampling=run.sampling
            )
            run.keep(f"{name}-requests-{concurrency}.json", json.dumps(rows))
            found["loads"][str(concurrency)] = load_llama.summary(rows)
            found["used_mib_loaded"] = used_mib()
        for path in ("slots", "metrics"):
            run.keep(f"{name}-{path}-after.txt", _read(f"{url}/{path}"))
        planned = launch.parents[2] / "plans" / f"{launch.parent.name}.yaml"
        for form in ("table", "json"):
            words = llmplan("observe", url, "--plan", str(planned), "--format", form)
            run.keep(f"{name}-observe-{form}.txt", said(words, 40))
        run.keep(f"{name}-observe-alone.txt", said(llmplan("observe", url), 40))
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
    return found


def _wait(server: subprocess.Popen[bytes], port: int, timeout_s: float) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"llama-server ended with {server.returncode}")
        if '"ok"' in _read(f"http://127.0.0.1:{port}/health"):
            return
        time.sleep(0.1)
    raise TimeoutError("llama-server did not become ready")


def _read(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode(errors="replace"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
