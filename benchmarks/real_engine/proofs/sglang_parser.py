"""SGLang's own parser and argument resolution over emitted launch files, as on the planned GPU.

`python sglang_parser.py EMITTED RESULT.json`, in SGLang's environment. Every command line and settings file goes
through `prepare_server_args` (exact option strings only) and `ServerArgs.resolve_once`, which reads the checkpoint's
config and refuses what the GPU or the model cannot do; what was parsed must be what was planned.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import on_each_gpu
import outcome
import sglang_on_a_gpu

ANY = object()
OTHERS = (
    "torchvision", "transformers.modeling_utils", "transformers.models.auto.modeling_auto", "triton", "fastapi",
    "uvicorn", "IPython", "scipy.special", "compressed_tensors", "openai", "zmq", "aiohttp", "PIL.Image",
    "torch._dynamo", "torch._inductor.config", "torch.distributed",
)  # fmt: skip


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
    problems = outcome.differences(expected(intent), arrived(found, intent))
    named = found.model_path in (intent["model"], intent["checkpoint"])
    problems += [] if named else [f"the model is {found.model_path!r}"]
    found.model_path, found.tokenizer_path, found.skip_tokenizer_init = intent["checkpoint"], intent["checkpoint"], True
    found.resolve_once()
    return problems


def arrived(found: Any, intent: dict[str, Any]) -> dict[str, Any]:
    """The same options as they were parsed."""
    values = {name: getattr(found, name) for name in expected(intent)}
    return values | {"enable_lora": bool(values["enable_lora"])}


def expected(intent: dict[str, Any]) -> dict[str, Any]:
    """The parsed options that say the plan. Groups with attention of their own lie inside TP where there are experts,
    and share its limits; without experts they are copies."""
    inside = intent["dp"] if intent["mixture"] else 1
    wanted = {
        "tp_size": intent["tp"] * inside,
        "pp_size": intent["pp"],
        "dp_size": 1 if intent["mixture"] else intent["dp"],
        "attn_dp_size": inside,
        "ep_size": intent["tp"] * intent["dp"] if intent["ep"] else 1,
        "context_length": intent["max_model_len"],
        "max_running_requests": intent["max_num_seqs"] * inside,
        "chunked_prefill_size": intent["max_num_batched_tokens"] * inside,
        "disable_radix_cache": not intent["prefix_caching"],
        "mem_fraction_static": intent["memory_fraction"] if intent["offload"] is None else ANY,
        "enable_lora": bool(intent["adapters"]),
    }
    return {name: value for name, value in wanted.items() if value is not ANY}


def of_one_capability(cases: list[outcome.Case]) -> list[on_each_gpu.Row]:
    """All files of the plans on GPUs of one compute capability."""
    sglang_on_a_gpu.become(cases[0][1])
    logging.disable(logging.CRITICAL)
    known, rows = options() | {"--config"}, []
    for folder, intent in cases:
        sglang_on_a_gpu.become(intent)
        for name, words in intent["argv"].items():
            argv = words[next(place for place, word in enumerate(words) if word.startswith("--")) :]
            argv = [str(folder / word) if word.endswith(".yaml") else word for word in argv]
            problem = outcome.attempt(lambda argv=argv, intent=intent: check(argv, intent, known))
            rows.append((name, intent["case"], problem))
    return rows


def preload() -> None:
    """What SGLang imports and what knows of no GPU, once for all the processes."""
    for name in OTHERS:
        importlib.import_module(name)


def main(emitted: str, path: str) -> None:
    """Everything of `emitted` through SGLang; the result into `path`."""
    started_s = time.monotonic()
    sglang_on_a_gpu.prepare()
    preload()

    cases, not_emitted = outcome.emitted_cases(Path(emitted))
    rows = on_each_gpu.run(cases, of_one_capability)
    refused = [{"case": f"{case}: {name}", "error": problem} for name, case, problem in rows if problem]
    outcome.record(
        Path(path), proof="sglang_parser", engine="SGLang", distribution="sglang", started_s=started_s,
        accepted=len(rows) - len(refused), refused=refused, not_emitted=not_emitted,
        figures=on_each_gpu.figures(cases) | {"command lines": len(rows)},
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
