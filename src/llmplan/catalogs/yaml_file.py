"""The strict file edge: one YAML file in, plain values or a validated model out, every complaint with its position.

YAML is a richer language than data files need. Anchors, merge keys, tags, repeated keys, `yes` for true, `010` for
eight and `1:30` for ninety are refused here rather than silently understood; everything else is left to the pydantic
model of the file. An error reads `path:line:column: key: what is wrong`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from llmplan.catalogs.packaged import packaged_profiles
from llmplan.errors import DataError

MAX_FILE_BYTES: Final = 4 * 1024**2
_MAX_DEPTH: Final = 16
_MAX_NODES: Final = 400_000
_MAX_PROBLEMS: Final = 8

M = TypeVar("M", bound=BaseModel)
Key: TypeAlias = str | int
Position: TypeAlias = tuple[int, int]
"""line and column, both from 1"""

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_SEQUENCE, _MAPPING, _TEXT, _NULL, _BOOL, _WHOLE, _FLOAT, _DAY = (
    f"{_TAG}{name}" for name in ("seq", "map", "str", "null", "bool", "int", "float", "timestamp")
)
_NUMBER_STARTS = frozenset("+-0123456789")
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_SCIENTIFIC = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS = {"true": True, "True": True, "false": False, "False": False}


_TAGS_OF_TEXTS: dict[tuple[str, Any], Any] = {}
_MAX_TEXTS: Final = 50_000


class _Loader(_Base):  # type: ignore[misc]
    """The safe loader, which decides once what a plain text is: files repeat their keys, ids, dates and round numbers.

    Paths have no say in the matter, so the calls that keep track of them do nothing.
    """

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        if kind is not yaml.ScalarNode:
            return _MAPPING if kind is yaml.MappingNode else _SEQUENCE
        key = (value, implicit)
        found = _TAGS_OF_TEXTS.get(key)
        if found is None:
            if len(_TAGS_OF_TEXTS) > _MAX_TEXTS:
                _TAGS_OF_TEXTS.clear()
            found = _TAGS_OF_TEXTS[key] = super().resolve(kind, value, implicit)
        return found

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        pass

    def ascend_resolver(self) -> None:
        pass


def read_yaml(path: Path, *, max_bytes: int = MAX_FILE_BYTES) -> dict[str, Any]:
    """The mapping that a YAML file holds, as plain strings, numbers, dates, lists and dicts."""
    root = _compose(path, max_bytes)
    if not isinstance(root, yaml.MappingNode):
        raise DataError(f"{path}:1:1: a mapping (`key: value` lines) is expected")
    values: dict[str, Any] = _Builder(path).build(root, 0, "")
    return values


def read_model(path: Path, model_type: type[M], *, today: date | None = None) -> M:
    """One file, read and validated; see `validate`."""
    return validate(read_yaml(path), model_type, path, today=today)


def validate(data: Mapping[str, Any], model_type: type[M], path: Path, *, today: date | None = None) -> M:
    """Check `data`, which came from `path`, against a pydantic model; complaints carry positions in that file.

    `today` reaches the model's validators as `info.context["today"]` (dates after it are refused). The packaged files
    have no such limit: their dates were tested before they shipped, and a machine whose clock is behind can still plan.
    """
    if today is None and path.is_relative_to(packaged_profiles()):
        today = date.max
    try:
        return model_type.model_validate(data, context={"today": today})
    except ValidationError as error:
        raise DataError("\n".join(describe(path, error))) from None


def describe(path: Path, error: ValidationError) -> list[str]:
    """One line `path:line:column: key: message` per complaint, in file order."""
    entries = error.errors(include_url=False)
    return located(path, (((entry.get("ctx") or {}).get("at", entry["loc"]), _message(entry)) for entry in entries))


def located(path: Path, problems: Iterable[tuple[Sequence[Key], str]]) -> list[str]:
    """One line `path:line:column: key: message` per key with problems, in file order."""
    root = _compose(path, MAX_FILE_BYTES)
    found: dict[tuple[Position, str], dict[str, None]] = {}
    for keys, message in problems:
        position, known = locate(root, tuple(keys))
        label = ".".join(str(key) for key in known) or "file"
        found.setdefault((position, label), {})[message] = None
    lines = [
        f"{path}:{line}:{column}: {label}: {' or '.join(texts)}"
        for ((line, column), label), texts in sorted(found.items())
    ]
    return lines[:_MAX_PROBLEMS] + (
        [f"... and {len(lines) - _MAX_PROBLEMS} more"] if len(lines) > _MAX_PROBLEMS else []
    )


_PLAINLY: Final = {
    "extra_forbidden": "unknown key",
    "model_type": "a mapping (`key: value` lines) is expected",
    "model_attributes_type": "a mapping (`key: value` lines) is expected",
    "dict_type": "a mapping (`key: value` lines) is expected",
    "list_type": "a list is expected",
    "float_type": "a number is expected (without quotes)",
    "int_type": "a whole number is expected (without quotes)",
    "string_type": "text is expected (in quotes where it looks like a number)",
    "bool_type": "true or false is expected",
    "date_type": "a date like 2026-11-20 is expected",
}
"""what a file's author understands, for pydantic's words for its own types"""


def _message(entry: Any) -> str:
    return _PLAINLY.get(entry["type"], str(entry["msg"]))


def locate(root: Any, keys: Sequence[Key]) -> tuple[Position, tuple[Key, ...]]:
    """Where `keys` lead in a composed document, and the keys that exist there (union tags and the like dropped).

    A key that the file lacks (a missing one) stays in the label while the position is its parent's.
    """
    node, mark = root, root.start_mark
    label: list[Key] = []
    for index, key in enumerate(keys):
        child = _child(node, key)
        if child is None:
            if index == len(keys) - 1 and isinstance(node, yaml.MappingNode) and isinstance(key, str):
                label.append(key)
            continue
        node, mark = child
        label.append(key)
    return (mark.line + 1, mark.column + 1), tuple(label)


def _child(node: Any, key: Key) -> tuple[Any, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == str(key):
                return value_node, key_node.start_mark
    elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and 0 <= key < len(node.value):
        return node.value[key], node.value[key].start_mark
    return None


def _compose(path: Path, max_bytes: int) -> Any:
    """The node tree of a file: syntax is checked, nothing is interpreted."""
    text = _read_text(path, max_bytes)
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else f"{path}:1:1"
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise DataError(f"{where}: not YAML: {problem}") from None
    finally:
        loader.dispose()
    if root is None:
        raise DataError(f"{path}:1:1: the file is empty")
    return root


def _read_text(path: Path, max_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(raw) > max_bytes:
        raise DataError(f"{path}: larger than {max_bytes} bytes, the limit for such a file")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - raw.rfind(b"\n", 0, error.start)
        raise DataError(f"{path}:{line}:{column}: not UTF-8 text") from None


class _Builder:
    """Nodes to plain values. One instance per file, so that it can count nodes and see a shared one twice."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: set[int] = set()

    def fail(self, node: Any, label: str, message: str) -> DataError:
        mark = node.start_mark
        return DataError(f"{self.path}:{mark.line + 1}:{mark.column + 1}: {label or 'file'}: {message}")

    def build(self, node: Any, depth: int, label: str) -> Any:
        if id(node) in self.seen:
            raise self.fail(node, label, "anchors and aliases are not used here; write the value out")
        self.seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, label)
        if depth >= _MAX_DEPTH or len(self.seen) > _MAX_NODES:
            raise self.fail(node, label, "nested too deeply or too large")
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
            return [self.build(item, depth + 1, f"{label}[{index}]") for index, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            return self.mapping(node, depth, label)
        raise self.fail(node, label, f"the tag {node.tag} is not used here")

    def mapping(self, node: Any, depth: int, label: str) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _TEXT:
                raise self.fail(key_node, label, "a key must be text; put it in quotes")
            key = key_node.value
            inner = f"{label}.{key}" if label else key
            if key in result:
                raise self.fail(key_node, inner, "given twice")
            result[key] = self.build(value_node, depth + 1, inner)
        return result

    def scalar(self, node: Any, label: str) -> Any:
        tag, text = node.tag, node.value
        if tag == _TEXT:
            plain = text[:1] in _NUMBER_STARTS and node.style in (None, "")
            return float(text) if plain and _SCIENTIFIC.fullmatch(text) else text
        if tag == _NULL:
            return None
        if tag == _BOOL and text in _WORDS:
            return _WORDS[text]
        if tag == _WHOLE and _INT.fullmatch(text) and len(text) < 40:
            return int(text.replace("_", ""))
        if tag == _FLOAT and ":" not in text:
            ends_so = text[-1:].isdigit()
            return float(
                text if ends_so else text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan")
            )
        if tag == _DAY and _DATE.fullmatch(text):
            try:
                return date.fromisoformat(text)
            except ValueError as error:
                raise self.fail(node, label, f"not a date: {error}") from None
        raise self.fail(node, label, f"{text!r} reads as a YAML {tag.rsplit(':', 1)[-1]}; put text in quotes")
