"""Answers Docker about images of Coolify on the Factory: pulled, inspected, searched; nothing is ever run."""

import hashlib
import re
import shlex
from dataclasses import dataclass

from ink_infra_mcp.sandbox.state_factory import FactoryDisk, ImageKind
from ink_infra_mcp.sandbox.state_hosts import HostState

Said = tuple[int, str, str]
_DOCKER = re.compile(r"(?:^|; )exec (?P<line>docker (?:pull|run|version|image inspect) .*)$", re.DOTALL)
_LABEL = '{{index .Config.Labels "ink-infra.base"}}'
_ASKS = {"grep", "{{.Server.Os}}/{{.Server.Arch}}", "{{.Id}} {{.Os}}/{{.Architecture}} {{.Created}}", _LABEL}
_OFFICIAL = ("docker.io/coollabsio/coolify@", "ghcr.io/coollabsio/coolify@")
_SEARCHED = ["-c", "--", "'--runtime'", "/var/www/html/bootstrap/helpers/docker.php"]
_HELPED = ["-m", "1", "-e", "'helper_version' =>", "/var/www/html/config/constants.php"]
_VERSIONED = ["-m", "1", "-e", "'version' =>", "/var/www/html/config/constants.php"]


def docker_words(command: str) -> tuple[str, ...]:
    """Return the words of a docker command that is about an image of Coolify's; none of another command."""
    found = _DOCKER.search(command)
    words = tuple(shlex.split(found["line"]))[1:] if found else ()
    return words if words[:2] == ("pull", "--quiet") or _ASKS & set(words) else ()


def id_of(reference: str) -> str:
    """Return the id of an image."""
    return f"sha256:{hashlib.sha256(reference.encode()).hexdigest()}"


def kind_at(disk: FactoryDisk, reference: str) -> ImageKind:
    """Return what an image is; the official one does not have the option."""
    return disk.images.get(reference, ImageKind(option=not reference.startswith(_OFFICIAL)))


def version_at(disk: FactoryDisk, reference: str) -> str:
    """Return which Coolify an image's own source says that it is."""
    return disk.images[reference].version if reference in disk.images else ""


@dataclass
class Images:
    """Docker on the Factory, as far as images are concerned."""

    host: HostState
    disk: FactoryDisk

    def answer(self, words: tuple[str, ...]) -> Said:
        """Return what Docker says."""
        match words:
            case ("pull", "--quiet", reference):
                return self._pulled(reference)
            case ("version", *_):
                return 0, "linux/amd64\n", ""
            case ("image", "inspect", "--format", form, reference):
                return self._inspected(form, reference)
            case ("run", *rest) if rest[-4:] == _SEARCHED:
                return self._searched(rest[-5])
            case ("run", *rest) if rest[-5:] == _VERSIONED:
                return 0, f"        'version' => env('COOLIFY_VERSION') ?: '{version_at(self.disk, rest[-6])}',\n", ""
            case ("run", *rest) if rest[-5:] == _HELPED:
                return 0, f"        'helper_version' => '{kind_at(self.disk, rest[-6]).helper}',\n", ""
            case _:
                return 125, "", "docker: the sandbox does not know this\n"

    def _pulled(self, reference: str) -> Said:
        if "missing" in reference:
            return 1, "", f"Error response from daemon: manifest for {reference} not found: manifest unknown\n"
        self.host.images = [*dict.fromkeys((*self.host.images, reference))]
        return 0, f"{reference}\n", ""

    def _inspected(self, form: str, reference: str) -> Said:
        if reference not in self.host.images:
            return 1, "\n", f"Error response from daemon: No such image: {reference}\n"
        kind = kind_at(self.disk, reference)
        if form == _LABEL:
            return 0, f"{kind.built_on}\n", ""
        return 0, f"{id_of(reference)} linux/{kind.arch} {kind.created}\n", ""

    def _searched(self, reference: str) -> Said:
        return (0, "1\n", "") if kind_at(self.disk, reference).option else (1, "0\n", "")
