"""Which engine a command starts, and with which arguments: through containers, wrappers and shells alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from llmplan.launchlines.shell import commands

MAX_DEPTH = 4
CONTAINER_PROGRAMS = ("docker", "podman", "nerdctl")
SHELLS = ("bash", "sh", "zsh", "dash")
MODULES: Mapping[str, tuple[str, str]] = {
    "sglang.launch_server": ("sglang", "sglang.launch_server"),
    "vllm.entrypoints.openai.api_server": ("vllm", "vllm api_server"),
}
COMPILERS = ("trtllm-build", "convert_checkpoint.py", "trtllm-refit", "trtllm-prune")
IMAGES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (r"vllm/vllm-openai|rocm/vllm-openai", "vllm", ("vllm", "serve")),
    (r"lmsysorg/sglang", "sglang", ()),
    (r"ggml-org/llama\.cpp:(?:server|full)", "llama-cpp", ("llama-server",)),
    (r"tensorrt-llm/release", "tensorrt-llm", ()),
)
"""image, engine, and what its entry point is"""
CONTAINER_SWITCHES = frozenset({
    "--detach", "--interactive", "--tty", "--rm", "--privileged", "--init", "--read-only", "--sig-proxy", "--quiet",
    "--no-healthcheck", "--oom-kill-disable", "--publish-all", "--disable-content-trust", "--use-api-socket", "--help",
    "--replace", "--rmi", "--no-hosts", "--no-hostname", "--read-only-tmpfs", "--http-proxy", "--env-host",
    "--tls-verify",
})  # fmt: skip
"""options of `docker run` and `podman run` that stand alone; every other one takes a value"""
SHORT_SWITCHES = "ditqP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An engine's start: `arguments` follow the program, `variables` are set for it, `where` names it in messages."""

    engine: str
    program: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    where: str = ""

    @property
    def image_version(self) -> str | None:
        """The engine's version, where the image's tag says it.

        >>> Start(engine="vllm", program="vllm serve", arguments=(), image="vllm/vllm-openai:v0.33.0").image_version
        '0.33.0'
        """
        tag = (self.image or "").rpartition("/")[2].partition(":")[2].partition("@")[0]
        match = re.match(r"v?(\d+\.\d+(?:\.\d+)?)|(?:server\S*-)?(b\d+)", tag)
        return (match[1] or match[2]) if match else None


def starts_in_text(text: str) -> tuple[Start, ...]:
    """Every engine that a script starts."""
    return tuple(start for command in commands(text) if (start := start_of(command.words, command.variables)))


def start_of(words: Sequence[str], variables: Mapping[str, str] | None = None, depth: int = 0) -> Start | None:
    """The engine that a command starts, or None."""
    words, own = _without_assignments(words)
    known = {**(variables or {}), **own}
    if depth > MAX_DEPTH or not words:
        return None
    if program_name(words[0]) in CONTAINER_PROGRAMS or "run" in words[1:3]:
        inside = _in_container(words, known, depth)
        if inside is not None:
            return inside
    for at in range(len(words)):
        found = _begins(words[at:], known, depth)
        if found is not None:
            return found
    return None


def in_image(
    image: str, entrypoint: Sequence[str], arguments: Sequence[str], variables: Mapping[str, str], depth: int = 0
) -> Start | None:
    """What a container of this image starts: its command, else the image's own entry point with these arguments."""
    start = start_of([*entrypoint, *arguments], variables, depth + 1)
    if start is None and not entrypoint:
        for pattern, engine, program in IMAGES:
            if re.search(pattern, image) and program:
                start = Start(engine=engine, program=" ".join(program), arguments=tuple(arguments), variables=variables)
                break
    if start is None:
        return None
    return Start(
        engine=start.engine, program=start.program, arguments=start.arguments, variables=start.variables, image=image
    )


def program_name(word: str) -> str:
    r"""The program that a word names, on any system.

    >>> program_name("/opt/bin/vllm"), program_name(r"C:\\llama\\llama-server.exe")
    ('vllm', 'llama-server')
    """
    return re.split(r"[\\/]", word)[-1].removesuffix(".exe")


def _takes_value(option: str) -> bool:
    """Whether an option of `docker run` has its value in the next word."""
    if option.startswith("--"):
        return option not in CONTAINER_SWITCHES
    return option[-1:] not in SHORT_SWITCHES and (len(option) == 2 or option[1] in SHORT_SWITCHES)


def _without_assignments(words: Sequence[str]) -> tuple[Sequence[str], dict[str, str]]:
    own: dict[str, str] = {}
    at = 0
    while at < len(words) and (match := re.fullmatch(r"([A-Za-z_]\w*)=(.*)", words[at], re.DOTALL)):
        own[match[1]] = match[2]
        at += 1
    return words[at:], own


def _begins(words: Sequence[str], variables: Mapping[str, str], depth: int) -> Start | None:
    """The start whose program is the first of these words."""
    name, rest = program_name(words[0]), words[1:]
    if name in SHELLS and any(re.fullmatch(r"-\w*c", word) for word in rest[:2]):
        script = next((word for word in rest if not word.startswith("-")), "")
        inner = (start_of(each.words, {**variables, **each.variables}, depth + 1) for each in commands(script))
        return next((start for start in inner if start is not None), None)
    if name in ("vllm", "sglang") and tuple(rest[:1]) == ("serve",):
        return _start(name, f"{name} serve", rest[1:], variables)
    if name == "trtllm-serve":
        return _start("tensorrt-llm", name, rest[1:] if tuple(rest[:1]) == ("serve",) else rest, variables)
    if name == "llama-server":
        return _start("llama-cpp", name, rest, variables)
    if name == "llama" and tuple(rest[:1]) in (("serve",), ("server",)):
        return _start("llama-cpp", "llama-server", rest[1:], variables)
    if name in COMPILERS:
        return _start("tensorrt-llm", name, rest, variables)
    if words[0] == "-m" and rest and rest[0] in MODULES:
        engine, program = MODULES[rest[0]]
        return _start(engine, program, rest[1:], variables)
    return None


def _start(engine: str, program: str, arguments: Sequence[str], variables: Mapping[str, str]) -> Start:
    return Start(engine=engine, program=program, arguments=tuple(arguments), variables=variables)


def _in_container(words: Sequence[str], variables: Mapping[str, str], depth: int) -> Start | None:
    """`docker run OPTIONS IMAGE ARGUMENTS`."""
    at = next((index for index, word in enumerate(words[:6]) if word in ("run", "create")), None)
    if at is None:
        return None
    own, entrypoint, at = dict(variables), list[str](), at + 1
    while at < len(words) and words[at].startswith("-"):
        name, equals, value = words[at].partition("=")
        if not equals and _takes_value(name):
            at += 1
            value = words[at] if at < len(words) else ""
        if name in ("-e", "--env"):
            variable, _, said = value.partition("=")
            own[variable] = said
        if name == "--entrypoint" and value:
            entrypoint = [value]
        at += 1
    if at >= len(words):
        return None
    return in_image(words[at], entrypoint, words[at + 1 :], own, depth)
