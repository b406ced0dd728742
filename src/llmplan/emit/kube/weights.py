"""How the weights reach the pods: one volume that all of them share, or one volume for each.

Shared: a Job downloads once, pods mount it read-only. Pods on several machines need a storage class with ReadWriteMany.
Per replica: any storage class does, and each pod downloads for itself before its engine starts. Either way the engine
itself runs offline, so that a start never waits for the hub and never finds another revision.
A marker file says that a checkpoint is complete; its name follows from the checkpoint: another one downloads anew.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from llmplan.emit.container import HF_TOKEN, Container
from llmplan.emit.kube.names import kubectl
from llmplan.emit.launch_file import Env
from llmplan.emit.selection import Launch
from llmplan.emit.variant import WeightsVolume
from llmplan.errors import UsageError

VOLUME = "weights"
HEADROOM = 1.1
"""of the volume over the checkpoint: a file system's own share and the tokenizer; a judgement"""
DIGEST_CHARACTERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """`repositories` to download; none of them: they are put on the volume by hand. `claim` names the shared volume."""

    volume: WeightsVolume
    repositories: tuple[str, ...]
    claim: str
    marker: str
    digest: str
    size_bytes: int
    mount_path: str
    secret: str | None
    """name of the Secret with the hub's token, where one may be needed"""

    @property
    def shared(self) -> bool:
        """Whether all pods mount one volume."""
        return self.volume == "shared"

    @property
    def by_hand(self) -> bool:
        """Whether nothing downloads them."""
        return not self.repositories


def weights_of(launch: Launch, container: Container, *, pods: int) -> Weights:
    """What `pods` pods at most need; shared from two on, unless the user chose."""
    drafts = launch.replica.speculation
    drafter = (drafts.model.id,) if drafts is not None and drafts.drafter == "model" and drafts.model else ()
    sources = tuple(dict.fromkeys(map(_source, (container.weights, *drafter, *launch.variant.adapters.values()))))
    digest = hashlib.sha256("\0".join(sources).encode()).hexdigest()[:DIGEST_CHARACTERS]
    knows_hub = HF_TOKEN in container.secrets and not launch.air_gapped
    repositories = tuple(source for source in sources if not is_folder(source)) if knows_hub else ()
    for source in sources:
        if source.startswith("/") and not source.startswith(f"{container.cache_path}/"):
            raise UsageError(
                f"{source} is a folder that no pod has: weights lie on a volume at {container.cache_path}",
                hints=[f"--checkpoint {container.cache_path}/NAME, and put the files there", "--checkpoint REPOSITORY"],
            )
    return Weights(
        volume=launch.variant.weights_volume or ("shared" if pods > 1 else "per-replica"),
        repositories=repositories,
        claim=f"{launch.variant.name}-weights",
        marker=f"{container.cache_path}/.complete-{digest}",
        digest=digest,
        size_bytes=int(container.checkpoint_bytes * HEADROOM),
        mount_path=container.cache_path,
        secret=f"{launch.variant.name}-hub" if repositories else None,
    )


def is_folder(source: str) -> bool:
    """Whether it names files that are already there, not a repository.

    >>> is_folder("/models/x"), is_folder("./x"), is_folder("org/x"), is_folder("x.gguf")
    (True, True, False, True)
    """
    return source.startswith(("/", "./", "../", "~")) or source.endswith(".gguf")


def notes(launch: Launch, weights: Weights) -> tuple[str, ...]:
    """What the user has to do for the weights, and what the volume must be."""
    found = [_volume_note(launch, weights)]
    if weights.secret is not None:
        found += [
            "first, where the model is gated, its token, which no file holds:",
            token_command(launch, weights.secret),
        ]
    if weights.by_hand:
        pod = f"{launch.variant.name}-..."
        found += [
            "nothing is downloaded: fill the volume while a pod waits in its init container (holding its GPUs)",
            "where there is a network: HF_HOME=models hf download REPOSITORY, or put your files into the folder models",
            kubectl(launch, f"cp models/. {pod}:{weights.mount_path} -c {VOLUME}"),
            kubectl(launch, f"exec {pod} -c {VOLUME} -- touch {weights.marker}  (they are complete)"),
        ]
    return tuple(found)


def token_command(launch: Launch, secret: str) -> str:
    """How to make the Secret from a variable of the user's shell."""
    return kubectl(launch, f'create secret generic {secret} --from-literal={HF_TOKEN}="${HF_TOKEN}"')


def _volume_note(launch: Launch, weights: Weights) -> str:
    storage = launch.variant.storage_class
    kind = "the cluster's default storage class" if storage is None else f"storage class {storage}"
    if weights.shared:
        other = "" if launch.nodes > 1 else " (else --weights-volume per-replica)"
        return f"all pods mount one volume of {kind}, which must offer ReadWriteMany{other}"
    return f"each pod has its own volume of {kind} (ReadWriteOnce) and fills it before its first start"


def _source(word: object) -> str:
    if isinstance(word, Env):
        raise UsageError(
            f"{word.message}: this target cannot ask at launch", hints=["add --checkpoint REPOSITORY_OR_FOLDER"]
        )
    return str(word)
