"""The rules for git addresses and branches: ValidGitRepositoryUrl and ValidGitBranch of Coolify."""

import re

from pydantic import JsonValue

BAD_IN_ADDRESS = set(";|&$`(){}[]<>\"'\\!?*^%=+#")
ADDRESSES = (
    r"git@[a-zA-Z0-9.\-]+:[a-zA-Z0-9\-_/.~]+",
    r"https?://[^/?#\s]+(/[a-zA-Z0-9\-_/.@~]*)?",
    r"git://[a-zA-Z0-9.\-]+(:[0-9]+)?[:/][a-zA-Z0-9\-_/.~]+",
)
INTERNAL = r"https?://(localhost|127\.0\.0\.1|0\.0\.0\.0|[^/]*\.local)([:/].*)?"
BRANCH = r"[a-zA-Z0-9\-_/.]+"


def repository_errors(name: str, value: JsonValue) -> list[str]:
    """Return what is wrong with the address of a public repository."""
    label, address = name.replace("_", " "), str(value)
    if BAD_IN_ADDRESS & set(address):
        return [f"The {label} contains invalid characters."]
    if ".." in address:
        return [f"The {label} contains invalid patterns."]
    if not any(re.fullmatch(shape, address) for shape in ADDRESSES):
        return [f"The {label} is not a valid URL."]
    if re.fullmatch(INTERNAL, address):
        return [f"The {label} cannot point to internal hosts."]
    return []


def branch_errors(name: str, value: JsonValue) -> list[str]:
    """Return what is wrong with the name of a branch."""
    label, branch = name.replace("_", " "), str(value)
    if not re.fullmatch(BRANCH, branch):
        return [f"The {label} contains invalid characters."]
    if ".." in branch or "//" in branch:
        return [f"The {label} contains invalid patterns."]
    if branch[0] in "/." or branch[-1] in "/.":
        return [f"The {label} cannot start or end with / or ."]
    return [f"The {label} cannot be HEAD."] if branch == "HEAD" else []


def github_name(address: str) -> str:
    """Return `owner/name` of an address at GitHub, or the text as it is."""
    trimmed = re.sub(r"^(https?://)?(www\.)?github\.com/|^git@github\.com:", "", address).strip("/")
    return trimmed.removesuffix(".git")
