"""The volume for the weights, the Job that fills it, and the init container that waits for it or fills it.

huggingface_hub, which every engine that reads the hub depends on, resumes and checks what is there
(huggingface.co/docs/huggingface_hub/guides/download, read 2026-11-26). It is called from Python, since the options of
its command `hf` changed between its versions 0 and 1. Names are passed as arguments of a fixed script, never pasted
into it.
"""

from __future__ import annotations

from typing import Any

from llmplan.emit.container import HF_TOKEN, Container
from llmplan.emit.kube.manifest import Manifest
from llmplan.emit.kube.names import demand_pinned, labels, literal, metadata, what_is_planned
from llmplan.emit.kube.quantities import gib
from llmplan.emit.kube.security import (
    SCRATCH_MOUNT,
    container_security,
    pod_security,
    scratch_environment,
    scratch_volume,
)
from llmplan.emit.kube.weights import VOLUME, Weights
from llmplan.emit.launch_file import Path
from llmplan.emit.selection import Launch

SECOND_COPIES = ("original/*", "metal/*")
"""what a repository may hold beside its weights, once more in the form of the one who trained them: as large again,
and read by no engine here (vLLM and SGLang ignore original/ themselves: model_loader/weight_utils.py)"""
FETCH = (
    "import sys; from huggingface_hub import snapshot_download; "
    f"[snapshot_download(each, ignore_patterns={list(SECOND_COPIES)}) for each in sys.argv[1:]]"
)
DOWNLOAD = f'marker=$1; shift; python3 -c "{FETCH}" "$@" && touch "$marker"'
WAIT = 'until [ -e "$1" ]; do echo "waiting for $1"; sleep 5; done'
UNLESS_THERE = f'if [ -e "$1" ]; then exit 0; fi; {DOWNLOAD}'
DOWNLOAD_TRIES = 6
"""of the Job: what is there is kept, so that each goes on where the last one stopped"""
DOWNLOAD_CPU = "2"
DOWNLOAD_MEMORY = "4Gi"
"""requested for the download: a judgement, files are streamed to disk"""


def claim(launch: Launch, weights: Weights) -> Manifest:
    """The shared volume."""
    content = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {**metadata(launch, component=None, ending="-weights"), "annotations": what_is_planned(launch)},
        "spec": claim_spec(launch, weights),
    }
    return Manifest(content=content, comments=_claim_comments(weights, "spec"))


def claim_template(launch: Launch, weights: Weights) -> Manifest:
    """Of each pod's own volume; the name is that of the volume in the pod."""
    content = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": VOLUME, "labels": labels(launch, None)},
        "spec": claim_spec(launch, weights),
    }
    return Manifest(content=content, comments=_claim_comments(weights, "spec"))


def claim_spec(launch: Launch, weights: Weights) -> dict[str, Any]:
    """Size, access and class."""
    storage = launch.variant.storage_class
    return {
        "accessModes": ["ReadWriteMany" if weights.shared else "ReadWriteOnce"],
        **({} if storage is None else {"storageClassName": storage}),
        "resources": {"requests": {"storage": gib(weights.size_bytes)}},
    }


def _claim_comments(weights: Weights, *path: str) -> dict[Path, str]:
    known = weights.size_bytes > 0
    size = (
        "what is downloaded and a tenth more; double it where a repository holds its weights in two formats"
        if known
        else "the plan does not know the checkpoint's size: set it"
    )
    access = "pods on several machines mount it" if weights.shared else "one pod mounts it"
    return {(*path, "accessModes"): access, (*path, "resources"): size}


def download_job(launch: Launch, container: Container, weights: Weights) -> Manifest:
    """Fills the shared volume once."""
    body = {
        **_download_container(container, weights, DOWNLOAD, name="download"),
        "volumeMounts": [{"name": VOLUME, "mountPath": weights.mount_path}, SCRATCH_MOUNT],
    }
    volumes = [{"name": VOLUME, "persistentVolumeClaim": {"claimName": weights.claim}}, scratch_volume()]
    template = {
        "metadata": {"labels": labels(launch, "download")},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "serviceAccountName": launch.variant.name,
            "enableServiceLinks": False,
            "securityContext": pod_security(),
            "containers": [body],
            "volumes": volumes,
        },
    }
    content = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **metadata(launch, component="download", ending=f"-download-{weights.digest}"),
            "annotations": what_is_planned(launch),
        },
        "spec": {"backoffLimit": DOWNLOAD_TRIES, "template": template},
    }
    comments: dict[Path, str] = {
        (
            "metadata",
            "name",
        ): "ends in a digest of what is downloaded: a Job cannot be changed, another checkpoint is another Job",
        ("spec", "backoffLimit"): "a retry goes on where the last try stopped",
    }
    return Manifest(content=content, comments=comments)


def init_container(container: Container, weights: Weights) -> dict[str, Any]:
    """Runs before the engine: downloads into the pod's own volume, or waits until the weights are complete."""
    mounts: list[dict[str, Any]] = [{"name": VOLUME, "mountPath": weights.mount_path}, SCRATCH_MOUNT]
    if not weights.shared and not weights.by_hand:
        return {**_download_container(container, weights, UNLESS_THERE, name=VOLUME), "volumeMounts": mounts}
    if not weights.by_hand:
        mounts[0] = {**mounts[0], "readOnly": True}
    return {
        "name": VOLUME,
        "image": demand_pinned(container.image),
        "command": ["sh", "-c", WAIT, "sh", weights.marker],
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
        "securityContext": container_security(),
        "volumeMounts": mounts,
    }


def _download_container(container: Container, weights: Weights, script: str, *, name: str) -> dict[str, Any]:
    given = {key: value for key, value in container.env.items() if not key.endswith("_OFFLINE")}
    env: list[dict[str, Any]] = [
        {"name": key, "value": literal(value)} for key, value in {**scratch_environment(), **given}.items()
    ]
    if weights.secret is not None:
        reference = {"name": weights.secret, "key": HF_TOKEN, "optional": True}
        env.append({"name": HF_TOKEN, "valueFrom": {"secretKeyRef": reference}})
    return {
        "name": name,
        "image": demand_pinned(container.image),
        "command": ["sh", "-c", script, "sh", weights.marker, *map(literal, weights.repositories)],
        "env": env,
        "resources": {"requests": {"cpu": DOWNLOAD_CPU, "memory": DOWNLOAD_MEMORY}},
        "securityContext": container_security(),
    }
