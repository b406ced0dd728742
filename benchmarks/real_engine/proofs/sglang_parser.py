"""SGLang's own parser and argument resolution over emitted launch files, as on the planned GPU.

`python sglang_parser.py EMITTED RESULT.json`, in SGLang's environment. Every command line and settings file goes
through `prepare_server_args` (exact option strings only) and `ServerArgs.resolve_once`, which reads the checkpoint's
config and refuses what the GPU or the model cannot do; what was parsed must be what was planned.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import on_each_gpu
import outcome
import sglang_on_a_gpu


def options() -> set[str]:
    """Every exact option string."""
    from sglang.srt.server_args import ServerArgs

    parser = argparse.ArgumentParser()
    ServerArgs.add_cli_args(parser)
    return {option for action in parser._actions for option in action.option_strings}


def check(argv: list[str], intent: dict[str, Any], known: set[str]) -> list[str]:
    """What is wrong with one command line; raises what SGLang raises."""
    from sglang.srt.server_args import prepare_server_args

    unknown = [word for word in argv if word.startswith("--") and word.partition("=")[0] not in known]
    if unknown:
        return [f"not an option of SGLang: {' '.join(unknown)}"]
    found = prepare_server_args(argv)
    problems = outcome.differences(expected(intent), {name: getattr(found, name) for name in expected(intent)})
    named = found.model_path in (intent["model"], intent["checkpoint"])
    problems += [] if named else [f"the model is {found.model_path!r}"]
    found.model_path, found.tokenizer_path, found.skip_tokenizer_init = intent["checkpoint"], intent["checkpoint"], True
    found.resolve_once()
    return problems


def expected(intent: dict[str, Any]) -> dict[str, Any]:
    """The parsed options that say the plan."""
    return {
        "tp_size": intent["tp"],
        "pp_size": intent["pp"],
        "context_length": intent["max_model_len"],
        "max_running_requests": intent["max_num_seqs"],
        "disable_radix_cache": not intent["prefix_caching"],
    }


def of_one_gpu(cases: list[outcome.Case]) -> list[on_each_gpu.Row]:
    """All files of the plans on one kind of GPU."""
    sglang_on_a_gpu.become(cases[0][1])
    logging.disable(logging.CRITICAL)
    known, rows = options() | {"--config"}, []
    for folder, intent in cases:
        for name, words in intent["argv"].items():
            argv = words[next(place for place, word in enumerate(words) if word.startswith("--")) :]
            argv = [str(folder / word) if word.endswith(".yaml") else word for word in argv]
            problem = outcome.attempt(lambda argv=argv, intent=intent: check(argv, intent, known))
            rows.append((name, intent["case"], problem))
    return rows


def main(emitted: str, path: str) -> None:
    """Everything of `emitted` through SGLang; the result into `path`."""
    started_s = time.monotonic()
    sglang_on_a_gpu.prepare()
    import transformers  # noqa: F401 - it knows of no GPU, and takes longest

    cases, not_emitted = outcome.emitted_cases(Path(emitted))
    rows = on_each_gpu.run(cases, of_one_gpu)
    refused = [{"case": f"{case}: {name}", "error": problem} for name, case, problem in rows if problem]
    outcome.record(
        Path(path), proof="sglang_parser", engine="SGLang", distribution="sglang", started_s=started_s,
        accepted=len(rows) - len(refused), refused=refused, not_emitted=not_emitted, figures=on_each_gpu.figures(cases),
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
