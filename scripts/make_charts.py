"""Draw the pictures of docs/how-it-works/charts.md: one of each kind, at the prices of one day.

python scripts/make_charts.py            writes docs/images/<kind>.svg (needs llmplan[plot])
python scripts/make_charts.py --check    exits 1 where a picture says something else than today's catalogue

Coordinates depend on the release of matplotlib, so that only the words of the pictures are compared.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from llmplan.cli import main
from llmplan.report.charts import KINDS

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
QUESTION = (
    "meta-llama/Llama-3.1-8B-Instruct", "--requests-per-second", "5", "--isl", "1000", "--osl", "300",
    "--ttft-p95-ms", "2000", "--tpot-p95-ms", "50", "--as-of", "2026-11-22",
)  # fmt: skip


def draw(kind: str, path: Path) -> None:
    """One picture, as the command makes it."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = main(["cost", *QUESTION, "--chart", kind, "--chart-file", str(path), "--force"])
    if code != 0:
        raise SystemExit(f"--chart {kind} exits {code}")


def words(path: Path) -> list[str]:
    """Title and description of a picture."""
    root = ElementTree.parse(path).getroot()
    return ["".join(child.itertext()) for child in root if child.tag.endswith(("}title", "}desc"))]


def stale(kind: str) -> bool:
    """Whether the kept picture says something else than a new one."""
    kept = IMAGES / f"{kind}.svg"
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / kept.name
        draw(kind, made)
        return not kept.exists() or words(kept) != words(made)


def run(argv: list[str]) -> int:
    """Draw all, or compare them."""
    if "--check" in argv:
        found = [kind for kind in KINDS if stale(kind)]
        if found:
            print(f"out of date: {', '.join(found)}; run python scripts/make_charts.py", file=sys.stderr)
        return 1 if found else 0
    for kind in KINDS:
        draw(kind, IMAGES / f"{kind}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
