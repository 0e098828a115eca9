"""SSH keys of the project."""

import base64
import binascii
import hashlib
from functools import partial

from ink_infra_mcp.sandbox.hetzner.call import Body, Call, JsonObject, Reply, Route, invalid, stamp, taken
from ink_infra_mcp.sandbox.hetzner.labels import check_labels
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.things import NameAndLabels, find, refuse_taken, update
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, SshKey

_KINDS = {
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
}


class CreateKey(Body):
    """POST /ssh_keys."""

    name: str
    public_key: str
    labels: dict[str, str] = {}


def key_named(project: HetznerState, key: int | str) -> SshKey | None:
    """Return the key with that id or name."""
    return next((k for k in project.ssh_keys if str(key) in {str(k.id), k.name}), None)


def fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint with colons.

    Raises:
        ApiError: 422 when this is no OpenSSH public key.
    """
    words = public_key.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise invalid({"public_key": "is not an OpenSSH public key"}) from error
    if words[0] not in _KINDS or blob[4 : 4 + len(words[0])] != words[0].encode():
        raise invalid({"public_key": "is not an OpenSSH public key"})
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")


def show(key: SshKey) -> JsonObject:
    """Return a key as JSON."""
    return {
        "id": key.id,
        "name": key.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "labels": {**key.labels},
        "created": stamp(key.created),
    }


def _list(call: Call) -> Reply:
    items = [show(key) for key in call.project.ssh_keys]
    return listing(call, "ssh_keys", items, filters=("name", "fingerprint"))


def _get(call: Call) -> Reply:
    return Reply(200, {"ssh_key": show(_find(call))})


def _create(call: Call) -> Reply:
    wanted = call.read(CreateKey)
    check_labels(wanted.labels)
    print_ = fingerprint(wanted.public_key)
    if any(key.fingerprint == print_ for key in call.project.ssh_keys):
        raise taken("public_key")
    _refuse_name(call, wanted.name)
    key = SshKey(
        id=call.new_id(),
        name=wanted.name,
        public_key=wanted.public_key,
        fingerprint=print_,
        created=call.now,
        labels=wanted.labels,
    )
    call.project.ssh_keys.append(key)
    return Reply(201, {"ssh_key": show(key)})


def _update(call: Call) -> Reply:
    wanted = call.read(NameAndLabels)
    key = _find(call)
    update(key, wanted, partial(_refuse_name, call))
    return Reply(200, {"ssh_key": show(key)})


def _delete(call: Call) -> Reply:
    call.project.ssh_keys.remove(_find(call))
    return Reply(204, None)


def _find(call: Call) -> SshKey:
    return find(call.project.ssh_keys, call.id, "ssh key")


def _refuse_name(call: Call, name: str) -> None:
    if not name:
        raise invalid({"name": "must not be empty"})
    refuse_taken(call.project.ssh_keys, name)


ROUTES = (
    Route("GET", "/ssh_keys", _list),
    Route("POST", "/ssh_keys", _create),
    Route("GET", "/ssh_keys/{id}", _get),
    Route("PUT", "/ssh_keys/{id}", _update),
    Route("DELETE", "/ssh_keys/{id}", _delete),
)
