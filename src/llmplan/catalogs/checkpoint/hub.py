"""Models of the Hugging Face Hub that the catalogue does not have, read through their files' headers when asked to.

Needs the optional package huggingface_hub (`pip install 'llmplan[hub]'`). Only the listing, config.json and the
headers are fetched, through byte ranges; weights never are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from llmplan.catalogs.checkpoint.folder import MAX_NAMES
from llmplan.catalogs.checkpoint.reader import read_folder
from llmplan.catalogs.lazy import LazyCatalog
from llmplan.errors import DataError, LlmplanError, UsageError
from llmplan.spec.catalog import Catalog
from llmplan.spec.model import ModelSpec

_HUB_ID: Final = re.compile(
    r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(?:@(?P<revision>[\w.-]{1,100}))?", re.ASCII
)  # fmt: skip
_BLOCK_BYTES: Final = 2**20
Connect = Callable[[], Any]
"""makes an fsspec-like file system of repositories: `ls(path, detail=True)` and `open(path, "rb", block_size=N)`"""


class HubFolder:
    """A repository's top folder at one revision."""

    def __init__(self, repo: str, files: Any) -> None:
        self._repo = repo
        self._files = files
        self._sizes: dict[str, int] | None = None

    def names(self) -> tuple[str, ...]:
        """Names of its files."""
        return tuple(sorted(self._listed()))

    def path(self, name: str) -> str:
        """Repository and name."""
        return f"{self._repo}/{name}"

    @contextmanager
    def open(self, name: str) -> Iterator[tuple[BinaryIO, int]]:
        """The file, of which parts are fetched as they are read, and its size."""
        size = self._listed().get(name)
        if size is None:
            raise DataError(
                f"{self.path(name)}: not in the repository", hints=["name another revision: owner/name@revision"]
            )
        with _explained(self._repo), self._files.open(self.path(name), "rb", block_size=_BLOCK_BYTES) as file:
            yield file, size

    def _listed(self) -> dict[str, int]:
        if self._sizes is None:
            with _explained(self._repo):
                listing = self._files.ls(self._repo, detail=True)
            if len(listing) > MAX_NAMES:
                raise DataError(
                    f"{self._repo}: more than {MAX_NAMES:,} files",
                    hints=["download the model's config.json and give its path"],
                )
            self._sizes = {
                str(entry["name"]).rpartition("/")[2]: int(entry["size"])
                for entry in listing
                if entry.get("type") == "file"
            }
        return self._sizes


class HubModels(Mapping[str, ModelSpec]):
    """The catalogue's models, and any other Hub id (`owner/name`, `owner/name@revision`) from the Hub itself."""

    def __init__(self, known: Mapping[str, ModelSpec], connect: Connect | None = None) -> None:
        self._known = known
        self._connect = connect or _file_system
        self._read: dict[str, ModelSpec] = {}

    def __getitem__(self, name: str) -> ModelSpec:
        if name in self._known or _HUB_ID.fullmatch(name) is None:
            return self._known[name]
        if name not in self._read:
            self._read[name] = read_hub(name, self._connect)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, name: object) -> bool:
        return name in self._known or name in self._read

    def __getattr__(self, name: str) -> Any:
        return getattr(self._known, name)


def with_hub(catalog: Catalog, connect: Connect | None = None) -> Catalog:
    """The catalogue with every model of the Hub in reach."""
    return LazyCatalog(
        gpus=catalog.gpus, hosts=catalog.hosts, engines=catalog.engines, models=HubModels(catalog.models, connect),
        workloads=catalog.workloads, qualities=catalog.qualities, prices=lambda: catalog.prices,
        calibrations=lambda: catalog.calibrations,
    )  # fmt: skip


def read_hub(name: str, connect: Connect) -> ModelSpec:
    """The model of a repository, `owner/name` or `owner/name@revision`."""
    found = _HUB_ID.fullmatch(name)
    if found is None:
        raise UsageError(f"{name!r} is not a Hub id", hints=["a Hub id is owner/name, or owner/name@revision"])
    with _explained(name):
        files = connect()
    return read_folder(HubFolder(name, files), None, model_id=found["repo"]).model


def _file_system() -> Any:
    try:
        from huggingface_hub import HfFileSystem
    except ImportError:
        raise UsageError(
            "--hub needs the package huggingface_hub, which is not installed",
            hints=["pip install 'llmplan[hub]'", "or download the model's config.json and give its path"],
        ) from None
    return HfFileSystem()


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """One error for whatever a network library raises: they share no base class."""
    try:
        yield
    except LlmplanError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise DataError(
            f"{name}: the Hub cannot be read: {type(error).__name__}{': ' if reason else ''}{reason}",
            hints=[
                "check the spelling and the network",
                "a gated repository needs a token: hf auth login, or HF_TOKEN",
                "or download the model's config.json and give its path",
            ],
        ) from None
