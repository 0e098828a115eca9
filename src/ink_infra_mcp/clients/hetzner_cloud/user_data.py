"""user_data of a new server: a cloud-config of which every key is known to hold no secret, and one host key.

Whoever runs on a server can read its user_data for as long as it lives (metadata service), so nothing may stand in it
that is still secret after the first login.
"""

import json
import re
from collections.abc import Mapping
from typing import cast

from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.key_pair import KeyPair

HEAD = "#cloud-config"
MOST_BYTES = 32 * 1024
_PLAIN = re.compile(r"[A-Za-z0-9 ._+/:@=,~-]{0,800}")
_FLAGS = frozenset(
    {
        "package_update",
        "package_upgrade",
        "package_reboot_if_required",
        "preserve_hostname",
        "manage_etc_hosts",
        "disable_root",
        "ssh_pwauth",
    }
)
_TEXTS = frozenset({"timezone", "locale", "hostname", "fqdn"})
_LISTS = frozenset({"packages", "ssh_authorized_keys"})
_MUST_BE_OFF = frozenset({"ssh_pwauth"})


def user_data(text: str, host_key: KeyPair | None) -> str:
    """Return what to send for a cloud-config, with the host key that the server shall show first; empty for nothing.

    JSON is sent, which is YAML too, so that no reader takes it for anything else. With `ssh_keys` cloud-init makes no
    other host keys (cc_ssh), and it deletes those of the image.

    Raises:
        InputError: the text has a key that may hold a secret, or is no cloud-config, or it all is too long.
    """
    config: dict[str, object] = {**checked(text)}
    if host_key is not None:
        config["ssh_deletekeys"] = True
        config["ssh_keys"] = {"ed25519_private": host_key.private.reveal(), "ed25519_public": host_key.public}
    sent = f"{HEAD}\n{json.dumps(config, ensure_ascii=True)}\n" if config else ""
    if len(sent.encode()) > MOST_BYTES:
        raise _refused(f"it is longer than the {MOST_BYTES // 1024} KiB that Hetzner takes")
    return sent


def checked(text: str) -> Mapping[str, bool | str | list[str]]:
    """Return a cloud-config, read.

    Raises:
        InputError: it has a key or a value that is not on the list of those that hold no secret.
    """
    if not text:
        return {}
    if text.splitlines()[0].strip() != HEAD:
        raise _refused(f"its first line is not {HEAD}")
    found = _read(text)
    for key, value in found.items():
        if not _is_plain(key, value):
            raise _refused(f"{str(key)[:60]!r} is not among what may stand there, in that form")
    return cast(Mapping[str, bool | str | list[str]], found)


def _read(text: str) -> Mapping[object, object]:
    import yaml

    try:
        found: object = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _refused("it is no YAML") from error
    if not isinstance(found, dict):
        raise _refused("it is no mapping")
    return cast(Mapping[object, object], found)


def _is_plain(key: object, value: object) -> bool:
    if key in _FLAGS:
        return isinstance(value, bool) and not (value and key in _MUST_BE_OFF)
    if key in _TEXTS:
        return _is_word(value)
    return key in _LISTS and isinstance(value, list) and all(map(_is_word, cast(list[object], value)))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and _PLAIN.fullmatch(value) is not None


def _refused(why: str) -> InputError:
    return InputError(
        f"This user_data is not sent: {why}.",
        next=f"It may set {', '.join(sorted(_FLAGS | _TEXTS | _LISTS))}; everything else is done over SSH.",
    )
