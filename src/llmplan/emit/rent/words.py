"""The engine's command for platforms that take an argument vector, and for those that run a shell line."""

from __future__ import annotations

import shlex

from llmplan.emit.container import Container, demand_known
from llmplan.emit.launch_file import Env, Word


def argument_vector(container: Container, *, with_entrypoint: bool = True) -> list[str]:
    """Every word, where nothing can be asked for at launch."""
    demand_known(container)
    words = (*container.entrypoint, *container.words) if with_entrypoint else container.words
    return [(word.default or "") if isinstance(word, Env) else word for word in words]


def shell_line(container: Container) -> str:
    """One line for a POSIX shell, which replaces that shell: values are quoted, variables are expanded once. The
    engine's environment is set for it alone: what runs around it on a rented machine keeps its own home.

    >>> quoted("it's"), quoted(Env(name="MODEL", message="set MODEL"))
    ('\\'it\\'"\\'"\\'s\\'', '"${MODEL:?set MODEL}"')
    """
    given = [f"{name}={value}" for name, value in container.env.items()]
    return " ".join(("exec", "env", *map(quoted, (*given, *container.entrypoint, *container.words))))


def quoted(word: Word) -> str:
    """One word as the shell reads it back."""
    if not isinstance(word, Env):
        return shlex.quote(word)
    return f'"${{{word.name}:?{word.message}}}"' if word.default is None else f'"${{{word.name}:-{word.default}}}"'


def secrets_of(container: Container, *, public: bool) -> tuple[str, ...]:
    """Variables with secrets; where the port is open to anybody, also the key that the server asks of requests."""
    key = container.api_key_variable
    return (*container.secrets, *((key,) if public and key is not None else ()))


def asked(container: Container) -> tuple[str, ...]:
    """Names of the variables that the user's environment must have at launch."""
    return tuple(env.name for env in container.unknown if env.default is None)
