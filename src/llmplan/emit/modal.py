"""Modal: a Python app whose code is the same for every plan; what was planned stands in constants.

The names of parameters are those of modal 1.6.4 (`App.function`, `concurrent`, `web_server`, `Image.from_registry`,
`Volume.from_name`, `Secret.from_name`, read in its source on 2026-11-26); limits are from modal.com/docs/guide/gpu and
modal.com/docs/guide/scale, same day. Modal runs every container as root inside its own sandbox; it has no setting for
another user. An engine's image may have no Python of the kind that Modal's runner needs: `add_python` brings one.
"""

from __future__ import annotations

from collections.abc import Mapping

from llmplan.emit.container import HF_TOKEN, Container
from llmplan.emit.launch_file import LaunchFile, PythonModule
from llmplan.emit.rent.facts import Platform, gpu_name, gpu_note, price_note, rented_container
from llmplan.emit.rent.scale import bounded, scale_of
from llmplan.emit.rent.words import argument_vector
from llmplan.emit.selection import Launch
from llmplan.errors import UsageError
from llmplan.units import whole_gib

MODAL = Platform(key="modal", name="Modal", sellers=("modal",))
PATH = "modal_app.py"
PYTHON = "3.12"
"""of Modal's own runner in the image, beside the engine's"""
MOST_GPUS = 8
IDLE_S = (2, 1200)
"""shortest and longest `scaledown_window`"""
MIB_PER_GIB = 1024
SECRET = "huggingface-secret"
"""the name that Modal's own form for Hugging Face tokens gives"""

CODE = (
    "import os",
    "import subprocess",
    "from pathlib import Path",
    "",
    "import modal",
    "",
    "app = modal.App(NAME)",
    "image = modal.Image.from_registry(IMAGE, add_python=PYTHON).entrypoint([])",
    "for source, place in FILES.items():",
    "    image = image.add_local_file(Path(__file__).with_name(source), place)",
    "weights = modal.Volume.from_name(VOLUME, create_if_missing=True)",
    "secrets = [modal.Secret.from_name(name, required_keys=keys) for name, keys in SECRETS.items()]",
    "",
    "",
    "@app.function(",
    "    image=image,",
    "    gpu=GPU,",
    "    memory=MEMORY_MIB,",
    "    region=REGIONS,",
    "    volumes={WEIGHTS_PATH: weights},",
    "    secrets=secrets,",
    "    min_containers=MIN_CONTAINERS,",
    "    max_containers=MAX_CONTAINERS,",
    "    scaledown_window=SCALEDOWN_WINDOW_S,",
    "    timeout=TIMEOUT_S,",
    "    startup_timeout=STARTUP_TIMEOUT_S,",
    ")",
    "@modal.concurrent(max_inputs=MAX_INPUTS, target_inputs=TARGET_INPUTS)",
    "@modal.web_server(PORT, startup_timeout=STARTUP_TIMEOUT_S, requires_proxy_auth=True)",
    "def serve():",
    "    subprocess.Popen(COMMAND, env={**os.environ, **ENVIRONMENT})",
)


def emit(launch: Launch) -> tuple[LaunchFile, ...]:
    """`modal_app.py`, with the files that the engine reads."""
    container = rented_container(launch, MODAL)
    if container.gpus > MOST_GPUS:
        raise UsageError(
            f"Modal gives a container at most {MOST_GPUS} GPUs, and this plan's replica has {container.gpus}",
            hints=["llmplan emit-config PLAN --target leaderworkerset"],
        )
    scale, gpu = scale_of(launch, container), gpu_name(launch, MODAL)
    memory_bytes = container.host_memory_bytes
    constants = {
        "NAME": launch.variant.name,
        "IMAGE": container.image,
        "PYTHON": PYTHON,
        "COMMAND": argument_vector(container),
        "ENVIRONMENT": _environment(container),
        "FILES": {file.path: path for path, file in container.files.items()},
        "GPU": f"{gpu}:{container.gpus}" if container.gpus > 1 else gpu,
        "MEMORY_MIB": None if memory_bytes is None else whole_gib(memory_bytes) * MIB_PER_GIB,
        "REGIONS": list(launch.question.limits.regions) or None,
        "PORT": container.port,
        "VOLUME": f"{launch.variant.name}-weights",
        "WEIGHTS_PATH": container.cache_path,
        "SECRETS": {secret_name(variable): [variable] for variable in container.secrets},
        "MIN_CONTAINERS": scale.low,
        "MAX_CONTAINERS": scale.high,
        "SCALEDOWN_WINDOW_S": None if scale.idle_s is None else bounded(scale.idle_s, *IDLE_S),
        "MAX_INPUTS": scale.most,
        "TARGET_INPUTS": scale.target,
        "TIMEOUT_S": scale.request_s,
        "STARTUP_TIMEOUT_S": scale.start_s,
    }
    docstring = f"Serves {container.model_name} on Modal as planned by llmplan."
    module = PythonModule(docstring=docstring, constants=constants, code=CODE)
    header = (*launch.summary, price_note(launch, MODAL), *_notes(launch, constants, scale.why_size, scale.why_start))
    app = LaunchFile(path=PATH, kind="python", content=module, header=header, settings=container.settings)
    return (app, *container.files.values())


def _environment(container: Container) -> dict[str, str]:
    """The container's, with what vLLM compiles kept in the volume (modal.com/docs/examples/vllm_inference does so):
    the next cold start finds it."""
    kept = {name: f"{container.cache_path}/cache/vllm" for name in ("VLLM_CACHE_ROOT",) if name in container.env}
    return {**container.env, **kept}


def secret_name(variable: str) -> str:
    """The Modal secret that holds a variable."""
    return SECRET if variable == HF_TOKEN else variable.lower().replace("_", "-")


def _notes(launch: Launch, constants: Mapping[str, object], why_size: str, why_start: str) -> tuple[str, ...]:
    secrets = constants["SECRETS"]
    assert isinstance(secrets, dict)
    made = tuple(f'modal secret create {name} {key}="${key}"' for name, keys in secrets.items() for key in keys)
    regions = ("REGIONS as you named them for the plan: Modal charges more for a chosen region",)
    return (
        f"start with: modal deploy {PATH}; requests need a proxy auth token (headers Modal-Key and Modal-Secret)",
        *(f"first, even if the model is public: {command}" for command in made),
        f"GPU: {gpu_note(launch, MODAL)}",
        f"MIN_CONTAINERS, MAX_CONTAINERS: {why_size}",
        "SCALEDOWN_WINDOW_S: the idle window that was priced, within Modal's 2 s to 20 min; None: Modal's own",
        "TARGET_INPUTS: requests in flight on a replica at the load that its latency was predicted for",
        "MAX_INPUTS: as many as the engine admits at once",
        f"STARTUP_TIMEOUT_S: {why_start}",
        "TIMEOUT_S: of one request, 10 x the upper end of the predicted mean, at least 5 min",
        "the weights stay in the volume, so that only the first start downloads them",
        *(regions if constants["REGIONS"] else ()),
        *(("Modal has no spot machines: the plan's spot price does not hold here",) if launch.spot else ()),
    )
