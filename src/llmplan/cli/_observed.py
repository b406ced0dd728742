"""Looks at a running server: over the network, one after the other, or from files that somebody saved."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmplan.cli import _console, _parse
from llmplan.cli._options import count
from llmplan.errors import DataError, LlmplanError, UsageError

if TYPE_CHECKING:
    from llmplan.measurements.served.looking import Server
    from llmplan.plan.served.snapshot import Snapshot

USUAL_INTERVAL_S = 10.0
"""between looks where only their number is said"""
MOST_LOOKS = 1000
SLICE_S = 0.2
MAX_FILE_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFlags:
    """How a server is reached."""

    auth_env: Annotated[
        str | None,
        typer.Option(
            "--auth-env",
            metavar="NAME",
            help="Environment variable with the key: sent as `Authorization: Bearer KEY`, or as it stands where it "
            "names a scheme of its own.",
        ),
    ] = None
    ca_file: Annotated[
        Path | None, typer.Option("--ca-file", metavar="FILE", help="Certificates of authorities to trust (PEM).")
    ] = None
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Check no certificate, and send the key even over plain http.")
    ] = False
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout", parser=_parse.duration("--timeout"), metavar="TIME", help="Most time for one answer."
        ),
    ] = 30.0
    served_model_name: Annotated[
        str | None,
        typer.Option("--served-model-name", metavar="NAME", help="Which model, where several are served."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFlags:
    """How often it is looked at, or which files hold what was read."""

    interval: Annotated[
        float | None,
        typer.Option(
            "--interval", parser=_parse.duration("--interval"), metavar="TIME",
            help="Look again after this time: rates and latency are then of the time in between. With files: the time "
            "between them.",
        ),
    ] = None  # fmt: skip
    samples: Annotated[
        int | None,
        count("--samples", "Looks in all (default: 2 with --interval, else 1).", at_most=MOST_LOOKS),
    ] = None
    metrics_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--metrics-file", metavar="FILE", help="A saved /metrics instead of a server; two: the difference. "
            "(repeatable)",
        ),
    ] = None  # fmt: skip
    models_file: Annotated[
        Path | None, typer.Option("--models-file", metavar="FILE", help="The saved /v1/models beside it.")
    ] = None
    info_file: Annotated[
        Path | None,
        typer.Option(
            "--info-file", metavar="FILE", help="The saved /props (llama.cpp) or /server_info (SGLang) beside it."
        ),
    ] = None


def looks(url: str | None, access: AccessFlags, flags: LookFlags) -> tuple[list[Snapshot], str, list[str]]:
    """Every look, where it was at, and remarks."""
    if flags.metrics_file:
        if url is not None:
            raise UsageError("URL and --metrics-file are two places: give one of them")
        return (*from_files(flags, access.served_model_name), [])
    if url is None:
        raise UsageError(
            "which server? URL is missing", hints=["llmplan observe http://localhost:8000", "--metrics-file FILE"]
        )
    for name, file in (("--models-file", flags.models_file), ("--info-file", flags.info_file)):
        if file is not None:
            raise UsageError(f"{name} stands beside --metrics-file; a server is asked itself")
    server = reached(url, access, os.environ)
    found = over_time(server, flags)
    return found, f"at {server.address.url('')}", []


def reached(url: str, access: AccessFlags, environ: Mapping[str, str]) -> Server:
    """A server that can be looked at; nothing is sent yet."""
    from llmplan.measurements.served import address as where
    from llmplan.measurements.served.client import Client, Limits, tls_of
    from llmplan.measurements.served.looking import Server

    place = where.address(url)
    secret = None
    if access.auth_env is not None:
        if access.auth_env not in environ:
            raise UsageError(
                f"--auth-env {access.auth_env}: there is no such environment variable",
                hints=[f"export {access.auth_env}=... (the name stands on the command line, never the key)"],
            )
        secret = where.authorization(environ[access.auth_env], access.auth_env)
        where.refuse_open_secret(place, insecure=access.insecure)
    if access.insecure:
        _console.warn("--insecure: whoever answers is believed, and a key may be read on the way")
    tls = tls_of(access.ca_file, insecure=access.insecure) if place.scheme == "https" else None
    quiet_s = min(Limits().quiet_s, access.timeout)
    limits = Limits(connect_s=min(Limits().connect_s, access.timeout), quiet_s=quiet_s, total_s=access.timeout)
    client = Client(address=place, authorization=secret, tls=tls, limits=limits)
    return Server(client=client, served_name=access.served_model_name)


def over_time(server: Server, flags: LookFlags, sleep: Callable[[float], None] = time.sleep) -> list[Snapshot]:
    """As many looks as were asked for; Ctrl-C, or a server that goes away, ends with those that there are."""
    from llmplan.cli._progress import stoppable

    wanted = flags.samples or (2 if flags.interval else 1)
    interval_s = flags.interval or USUAL_INTERVAL_S
    found = [server.look()]
    with stoppable() as stopped:
        while len(found) < wanted and not stopped():
            _console.say(f"look {len(found)} of {wanted}; the next one in {interval_s:g} s (Ctrl-C ends here)")
            due_s = time.monotonic() + interval_s
            while (left_s := due_s - time.monotonic()) > 0 and not stopped():
                sleep(min(left_s, SLICE_S))
            try:
                found.append(server.look())
            except LlmplanError as error:
                _console.warn(f"look {len(found) + 1} of {wanted}: {error.message}; these figures end before it")
                break
    return found


def from_files(flags: LookFlags, served_name: str | None) -> tuple[list[Snapshot], str]:
    """A look for each file, oldest first."""
    from llmplan.measurements.served.reading import MODELS, read_look
    from llmplan.measurements.served.stated import PROPS, SERVER_INFO

    files: Sequence[Path] = flags.metrics_file or ()
    documents: dict[str, Any] = {}
    if flags.models_file is not None:
        documents[MODELS] = _models_in(flags.models_file)
    if flags.info_file is not None:
        documents |= dict.fromkeys((PROPS, SERVER_INFO[0]), _info_in(flags.info_file))
    found = []
    for index, path in enumerate(files):
        at_s = None if flags.interval is None else index * flags.interval
        try:
            found.append(read_look(_text_in(path), documents, at_s=at_s, served_name=served_name))
        except DataError as error:
            raise DataError(f"{path}: {error.message}", hints=error.hints) from None
    return found, f"in {', '.join(path.name for path in files[:3])}" + (" and more" if len(files) > 3 else "")


def _text_in(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE_BYTES:
        raise DataError(f"{path}: more than {MAX_FILE_BYTES:,} bytes, which no metrics are")
    return content.decode("utf-8", errors="replace").removeprefix("\ufeff")


def _models_in(path: Path) -> Any:
    from llmplan.measurements.served.looking import parsed

    found = parsed(_text_in(path))
    if not isinstance(found, dict) or not isinstance(found.get("data"), list):
        raise DataError(f"{path}: not what /v1/models answers", hints=["curl URL/v1/models -o models.json"])
    return found


def _info_in(path: Path) -> Any:
    from llmplan.measurements.served.looking import parsed

    found = parsed(_text_in(path))
    if not isinstance(found, dict):
        raise DataError(
            f"{path}: not what /props or /server_info answers", hints=["curl URL/props -o props.json (llama.cpp)"]
        )
    return found
