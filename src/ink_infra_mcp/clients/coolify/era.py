"""Which Coolify answers: its version, and what that version can do."""

import re
from collections.abc import Iterable, Mapping
from functools import total_ordering

from ink_infra_mcp.core.plan import Frozen

_VERSION = re.compile(r"v?(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?(?:-([0-9A-Za-z.-]{1,64}))?(?:\+[0-9A-Za-z.-]{1,64})?")


@total_ordering
class Version(Frozen):
    """A version that compares as semantic versioning says: a pre-release comes before its release."""

    major: int
    minor: int
    patch: int = 0
    pre: tuple[str, ...] = ()

    def __lt__(self, other: "Version") -> bool:
        return self._key < other._key

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.patch}"
        return f"{text}-{'.'.join(self.pre)}" if self.pre else text

    @property
    def _key(self) -> tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]:
        parts = tuple((not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, parts)


def parse_version(text: str) -> Version | None:
    """Return the version in `text` (`4.3.10`, `v4.4-rc.1`, `4.0.0-beta.463`), or None when it is none."""
    found = _VERSION.fullmatch(text.strip().strip('"')) if text.isascii() else None
    if found is None:
        return None
    major, minor, patch, pre = found.groups(default="")
    return Version(
        major=int(major),
        minor=int(minor),
        patch=int(patch or 0),
        pre=tuple(filter(None, pre.split("."))),
    )


OLDEST = Version(major=4, minor=0, patch=0, pre=("beta", "463"))
NEWEST = Version(major=4, minor=3, patch=11)
_POST_ONLY = Version(major=4, minor=2)
_STORAGES = Version(major=4, minor=0)
_ROLLBACK = Version(major=4, minor=3)
_SERVER_SETTINGS = Version(major=4, minor=0)
_PROXY = Version(major=4, minor=3)
_CLONE = Version(major=4, minor=3)

_SINCE: Mapping[str, Version] = {
    "health_check_type": Version(major=4, minor=0),
    "health_check_command": Version(major=4, minor=0),
    "comment": Version(major=4, minor=0),
    "is_container_label_escape_enabled": Version(major=4, minor=0),
    "is_preview_deployments_enabled": Version(major=4, minor=2),
    "tags": Version(major=4, minor=2),
    "disable_build_cache": Version(major=4, minor=2),
    "stop_grace_period": Version(major=4, minor=2),
    "docker_images_to_keep": Version(major=4, minor=2),
    "max_restart_count": Version(major=4, minor=3),
}


class Era(Frozen):
    """What the running Coolify can do; `version` is None when its text is not a version (then: only the safe half)."""

    text: str
    version: Version | None

    @property
    def post_only(self) -> bool:
        """Return whether start, stop, restart and deploy refuse GET (since 4.2.0; POST worked before as well)."""
        return self._since(_POST_ONLY)

    @property
    def rollback_api(self) -> bool:
        """Return whether `POST /applications/{uuid}/rollback` exists (since 4.3.0)."""
        return self._since(_ROLLBACK)

    @property
    def server_settings_api(self) -> bool:
        """Return whether `PATCH /servers/{uuid}` takes settings beside the address, such as builds (since 4.0.0)."""
        return self._since(_SERVER_SETTINGS)

    @property
    def proxy_api(self) -> bool:
        """Return whether a server's proxy and its cleanup have endpoints of their own (since 4.3.0)."""
        return self._since(_PROXY)

    @property
    def clone_api(self) -> bool:
        """Return whether `POST /applications/{uuid}/clone` exists (since 4.3.0)."""
        return self._since(_CLONE)

    @property
    def storages_api(self) -> bool:
        """Return whether `GET /applications/{uuid}/storages` exists (since 4.0.0)."""
        return self._since(_STORAGES)

    @property
    def supported(self) -> bool:
        """Return whether we work with this version: 4.0.0-beta.463 and later, before 5."""
        return self._since(OLDEST) and self.version is not None and self.version.major == OLDEST.major

    @property
    def words(self) -> str:
        """Return one sentence on how well this version is supported."""
        if self.version is None:
            return f"Coolify says its version is {self.text!r}, which is no version: only the oldest features are used."
        if not self.supported:
            return f"Coolify {self.version} is not supported: use {OLDEST} or later, before 5."
        if self.version > NEWEST:
            return f"Coolify {self.version} is newer than {NEWEST}, the last one checked: expect small differences."
        return f"Coolify {self.version} is supported."

    def refuses(self, fields: Iterable[str]) -> tuple[str, ...]:
        """Return those request fields that this version would answer with 422, sorted.

        From the lists of allowed fields in the sources of beta.463, 4.0.0, 4.1.0, 4.2.0, 4.3.0 and 4.3.11.
        """
        return tuple(sorted(f for f in set(fields) if f in _SINCE and not self._since(_SINCE[f])))

    def _since(self, version: Version) -> bool:
        return self.version is not None and self.version >= version


def era_of(text: str) -> Era:
    """Return what a Coolify can do that answers `GET /version` with `text`."""
    return Era(text=text.strip()[:64], version=parse_version(text))
