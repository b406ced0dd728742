"""One object with the comments that belong above its values, and files of several such objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmplan.emit.launch_file import LaunchFile, Path, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """A Kubernetes object, or a part of one: plain data, and comments by path within it."""

    content: Mapping[str, Any]
    comments: Mapping[Path, str] = field(default_factory=dict)

    def below(self, *path: str | int) -> dict[Path, str]:
        """The comments as they are where this part stands at `path` of a larger whole."""
        return {(*path, *inner): text for inner, text in self.comments.items()}


def file_of(
    path: str, manifests: Iterable[Manifest], *, header: tuple[str, ...], settings: tuple[Setting, ...] = ()
) -> LaunchFile:
    """Several objects in one YAML file, in this order."""
    found = tuple(manifests)
    comments = {inner: text for i, each in enumerate(found) for inner, text in each.below(i).items()}
    return LaunchFile(
        path=path,
        kind="yaml-documents",
        content=tuple(each.content for each in found),
        header=header,
        comments=comments,
        settings=settings,
    )
