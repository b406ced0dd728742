"""The workload files printed in the docs are read as they stand, and the reference names every key."""

import re
from pathlib import Path

from llmplan.catalogs.workloads import WorkloadFile, read_workload_file, read_workload_slo

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"```yaml\n(.*?)```", re.DOTALL)


def test_the_printed_files_are_read(tmp_path: Path) -> None:
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/reference/workload.md", "README.md")]
    found = [text for page in pages for text in BLOCK.findall(page) if "input_tokens" in text]
    assert len(found) == 2
    for text in found:
        path = tmp_path / "chat.yaml"
        path.write_text(text, encoding="utf-8")
        workload, slo = read_workload_file(path), read_workload_slo(path)
        assert (workload.requests_per_s, workload.input_tokens.mean, workload.output_tokens.mean) == (2, 1155, 211)
        assert (slo.ttft_p95_s, slo.tpot_p95_s) == (2.0, 0.05)


def test_every_key_is_documented() -> None:
    page = (ROOT / "docs/reference/workload.md").read_text(encoding="utf-8")
    assert [key for key in WorkloadFile.KNOWN_FIGURES if key not in page] == []
