"""dstack's own reading of emitted services: `parse_run_configuration`, which refuses keys and values it does not know.

`python dstack_service.py EMITTED RESULT.json`, in dstack's environment.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import declined
import on_each_gpu
import outcome

FILE = "*.dstack.yml"


def check(folder: Path, intent: dict[str, Any]) -> list[str]:
    """What dstack read, where it is not what was planned; raises what dstack raises."""
    import yaml
    from dstack._internal.core.models.configurations import parse_run_configuration

    (path,) = folder.glob(FILE)
    read = parse_run_configuration(yaml.safe_load(path.read_text(encoding="utf-8")))
    gpus = read.resources.gpu
    wanted = {"type": "service", "GPUs": intent["tp"] * intent["pp"] * intent["dp"], "model": intent["model"]}
    return outcome.differences(wanted, {"type": read.type, "GPUs": gpus.count.min, "model": read.model.name})


def refuses_nonsense(folder: Path) -> bool:
    """Whether a key that dstack does not have is refused."""
    import yaml
    from dstack._internal.core.errors import ConfigurationError
    from dstack._internal.core.models.configurations import parse_run_configuration

    (path,) = folder.glob(FILE)
    try:
        parse_run_configuration({**yaml.safe_load(path.read_text(encoding="utf-8")), "gpus": 1})
    except ConfigurationError:
        return True
    return False


def main(emitted: str, path: str) -> None:
    """Everything of `emitted`; the result into `path`."""
    started_s = time.monotonic()
    cases, _ = outcome.emitted_cases(Path(emitted))
    rows = [
        (intent, outcome.attempt(lambda folder=folder, intent=intent: check(folder, intent)))
        for folder, intent in cases
    ]
    refused = [{"case": intent["case"], "error": problem} for intent, problem in rows if problem]
    if cases and not refuses_nonsense(cases[0][0]):
        refused.append({"case": "control: a key that does not exist", "error": "was accepted"})
    outcome.record(
        Path(path), proof="dstack_service", engine="dstack", distribution="dstack", started_s=started_s,
        accepted=len(rows) - sum(problem is not None for _, problem in rows), refused=refused,
        figures=on_each_gpu.figures(cases) | declined.figures(Path(emitted)),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
