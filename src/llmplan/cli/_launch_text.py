"""Launch files from data to text. Values are quoted by the writer of their format, never pasted."""

from __future__ import annotations

import json
import pprint
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from llmplan.emit import Command, LaunchFile, PythonModule, UnitFile, Word
from llmplan.emit.launch_file import Env, Path
from llmplan.planfile import dump_yaml

COMMENT_WIDTH = 200
LITERAL_WIDTH = 100
OWN_FOLDER = 'here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" >/dev/null && pwd)'
"""of a script, from wherever it is run; with CDPATH set, `cd` would print"""


def render(file: LaunchFile) -> str:
    """The text of a launch file."""
    comments = [f"# {line}" for line in map(comment, file.header)]
    match file.kind:
        case "shell":
            return "\n".join(
                ["#!/usr/bin/env bash", *comments, "set -euo pipefail", "", *shell_lines(file.content), ""]
            )
        case "yaml":
            return "\n".join([*comments, yaml_text(file.content, file.comments)])
        case "yaml-documents":
            texts = [yaml_text(content, _under(file.comments, i)) for i, content in enumerate(file.content)]
            return "\n".join([*comments, "---\n".join(texts)])
        case "json":
            return json.dumps(file.content, indent=2, allow_nan=False) + "\n"
        case "text":
            return "\n".join([*comments, *file.content, ""])
        case "unit":
            return "\n".join([*comments, *unit_lines(file.content), ""])
        case "python":
            return "\n".join([*comments, *python_lines(file.content), ""])


def render_markdown(file: LaunchFile) -> str:
    """The file under its name, fenced with more backticks than it holds in a row."""
    text = render(file)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    language = {"shell": "bash", "yaml-documents": "yaml", "unit": "ini"}.get(file.kind, file.kind)
    return f"### {file.path}\n\n{fence}{language}\n{text}{fence}"


def comment(text: str) -> str:
    """One line that cannot end early: anything but a printable character is escaped."""
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return line if len(line) <= COMMENT_WIDTH else f"{line[: COMMENT_WIDTH - 1]}…"


def shell_lines(command: Command) -> list[str]:
    """The command as an array of arguments, one setting a line under the reason for it; what the script itself is
    called with comes last and so wins."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in command.env.items()]
    if command.beside:
        lines.append(OWN_FOLDER)
    program = " ".join(map(_shell_word, ("exec", *command.program)))
    if not command.settings:
        return [*lines, f'{program} "$@"']
    lines.append("args=(")
    for setting in command.settings:
        if setting.why and not setting.is_default:
            lines.append(f"  # {comment(setting.why)}")
        lines.append(f"  {' '.join(_placed_word(command, word) for word in setting.words)}")
    return [*lines, ")", f'{program} "${{args[@]}}" "$@"']


def _placed_word(command: Command, word: Word) -> str:
    """A file beside the script by its whole path."""
    name = word.removeprefix("@") if isinstance(word, str) else ""
    if not isinstance(word, str) or name not in command.beside:
        return _shell_word(word)
    return f'{word[: len(word) - len(name)]}"$here"/{_shell_word(name)}'


def _shell_word(word: Word) -> str:
    """Quoted; what a terminal would act on is escaped, since files are also printed."""
    if not isinstance(word, Env):
        return shlex.quote(word) if word.isprintable() else f"$'{''.join(map(_shell_char, word))}'"
    after = f":?{word.message}" if word.default is None else f":-{word.default}"
    return f'"${{{word.name}{after}}}"'


def _shell_char(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in char.encode())


def yaml_text(content: Any, comments: Mapping[Path, str] | None = None) -> str:
    """Plain data as YAML with comment lines above the values at these paths."""
    text = dump_yaml(_with_texts(content), width=2**16)
    if not comments:
        return text
    lines = text.splitlines(keepends=True)
    marks = dict(_marks(yaml.compose(text, Loader=yaml.CSafeLoader), ()))
    for path in sorted((path for path in comments if path in marks), key=lambda path: marks[path], reverse=True):
        line, column = marks[path]
        lines.insert(line, f"{' ' * column}# {comment(comments[path])}\n")
    return "".join(lines)


def _with_texts(content: Any) -> Any:
    """The data with the text of every launch file that stands in it as a value (a ConfigMap holds files)."""
    if isinstance(content, LaunchFile):
        return render(content)
    if isinstance(content, Mapping):
        return {key: _with_texts(value) for key, value in content.items()}
    return [_with_texts(value) for value in content] if isinstance(content, list | tuple) else content


def _marks(node: Any, path: Path) -> Iterable[tuple[Path, tuple[int, int]]]:
    """Line and column of every key and list item."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, key.value)
            yield below, (key.start_mark.line, key.start_mark.column)
            yield from _marks(value, below)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield (*path, i), (item.start_mark.line, max(0, item.start_mark.column - 2))
            yield from _marks(item, (*path, i))


def _under(comments: Mapping[Path, str], number: int) -> dict[Path, str]:
    return {path[1:]: text for path, text in comments.items() if path[0] == number}


def unit_lines(unit: UnitFile) -> list[str]:
    """A systemd unit; a `%` and a `$` of a value stay what they are."""
    lines: list[str] = []
    for section, entries in unit.sections.items():
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key, value in entries:
            lines += _exec_lines(key, value) if isinstance(value, Command) else [f"{key}={comment(value)}"]
    return lines


def _exec_lines(key: str, command: Command) -> list[str]:
    """One setting a line, under its reason: systemd drops comment lines within a continued one."""
    lines = [f"{key}={' '.join(map(_unit_word, command.program))}"]
    for setting in command.settings:
        lines[-1] += " \\"
        lines += [f"# {comment(setting.why)}"] if setting.why and not setting.is_default else []
        lines.append(f"  {' '.join(map(_unit_word, setting.words))}")
    return lines


def _unit_word(word: Word) -> str:
    """As systemd.service(5) quotes: C-style escapes within double quotes, `%%` and `$$` for the signs themselves."""
    if isinstance(word, Env):
        return f"${{{word.name}}}"
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    escaped = "".join(char if char.isprintable() else _unit_escape(char) for char in escaped)
    return escaped if re.fullmatch(r"[A-Za-z0-9_./:,@%+=-]+", escaped) else f'"{escaped}"'


def _unit_escape(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode())


def python_lines(module: PythonModule) -> list[str]:
    """Constants as literals, then code that no plan changes."""
    lines = [_docstring(module.docstring), ""]
    split = next((i for i, line in enumerate(module.code) if line and not line.startswith(("import ", "from "))), 0)
    lines += [*module.code[:split]]
    for name, value in module.constants.items():
        text = pprint.pformat(value, width=LITERAL_WIDTH, sort_dicts=False)
        lines.append(f"{name} = {text}")
    return [*lines, "", *module.code[split:]]


def _docstring(text: str) -> str:
    inside = comment(text).replace(chr(92), chr(92) * 2).replace('"', "'")
    return f'"""{inside}"""'
