"""Puts images of several layers into the lab's registry; what is there already is not sent again."""

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tests.lab.ground.images import CONFIG, DOCKER, LAYER, MANIFEST, TIMEOUT_S, ask, digest_of, upload
from tests.lab.ground.stand_in.layers import Layer

NAME = "registry.lab:5000"
"""What the servers of the lab call the registry."""
INDEX = f"{DOCKER}.distribution.manifest.list.v2+json"

Architecture = Literal["amd64", "arm64"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image: repository and tag, its layers from the lowest up, and how a container of it starts."""

    name: str
    layers: Sequence[Layer]
    entrypoint: Sequence[str]
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: str = "/"
    user: str = ""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    volumes: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    stop: str = "SIGTERM"
    architecture: Architecture = "amd64"


@dataclass(frozen=True, slots=True)
class Published:
    """An image in the registry: its name with tag, and the digest that the registry has for it."""

    name: str
    digest: str

    @property
    def reference(self) -> str:
        """The image by its tag."""
        return f"{NAME}/{self.name}"

    @property
    def pinned(self) -> str:
        """The image by its digest."""
        return f"{NAME}/{self.name.partition(':')[0]}@{self.digest}"


def publish(recipe: Recipe, *, registry: str) -> Published:
    """Put an image into the registry at `registry` (address:port); one for arm64 goes into an index of its own.

    Raises:
        OSError: the registry does not take it.
    """
    repository, _, tag = recipe.name.partition(":")
    config = _config(recipe)
    manifest = _manifest(recipe, config)
    one_of_many = recipe.architecture != "amd64"
    text, kind = (_index(manifest, recipe.architecture), INDEX) if one_of_many else (manifest, MANIFEST)
    done = Published(recipe.name, digest_of(text))
    # a manifest is taken only when all that it names is there
    if _has(registry, f"/v2/{repository}/manifests/{tag}", done.digest):
        return done
    base = f"http://{registry}/v2/{repository}"
    for layer in recipe.layers:
        if not _has(registry, f"/v2/{repository}/blobs/{layer.digest}", layer.digest):
            upload(base, layer.packed)
    upload(base, config)
    if one_of_many:
        ask("PUT", f"{base}/manifests/{digest_of(manifest)}", manifest, MANIFEST)
    ask("PUT", f"{base}/manifests/{tag}", text, kind)
    return done


def _has(registry: str, path: str, digest: str) -> bool:
    address, _, port = registry.partition(":")
    connection = http.client.HTTPConnection(address, int(port), timeout=TIMEOUT_S)
    try:
        connection.request("HEAD", path, headers={"Accept": f"{MANIFEST}, {INDEX}"})
        answer = connection.getresponse()
        return answer.status == http.client.OK and answer.headers.get("Docker-Content-Digest") == digest
    finally:
        connection.close()


def _manifest(recipe: Recipe, config: bytes) -> bytes:
    layers = [{"mediaType": LAYER, "size": len(each.packed), "digest": each.digest} for each in recipe.layers]
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest_of(config)},
        "layers": layers,
    }
    return json.dumps(manifest).encode()


def _index(manifest: bytes, architecture: Architecture) -> bytes:
    entry = {
        "mediaType": MANIFEST,
        "size": len(manifest),
        "digest": digest_of(manifest),
        "platform": {"os": "linux", "architecture": architecture},
    }
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).encode()


def _config(recipe: Recipe) -> bytes:
    none: dict[str, str] = {}
    config: dict[str, object] = {
        "architecture": recipe.architecture,
        "os": "linux",
        "created": "2026-08-22T00:00:00Z",
        "config": {
            "User": recipe.user,
            "Env": [f"{name}={value}" for name, value in recipe.environment.items()],
            "Entrypoint": list(recipe.entrypoint),
            "Cmd": list(recipe.command),
            "Labels": dict(recipe.labels),
            "StopSignal": recipe.stop,
            "WorkingDir": recipe.folder,
            "Volumes": dict.fromkeys(recipe.volumes, none),
            "ExposedPorts": dict.fromkeys(recipe.ports, none),
        },
        "rootfs": {"type": "layers", "diff_ids": [each.diff_id for each in recipe.layers]},
    }
    return json.dumps(config).encode()
