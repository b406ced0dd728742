"""Models of the Hub, through a file system that stands in for the network."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from checkpoint_files import SMALL, SMALL_WEIGHTS, llama, stored_total, write_gguf, write_model, write_shards
from checkpoint_files import gguf_llama as gguf_small
from llmplan.catalogs.checkpoint.hub import HubModels, read_hub, with_hub
from llmplan.errors import DataError, UnknownIdError, UsageError
from llmplan.spec.catalog import Catalog


class Counting(io.BytesIO):
    """A file that counts what is read of it."""

    def __init__(self, data: bytes, hub: FakeHub) -> None:
        super().__init__(data)
        self._hub = hub

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self._hub.bytes_read += len(found)
        return found


class FakeHub:
    """Repositories as folders below one folder; `ls` and `open` as fsspec has them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.calls: list[str] = []
        self.bytes_read = 0

    def ls(self, path: str, *, detail: bool) -> list[dict[str, Any]]:
        assert detail
        self.calls.append(f"ls {path}")
        folder = self._root / path
        if not folder.is_dir():
            raise FileNotFoundError(path)
        return [
            {
                "name": f"{path}/{each.name}",
                "type": "directory" if each.is_dir() else "file",
                "size": each.stat().st_size,
            }
            for each in sorted(folder.iterdir())
        ]

    @contextmanager
    def open(self, path: str, mode: str, *, block_size: int) -> Iterator[BinaryIO]:
        assert (mode, block_size > 0) == ("rb", True)
        self.calls.append(f"open {path}")
        yield Counting((self._root / path).read_bytes(), self)


@pytest.fixture
def hub(tmp_path: Path) -> FakeHub:
    write_model(tmp_path / "someone" / "small", SMALL, llama())
    (tmp_path / "someone" / "small" / "onnx").mkdir()
    return FakeHub(tmp_path)


def test_headers_are_read_and_weights_are_not(hub: FakeHub) -> None:
    model = read_hub("someone/small", lambda: hub)
    assert model.id == "someone/small"
    assert stored_total(model) == 2 * SMALL_WEIGHTS
    assert hub.calls == ["ls someone/small", "open someone/small/model.safetensors", "open someone/small/config.json"]
    assert hub.bytes_read < 2 * SMALL_WEIGHTS / 20


def test_a_revision(hub: FakeHub, tmp_path: Path) -> None:
    (tmp_path / "someone" / "small").rename(tmp_path / "someone" / "small@v1.0")
    model = read_hub("someone/small@v1.0", lambda: hub)
    assert model.id == "someone/small"
    assert hub.calls[0] == "ls someone/small@v1.0"


def test_shards_and_gguf_files(tmp_path: Path) -> None:
    write_shards(tmp_path / "a" / "shards", SMALL, llama(), 3)
    (tmp_path / "a" / "gguf").mkdir()
    write_gguf(tmp_path / "a" / "gguf" / "small.gguf", gguf_small())
    hub = FakeHub(tmp_path)
    assert stored_total(read_hub("a/shards", lambda: hub)) == 2 * SMALL_WEIGHTS
    assert read_hub("a/gguf", lambda: hub).checkpoint_format == "gguf-q8_0"


def test_the_catalogue_comes_first_and_the_hub_is_asked_once(catalog: Catalog, hub: FakeHub) -> None:
    known = next(iter(catalog.models))
    models = with_hub(catalog, lambda: hub).models
    assert models[known] == catalog.models[known]
    assert not hub.calls
    assert models["someone/small"] is models["someone/small"]
    assert hub.calls.count("ls someone/small") == 1
    assert list(models) == list(catalog.models)
    assert len(models) == len(catalog.models)
    assert "someone/small" in models
    assert "someone/else" not in models


def test_a_name_that_is_no_hub_id_stays_unknown(catalog: Catalog, hub: FakeHub) -> None:
    models = HubModels(catalog.models, lambda: hub)
    for name in ("no-owner", "a/b/c", "../up", "a/..", "-a/b", "a b/c", "a/b@", "a/b\n"):
        with pytest.raises(UnknownIdError):
            models[name]
    assert not hub.calls


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("gone"), ConnectionError("no route"), RuntimeError("401 Client Error"), KeyError("size")],
)
def test_trouble_of_the_network_is_one_clear_error(error: Exception) -> None:
    class Broken:
        def ls(self, path: str, *, detail: bool) -> Any:
            raise error

    with pytest.raises(DataError, match=rf"someone/small: the Hub cannot be read: {type(error).__name__}") as caught:
        read_hub("someone/small", Broken)
    assert any("HF_TOKEN" in hint for hint in caught.value.hints)


def test_a_repository_without_a_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "config.json").write_text(json.dumps(SMALL), encoding="utf-8")
    with pytest.raises(UsageError, match="no checkpoint is there"):
        read_hub("a/b", lambda: FakeHub(tmp_path))


def test_without_the_optional_package(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match="needs the package huggingface_hub") as caught:
        HubModels(catalog.models)["someone/small"]
    assert caught.value.hints[0] == "pip install 'llmplan[hub]'"
