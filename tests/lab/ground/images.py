"""Container images made out of a busybox, and put into the registry over plain HTTP: no Docker is needed for it."""

import gzip
import hashlib
import io
import json
import tarfile
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

BUSYBOX = Path("usr/bin/busybox")
APPLETS = tuple(
    [
        "cat",
        "dd",
        "df",
        "dmesg",
        "echo",
        "env",
        "false",
        "free",
        "grep",
        "head",
        "hostname",
        "httpd",
        "id",
        "ip",
        "kill",
        "ls",
        "mkdir",
        "mount",
        "nc",
        "ping",
        "ps",
        "sh",
        "sleep",
        "tail",
        "test",
        "touch",
        "true",
        "uname",
        "wget",
    ]
)
TIMEOUT_S = 30.0

DOCKER = "application/vnd.docker"
MANIFEST = f"{DOCKER}.distribution.manifest.v2+json"
CONFIG = f"{DOCKER}.container.image.v1+json"
LAYER = f"{DOCKER}.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True, slots=True)
class Image:
    """An image: its name with tag, what it runs, its files beside busybox, and the ports that it exposes."""

    name: str
    run: Sequence[str]
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    ports: tuple[str, ...] = ()


def push(image: Image, *, registry: str, busybox: bytes) -> str:
    """Put an image into the registry at `registry` (address:port) and return its digest.

    Raises:
        OSError: the registry does not take it.
    """
    raw = layer_of(image, busybox)
    layer, config = gzip.compress(raw, 1, mtime=0), _config(image, raw)
    repository, _, tag = image.name.partition(":")
    base = f"http://{registry}/v2/{repository}"
    for blob in (layer, config):
        upload(base, blob)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "size": len(config), "digest": digest_of(config)},
        "layers": [{"mediaType": LAYER, "size": len(layer), "digest": digest_of(layer)}],
    }
    text = json.dumps(manifest).encode()
    ask("PUT", f"{base}/manifests/{tag}", text, MANIFEST)
    return digest_of(text)


def layer_of(image: Image, busybox: bytes) -> bytes:
    """Return the one layer of an image, as a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as layer:
        for folder in _folders(image):
            layer.addfile(_entry(folder, tarfile.DIRTYPE))
        _add_file(layer, "bin/busybox", busybox, mode=0o755)
        for applet in APPLETS:
            entry = _entry(f"bin/{applet}", tarfile.SYMTYPE)
            entry.linkname = "busybox"
            layer.addfile(entry)
        for path, text in image.files.items():
            _add_file(layer, path, text.encode(), mode=0o644)
    return buffer.getvalue()


def _folders(image: Image) -> list[str]:
    parents = {str(parent) for path in image.files for parent in PurePosixPath(path).parents} - {"."}
    return sorted({"bin", "etc", "tmp", *parents})


def _entry(path: str, kind: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode = kind, 0o755
    return entry


def _add_file(layer: tarfile.TarFile, path: str, body: bytes, *, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(body), mode
    layer.addfile(entry, io.BytesIO(body))


def _config(image: Image, raw: bytes) -> bytes:
    none: dict[str, str] = {}
    config: dict[str, object] = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2026-01-01T00:00:00Z",
        "config": {
            # busybox as the first process passes over SIGTERM: each stop would take 10 s
            "StopSignal": "SIGKILL",
            "Env": ["PATH=/bin"],
            "Cmd": list(image.run),
            "ExposedPorts": dict.fromkeys(image.ports, none),
        },
        "rootfs": {"type": "layers", "diff_ids": [digest_of(raw)]},
    }
    return json.dumps(config).encode()


def upload(base: str, blob: bytes) -> None:
    """Put a blob into a repository, whose address is `base`."""
    with_place = ask("POST", f"{base}/blobs/uploads/", b"")
    place = urllib.parse.urljoin(base, with_place)
    joint = "&" if "?" in place else "?"
    ask("PUT", f"{place}{joint}digest={digest_of(blob)}", blob, "application/octet-stream")


def ask(method: str, url: str, body: bytes, kind: str = "") -> str:
    """Send one request and return where the answer points to."""
    headers = {"Content-Type": kind} if kind else {}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)  # noqa: S310 - our own registry
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the same
        return str(answer.headers.get("Location", ""))


def digest_of(blob: bytes) -> str:
    """Return what a registry calls these bytes."""
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"
