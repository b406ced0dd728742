"""Documents as YAML, put in place whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from llmplan.errors import DataError

_WIDTH: Final = 140


class _Dumper(yaml.SafeDumper):
    """Lists are indented under their key, numbers are written as in the table, nothing is anchored."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _number(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = f"{value:.12g}"
    if "e" in text:
        text = f"{value:.14f}".rstrip("0")
    return dumper.represent_scalar("tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int", text)


_Dumper.add_representer(float, _number)


def render(document: Mapping[str, Any]) -> str:
    """A document as YAML text: short lists and maps on one line.

    >>> print(render({"id": "x", "sources": {"a": {"title": "t"}}}), end="")
    id: x
    sources:
      a: {title: t}
    """
    return yaml.dump(
        dict(document), Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=_WIDTH, allow_unicode=True
    )


def write_documents(documents: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Path]:
    """Write `<folder>/<id>.yaml` for each document. Every file is complete before the first one is put in place."""
    prepared: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for provider, document in documents.items():
            handle, name = tempfile.mkstemp(prefix=f".{provider}.", suffix=".part", dir=folder)
            prepared.append((Path(name), folder / f"{provider}.yaml"))
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(render(document))
                file.flush()
                os.fsync(file.fileno())
        for temporary, target in prepared:
            temporary.chmod(0o644)
            temporary.replace(target)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        for temporary, _ in prepared:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    return [target for _, target in prepared]
