"""What all rented platforms share: names of GPUs, prices, scaling, commands, refusals, and random plans."""

from __future__ import annotations

import copy
import json
import shlex
import subprocess
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import rent_plans as rent
import yaml

import plan_samples as sample
import random_plans
from llmplan.catalogs import load_catalog, packaged_profiles
from llmplan.cli import _launch_text, main
from llmplan.emit import LaunchFile, Variant, emit
from llmplan.emit.launch_file import Env
from llmplan.emit.rent.facts import hourly_price
from llmplan.emit.rent.price import price_cap
from llmplan.emit.rent.scale import scale_of
from llmplan.emit.rent.words import shell_line
from llmplan.emit.selection import select
from llmplan.emit.vllm import container
from llmplan.errors import UsageError
from llmplan.plan.deployment import Parallelism
from llmplan.plan.plan import Plan
from llmplan.planfile import render_plan_text, write_plan
from strange_names import NASTY

TARGETS = ("modal", "runpod", "skypilot", "dstack")
PLATFORM_OF = {"modal": ("modal",), "runpod": ("runpod", "runpod-serverless"), "skypilot": ("skypilot",),
               "dstack": ("dstack",)}  # fmt: skip


def commands(files: dict[str, LaunchFile]) -> list[str]:
    """The engine's argument vector, as the platform will make it from what is written."""
    if "modal_app.py" in files:
        return list(files["modal_app.py"].content.constants["COMMAND"])
    for name in ("endpoint.json", "pod.json"):
        if name in files:
            body = json.loads(_launch_text.render(files[name]))
            return ["vllm", "serve", *shlex.split(body["args"])]
    if "task.yaml" in files:
        return shell_words(yaml.safe_load(_launch_text.render(files["task.yaml"]))["run"])
    (line,) = yaml.safe_load(_launch_text.render(files["llm.dstack.yml"]))["commands"]
    return shell_words(line)


def shell_words(line: str) -> list[str]:
    """What a POSIX shell would run: `exec` becomes a stand-in that writes its words down."""
    assert line.startswith("exec ")
    script = f"show() {{ printf '%s\\0' \"$@\"; }}\nshow {line.removeprefix('exec ')}"
    done = subprocess.run(["/bin/sh", "-c", script], check=True, capture_output=True, env={"PATH": "/nowhere"})
    words = done.stdout.decode().split("\0")[:-1]
    assert words[0] == "env"
    return words[next(i for i, word in enumerate(words) if i and "=" not in word) :]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", NASTY)
def test_no_name_breaks_out_anywhere(name: str, target: str) -> None:
    of = rent.replica(model=sample.model(id=name))
    for plan in (rent.hourly(of), rent.by_second(of)):
        if target == "runpod" and "{{" in name:
            with pytest.raises(UsageError, match="RunPod fills"):
                rent.files(plan, target)
            continue
        files = rent.files(plan, target)
        words = commands(files)
        assert words[:2] == ["vllm", "serve"]
        assert words[2] == name
        assert not Path("PWNED").exists()
        for file in files.values():
            if file.kind == "python":
                compile(_launch_text.render(file), file.path, "exec")


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_gives_the_same_twice_from_the_file_alone(target: str, tmp_path: Path) -> None:
    plan = rent.by_second(peak=3)
    first = [_launch_text.render(file) for file in rent.files(plan, target).values()]
    assert first == [_launch_text.render(file) for file in rent.files(copy.deepcopy(plan), target).values()]
    write_plan(plan, tmp_path / "plan.yaml")
    assert main(["emit-config", str(tmp_path / "plan.yaml"), "--target", target, "-o", str(tmp_path / "out")]) == 0
    written = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir()}
    assert sorted(written.values()) == sorted(first)


@pytest.mark.parametrize("target", TARGETS)
def test_a_secret_of_the_environment_is_never_written(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "RUNPOD_API_KEY", "MODAL_TOKEN_SECRET", "VLLM_API_KEY"):
        monkeypatch.setenv(name, "hf_planted-value")
    for plan in (rent.hourly(), rent.by_second()):
        text = "".join(map(_launch_text.render, rent.files(plan, target).values()))
        assert "planted-value" not in text
        assert "HF_TOKEN" in text


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_internet_cannot_do_is_refused(target: str) -> None:
    plan = rent.hourly()
    with pytest.raises(UsageError, match="air-gapped") as caught:
        rent.files(plan, target, air_gapped=True)
    assert "llmplan emit-config PLAN --target kubernetes" in caught.value.hints
    wide = rent.replica(parallel=Parallelism(tp=8, pp=2))
    with pytest.raises(UsageError, match="spans 2 machines"):
        rent.files(rent.hourly(wide), target)


@pytest.mark.parametrize("target", TARGETS)
def test_a_gpu_without_a_name_there_is_refused(target: str) -> None:
    with pytest.raises(UsageError, match=r"no name of h100-sxm-80gb on .* is known") as caught:
        rent.files(rent.hourly(sample.replica()), target)
    assert any("catalog show h100-sxm-80gb" in hint for hint in caught.value.hints)
    amd = sample.gpu(None, vendor="AMD", id="mi300x-192gb", platform_names=rent.NAMES)
    with pytest.raises(UsageError, match="are for CUDA"):
        rent.files(rent.hourly(rent.replica(gpu=amd)), target)


@pytest.mark.parametrize("target", ["modal", "runpod"])
def test_spot_is_refused_where_it_is_not_sold_and_said_where_it_was_priced(target: str) -> None:
    with pytest.raises(UsageError, match="no spot machines") as caught:
        rent.files(rent.hourly(), target, spot=True)
    assert "llmplan emit-config PLAN --target skypilot --spot" in caught.value.hints
    found = rent.files(rent.hourly(term="spot"), target)
    assert any("spot" in line for file in found.values() for line in file.header)


def test_a_token_api_still_has_nothing_to_launch() -> None:
    plan = sample.plan(sample.token_option(), recommended="serverless")
    for target in TARGETS:
        with pytest.raises(UsageError, match="hosted token API"):
            emit(plan, strategy=None, target=target)


def test_the_fleet_is_the_plans() -> None:
    launch = select(rent.by_second(peak=3, keep_warm=1), None)
    scale = scale_of(launch, container(launch))
    assert (scale.low, scale.high, scale.moves) == (1, 3, True)
    assert (scale.target, scale.most) == (13, 64)  # a batch of 12.5 in the estimate; max_num_seqs
    assert scale.idle_s == 60
    assert scale.start_s == 660  # 3 x 150 s, and 16.06 GB at 100 MB/s, in whole minutes
    assert scale.request_s == 10 * 40
    fixed = select(rent.hourly(replicas=2), None)
    scale = scale_of(fixed, container(fixed))
    assert (scale.low, scale.high, scale.moves, scale.idle_s) == (2, 2, False, None)
    assert scale.request_s == 300


def test_a_start_of_unknown_length_gets_what_compose_files_give() -> None:
    plan = rent.by_second()
    option = plan.outcomes["serverless"]
    launch = select(replace(plan, outcomes={**plan.outcomes, "serverless": replace(option, start_s=None)}), None)
    scale = scale_of(launch, container(launch))
    assert scale.start_s == 33 * 60  # 1800 s, and 16.06 GB at 100 MB/s
    assert "no figure" in scale.why_start


def test_the_price_is_capped_only_where_anybody_gets_it() -> None:
    launch = select(rent.hourly(), None)
    hourly = hourly_price(launch)
    assert hourly is not None
    assert hourly.usd == pytest.approx(3.4)
    assert price_cap(launch) == pytest.approx(3.4 * 1.25)
    assert price_cap(select(rent.hourly(term="spot"), None)) == pytest.approx(3.4 * 1.25)
    assert price_cap(select(rent.hourly(term="reserved-1y"), None)) is None
    assert price_cap(select(rent.by_second(), None)) is None


def test_a_variable_is_expanded_once_and_must_be_set() -> None:
    launch = select(rent.hourly(rent.replica(weights="awq-int4")), None)
    found = container(launch)
    assert isinstance(found.weights, Env)
    line = shell_line(found)
    body = f"show() {{ printf '%s\\0' \"$@\"; }}\nshow {line.removeprefix('exec ')}"
    done = subprocess.run(["/bin/sh", "-c", body], check=True, capture_output=True, env={"MODEL": "a'$(id) b"})
    assert "a'$(id) b" in done.stdout.decode().split("\0")
    done = subprocess.run(["/bin/sh", "-c", body], check=False, capture_output=True, env={})
    assert done.returncode != 0
    assert b"AWQ 4-bit" in done.stderr


def test_names_survive_the_plan_file_and_old_plans_load_without(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    text = render_plan_text(rent.hourly())
    assert "platform_names" in text
    write_plan(rent.hourly(), path)
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    for gpu in document["entities"]["gpus"].values() if "entities" in document else ():
        gpu.pop("platform_names", None)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert main(["emit-config", str(path), "--target", "vllm", "--force"]) == 0


def test_packaged_names_are_of_known_platforms_and_well_formed() -> None:
    catalog = load_catalog((packaged_profiles(),), price_date=date(2026, 11, 26))
    named = {gpu.id: gpu.platform_names for gpu in catalog.gpus.values() if gpu.platform_names}
    assert len(named) >= 40
    h100 = named["h100-sxm-80gb"]
    assert (h100["modal"], h100["skypilot"], h100["dstack"]) == ("H100!", "H100", "H100")
    assert h100["runpod"] in catalog.gpus["h100-sxm-80gb"].aliases  # RunPod takes NVML's own names
    for gpu_id, names in named.items():
        gpu = catalog.gpus[gpu_id]
        for platform, name in names.items():
            assert name == name.strip(), gpu_id
            assert gpu.provenance[f"platform_names.{platform}"].source.url, gpu_id
        if "runpod-serverless" in names:
            pool, *others = names["runpod-serverless"].split(",")
            assert pool == pool.upper()
            assert all(other.startswith("-") for other in others)
            assert f"-{names['runpod']}" not in others, gpu_id


def attempt(plan: Plan, target: str, variant: Variant) -> tuple[dict[str, LaunchFile], UsageError | None]:
    try:
        return {file.path: file for file in emit(plan, strategy=None, target=target, variant=variant)}, None
    except UsageError as error:
        return {}, error


@pytest.mark.parametrize("target", TARGETS)
def test_random_plans_come_back_as_planned_or_are_refused_in_words(target: str) -> None:
    emitted = 0
    for plan in random_plans.plans_of(120, 7, engine="vllm"):
        of = random_plans.replica_of(plan)
        variant = Variant(checkpoint="org/weights")
        found, error = attempt(plan, target, variant)
        if error is not None:
            assert error.hints
            known = all(of.gpu.platform_names.get(key) for key in PLATFORM_OF[target])
            reasons = ("spans", "air-gapped", "are for CUDA", "GPUs, and this plan's replica has", "no name of")
            assert any(reason in error.message for reason in reasons), error.message
            assert not known or "no name of" not in error.message
            continue
        words = commands(found)
        assert words[2] == "org/weights"
        assert words[words.index("--tensor-parallel-size") + 1] == str(of.parallel.tp)
        assert words[words.index("--max-model-len") + 1] == str(of.settings.max_model_len)
        again = emit(plan, strategy=None, target=target, variant=variant)
        assert list(map(_launch_text.render, again)) == list(map(_launch_text.render, found.values()))
        emitted += 1
    assert emitted >= 10
