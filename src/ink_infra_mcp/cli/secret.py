"""`secret`: sets, lists and removes secrets; no value is ever shown."""

import argparse
import os
import sys

from ink_infra_mcp.cli.terminal import Terminal, columns, print_json
from ink_infra_mcp.core.errors import ConfigError, InputError
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.settings.secret_names import secret_name
from ink_infra_mcp.settings.secrets import MAX_BYTES, Secrets

KEY_FILE = "ssh_key"
UNUSABLE = "cannot be used"
HEAD = ("secret", "comes from")


def run(arguments: argparse.Namespace) -> int:
    """Do what the action says; the exit status of `list` is 1 when a secret is there that cannot be used.

    Raises:
        InputError: the name is missing or unknown, or there is no value. ConfigError: there is no usable key store.
    """
    secrets = Secrets(os.environ, redact=Redactor())
    if arguments.action == "list":
        return show(secrets, as_json=arguments.json)
    if arguments.name is None:
        raise InputError(f"`secret {arguments.action}` needs a name.", next="Such as coolify_token, or app:NAME.")
    name = secret_name(arguments.name).name
    if arguments.action == "set":
        secrets.set(name, _given(name))
    else:
        secrets.remove(name)
    _tell(name, kept=arguments.action == "set", as_json=arguments.json)
    _warn_of_other(secrets, name)
    return 0


def _tell(name: str, *, kept: bool, as_json: bool) -> None:
    if as_json:
        print_json({"secret": name, "kept": kept})
    else:
        print(f"{name} is {'kept in' if kept else 'gone from'} the key store of this machine.")


def show(secrets: Secrets, *, as_json: bool = False) -> int:
    """Print every name with where its value comes from, and what is wrong with those that cannot be used."""
    rows = [(name, _where(secrets, name)) for name in secrets.names()]
    bad = any(where.startswith(UNUSABLE) for _, where in rows)
    if as_json:
        told = [{"secret": name, "comes_from": where} for name, where in rows]
        print_json({"secrets": told, "key_store_trouble": secrets.keyring_trouble})
        return 1 if bad else 0
    print(columns([HEAD, *rows]))
    if secrets.keyring_trouble:
        print(f"\nThe key store of this machine cannot be asked: {secrets.keyring_trouble}.")
    return 1 if bad else 0


def _where(secrets: Secrets, name: str) -> str:
    try:
        found = secrets.get(name)
    except ConfigError as error:
        return f"{UNUSABLE}: {error.failed}"
    return found.source if found else "-"


def _given(name: str) -> Secret:
    """Return the value from the terminal, not echoed, or from standard input without the new line at its end."""
    if not sys.stdin.isatty():
        text = sys.stdin.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise InputError("The value is larger than 64 KiB.", next="Give the right file.")
        return Secret(text.removesuffix("\n").removesuffix("\r"), source="standard input")
    if name == KEY_FILE:
        raise InputError(
            "A private key has several lines, which a terminal cannot take without showing them.",
            next=f"Run `ink-infra-mcp secret set {KEY_FILE} < FILE`.",
        )
    return Secret(Terminal().secret(f"Value of {name}"), source="terminal")


def _warn_of_other(secrets: Secrets, name: str) -> None:
    """Say so when the environment has the secret too: it comes first, and is not ours to change."""
    found = secrets.get(name)
    if found is not None and found.source != "keyring":
        print(f"Note: {found.source} has it too, and is used before the key store.", file=sys.stderr)
