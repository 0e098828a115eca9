"""The rules for git addresses and branches: ValidGitRepositoryUrl and ValidGitBranch of Coolify."""

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from pydantic import JsonValue

BAD_IN_ADDRESS = set(";|&$`(){}[]<>\"'\\!?*^%=+#")
ADDRESSES = (
    r"git@[a-zA-Z0-9.\-]+:[a-zA-Z0-9\-_/.~]+",
    r"https?://[^/?#\s]+(/[a-zA-Z0-9\-_/.@~]*)?",
    r"git://[a-zA-Z0-9.\-]+(:[0-9]+)?[:/][a-zA-Z0-9\-_/.~]+",
)
STARTS = ("https://", "http://", "git://", "git@")
INTERNAL = r"https?://(localhost|127\.0\.0\.1|0\.0\.0\.0|[^/]*\.local)([:/].*)?"
BRANCH = r"[a-zA-Z0-9\-_/.]+"


def repository_errors(name: str, value: JsonValue) -> list[str]:
    """Return what is wrong with the address of a public repository."""
    address = str(value)
    checks = (
        (BAD_IN_ADDRESS & set(address), "contains invalid characters."),
        ("../" in address, "contains invalid patterns."),
        (not address.startswith(STARTS), "must start with https://, http://, git://, or git@."),
        (not any(re.fullmatch(shape, address) for shape in ADDRESSES), "is not a valid URL."),
        (_is_ip(address), "cannot use IP addresses."),
        (re.fullmatch(INTERNAL, address), "cannot point to internal hosts."),
    )
    return _first_wrong(name, checks)


def _is_ip(address: str) -> bool:
    """Only of addresses on the web is the host looked at."""
    host = urlsplit(address).hostname if address.startswith("http") else None
    try:
        ipaddress.ip_address(host or "")
    except ValueError:
        return False
    return True


def branch_errors(name: str, value: JsonValue) -> list[str]:
    """Return what is wrong with the name of a branch; the rule takes an empty one (run of its source)."""
    branch = str(value)
    if not branch:
        return []
    checks = (
        (not re.fullmatch(BRANCH, branch), "contains invalid characters."),
        (".." in branch or "//" in branch, "contains invalid patterns."),
        (branch.startswith(("/", ".")) or branch.endswith(("/", ".")), "cannot start or end with / or ."),
        (branch == "HEAD", "cannot be HEAD."),
        (branch.endswith(".lock"), "cannot end with .lock."),
    )
    return _first_wrong(name, checks)


def _first_wrong(name: str, checks: Iterable[tuple[object, str]]) -> list[str]:
    """Return the words of the first check that found something, about the field of that name."""
    label = name.replace("_", " ")
    return [f"The {label} {words}" for wrong, words in checks if wrong][:1]


def github_name(address: str) -> str:
    """Return `owner/name` of an address at GitHub, or the text as it is."""
    trimmed = re.sub(r"^(https?://)?(www\.)?github\.com/|^git@github\.com:", "", address).strip("/")
    return trimmed.removesuffix(".git")
