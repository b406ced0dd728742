"""The workload files printed in the docs are read as they stand, and the reference names every key."""

import re
from pathlib import Path

import yaml

from llmplan.catalogs.traffic_entry import TrafficEntry
from llmplan.catalogs.workloads import WorkloadFile, read_workload_file, read_workload_slo
from llmplan.simulate.traffic import generate

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def test_the_printed_files_are_read(tmp_path: Path) -> None:
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/reference/workload.md", "README.md")]
    found = [text for page in pages for text in BLOCK.findall(page) if "ttft_p95_ms" in text]
    assert len(found) == 2
    for text in found:
        path = tmp_path / "chat.yaml"
        path.write_text(text, encoding="utf-8")
        workload, slo = read_workload_file(path), read_workload_slo(path)
        assert (workload.requests_per_s, workload.input_tokens.mean, workload.output_tokens.mean) == (2, 1155, 211)
        assert (slo.ttft_p95_s, slo.tpot_p95_s) == (2.0, 0.05)


def test_the_printed_traffic_is_read_and_generates(tmp_path: Path) -> None:
    page = (ROOT / "docs/reference/workload.md").read_text(encoding="utf-8")
    (printed,) = (text for text in BLOCK.findall(page) if text.startswith("traffic:"))
    path = tmp_path / "chat.yaml"
    path.write_text("requests_per_s: 2\ninput_tokens: 1155\noutput_tokens: 211\ntenants: 3\n" + printed)
    workload = read_workload_file(path)
    assert workload.traffic is not None
    assert set(TrafficEntry.model_fields) == set(yaml.safe_load(printed)["traffic"])
    assert sum(map(len, generate(workload, seed=1, requests=100))) == 100


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs/reference/workload.md").read_text(encoding="utf-8")
    assert [key for key in WorkloadFile.KNOWN_FIGURES if key not in page] == []
