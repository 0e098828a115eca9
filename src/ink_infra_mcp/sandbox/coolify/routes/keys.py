"""Private keys under Security > Keys."""

import base64
import binascii

import asyncssh

from ink_infra_mcp.sandbox.coolify import rows, shape
from ink_infra_mcp.sandbox.coolify.call import Answer, Call, Refusal, found, refusal
from ink_infra_mcp.sandbox.coolify.endpoint import Endpoint
from ink_infra_mcp.sandbox.coolify.ids import new_id, new_uuid
from ink_infra_mcp.sandbox.coolify.rules import Rules, text, validate
from ink_infra_mcp.sandbox.state_coolify import CoolifyState, PrivateKey

RULES: Rules = {"name": text(255), "description": text(255), "private_key": text().needed()}
NOT_FOUND = "Private Key not found."
IN_USE = "This private key is currently being used by servers, applications, or Git integrations."


def _all(call: Call) -> Answer:
    return Answer([shape.key(call, row) for row in call.coolify.keys])


def _one(call: Call) -> Answer:
    return Answer(shape.key(call, _key(call)))


def _create(call: Call) -> Answer:
    """Extra fields are ignored here, unlike nearly everywhere else."""
    call.require_json()
    validate(call, RULES)
    private = _decoded(call.text("private_key"))
    public, fingerprint = _halves(private)
    if _is_taken(call.coolify, fingerprint):
        raise refusal(422, "Private key already exists.")
    uuid = new_uuid(call.coolify)
    row = PrivateKey(
        id=new_id(call.coolify),
        uuid=uuid,
        name=call.text("name") or f"key-{uuid}",
        description=call.text("description") or "Created by Coolify via API",
        private_key=private,
        public_key=public,
        fingerprint=fingerprint,
        created_at=call.now,
        updated_at=call.now,
    )
    call.coolify.keys.append(row)
    return Answer({"uuid": uuid}, 201)


def _change(call: Call) -> Answer:
    """The private key must be sent again even to rename it, and as it is: base64 is no key here.

    The row refuses it itself, with `errors` and words of its own (PrivateKey.php of coollabsio/coolify, 4.3.11).
    """
    call.require_json()
    validate(call, RULES, allowed=RULES)
    row = _key(call)
    private = call.text("private_key") + "\n"
    halves = _read(private)
    if halves is None:
        raise _refused_by_row("The private key is invalid.")
    if _is_taken(call.coolify, halves[1], by_other_than=row):
        raise _refused_by_row("This private key already exists.")
    row.public_key, row.fingerprint = halves
    row.private_key, row.updated_at = private, call.now
    row.name = call.text("name") or row.name
    row.description = call.text("description") or row.description
    return Answer({"uuid": row.uuid}, 201)


def _delete(call: Call) -> Answer:
    row = _key(call)
    if _is_used(call.coolify, row):
        raise refusal(422, "Private Key is in use and cannot be deleted.", details=IN_USE)
    call.coolify.keys.remove(row)
    return Answer({"message": "Private Key deleted."})


def _refused_by_row(words: str) -> Refusal:
    return refusal(422, words, errors={"private_key": [words]})


def _is_taken(coolify: CoolifyState, fingerprint: str, *, by_other_than: PrivateKey | None = None) -> bool:
    """A team has a key once, and the pretend Coolify has one team."""
    return any(row.fingerprint == fingerprint for row in coolify.keys if row is not by_other_than)


def _is_used(coolify: CoolifyState, row: PrivateKey) -> bool:
    users = [*coolify.servers, *coolify.github_apps]
    by_app = any(app.private_key_uuid == row.uuid for app in coolify.applications)
    return by_app or any(user.private_key_id == row.id for user in users)


def _decoded(given: str) -> str:
    if given.startswith("-----BEGIN"):
        return given + "\n"
    try:
        return base64.b64decode(given).decode().strip() + "\n"
    except (binascii.Error, UnicodeDecodeError) as error:
        raise refusal(422, "Invalid private key.") from error


def _halves(private: str) -> tuple[str, str]:
    halves = _read(private)
    if halves is None:
        raise refusal(422, "Invalid private key.")
    return halves


def _read(private: str) -> tuple[str, str] | None:
    """The public key and its fingerprint; a key with a passphrase cannot be read."""
    try:
        key = asyncssh.import_private_key(private)
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        return None
    return key.export_public_key().decode().strip(), key.get_fingerprint().removeprefix("SHA256:")


def _key(call: Call) -> PrivateKey:
    return found(rows.by_uuid(call.coolify.keys, call.uuid), NOT_FOUND)


ENDPOINTS = (
    Endpoint("GET", "/security/keys", _all),
    Endpoint("POST", "/security/keys", _create, "write"),
    Endpoint("GET", "/security/keys/{uuid}", _one),
    Endpoint("PATCH", "/security/keys/{uuid}", _change, "write"),
    Endpoint("DELETE", "/security/keys/{uuid}", _delete, "write"),
)
