"""Around the GPUs: the folder of downloaded weights, a container's own list of GPUs, the limits of a process."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmplan.hardware.container_devices import container_notes, with_container
from llmplan.hardware.limits import read_limits
from llmplan.hardware.model_cache import cached_bytes, model_cache
from llmplan.hardware.report import GpuReading, Visibility

TWO = (GpuReading(index=0), GpuReading(index=1))
ALL = Visibility(variable=None, indexes=(0, 1))


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        # the order of huggingface_hub: HF_HUB_CACHE, its old name, HF_HOME, XDG_CACHE_HOME, ~/.cache
        ({}, "/home/me/.cache/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/hub"),
        ({"XDG_CACHE_HOME": "/x", "HF_HOME": "/hf"}, "/hf/hub"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old"}, "/old"),
        ({"HF_HOME": "/hf", "HUGGINGFACE_HUB_CACHE": "/old", "HF_HUB_CACHE": "~/hub"}, "/home/me/hub"),
        ({"HF_HOME": ""}, "/home/me/.cache/huggingface/hub"),
    ],
)
def test_where_weights_are_downloaded_to(environ: dict[str, str], folder: str) -> None:
    assert model_cache({"HOME": "/home/me", **environ}) == Path(folder)


def test_what_of_a_model_lies_in_the_cache(tmp_path: Path) -> None:
    assert cached_bytes(tmp_path, "org/model") == 0
    blobs = tmp_path / "models--org--model/blobs"
    blobs.mkdir(parents=True)
    (blobs / "a").write_bytes(b"x" * 1000)
    (blobs / "b.incomplete").write_bytes(b"x" * 24)
    (blobs / "lost").symlink_to(tmp_path / "nowhere")
    assert cached_bytes(tmp_path, "org/model") == 1024
    (tmp_path / "models--org--odd").write_text("")
    assert cached_bytes(tmp_path, "org/odd") is None


@pytest.mark.parametrize(
    ("variable", "visible", "words"),
    [
        ("all", ALL, None),
        ("void", ALL, None),
        ("0,1", ALL, None),
        ("GPU-a,GPU-b", ALL, None),
        ("MIG-1", ALL, None),
        ("0:1", ALL, None),
        ("GPU-a", ALL, "names 1 of the 2 GPUs"),
        ("GPU-a", Visibility(variable="0", indexes=(0,)), None),
        ("2,3", Visibility(variable="2,3", indexes=()), "counts its GPUs from 0"),
    ],
)
def test_a_containers_own_list_beside_what_is_visible(variable: str, visible: Visibility, words: str | None) -> None:
    notes = container_notes(variable, visible, TWO)
    assert bool(notes) == (words is not None)
    assert all(words in note for note in notes if words)


def test_the_containers_list_is_kept_beside_what_cuda_sees() -> None:
    assert with_container(ALL, {}, TWO) == ALL
    seen = with_container(ALL, {"NVIDIA_VISIBLE_DEVICES": "GPU-a"}, TWO)
    assert (seen.container_variable, len(seen.notes), seen.indexes) == ("GPU-a", 1, (0, 1))


def test_limits_are_those_of_this_process() -> None:
    resource = pytest.importorskip("resource")
    limits = read_limits()
    assert limits is not None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert limits.open_files == (None if hard == resource.RLIM_INFINITY else hard)
