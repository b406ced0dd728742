"""The memory part of docs/accuracy.md: per quantity the rows, the median and the worst error, and the worst by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from memory_accuracy import left_out, pool, startup_logs, weights

from llmplan.catalogs.hf_config import read_config_file
from llmplan.errors import LlmplanError


def section(folder: Path) -> list[str]:
    """Markdown; `folder` holds the tables."""
    return [
        "# Memory",
        "",
        "## Parameters",
        "",
        *parameters(folder),
        "",
        "## Checkpoints",
        "",
        "Published sizes of checkpoints against the inventory in the format that their config states; the bar is "
        "0.5 %, 1 % for GGUF.",
        "",
        *weights.table(folder),
        "",
        *startup(),
    ]


def parameters(folder: Path) -> list[str]:
    """Configs that count as many parameters as the instantiated model; those that do not, by name."""
    oracle = {row["file"]: row for row in map(json.loads, (folder / "parameter_oracle.jsonl").open(encoding="utf-8"))}
    exact, other, refused, uncounted = [], [], [], []
    for file, row in sorted(oracle.items()):
        try:
            model = read_config_file(folder / "configs" / file, dtype="bf16")
        except LlmplanError as error:
            refused.append(f"{file}: {str(error).split(': ', 1)[-1]}")
            continue
        counted = row.get("params_total")
        if counted is None:
            uncounted.append(file)
        elif counted == model.total_parameters:
            exact.append(file)
        else:
            flag = f" (the file is flagged: {row['flag']})" if row.get("flag") else ""
            other.append(f"{file}: {model.total_parameters - counted:+,} of {counted:,}{flag}")
    lines = [
        f"{len(oracle)} real config.json files, counted by instantiating the model: {len(exact)} equal it exactly, "
        f"{len(other)} do not, {len(refused)} are refused, {len(uncounted)} are read though nobody could instantiate "
        "them.",
    ]
    return [*lines, "", *(f"- {text}" for text in (*other, *refused))] if other or refused else lines


def startup() -> list[str]:
    """What engines printed at start-up."""
    logs = startup_logs.read_logs()
    found = pool.rows(logs)
    lines = [
        "## Start-up logs",
        "",
        f"{len(logs)} records of vLLM, SGLang, TensorRT-LLM and llama.cpp. GiB, for tokens of a known pool percent; "
        "the target is 1 GiB, 0.2 % for tokens. KV pools of logs whose settings are known. In sample: the constants "
        "were read off these logs.",
        "",
        "| quantity | group | logs | median error | median absolute | worst | within target | in band | worst logs |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(one) for one in pool.summaries(found)]
    known = [row for row in found if row.quantity == "KV pool" and row.known]
    optimistic = pool.too_optimistic(found)
    lines += [
        "",
        f"Promised more than 5 % too much: {len(optimistic)} of {len(known)} ({', '.join(optimistic) or 'none'}).",
        "",
        "Constants that predict the logs of a group (a model, a kind of GPU) without having seen it:",
        "",
        "| constant | samples | groups | median absolute | worst |",
        "|---|---|---|---|---|",
    ]
    lines += [_left_out(one) for one in left_out.tables()]
    absent = pool.left_out(logs)
    lines += ["", f"{len(absent)} records take no part, or not in the pool:", ""]
    return [*lines, *(f"- {name}: {why}" for name, why in sorted(absent.items()))]


def _line(one: pool.Summary) -> str:
    tokens = one.quantity.startswith("KV tokens")
    cells = (_error(value, tokens) for value in (one.median_error, one.median_absolute_error, one.worst_error))
    band = "–" if one.in_band is None else str(one.in_band)
    named = ", ".join(one.worst)
    return f"| {one.quantity} | {one.group} | {one.n} | {' | '.join(cells)} | {one.within_target} | {band} | {named} |"


def _error(value: float, tokens: bool) -> str:
    return f"{value * 100:+.2f} %" if tokens else f"{value:+.2f}"


def _left_out(one: left_out.LeftOut) -> str:
    cells: Sequence[object] = (
        one.name, one.n, one.groups, f"{one.median_absolute_gib:.2f} GiB",
        f"{one.worst_gib:+.2f} GiB ({one.worst_group})",
    )  # fmt: skip
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
