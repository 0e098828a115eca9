"""Coolify's own installer at a release's tag: what it is, what it fetches beside itself, and what that publishes."""

import json
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256

from pydantic import JsonValue

from ink_infra_mcp.areas.factory.release import ENV, UPGRADE
from ink_infra_mcp.areas.factory.upstream import UPSTREAM, published
from ink_infra_mcp.clients.github import GithubLook
from ink_infra_mcp.core.compose.reading import read_compose
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.plan import Frozen
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.factory.looking import BASE, PROD

INSTALL = "install.sh"
VERSIONS = "versions.json"
PATHS: Mapping[str, str] = {
    INSTALL: "scripts/install.sh",
    "upgrade.sh": UPGRADE,
    "upgrade-postgres.sh": "scripts/upgrade-postgres.sh",
    BASE: BASE,
    PROD: PROD,
    ENV: ENV,
    VERSIONS: VERSIONS,
}
"""The installer, and what it and upgrade.sh fetch from a CDN that has no versions, by the names that they give it."""
_KNOWN = frozenset(
    {
        (
            "8ef02dce49339208f5abc247bff0277c73d04538d7a36dcfd21331e314e0f2cd",
            "1534886ea079a06e20fb18c6fa0d1fc1769da1577f0c1e1fa0ebbe00eca3dbc1",
        ),
        (
            "8ef02dce49339208f5abc247bff0277c73d04538d7a36dcfd21331e314e0f2cd",
            "535c4196571232df754f6ba2666b50c7e069ccf487ece7ed7e0af1f2c72e9bb7",
        ),
    }
)
"""install.sh and upgrade.sh that were read for this: of 4.3.9, and of 4.3.10."""
_PORT = re.compile(r"(?:\$\{[A-Z_]{1,40}:-[0-9]{1,5}\}|[0-9]{1,5}):[0-9]{1,5}", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){2}", re.ASCII)
_HEAD = """\
# Written by ink-infra-mcp when Coolify was installed: its ports are to be had on this server only.
# The first visitor of a new Coolify owns it. The dashboard is for the world by its name, through the proxy on 443.
services:
"""
_NEXT = "Look at that tag on GitHub, then call again."


class Installer(Frozen):
    """`version` is the release, `commit` what its tag names, `sums` the SHA-256 of each file of `PATHS` there.

    `override` is the text that keeps what the release publishes on the loopback; `helper` is the helper's version.
    """

    version: str
    commit: str
    sums: Mapping[str, str]
    override: str
    helper: str

    @property
    def is_known(self) -> bool:
        """Return whether what its scripts do was read when this was made."""
        return (self.sums[INSTALL], self.sums["upgrade.sh"]) in _KNOWN


async def installer_of(github: GithubLook, version: str = "") -> Installer:
    """Return the installer of a release, without a version the newest, in two requests and one for each file.

    Raises:
        InputError: GitHub lists no such release, it has not all files, or one is not as it is known.
        VendorError: GitHub did not answer well.
    """
    owner, _, name = UPSTREAM.partition("/")
    tag = await published(github, f"v{version}" if version else "")
    commit = await github.tag(owner, name, tag)
    if commit is None:
        raise InputError(f"GitHub shows no tag {tag} of {UPSTREAM}.", next=_NEXT)
    texts: dict[str, str] = {}
    for file, path in PATHS.items():
        text = await github.text(owner, name, commit, path)
        if text is None:
            raise InputError(f"{UPSTREAM} has no {path} at {tag}.", next=_NEXT)
        texts[file] = text
    wanted = tag.removeprefix("v")
    return Installer(
        version=wanted,
        commit=commit,
        sums={file: sha256(text.encode()).hexdigest() for file, text in texts.items()},
        override=loopback(texts[BASE], texts[PROD]),
        helper=helper_in(texts[VERSIONS], wanted),
    )


async def release_file(github: GithubLook, commit: str, path: str) -> str:
    """Return a file of Coolify's repository as it is in a commit.

    Raises:
        InputError: the commit has none there. VendorError: GitHub did not answer well.
    """
    owner, _, name = UPSTREAM.partition("/")
    text = await github.text(owner, name, commit, path)
    if text is None:
        raise InputError(f"{UPSTREAM} has no {path} in {commit[:12]}.", next=_NEXT)
    return text


def helper_in(versions: str, wanted: str) -> str:
    """Return the version of the helper that the installer takes out of versions.json.

    Raises:
        InputError: the file says that it is of another release, or names no helper.
    """
    try:
        told = table(table(json.loads(versions)).get("coolify"))
    except (ValueError, TypeError) as error:
        raise InputError(f"{VERSIONS} of {wanted} is not understood.", next=_NEXT) from error
    helper, version = (str(table(told.get(part)).get("version")) for part in ("helper", "v4"))
    if version != wanted or not _VERSION.fullmatch(helper):
        raise InputError(
            f"{VERSIONS} at v{wanted} is of {clean_name(version)}, with the helper {clean_name(helper)}.", next=_NEXT
        )
    return helper


def loopback(base: str, prod: str) -> str:
    """Return an override with which everything that a release publishes is to be had on the loopback only.

    Compose adds lists of ports to each other, so that each list is one in place of the others (`!override`).

    Raises:
        InputError: a file is not understood, or publishes a port in a way that is not known.
    """
    ports: dict[str, list[str]] = {}
    for text in (base, prod):
        for service, port in _ports(text):
            ports.setdefault(service, []).append(port)
    lines = [_HEAD]
    for service, listed in sorted(ports.items()):
        lines.append(f"  {service}:\n    ports: !override\n")
        lines += [f'      - "127.0.0.1:{port}"\n' for port in listed]
    if not ports:
        raise InputError("Coolify's compose files publish nothing.", next=_NEXT)
    return "".join(lines)


def _ports(text: str) -> Iterator[tuple[str, str]]:
    for service, parts in table(read_compose(text).get("services")).items():
        for port in items(table(parts).get("ports", [])):
            yield service, _fit(service, port)


def _fit(service: str, port: JsonValue) -> str:
    if not isinstance(port, str) or not _PORT.fullmatch(port):
        raise InputError(
            f"Coolify's compose file publishes {clean_name(str(port))} for {clean_name(service)}, which is no form "
            "that is known.",
            next=_NEXT,
        )
    return port
