"""Modal's own reading of emitted apps: each is imported, and what Modal made of its function is held against the plan.

`python modal_app.py EMITTED RESULT.json`, in Modal's environment; nothing is deployed and no network is used.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import declined
import on_each_gpu
import outcome

APP = "modal_app.py"


def imported(path: Path) -> Any:
    """The module, as `modal deploy` imports it."""
    spec = importlib.util.spec_from_file_location(f"emitted_{path.parent.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(path: Path, intent: dict[str, Any]) -> list[str]:
    """What Modal made of the app, where it is not what was planned; raises what Modal raises."""
    from modal._utils.async_utils import synchronizer

    module = imported(path)
    functions = module.app.registered_functions
    if len(functions) != 1:
        return [f"{len(functions)} functions instead of one"]
    function = synchronizer._translate_in(next(iter(functions.values())))
    info, web = function._function_info, function._webhook_config
    wanted = {"GPUs": intent["tp"] * intent["pp"] * intent["dp"], "port": module.PORT, "requests at once": True}
    found = {
        "GPUs": sum(count for _, count in info.gpus), "port": web.web_server_port,
        "requests at once": info.concurrency_info.max_inputs == intent["max_num_seqs"],
    }  # fmt: skip
    return outcome.differences(wanted, found)


def main(emitted: str, path: str) -> None:
    """Everything of `emitted`; the result into `path`."""
    warnings.simplefilter("ignore")
    started_s = time.monotonic()
    cases, _ = outcome.emitted_cases(Path(emitted))
    rows = [
        (intent, outcome.attempt(lambda folder=folder, intent=intent: check(folder / APP, intent)))
        for folder, intent in cases
    ]
    refused = [{"case": intent["case"], "error": problem} for intent, problem in rows if problem]
    outcome.record(
        Path(path), proof="modal_app", engine="Modal", distribution="modal", started_s=started_s,
        accepted=len(rows) - len(refused), refused=refused,
        figures=on_each_gpu.figures(cases) | declined.figures(Path(emitted)),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
