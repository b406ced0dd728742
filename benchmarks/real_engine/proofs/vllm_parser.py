"""vLLM's own parser and engine config over emitted launch files, as on the planned GPU.

`python vllm_parser.py EMITTED RESULT.json`, in vLLM's environment. Every script's command line and every vllm.yaml goes
through `vllm serve`'s parser (exact option strings only), its validation and `create_engine_config`; what comes out
must be what was planned. Plans of one compute capability share a process: vLLM asks for it once.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import on_each_gpu
import outcome
import vllm_on_a_gpu


def parser() -> tuple[Any, Any]:
    """`vllm serve` and its parser, which takes no abbreviation here."""
    from vllm.entrypoints.cli.serve import ServeSubcommand
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    top = FlexibleArgumentParser()
    serve = ServeSubcommand()
    own = serve.subparser_init(top.add_subparsers(dest="subparser", required=False))
    return serve, (top, {option for action in own._actions for option in action.option_strings})


def check(argv: list[str], intent: dict[str, Any], tools: tuple[Any, Any], expected: dict[str, Any]) -> list[str]:
    """What is wrong with one command line; raises what vLLM raises."""
    serve, (top, options) = tools
    unknown = [word for word in argv if word.startswith("--") and word.partition("=")[0] not in options | {"--config"}]
    if unknown:
        return [f"not an option of vLLM: {' '.join(unknown)}"]
    found = top.parse_args(argv)
    serve.validate(found)
    if getattr(found, "model_tag", None) is not None:
        found.model = found.model_tag
    arrived = {name: getattr(found, name) for name in expected}
    arrived["enable_lora"] = bool(arrived["enable_lora"])
    return outcome.differences(expected, arrived) + engine_config(found, intent)


def engine_config(found: argparse.Namespace, intent: dict[str, Any]) -> list[str]:
    """vLLM's configuration of the whole engine, from a config.json in the planned format."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext

    named = found.model
    found.model, found.tokenizer, found.skip_tokenizer_init = intent["checkpoint"], None, True
    config = AsyncEngineArgs.from_cli_args(found).create_engine_config(UsageContext.OPENAI_API_SERVER)
    parallel, cache = config.parallel_config, config.cache_config
    wanted = {
        "tensor_parallel_size": intent["tp"], "pipeline_parallel_size": intent["pp"],
        "data_parallel_size": intent["dp"], "max_model_len": intent["max_model_len"],
        "max_num_seqs": intent["max_num_seqs"], "max_num_batched_tokens": intent["max_num_batched_tokens"],
        "enable_prefix_caching": intent["prefix_caching"],
        "model named": True,
    }  # fmt: skip
    came = {
        "tensor_parallel_size": parallel.tensor_parallel_size,
        "pipeline_parallel_size": parallel.pipeline_parallel_size,
        "data_parallel_size": parallel.data_parallel_size,
        "max_model_len": config.model_config.max_model_len,
        "max_num_seqs": config.scheduler_config.max_num_seqs,
        "max_num_batched_tokens": config.scheduler_config.max_num_batched_tokens,
        "enable_prefix_caching": cache.enable_prefix_caching,
        "model named": named in (intent["model"], intent["checkpoint"]),
    }
    return outcome.differences(wanted, came)


def expected(intent: dict[str, Any]) -> dict[str, Any]:
    """The parsed options that say the plan."""
    wanted = {
        "tensor_parallel_size": intent["tp"], "pipeline_parallel_size": intent["pp"],
        "data_parallel_size": intent["dp"], "decode_context_parallel_size": intent["dcp"],
        "enable_expert_parallel": intent["ep"], "max_model_len": intent["max_model_len"],
        "max_num_seqs": intent["max_num_seqs"], "max_num_batched_tokens": intent["max_num_batched_tokens"],
        "gpu_memory_utilization": intent["memory_fraction"], "kv_cache_memory_bytes": intent["kv_cache_memory_bytes"],
        "enforce_eager": intent["enforce_eager"], "enable_prefix_caching": intent["prefix_caching"],
        "enable_lora": bool(intent["adapters"]),
    }  # fmt: skip
    if not intent["latent_attention"]:
        wanted["block_size"] = intent["block_tokens"]
    return wanted


def of_one_capability(cases: list[outcome.Case]) -> list[on_each_gpu.Row]:
    """All files of the plans on GPUs of one compute capability."""
    vllm_on_a_gpu.become(cases[0][1])
    tools, rows = parser(), []
    for folder, intent in cases:
        vllm_on_a_gpu.become(intent)
        for name, argv in lines(folder, intent):
            problem = outcome.attempt(lambda argv=argv, intent=intent: check(argv, intent, tools, expected(intent)))
            rows.append((name, intent["case"], problem))
    return rows


def lines(folder: Path, intent: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Every command line without the program; paths of files are those of the emitted folder."""
    return [
        (name, [str(folder / word) if word == "vllm.yaml" else word for word in argv[1:]])
        for name, argv in intent["argv"].items()
    ]


def main(emitted: str, path: str) -> None:
    """Everything of `emitted` through vLLM; the result into `path`."""
    started_s = time.monotonic()
    vllm_on_a_gpu.prepare(Path(emitted).parents[1] / "vllm-cache")
    cases, not_emitted = outcome.emitted_cases(Path(emitted))
    rows = on_each_gpu.run(cases, of_one_capability)
    refused = [{"case": f"{case}: {name}", "error": problem} for name, case, problem in rows if problem]
    outcome.record(
        Path(path), proof="vllm_parser", engine="vLLM", distribution="vllm", started_s=started_s,
        accepted=len(rows) - len(refused), refused=refused, not_emitted=not_emitted,
        figures=on_each_gpu.figures(cases) | {"command lines": len(rows)},
    )  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
