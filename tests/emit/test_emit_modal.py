"""The Modal app: it compiles, calls nothing but Modal and the engine, and its constants are the plan's."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import rent_plans as rent

import plan_samples as sample
from llmplan.cli import _launch_text
from llmplan.emit import LaunchFile
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism
from strange_names import NASTY

CALLS = {
    "modal.App", "modal.Image.from_registry", ".entrypoint", "FILES.items", "image.add_local_file", "Path",
    ".with_name", "modal.Volume.from_name", "modal.Secret.from_name", "SECRETS.items", "app.function",
    "modal.concurrent", "modal.web_server", "subprocess.Popen",
}  # fmt: skip
"""all that the file may call"""


def app(plan: Any, **variant: Any) -> LaunchFile:
    return rent.files(plan, "modal", **variant)["modal_app.py"]


def tree(file: LaunchFile) -> ast.Module:
    return ast.parse(_launch_text.render(file))


def called(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        inner = called(node.value)
        return f"{inner}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


@pytest.mark.parametrize("name", NASTY)
def test_only_known_calls_occur_whatever_the_names(name: str) -> None:
    module = tree(app(rent.by_second(rent.replica(model=sample.model(id=name)))))
    calls = {called(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
    assert calls == CALLS
    (start,) = (node for node in ast.walk(module) if isinstance(node, ast.Call) and called(node.func).endswith("Popen"))
    assert [called(argument) for argument in start.args] == ["COMMAND"]
    assert [keyword.arg for keyword in start.keywords] == ["env"]  # no shell


def test_constants_read_back_as_planned() -> None:
    file = app(rent.by_second(peak=3, keep_warm=1))
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree(file).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper()
    }
    assert constants == dict(file.content.constants)
    assert constants["IMAGE"] == "vllm/vllm-openai:v0.33.0"
    assert constants["COMMAND"][:3] == ["vllm", "serve", "meta-llama/Llama-3.1-8B-Instruct"]
    assert constants["GPU"] == "H100!"
    assert (constants["MIN_CONTAINERS"], constants["MAX_CONTAINERS"]) == (1, 3)
    assert (constants["TARGET_INPUTS"], constants["MAX_INPUTS"]) == (13, 64)
    assert constants["SCALEDOWN_WINDOW_S"] == 60
    assert constants["STARTUP_TIMEOUT_S"] == 660
    assert constants["TIMEOUT_S"] == 10 * 40
    assert constants["SECRETS"] == {"huggingface-secret": ["HF_TOKEN"]}
    assert constants["ENVIRONMENT"]["HF_HOME"] == constants["WEIGHTS_PATH"]


def test_several_gpus_regions_and_a_fixed_fleet() -> None:
    plan = rent.limited(rent.hourly(rent.replica(parallel=Parallelism(tp=4)), replicas=2), regions=("us-east",))
    constants = app(plan).content.constants
    assert constants["GPU"] == "H100!:4"
    assert constants["REGIONS"] == ["us-east"]
    assert (constants["MIN_CONTAINERS"], constants["MAX_CONTAINERS"]) == (2, 2)
    assert constants["SCALEDOWN_WINDOW_S"] is None


def test_a_long_window_stays_within_what_modal_takes() -> None:
    assert app(rent.by_second(window_s=3600.0)).content.constants["SCALEDOWN_WINDOW_S"] == 20 * 60


def test_files_that_the_engine_reads_lie_beside_the_app() -> None:
    trt = sample.engine("tensorrt-llm", image="nvcr.io/nvidia/tensorrt-llm/release:1.2.1", version="1.2.1")
    files = rent.files(rent.hourly(rent.replica(engine=trt)), "modal")
    assert set(files) == {"modal_app.py", "trtllm.yaml"}
    assert files["modal_app.py"].content.constants["FILES"] == {"trtllm.yaml": "/config/trtllm.yaml"}


def test_what_cannot_be_asked_for_must_be_stated() -> None:
    plan = rent.hourly(rent.replica(weights="awq-int4"))
    with pytest.raises(UsageError, match="cannot ask at launch") as caught:
        app(plan)
    assert "add --checkpoint REPOSITORY_OR_FOLDER" in caught.value.hints
    assert "org/awq" in app(plan, checkpoint="org/awq").content.constants["COMMAND"]


def test_the_header_says_whose_price_it_is() -> None:
    assert any("priced at koyeb" in line and "Modal itself" in line for line in app(rent.by_second()).header)
    own = app(rent.hourly(provider="modal")).header
    assert any(line.startswith("priced at modal") and "more or less" not in line for line in own)


def test_what_is_compiled_stays_in_the_volume() -> None:
    constants = app(rent.by_second()).content.constants
    assert constants["ENVIRONMENT"]["VLLM_CACHE_ROOT"].startswith(f"{constants['WEIGHTS_PATH']}/")
