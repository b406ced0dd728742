"""SkyPilot's own reading of emitted tasks: `sky.Task.from_yaml`, with secrets given as `sky launch --secret` does.

`python sky_task.py EMITTED RESULT.json`, in SkyPilot's environment. No cloud is asked. `from_yaml` alone refuses a
secret without a value, which is how a file leaves it to the caller: then the same reader gets it beside the file.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import declined
import on_each_gpu
import outcome

FILE = "task.yaml"


def task(folder: Path) -> Any:
    """The task, of the file alone where it names nothing to be given."""
    import sky
    import yaml

    content = yaml.safe_load((folder / FILE).read_text(encoding="utf-8"))
    asked = {part: [name for name, value in (content.get(part) or {}).items() if value is None] for part in PARTS}
    os.chdir(folder)  # file mounts are named beside the file
    if not any(asked.values()):
        return sky.Task.from_yaml(FILE)
    given = {f"{PARTS[part]}_overrides": [(name, "given") for name in names] for part, names in asked.items()}
    return sky.Task.from_yaml_config(content, **given)


PARTS = {"envs": "env", "secrets": "secrets"}


def check(folder: Path, intent: dict[str, Any]) -> list[str]:
    """What SkyPilot read, where it is not what was planned; raises what SkyPilot raises."""
    read = task(folder)
    accelerators = {sum(each.accelerators.values()) for each in read.resources}
    wanted = {"GPUs": {intent["tp"] * intent["pp"] * intent["dp"]}, "serves": True, "runs": True}
    return outcome.differences(
        wanted, {"GPUs": accelerators, "serves": read.service is not None, "runs": bool(read.run)}
    )


def refuses_nonsense(folder: Path) -> bool:
    """Whether a key that SkyPilot does not have is refused."""
    import sky
    import yaml

    content = yaml.safe_load((folder / FILE).read_text(encoding="utf-8"))
    try:
        sky.Task.from_yaml_config({**content, "gpus": 1})
    except Exception as error:
        return "gpus" in str(error)
    return False


def main(emitted: str, path: str) -> None:
    """Everything of `emitted`; the result into `path`."""
    started_s = time.monotonic()
    os.environ["HOME"] = tempfile.mkdtemp()
    os.environ["SKYPILOT_DISABLE_USAGE_COLLECTION"] = "1"
    place, result = Path(emitted).resolve(), Path(path).resolve()
    cases, _ = outcome.emitted_cases(place)
    rows = [
        (intent, outcome.attempt(lambda folder=folder, intent=intent: check(folder, intent)))
        for folder, intent in cases
    ]
    refused = [{"case": intent["case"], "error": problem} for intent, problem in rows if problem]
    if cases and not refuses_nonsense(cases[0][0]):
        refused.append({"case": "control: a key that does not exist", "error": "was accepted"})
    outcome.record(
        result, proof="sky_task", engine="SkyPilot", distribution="skypilot", started_s=started_s,
        accepted=len(rows) - sum(problem is not None for _, problem in rows), refused=refused,
        figures=on_each_gpu.figures(cases) | declined.figures(place),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
