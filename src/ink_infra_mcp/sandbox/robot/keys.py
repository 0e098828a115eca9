"""SSH keys of the account, by the MD5 of their blob."""

import base64
import binascii
import hashlib

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, JsonObject, RobotError, Route, invalid
from ink_infra_mcp.sandbox.state_robot import RobotKey

READ_LIMIT = 500
WRITE_LIMIT = 200
_TYPES = {
    "ssh-ed25519": "ED25519",
    "ssh-rsa": "RSA",
    "ecdsa-sha2-nistp256": "ECDSA",
    "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA",
}


def read_key(name: str, data: str) -> RobotKey:
    """Return the key of an OpenSSH line.

    Raises:
        RobotError: 400 INVALID_INPUT when it is none.
    """
    words = data.split()
    try:
        blob = base64.b64decode(words[1], validate=True)
    except (IndexError, binascii.Error) as error:
        raise invalid("data") from error
    if words[0] not in _TYPES or blob[4 : 4 + len(words[0])] != words[0].encode():
        raise invalid("data")
    return RobotKey(
        name=name,
        data=" ".join(words[:2]),
        fingerprint=hashlib.md5(blob, usedforsecurity=False).digest().hex(":"),
        type=_TYPES[words[0]],
        size=_size(words[0], blob),
    )


def _size(algorithm: str, blob: bytes) -> int:
    """Of RSA it is the length of the modulus, which ends the blob."""
    if algorithm == "ssh-rsa":
        exponent_at = 4 + len(algorithm)
        modulus_at = exponent_at + 4 + int.from_bytes(blob[exponent_at : exponent_at + 4], "big") + 4
        return int.from_bytes(blob[modulus_at:], "big").bit_length()
    return int(algorithm[-3:]) if algorithm.startswith("ecdsa") else 256


def reference(key: RobotKey) -> JsonObject:
    """Return a key as answers about booting refer to it."""
    return {"key": {"name": key.name, "fingerprint": key.fingerprint, "type": key.type, "size": key.size}}


def find_key(call: Call, fingerprint: str) -> RobotKey | None:
    """Return the key with that fingerprint."""
    return next((key for key in call.account.keys if key.fingerprint == fingerprint.lower()), None)


def _shown(key: RobotKey) -> JsonObject:
    return {"key": {**key.model_dump(mode="json"), "created_at": "2026-11-01 10:00:00"}}


def _list(call: Call) -> JsonValue:
    if not call.account.keys:
        raise RobotError(404, "NOT_FOUND", "No keys found")
    return [_shown(key) for key in call.account.keys]


def _create(call: Call) -> JsonValue:
    missing = tuple(name for name in ("name", "data") if not call.form.get(name))
    if missing:
        raise invalid(missing=missing)
    key = read_key(str(call.form["name"]), str(call.form["data"]))
    if find_key(call, key.fingerprint):
        raise RobotError(409, "KEY_ALREADY_EXISTS", "The supplied key already exists")
    call.account.keys.append(key)
    return _shown(key)


def _found(call: Call) -> RobotKey:
    key = find_key(call, call.parts["key"])
    if key is None:
        raise RobotError(404, "NOT_FOUND", "Key not found")
    return key


def _delete(call: Call) -> JsonValue:
    call.account.keys.remove(_found(call))
    return None


ROUTES = (
    Route("GET", "/key", _list, READ_LIMIT),
    Route("POST", "/key", _create, WRITE_LIMIT, status=201),
    Route("GET", "/key/{key}", lambda call: _shown(_found(call)), READ_LIMIT),
    Route("DELETE", "/key/{key}", _delete, WRITE_LIMIT),
)
