"""A release of Coolify as its own repository has it at the release's tag: its compose files, and what they are for."""

import re
from collections.abc import Mapping
from hashlib import sha256

from ink_infra_mcp.areas.factory.upstream import UPSTREAM, listed, one_of
from ink_infra_mcp.clients.github import GithubLook
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.shapes import table
from ink_infra_mcp.hosts.factory.looking import BASE, PROD, part_in, version_in

ENV = ".env.production"
CONSTANTS = "config/constants.php"
UPGRADE = "scripts/upgrade.sh"
FILES = (BASE, PROD, ENV, CONSTANTS, UPGRADE)
_KNOWN = frozenset(
    {
        "9cde1a5af91a35ab8b3f39101c48b5eb921d880051ec43ebfc1e4cd2e1f3ec58",
        "1534886ea079a06e20fb18c6fa0d1fc1769da1577f0c1e1fa0ebbe00eca3dbc1",
        "535c4196571232df754f6ba2666b50c7e069ccf487ece7ed7e0af1f2c72e9bb7",
    }
)
"""Of Coolify's own upgrade.sh: 4.2.0 to 4.3.6, 4.3.7 to 4.3.9, and from 4.3.10 on. What those do is known here."""
_NAME = re.compile(r"^([A-Za-z_][A-Za-z0-9_]{0,63})=", re.ASCII | re.MULTILINE)
_NEXT = "Look at that tag on GitHub, and name another release."


class CoolifyRelease(Frozen):
    """`version` is what was asked for, `commit` what its tag names, and `texts` are the files of `FILES` there.

    `told` is the version that the release's own source says, empty: none. `helper` and `realtime` are those images of
    Coolify that this source wants beside it, `?`: not said. `listed` are the tags of releases that GitHub showed.
    """

    version: str
    commit: str
    texts: Mapping[str, str]
    listed: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """Return what config/constants.php says where .env does not."""
        return version_in(self.texts[CONSTANTS]) or ""

    @property
    def helper(self) -> str:
        """Return the version of the helper."""
        return self._part("helper")

    @property
    def realtime(self) -> str:
        """Return the version of the realtime service."""
        return self._part("realtime")

    @property
    def own_line(self) -> str:
        """Return the image that its own file names for Coolify, as it stands there."""
        return own_line_in(self.texts[PROD])

    @property
    def env_names(self) -> tuple[str, ...]:
        """Return what .env.production sets, by name; upgrade.sh adds to .env what is missing there (4.3.10)."""
        return tuple(sorted({*_NAME.findall(self.texts[ENV])}))

    @property
    def upgrades_as_known(self) -> bool:
        """Return whether its own upgrade.sh, which is never run here, does nothing that nobody here has read."""
        return self.sums[UPGRADE] in _KNOWN

    @property
    def sums(self) -> dict[str, str]:
        """Return the SHA-256 of each file."""
        return {name: sha256(text.encode()).hexdigest() for name, text in self.texts.items()}

    def _part(self, which: str) -> str:
        return part_in(self.texts[CONSTANTS], which) or "?"


def own_line_in(text: str) -> str:
    """Return the image that a text of Coolify's own file names for Coolify; empty: none.

    Raises:
        InputError: it is no compose file.
    """
    services = table(read_compose(text).get("services"))
    return str(table(services.get("coolify")).get("image") or "")


async def release_of(github: GithubLook, version: str, tags: tuple[str, ...] = ()) -> CoolifyRelease:
    """Return what GitHub has at the tag of a release, in seven requests: its commit, and each file at that commit.

    Whoever has asked for the list of releases gives their `tags`: then they are not asked for again.

    Raises:
        InputError: GitHub lists no such release, or it has not all files.
        VendorError: GitHub did not answer well.
    """
    owner, _, name = UPSTREAM.partition("/")
    tags = tags or await listed(github)
    commit = await github.tag(owner, name, one_of(tags, f"v{version}"))
    if commit is None:
        raise InputError(f"GitHub shows no tag v{version} of {UPSTREAM}.", next=_NEXT)
    texts: dict[str, str] = {}
    for path in FILES:
        text = await github.text(owner, name, commit, path)
        if text is None:
            raise InputError(f"{UPSTREAM} has no {path} at v{version}.", next=_NEXT)
        texts[path] = text
    return CoolifyRelease(version=version, commit=commit, texts=texts, listed=tags)
