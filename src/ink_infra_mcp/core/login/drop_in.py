"""Writes the file of ours that sshd reads, and what sshd has to say once it has read it."""

import hashlib
from collections.abc import Mapping

from ink_infra_mcp.core.login.policy import SshdPolicy

_HEAD = "# Written by ink-infra-mcp from its policy of sshd; a change here is found, and undone.\n"


def drop_in(wanted: Mapping[str, str]) -> str:
    """Return the file's text: a line for each setting, in their order.

    Raises:
        ValueError: a value could not stand on one line.
    """
    for keyword, value in wanted.items():
        if not keyword.isalnum() or not value or value != "".join(value.split()) or "#" in value or '"' in value:
            raise ValueError(f"{keyword} cannot be {value!r}")
    return _HEAD + "".join(f"{keyword} {value}\n" for keyword, value in wanted.items())


def expected(wanted: Mapping[str, str], said: Mapping[str, str]) -> str:
    """Return the lines that `sshd -T` has to say then; `said` has its own words for what it says otherwise than set."""
    return "".join(f"{keyword.lower()} {said.get(keyword, value)}\n" for keyword, value in wanted.items())


def said_otherwise(policy: SshdPolicy, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return the settings that sshd says in another word than they are set in, with that word."""
    rules = policy.words
    return {
        name: rules[name].said or value
        for name, value in wanted.items()
        if name in rules and rules[name].said and value == rules[name].value
    }


def digest_of(wanted: Mapping[str, str]) -> str:
    """Return the SHA-256 of the file."""
    return hashlib.sha256(drop_in(wanted).encode()).hexdigest()
