"""`emit-config` for Kubernetes from the command line: its flags, folders in folders, files within files."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import plan_samples as sample
from llmplan.cli import main
from llmplan.cli._launch_text import render
from llmplan.cli._variant_flags import WEIGHTS_VOLUMES
from llmplan.emit import LaunchFile
from llmplan.emit.variant import WeightsVolume
from llmplan.planfile import write_plan


@pytest.fixture
def plan_path(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    write_plan(sample.plan(), path)
    return path


def objects_in(folder: Path) -> list[dict[str, object]]:
    return [found for path in sorted(folder.glob("*.yaml")) for found in yaml.safe_load_all(path.read_text("utf-8"))]


def test_a_folder_within_the_folder(plan_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["emit-config", str(plan_path), "--target", "kubernetes", "-o", str(out)]
    assert main(command) == 0
    assert (out / "monitoring" / "servicemonitor.yaml").is_file()
    assert "monitoring/servicemonitor.yaml" in capsys.readouterr().err
    assert main(command) == 1, "files that are there are kept"
    assert main([*command, "--force"]) == 0


def test_the_flags_reach_the_files(plan_path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    flags = [
        "--weights-volume", "per-replica", "--gpu-resource", "nvidia.com/mig-3g.40gb", "--autoscaler", "keda",
        "--prometheus-url", "http://prometheus.example:9090", "--namespace", "serving", "--storage-class", "fast",
    ]  # fmt: skip
    assert main(["emit-config", str(plan_path), "--target", "kubernetes", "-o", str(out), *flags]) == 0
    text = "\n".join(path.read_text("utf-8") for path in out.glob("*.yaml"))
    kinds = {str(found["kind"]) for found in objects_in(out)}
    assert {"StatefulSet", "ScaledObject", "Namespace"} <= kinds
    for value in (
        "nvidia.com/mig-3g.40gb: '1'",
        "serverAddress: http://prometheus.example:9090",
        "storageClassName: fast",
    ):
        assert value in text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--weights-volume", "both"], "--weights-volume"),
        (["--gpu-resource", "$(x)"], "--gpu-resource"),
        (["--prometheus-url", "http://user:secret@host"], "without a password"),
        (["--target", "leaderworkerset"], "--target kubernetes"),
    ],
)
def test_mistakes_have_one_message(
    plan_path: Path, flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = [] if "--target" in flags else ["--target", "kubernetes"]
    assert main(["emit-config", str(plan_path), *target, *flags]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_the_choices_are_those_of_the_variant() -> None:
    assert WeightsVolume.__args__ == WEIGHTS_VOLUMES


def test_a_file_within_a_file_is_its_text() -> None:
    """As a ConfigMap holds it: what is read back out of the value is the inner file."""
    inner = LaunchFile(path="x.yaml", kind="yaml", content={"a": "$x: {", "b": [1]}, header=("says: what",))
    outer = LaunchFile(path="y.yaml", kind="yaml-documents", content=({"data": {"x.yaml": inner}},))
    (found,) = yaml.safe_load_all(render(outer))
    assert found["data"]["x.yaml"] == render(inner)
    assert yaml.safe_load(found["data"]["x.yaml"]) == inner.content
