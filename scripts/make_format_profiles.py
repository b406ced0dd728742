"""Write profiles/formats/*.yaml: measured quality and speed of number formats, from quant_speed.csv in $LLMPLAN_DATA.

    python scripts/make_format_profiles.py

Kept are rows of trust A with a number: a relative change of a benchmark score, an average over a benchmark before and
after, or for GGUF the change of the mean probability of the correct token. A score over 100 questions is noise of
five points and is left out; a perplexity is another quantity and is left out too. What a source of trust A says of a
format in words (a bound, a summary) is kept as a statement, which is no figure. No row scores a smaller KV cache.

Speeds are the rows of trust A and B which state a ratio to 16 bit on the same number of the same GPUs, with the number
of requests and their lengths.
"""

from __future__ import annotations

import csv
import re
import sys
from typing import Any

from profile_yaml import COLLECTED, DATA, ROOT, write_profile

from llmplan.catalogs import packaged_profiles
from llmplan.catalogs.gpus import gpu_library
from llmplan.spec.formats import WEIGHT_FORMATS

METHODS = {
    "FP8": "fp8",
    "FP8 W8A8": "fp8",
    "INT8-SQ": "int8",
    "INT8 W8A8": "int8",
    "INT4-AWQ": "awq-int4",
    "INT4 AWQ (W4A16)": "awq-int4",
    "INT8 W8A16": "w8a16",
    "INT4 W4A16": "w4a16",
}
WORDS = ("within ", "effectively ", "degradation", "competitive ")
"""what a delta in words contains"""
SPEED_METHODS = {
    **METHODS,
    "FP8 (compressed-tensors)": "fp8",
    "FP8 Static": "fp8",
    "FP8 Dynamic": "fp8",
    "W8A8 (compressed-tensors)": "int8",
    "W8A16 (compressed-tensors)": "w8a16",
    "W4A16 (gptq)": "w4a16",
    "Int4-W4A16": "w4a16",
    "AWQ": "awq-int4",
    "AWQ Marlin": "awq-int4",
    "GPTQ (Int4)": "gptq-int4",
    "GPTQ-Marlin (Int4)": "gptq-int4",
    "GPTQ (Int8)": "gptq-int8",
    "GPTQ Marlin (Int8)": "gptq-int8",
    "GPTQ Marlin": "gptq-int8",
    "Weight = fp16, KV Cache = fp8": "kv-fp8",
    "KV FP8 only": "kv-fp8",
}
"""the same for rows on speed; `kv-` is a cache beside 16-bit weights"""
GPUS = {
    "H100 80GB": "h100-sxm-80gb", "Nvidia H100 GPU": "h100-sxm-80gb", "Nvidia A100 GPU": "a100-sxm-80gb",
    "A100 80GB": "a100-sxm-80gb", "H200": "h200-sxm-141gb", "RTX 4090": "rtx-4090-24gb",
}  # fmt: skip
"""what a source calls a GPU where that is no alias in the catalogue"""
OTHER_MACHINE = "70B BF16 on TP2"
"""what a note says where the 16-bit run had more GPUs"""
KNOWN = {weights.id for weights in WEIGHT_FORMATS}
STAND_INS = {
    "fp8-block": ("fp8", "FP8 with one scale per tensor, whose scales are coarser"),
    "w4a16": ("awq-int4", "AWQ at the same bits and group size"),
    "gptq-int4": ("awq-int4", "AWQ at the same bits and group size"),
}


def change_of(row: dict[str, str]) -> tuple[float, str] | None:
    """The relative change and the metric, where the row states one."""
    if row["trust"] != "A" or row["kind"] != "accuracy":
        return None
    metric, delta = row["metric"], row["metric_delta"]
    if relative := re.fullmatch(r"(-?[\d.]+)% relative", delta):
        return float(relative[1]) / 100, metric.removesuffix(" loss")
    if dense := re.fullmatch(r"([\d.]+)% of dense", delta):
        return float(dense[1]) / 100 - 1, metric
    if probability := re.search(r"mean dp (-?[\d.]+)%", delta):
        return float(probability[1]) / 100, "mean probability of the correct token, wikitext-2"
    if metric.startswith("OpenLLM") and row["metric_baseline"] and row["metric_quant"]:
        return float(row["metric_quant"]) / float(row["metric_baseline"]) - 1, metric
    return None


def format_of(method: str) -> str | None:
    """The weight format that a method of the table is, if it is one here."""
    gguf = re.fullmatch(r"GGUF (\w+) imatrix=(None|WT 10m)", method)
    named = f"gguf-{gguf[1].lower()}" if gguf else METHODS.get(method)
    return named if named in KNOWN else None


def statement_of(row: dict[str, str]) -> str | None:
    """What the row says in words, where it has no number."""
    if row["trust"] != "A" or row["kind"] != "accuracy" or not any(word in row["metric_delta"] for word in WORDS):
        return None
    over = row["metric"].removeprefix(">")
    return row["metric_delta"] + (f" (over {over})" if over != row["metric"] else "")


def source_of(row: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Key and entry of the row's document: a model card is one of many of its maker, so it is named for its page."""
    title, url = row["source"].replace('"', ""), row["source_url"].split(" ")[0]
    if title.endswith("model card"):
        title += f" of {url.rsplit('/', 1)[-1]}"
    key = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:72].strip("-")
    return key, {"title": title, "url": url, "retrieved": COLLECTED}


def requests_of(row: dict[str, str]) -> int | None:
    """Requests that start together: a static batch, or all prompts at once."""
    found = re.fullmatch(r"(\d+)(?: (?:ShareGPT )?prompts at once)?", row["batch"])
    return int(found[1]) if found else None


def speed_of(row: dict[str, str]) -> dict[str, Any] | None:
    """The row's ratio to 16 bit, where it states one with its load."""
    requests, ratio = requests_of(row), re.fullmatch(r"[\d.]+", row["speedup"])
    if row["trust"] not in "AB" or not row["kind"].startswith("speed") or requests is None or ratio is None:
        return None
    if not (row["isl"] and row["osl"]) or (OTHER_MACHINE in row["notes"] and "70B" in row["model"]):
        return None
    lengths = {name: int(row[name].lstrip("~")) for name in ("isl", "osl")}
    gpu_id = gpu_of(row)
    return {
        "ratio": float(ratio[0]), "gpu": row["gpu"], **({"gpu_id": gpu_id} if gpu_id else {}),
        "model": row["model"].rsplit("/", 1)[-1], "engine": row["engine"], "requests": requests, **lengths,
    }  # fmt: skip


def gpu_of(row: dict[str, str]) -> str | None:
    """The catalogue's id of the row's GPU, where it has it."""
    name = GPUS.get(row["gpu"], row["gpu"])
    known = gpu_library((packaged_profiles(),))
    return known[name].id if name in known else None


def common_folder(url: str, other: str) -> str:
    """The folder that two addresses share."""
    same = [one for one, two in zip(url.split("/"), other.split("/"), strict=False) if one == two]
    return "/".join(same)


def collect(rows: list[dict[str, str]]) -> dict[str, dict[str, Any]]:
    """Measurements, statements and sources of each format."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        format_id, change, words = format_of(row["method"]), change_of(row), statement_of(row)
        speed, timed = speed_of(row), SPEED_METHODS.get(row["method"])
        if timed is not None and speed is not None:
            format_id = timed
        if format_id is None or (change is None and words is None and speed is None):
            continue
        entry = found.setdefault(format_id, {"measurements": [], "statements": [], "speeds": [], "sources": {}})
        key, source = source_of(row)
        held = entry["sources"].setdefault(key, source)
        if held["url"] != source["url"]:  # one folder of many results
            held["url"] = common_folder(held["url"], source["url"])
        if speed is not None:
            entry["speeds"].append({**speed, "source": key})
        elif change is None:
            entry["statements"].append({"text": words, "model": row["model"], "source": key})
        if speed is not None or change is None:
            continue
        matrix = re.search(r"imatrix=(.*)", row["method"])
        suffix = f" ({'no' if matrix[1] == 'None' else 'with'} importance matrix)" if matrix else ""
        measured = {"change": round(change[0], 5), "model": row["model"], "metric": change[1] + suffix, "source": key}
        entry["measurements"].append(measured)
    return found


def stand_in(own: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    """Another format's measurements beside what is stated of the format itself."""
    statements, speeds = (own["statements"], own["speeds"]) if own else ([], [])
    used = {each["source"] for each in (*other["measurements"], *statements, *speeds)}
    sources = {**other["sources"], **(own["sources"] if own else {})}
    return {
        "measurements": other["measurements"],
        "statements": statements,
        "speeds": speeds,
        "sources": {key: entry for key, entry in sources.items() if key in used},
    }


def main() -> int:
    table = DATA / "quant_speed.csv"
    if not table.is_file():
        print(f"{table} is not there: set LLMPLAN_DATA", file=sys.stderr)
        return 1
    with table.open(newline="", encoding="utf-8") as file:
        found = collect(list(csv.DictReader(file)))
    for format_id, (original, _) in STAND_INS.items():
        found[format_id] = stand_in(found.get(format_id), found[original])
    for format_id, entry in sorted(found.items()):
        derived = STAND_INS.get(format_id)
        note = {"kind": "derived", "note": f"no figure of its own: measured on {derived[1]}"} if derived else {}
        kept = {name: each for name, each in entry.items() if each}
        write_profile(
            ROOT / f"profiles/formats/{format_id}.yaml", {"id": format_id, **note, "as_of": COLLECTED, **kept}
        )
    print(f"{len(found)} files in profiles/formats", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
