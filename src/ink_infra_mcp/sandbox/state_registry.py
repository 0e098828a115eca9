"""The pretend registries: which image each tag names."""

import hashlib

from ink_infra_mcp.sandbox.part import Part

REGISTRIES = ("registry.example.com", "registry-1.docker.io", "ghcr.io")
"""Those that there are, by the host that Docker asks."""
_HUB = {"docker.io", "index.docker.io"}


class Content(Part):
    """What is stored in one repository as text: manifests by digest or tag, blobs by digest.

    It is shown as it is stored, also where its digest is another. Not every registry `lists` what refers to an image.
    """

    manifests: dict[str, str] = {}
    blobs: dict[str, str] = {}
    lists: bool = False


class RegistryState(Part):
    """A tag names an image of its own unless it was `moved`: `host/repository:tag` -> `sha256:...`.

    `private` are repositories, as `host/repository`, that nobody sees without a login; `refusing` take no push. Those
    in `listed` have only these tags, and what `moved` has. `contents` has what more than names is shown of, as
    `host/repository`.
    """

    moved: dict[str, str] = {}
    private: list[str] = []
    refusing: list[str] = []
    contents: dict[str, Content] = {}
    listed: dict[str, list[str]] = {"registry.example.com/ink/coolify": ["latest", "runtime-fix", "1"]}

    def has(self, name: str, tag: str) -> bool:
        """Return whether `host/repository` has that tag."""
        return name not in self.listed or tag in self.listed[name] or f"{name}:{tag}" in self.moved

    def digest(self, name: str, tag: str) -> str:
        """Return the digest that a tag of `host/repository` names."""
        whole = f"{name}:{tag}"
        return self.moved.get(whole) or f"sha256:{hashlib.sha256(whole.encode()).hexdigest()}"


def whole_name(image: str) -> tuple[str, str]:
    """Return `host/repository` and tag of an image as Docker reads it, by the host that it asks."""
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "latest")
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", name
    if host in _HUB:
        host, rest = "registry-1.docker.io", rest if "/" in rest else f"library/{rest}"
    return f"{host}/{rest}", tag
