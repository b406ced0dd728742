"""vLLM's CPU build started from emitted files: does it serve, and has its KV cache the tokens that were predicted?

`python vllm_server.py SERVED RESULT.json`, in the CPU build's environment. Weights are dummies, the tokenizer is made
here. What the CPU build's parser does not know of an emitted file is dropped, and listed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import outcome

with socket.socket() as _any:
    _any.bind(("127.0.0.1", 0))
    PORT = _any.getsockname()[1]
START_LIMIT_S = 280
SERIES = "vllm:cache_config_info{"
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_OMP_THREADS_BIND": "0", "OMP_NUM_THREADS": "1",
}  # fmt: skip
BESIDE = ["--load-format", "dummy", "--host", "127.0.0.1", "--port", str(PORT)]
"""what the emitted file does not say: weights that are not there, and where this machine listens"""


def add_tokenizer(folder: Path) -> None:
    """A word for each byte, so that text can be sent."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {word: number for number, word in enumerate(("<unk>", "<s>", "</s>", *letters))}
    made = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    whole = PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    whole.save_pretrained(folder)


def known_settings(emitted: Path) -> tuple[dict[str, Any], list[str]]:
    """The file's settings that this build's parser has, and the names of the others."""
    import yaml
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = ServeSubcommand().subparser_init(FlexibleArgumentParser().add_subparsers())
    options = {option for action in parser._actions for option in action.option_strings}
    settings = yaml.safe_load(emitted.read_text(encoding="utf-8"))
    dropped = [name for name in settings if name != "model" and f"--{name}" not in options]
    return {name: value for name, value in settings.items() if name not in (*dropped, "port")}, dropped


def serve(folder: Path) -> dict[str, Any]:
    """Start, ask, read the metrics, stop: what the server said."""
    import yaml

    settings, dropped = known_settings(folder / "vllm.yaml")
    config, log = folder / "served.yaml", folder / "server.log"
    config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    program = str(Path(sys.executable).with_name("vllm"))
    command = [program, "serve", "--config", str(config), *BESIDE]
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, env=os.environ | ENVIRONMENT, stdout=stream, stderr=stream, start_new_session=True
        )
        try:
            started_s = wait_until_ready(process)
            answer = complete(settings["model"])
            metrics = read_metrics()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)
    return {"start_s": started_s, "answer": answer, "dropped": dropped, **reported(metrics, log.read_text())}


def wait_until_ready(process: subprocess.Popen[bytes]) -> int:
    """Seconds until it answered."""
    for second in range(START_LIMIT_S):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            get("/health")
        except OSError:
            time.sleep(1)
        else:
            return second
    raise RuntimeError(f"not ready after {START_LIMIT_S} s")


def get(path: str) -> str:
    """The body of a page of the server's."""
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=30) as answer:
        return answer.read().decode()


def read_metrics() -> str:
    """The metrics page, once the engine has told the API server about its cache."""
    page = ""
    for _ in range(30):
        page = get("/metrics")
        if SERIES in page:
            return page
        time.sleep(1)
    raise RuntimeError(f"no {SERIES} among {len(page.splitlines())} lines of metrics")


def complete(model: str) -> dict[str, Any]:
    """An OpenAI request: how many tokens came back."""
    body = {"model": model, "prompt": "A plan is a promise.", "max_tokens": 12, "ignore_eos": True, "temperature": 0}
    request = urllib.request.Request(
        f"http://127.0.0.1:{PORT}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["usage"]


def reported(metrics: str, log: str) -> dict[str, Any]:
    """The series `vllm:cache_config_info`, and the same in the log."""
    line = next(line for line in metrics.splitlines() if line.startswith(SERIES))
    labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
    logged = re.search(r"KV cache size: ([\d,]+) tokens", log)
    return {
        "blocks": int(labels["num_gpu_blocks"]),
        "block_tokens": int(labels["block_size"]),
        "kv_tokens": int(float(labels["kv_cache_size_tokens"])),
        "max_concurrency": float(labels["kv_cache_max_concurrency"]),
        "logged_kv_tokens": int(logged[1].replace(",", "")) if logged else None,
    }


def check(folder: Path, intent: dict[str, Any], rows: list[dict[str, Any]]) -> list[str]:
    """What differs from the prediction."""
    add_tokenizer(folder / "model")
    found = serve(folder)
    wanted = {**intent["predicted"], "block_tokens": intent["block_tokens"]}
    wanted["max_concurrency"] = round(wanted["max_concurrency"], 2)
    rows.append({"case": intent["case"], "predicted": intent["predicted"], **found})
    seen = found | {"max_concurrency": round(found["max_concurrency"], 2)}
    problems = outcome.differences(wanted, seen)
    return problems + ([] if found["answer"]["completion_tokens"] == 12 else ["the request was not answered in full"])


def main(served: str, path: str) -> None:
    """Every case of `served`; the result into `path`."""
    started_s = time.monotonic()
    rows: list[dict[str, Any]] = []
    cases = list(outcome.cases(Path(served)))
    refused = outcome.refusals(cases, lambda folder, intent: check(folder, intent, rows))
    outcome.record(
        Path(path), proof="vllm_server", engine="vLLM, CPU build", distribution="vllm-cpu", started_s=started_s,
        accepted=len(cases) - len(refused), refused=refused, served=rows, note=cases[0][1]["note"],
        figures={"dropped settings": sorted({name for row in rows for name in row["dropped"]})},
    )  # fmt: skip


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server ends too
    main(*sys.argv[1:])
