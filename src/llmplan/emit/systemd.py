"""The planned engine as a systemd service on a machine of one's own: one unit for one replica.

The engine is expected in /opt/NAME (a virtual environment, or the folder of its programs) and settings of the machine
in /etc/NAME. The unit is started when the server answers: `ExecStartPost` waits for its health path, since no engine
tells systemd so itself. Nothing is written but to the unit's own state and cache folders. GPUs are devices, so that
`PrivateDevices` stays off, and kernels are compiled at run time, so that `MemoryDenyWriteExecute` does.
Reference: systemd.exec(5), systemd.service(5), systemd 257; checked with `systemd-analyze verify`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from llmplan.emit.compose import KEY_NOTE
from llmplan.emit.container import Container, Node
from llmplan.emit.engines import engine_of
from llmplan.emit.launch_file import Command, Env, LaunchFile, Setting, UnitFile, Word
from llmplan.emit.selection import Launch
from llmplan.emit.startup import StartBudget, start_budget

STOP_S = 120
"""running requests get as long to finish"""
WAIT = 'until curl --fail --silent --output /dev/null "$0"; do kill -0 "$MAINPID" || exit 1; sleep 5; done'
"""until the server answers at the address that is the script's first argument, or has ended"""


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`NAME.service`, the files that it reads, and for other machines of the replica `NAME-worker.service`."""
    if launch.nodes > 1:
        head = engine_of(launch).container(launch)  # says why where it cannot
        return (_unit(launch, head, "head"), _unit(launch, engine_of(launch).container(launch, "worker"), "worker"))
    container = engine_of(launch).container(launch)
    return (_unit(launch, container, "head"), *container.files.values())


def _unit(launch: Launch, container: Container, node: Node) -> LaunchFile:
    name = launch.variant.name if node == "head" else f"{launch.variant.name}-worker"
    command = engine_of(launch).command(launch, node)
    budget = start_budget(container, downloads=not launch.air_gapped)
    sections = {
        "Unit": (
            ("Description", f"{launch.replica.engine.name} for one replica of a plan"),
            ("Wants", "network-online.target"),
            ("After", "network-online.target nvidia-persistenced.service"),
        ),
        "Service": (
            *_process(launch, command, container, budget, node),
            *_sandbox(launch),
            *((("LimitMEMLOCK", "infinity"),) if container.pins_memory or launch.nodes > 1 else ()),
        ),
        "Install": (("WantedBy", "multi-user.target"),),
    }
    return LaunchFile(
        path=f"{name}.service",
        kind="unit",
        content=UnitFile(sections=sections),
        header=(*launch.summary, *_notes(launch, container, name, budget, node)),
        settings=command.settings,
    )


def _process(
    launch: Launch, command: Command, container: Container, budget: StartBudget, node: Node
) -> tuple[tuple[str, str | Command], ...]:
    """How it starts, waits, stops and comes back."""
    folder, unknown = _etc(launch), container.unknown
    served = replace(
        command, program=_installed(launch, command.program), settings=_placed(launch, container, command), env={}
    )
    url = f"http://localhost:{container.port}{container.health_path}"
    wait = Command(program=("/bin/sh", "-c", WAIT, url))
    return (
        ("Type", "exec"),
        *(
            ("Environment", Command(program=(f"{key}={value}",)))
            for key, value in _environment(launch, command).items()
        ),
        ("EnvironmentFile", f"{'' if unknown else '-'}{folder}/env"),
        *(("ExecStartPre", Command(program=("/usr/bin/test", "-n", word))) for word in unknown if word.default is None),
        ("ExecStart", served),
        *((("ExecStartPost", wait),) if node == "head" else ()),
        ("TimeoutStartSec", f"{budget.budget_s}s"),
        ("TimeoutStopSec", f"{STOP_S}s"),
        ("KillMode", "mixed"),
        ("Restart", "on-failure"),
        ("RestartSec", "10s"),
        ("LimitNOFILE", "65536"),
    )


def _sandbox(launch: Launch) -> tuple[tuple[str, str], ...]:
    """A user that exists while it runs, and no place to write but its own."""
    name = launch.variant.name
    return (
        ("DynamicUser", "yes"),
        ("StateDirectory", name),
        ("CacheDirectory", name),
        ("ConfigurationDirectory", name),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "read-only"),
        ("PrivateTmp", "yes"),
        ("ProtectControlGroups", "yes"),
        ("RestrictSUIDSGID", "yes"),
        ("LockPersonality", "yes"),
    )


def _installed(launch: Launch, program: tuple[Word, ...]) -> tuple[Word, ...]:
    """systemd starts a program by its whole path."""
    return (f"/opt/{launch.variant.name}/bin/{program[0]}", *program[1:])


def _placed(launch: Launch, container: Container, command: Command) -> tuple[Setting, ...]:
    """The settings, with a file that the engine reads where the unit expects it."""
    files = {file.path: f"{_etc(launch)}/{file.path}" for file in container.files.values()}
    return tuple(
        replace(setting, value=files[setting.value])
        if isinstance(setting.value, str) and setting.value in files
        else setting
        for setting in command.settings
    )


def _environment(launch: Launch, command: Command) -> Mapping[str, str]:
    name = launch.variant.name
    cache = f"/var/cache/{name}"
    return {
        "PATH": f"/opt/{name}/bin:/usr/local/cuda/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": cache,
        "HF_HOME": f"/var/lib/{name}",
        "XDG_CACHE_HOME": cache,
        "TRITON_CACHE_DIR": f"{cache}/triton",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/inductor",
        **command.env,
    }


def _etc(launch: Launch) -> str:
    return f"/etc/{launch.variant.name}"


def _notes(launch: Launch, container: Container, name: str, budget: StartBudget, node: Node) -> tuple[str, ...]:
    own, folder = f"/opt/{launch.variant.name}", _etc(launch)
    install = f"{launch.replica.engine.ref} in {own}/bin, this file in /etc/systemd/system"
    files = "".join(f", {file.path} in {folder}" for file in container.files.values())
    variables = [*container.secrets, *([container.api_key_variable] if container.api_key_variable else [])]
    asked = tuple(_question(word) for word in container.unknown)
    key = container.api_key_variable if node == "head" else None
    return (
        f"install {install}{files}; then: systemctl daemon-reload && systemctl enable --now {name}",
        f"{folder}/env (mode 0600, read by systemd as root) holds NAME=VALUE lines: "
        + ", ".join(dict.fromkeys([*variables, *(word.name for word in container.unknown)])),
        *asked,
        *((KEY_NOTE.format(name=key),) if key else ()),
        f"TimeoutStartSec: {budget.why}",
    )


def _question(word: Env) -> str:
    return word.message or f"set {word.name}"
