"""A snapshot of prices on disk: written whole into a folder of its own, put in force by one rename, checked by sums.

Whatever interrupts the writing (Ctrl-C, a full disk, a power cut), the snapshot that was in force stays in force: its
files are never touched, and the name of the new one is written last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from llmplan.errors import DataError
from llmplan.pricefeeds.writing import render, write_documents

MANIFEST: Final = "manifest.json"
SCHEMA: Final = "llmplan.price-snapshot/v1"
KEPT: Final = 4
"""Snapshots that stay on disk, so that one can look at what an update changed."""
_PART: Final = ".part"
_ABANDONED: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One snapshot. `origins` say what was read: source, address, number of prices."""

    folder: Path
    made: datetime
    origins: tuple[Mapping[str, Any], ...]
    files: Mapping[str, str]
    """path within the folder to SHA-256"""

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name


def write_snapshot(
    pointer: Path,
    documents: Mapping[str, Mapping[str, Any]],
    *,
    made: datetime,
    origins: Sequence[Mapping[str, Any]],
    base: str | None,
    verify: Callable[[Path], object] = lambda _: None,
) -> Path:
    """Write a snapshot beside the others and put it in force; `base` is the one that it was made from.

    `verify` reads the folder before it counts, and raises if it cannot be used. Refused if another snapshot was put in
    force in the meantime, since its prices would be lost.
    """
    cache = pointer.parent
    sums = hashlib.sha256("".join(render(document) for document in documents.values()).encode()).hexdigest()
    name = f"{made.astimezone(UTC):%Y%m%dT%H%M%SZ}-{sums[:8]}"
    part = cache / f".{name}{_PART}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _clear_abandoned(cache, made)
        shutil.rmtree(part, ignore_errors=True)
        (part / "prices").mkdir(parents=True)
        write_documents(documents, part / "prices")
        _write(part / MANIFEST, json.dumps(_manifest(part, made, origins, base), indent=1) + "\n")
        verify(part)
        if named_by(pointer) != base:
            raise DataError("another update finished meanwhile; nothing was written", hints=["run it again"])
        if (cache / name).exists():
            shutil.rmtree(cache / name)
        part.replace(cache / name)
        _sync(cache)
        fresh = pointer.with_name(f".{pointer.name}{_PART}")
        fresh.unlink(missing_ok=True)
        _write(fresh, f"{name}\n")
        fresh.replace(pointer)
        _sync(cache)
    except OSError as error:
        raise DataError(f"{cache}: cannot be written: {error.strerror or error}; the old prices stay") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in history(cache)[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return cache / name


def named_by(pointer: Path) -> str | None:
    """The name in a pointer; None without one."""
    try:
        return pointer.read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def history(cache: Path) -> list[Path]:
    """The snapshots on disk, the newest first."""
    found = [path for path in cache.glob("*/") if (path / MANIFEST).is_file() and not path.name.startswith(".")]
    return sorted(found, key=lambda path: path.name, reverse=True)


def read_snapshot(folder: Path) -> Snapshot:
    """What the manifest of a snapshot says."""
    path = folder / MANIFEST
    try:
        stated = json.loads(path.read_text(encoding="utf-8"))
        return Snapshot(
            folder=folder, made=datetime.fromisoformat(stated["made"]), origins=tuple(stated["origins"]),
            files={str(name): str(entry["sha256"]) for name, entry in stated["files"].items()},
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read: {error}", hints=[f"delete {folder.parent}: it is a cache"]) from None


def damages(snapshot: Snapshot) -> list[str]:
    """Files that are not what the manifest says: changed, missing or added."""
    found = []
    for name, expected in sorted(snapshot.files.items()):
        path = snapshot.folder / name
        try:
            actual = _sum(path)
        except OSError:
            found.append(f"{path}: is missing")
            continue
        if actual != expected:
            found.append(f"{path}: was changed since it was written (its SHA-256 differs)")
    present = {f"prices/{path.name}" for path in (snapshot.folder / "prices").glob("*") if path.is_file()}
    return found + [f"{snapshot.folder / name}: is not in the manifest" for name in sorted(present - {*snapshot.files})]


def _manifest(folder: Path, made: datetime, origins: Sequence[Mapping[str, Any]], base: str | None) -> dict[str, Any]:
    files = sorted((folder / "prices").glob("*.yaml"))
    return {
        "schema": SCHEMA,
        "made": made.isoformat(),
        "base": base,
        "origins": [dict(origin) for origin in origins],
        "files": {f"prices/{path.name}": {"sha256": _sum(path), "bytes": path.stat().st_size} for path in files},
    }


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str) -> None:
    with path.open("x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make a rename last; not every system lets a folder be opened for that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _clear_abandoned(cache: Path, now: datetime) -> None:
    """What a killed update left behind, once it is certain that it is not one that still runs."""
    for path in cache.glob(f".*{_PART}"):
        with contextlib.suppress(OSError):
            if now - datetime.fromtimestamp(path.stat().st_mtime, tz=UTC) > _ABANDONED:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
