"""Put every load on the engine that serve.py has started, and write the requests to `measured/NAME.csv`.

    python benchmarks/real_engine/record.py NAME --run a [--loads LOAD ...]

Run it in the engine's environment. Requests are added to the file if it is there; `--run` tells apart the
times that a load was put. `NAME.yaml` is written by hand.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from settings import LOADS, TIGHT

HERE = Path(__file__).parent
COLUMNS = ("arrival_s", "input_tokens", "output_tokens", "ttft_s", "e2e_s")


def put(load: str) -> list[dict[str, float]]:
    """One load, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "requests.jsonl"
        subprocess.run([sys.executable, str(HERE / "load.py"), load, "--out", str(out)], check=True)
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    """Load after load."""
    parser = argparse.ArgumentParser(description="Record the requests of every load.")
    parser.add_argument("name")
    parser.add_argument("--run", required=True)
    parser.add_argument("--loads", nargs="+", choices=sorted(LOADS), default=[load for load in LOADS if load != TIGHT])
    chosen = parser.parse_args()
    path = HERE / "measured" / f"{chosen.name}.csv"
    for load in chosen.loads:
        requests = put(load)
        is_new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as table:
            writer = csv.writer(table, lineterminator="\n")
            if is_new:
                writer.writerow(("load", "run", *COLUMNS))
            writer.writerows((load, chosen.run, *(request[name] for name in COLUMNS)) for request in requests)


if __name__ == "__main__":
    main()
