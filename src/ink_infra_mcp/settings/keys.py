"""What each key of fleet.toml means, in words: the one source for the reference, the written file and the hints."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel

from ink_infra_mcp.core.fleet import (
    Access,
    AppDefaults,
    Approvals,
    BackupPlace,
    CoolifySettings,
    Domains,
    Fleet,
    Fork,
    Host,
    Images,
    Muscle,
    State,
)

SECTIONS: Final[Mapping[str, type[BaseModel]]] = {
    "coolify": CoolifySettings,
    "factory": Host,
    "muscles": Muscle,
    "bastions": Host,
    "domains": Domains,
    "fork": Fork,
    "backups": BackupPlace,
    "defaults": AppDefaults,
    "access": Access,
    "images": Images,
    "approvals": Approvals,
    "state": State,
}
LISTS: Final = frozenset({"muscles", "bastions"})

SECTION_WORDS: Final[Mapping[str, str]] = {
    "coolify": "Where Coolify answers, and where apps go by default.",
    "factory": "The server that runs Coolify and the builds.",
    "muscles": "The run servers, one block each.",
    "bastions": "Servers that only pass SSH on, one block each.",
    "domains": "The domain that covers apps on all Muscles, and who serves its DNS.",
    "fork": "The Coolify image in service, where it is not the official one.",
    "backups": "Where encrypted copies of the Factory's backups go, off the host: a Storage Box, or SFTP elsewhere.",
    "defaults": "What an app gets when the caller does not say.",
    "access": "From where servers may be reached, which check_firewall compares with what is open, and apps proved.",
    "images": "Registries that are asked which image a tag names, when it is planned and before it is started.",
    "approvals": "How long an approval may wait, and who gives it.",
    "state": "Where approvals, audit, locks and operations live.",
}

_HOST: Final[Mapping[str, str]] = {
    "name": "The server's name in every tool: lower-case letters, digits and inner hyphens.",
    "address": "The IP address or host name for SSH.",
    "ssh_user": "The user for SSH; changes need root or password-less sudo.",
    "ssh_port": "The port of its SSH server.",
    "bastion": "The name of the server of this file that SSH passes through.",
    "host_key": "Its SSH host keys as OpenSSH public key lines; a server that shows another key is never spoken to.",
    "provider": "Who owns the machine: `hetzner_cloud`, `hetzner_robot` or `other`.",
    "provider_id": "Its number at the provider (Cloud server id, Robot server number).",
    "private_address": "Its address in the private network, where there is one.",
}
KEY_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "coolify": {
        "url": "Coolify's address, without /api/v1.",
        "project": "The Coolify project for apps that name none.",
        "environment": "The environment in that project.",
    },
    "factory": _HOST,
    "muscles": {
        **_HOST,
        "wildcard_domain": "Apps get `<app>.<this domain>`; without `*.` and without a scheme.",
        "production": "Changes here count one risk class higher.",
        "access": "`public`: SSH for the Factory and admins; `private`: over the private network only, for us as well.",
    },
    "bastions": _HOST,
    "domains": {
        "fleet": "A domain for apps on any Muscle; each app gets its own record there.",
        "dns": "Who serves the zones: `hetzner`, `cloudflare`, or `none` (records are yours to make).",
    },
    "fork": {
        "image": "The forked image, by tag or digest; empty: the official image.",
        "repository": "The fork's public repository at GitHub, for build_fork_image: `https://github.com/owner/coolify`.",
        "branch": "The branch of it that has the patch; what Coolify's own branches have too is left out of it.",
        "upstream_pull_request": "The pull request that would make the fork needless, as `owner/repo#number`.",
    },
    "backups": {
        "address": "Its host name or IP address, such as `u00000.your-storagebox.de`; empty: no copies.",
        "ssh_user": "The user there, best a sub-account of its own; it takes our SSH key.",
        "ssh_port": "The port of SFTP there; 23 on a Storage Box.",
        "host_key": _HOST["host_key"],
        "folder": "The folder of the copies, below the user's own; copies of other fleets may lie in it too.",
        "fleet": "Whose copies these are, another name in each fleet; empty: the domain in `coolify.url`.",
        "recipient": "The public key of age (`age1...`) that copies are encrypted for; a person keeps the private one.",
        "keep": "So many of the newest copies always stay.",
        "keep_days": "No copy that is younger than so many days is removed.",
    },
    "defaults": {
        "memory": "An app's memory limit, such as `512m` or `2g`.",
        "cpus": "An app's CPU limit, such as `0.5` or `2`.",
        "port": "The port an app listens on.",
        "branch": "The git branch to deploy.",
    },
    "access": {
        "admin": "The addresses or networks of people, of bastions and of this server, such as `198.51.100.0/28`.",
        "private": "The private networks of the fleet (vSwitch, Cloud network), such as `10.250.0.0/16`.",
        "proof_from": "From where apps without a public address are proved: a server's name or `here`; empty: nowhere.",
    },
    "images": {
        "registries": "Registries on the internet; the images of others are known by their tags only.",
        "inner": "Registries that may have an address in a private network, such as `registry.example.com:5000`.",
    },
    "approvals": {
        "ttl_minutes": "Minutes until an unanswered approval expires.",
        "channel": "`any`: a person at the client, or a ticket; `ticket`: an operator's terminal only.",
    },
    "state": {
        "url": "`sqlite:////absolute/path` or `postgresql://user@host/database`; empty: SQLite in the state folder.",
    },
}

HINTS: Final[Mapping[tuple[str | int, ...], str]] = {
    ("coolify", "url"): "write scheme and host only, such as https://coolify.example.com; /api/v1 is added by itself",
    ("backups", "folder"): "write folders below the user's own, such as `coolify`, with no `/` at the start or the end",
    ("backups", "fleet"): "write a domain or a word of small letters, digits, `-` and `.`, such as `acme`",
    ("access", "proof_from"): "write the name of a server of this file, or `here` for this machine",
    ("fork", "repository"): "write it as https://github.com/owner/repo, without .git and without a login",
    ("fork", "branch"): "write the name of a branch, of letters, digits, `-`, `_`, and single `.` and `/` inside",
    ("fork", "upstream_pull_request"): "write it as owner/repo#number",
    **{
        (part, "ssh_user"): "write a Unix user name, such as root"
        for part in ("factory", "muscles", "bastions", "backups")
    },
}

COVERED: Final = Fleet
"""The model whose keys are described here; a test compares the two."""
