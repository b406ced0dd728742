"""A section of docs/accuracy.md: what real engines said of emitted launch files, from benchmarks/real_engine/measured/.

`python scripts/real_engine_proofs.py` puts it into the page as it stands; `make accuracy` writes the page with it.
"""

from __future__ import annotations

import json
from typing import Any

from measured_rows import REPO

MEASURED = REPO / "benchmarks" / "real_engine" / "measured"
PAGE = REPO / "docs" / "accuracy.md"
MIB = 1024**2
TITLE = "# Launch files on real engines"
NEXT = "# Memory"
WHAT = {
    "vllm_parser": "`vllm serve`'s parser, its validation and `create_engine_config`, as on the planned GPU",
    "sglang_parser": "`sglang serve`'s parser and `ServerArgs.resolve_once`, as on the planned GPU",
    "vllm_server": "served from an emitted `vllm.yaml`, a request answered, KV tokens as predicted",
    "llama_parser": "`llama-server ... --version`, which checks every argument",
    "llama_server": "served from an emitted `serve.sh`, a request answered",
    "compose_config": "`docker compose config`, the command and GPUs that come out of it",
    "helm_values": "the production stack's values schema, closed to unknown keys, checked by Helm; what templates see",
    "sky_task": "`sky.Task.from_yaml`, secrets given beside the file",
    "dstack_service": "`parse_run_configuration`, dstack's own reader",
    "modal_app": "the app imported by Modal's package, GPUs and concurrency of its function",
}
"""each proof's script: what it puts to the engine"""


def results() -> list[dict[str, Any]]:
    """The recorded results, in the order of `WHAT`, others after them."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(MEASURED.glob("proof-*.json"))]
    order = list(WHAT)
    return sorted(found, key=lambda one: order.index(one["proof"]) if one["proof"] in order else len(order))


def markdown_lines() -> list[str]:
    """The section; empty where nothing is recorded."""
    found = results()
    if not found:
        return []
    lines = [
        TITLE,
        "",
        "Emitted files of random plans (`tests/random_plans.py`), read by the engines and tools themselves; how, in "
        "[benchmarks/real_engine](../benchmarks/real_engine/README.md). `make engines` does it again.",
        "",
        "| engine or tool | what is put to it | measured | of random plans | accepted |",
        "|---|---|---|---|---|",
        *(_row(one) for one in found),
    ]
    served = [row for one in found for row in one.get("served", []) if "predicted" in row]
    buffers = [row for one in found for row in one.get("buffers", [])]
    return [
        *lines, *(_served(served) if served else []), *(_buffers(buffers) if buffers else []), *_remarks(found)
    ]  # fmt: skip


def _row(one: dict[str, Any]) -> str:
    engine = f"{one['engine']['name']} {one['engine']['version']}"
    what = WHAT.get(one["proof"], one["proof"])
    return f"| {engine} | {what} | {one['date']} | {_figures(one)} | {one['accepted']} of {one['cases']} |"


def _figures(one: dict[str, Any]) -> str:
    counts = {name: len(value) if isinstance(value, list) else value for name, value in one.get("figures", {}).items()}
    return ", ".join(f"{value} {name}" for name, value in counts.items() if isinstance(value, int))


def _served(rows: list[dict[str, Any]]) -> list[str]:
    head = [
        "",
        "KV cache of a server that was started from an emitted file with a stated pool: what `llmplan memory` predicts "
        "for it, and what the server says of itself (`vllm:cache_config_info`).",
        "",
        "| case | predicted blocks | reported | predicted KV tokens | reported | predicted at once | reported |",
        "|---|---|---|---|---|---|---|",
    ]
    return head + [
        f"| {row['case']} | {row['predicted']['blocks']} | {row['blocks']} | {row['predicted']['kv_tokens']} "
        f"| {row['kv_tokens']} | {row['predicted']['max_concurrency']:.2f} | {row['max_concurrency']:.2f} |"
        for row in rows
    ]


def _buffers(rows: list[dict[str, Any]]) -> list[str]:
    head = [
        "",
        "llama-server with SmolLM2-135M-Instruct, started from an emitted `serve.sh`: what `llmplan memory` predicts "
        "for the file, and the buffers in its log (which has two decimals of a MiB).",
        "",
        "| slots, KV cache | predicted weights | reported | predicted KV | reported | tokens of a slot | reported |",
        "|---|---|---|---|---|---|---|",
    ]
    return head + [
        f"| {row['case']} | {row['predicted']['weights_bytes'] / MIB:.2f} MiB | {row['weights_bytes'] / MIB:.2f} MiB "
        f"| {row['predicted']['kv_bytes'] / MIB:.2f} MiB | {row['kv_bytes'] / MIB:.2f} MiB "
        f"| {row['predicted']['tokens_of_a_slot']} | {row['tokens_of_a_slot']} |"
        for row in rows
    ]


def _remarks(found: list[dict[str, Any]]) -> list[str]:
    """What was left out or not accepted, by name."""
    lines = []
    for one in found:
        lines += [f"- {one['proof']}: {one['note']}"] if one.get("note") else []
        lines += [f"- {one['proof']}, not accepted: {row['case']}: {row['error'][:200]}" for row in one["refused"]]
        undecided = sorted({row["why"] for row in one.get("undecided", [])})
        lines += [f"- {one['proof']}, not decided: {why}" for why in undecided]
    return ["", *lines] if lines else []


def put_into(page: str) -> str:
    """The page with this section before the next one, in place of an older one."""
    before, _, after = page.partition(f"\n{NEXT}\n")
    start = before.find(f"\n{TITLE}\n")
    kept = before if start < 0 else before[: start + 1].rstrip("\n") + "\n"
    own = markdown_lines()
    return "\n".join([kept.rstrip("\n"), "", *own, *([""] if own else []), NEXT, after])


if __name__ == "__main__":
    PAGE.write_text(put_into(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    print(f"wrote {PAGE.relative_to(REPO)}")
