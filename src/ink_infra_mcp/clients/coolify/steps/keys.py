"""Makes and deletes the key pairs that Coolify enters servers with; their private half is in Coolify only."""

from ink_infra_mcp.clients.coolify.models import PrivateKey
from ink_infra_mcp.clients.coolify.steps.context import CoolifyStep
from ink_infra_mcp.clients.coolify.steps.once import LOST, make_once
from ink_infra_mcp.core.errors import NotFound, Rejected, StepFailed
from ink_infra_mcp.core.key_pair import fingerprint_of, public_key_of
from ink_infra_mcp.core.plan import JsonObject


async def create_private_key(step: CoolifyStep) -> JsonObject:
    """Make an ed25519 pair called `name` and hand it to Coolify, or find the one that an earlier run handed over.

    Returns its `uuid`, and `public_key` and `fingerprint` as Coolify tells them of what it holds.

    Raises:
        StepFailed: Coolify holds another key than it was given, or cannot read it.
    """
    name, pair = step.call.text("name"), step.new_key_pair()
    made = False

    async def make() -> PrivateKey:
        nonlocal made
        made = True
        description = f"Coolify's way into a server. {step.marker}"
        await step.coolify.create_private_key(name, pair.private, description=description)
        return await _there(step, name) or _not_shown(name)

    key = await make_once(step, lambda: _there(step, name), make, whether=f"the key {name} is there")
    public = public_key_of(key.public_key)
    if public is None or (made and public != pair.public):
        raise _failed(
            f"Coolify does not give back the key {name} that it was given.",
            done="The key is in Coolify, and opens nothing yet.",
            next="Look at it in Coolify under Keys & Tokens, delete it there, then call again.",
        )
    return {"uuid": key.uuid, "public_key": public, "fingerprint": fingerprint_of(public)}


async def discard_private_key(step: CoolifyStep) -> JsonObject:
    """Delete the key called `name` that this operation made, if it did; another one is left alone."""
    key = await _there(step, step.call.text("name"))
    if key is not None:
        await _delete(step, key)
    return {"gone": True}


async def delete_private_key(step: CoolifyStep) -> JsonObject:
    """Delete the key `key`, if it is still the one with `fingerprint`; one that is gone already counts as deleted.

    Raises:
        StepFailed: it is another key now, or something uses it.
    """
    uuid = step.call.given("key")
    key = next((key for key in await step.coolify.private_keys() if key.uuid == uuid), None)
    if key is None:
        return {"gone": True}
    if not _has_fingerprint(key, step.call.text("fingerprint")):
        raise _failed(
            f"The key {key.name} in Coolify is not the one that the plan was made for.",
            done="It was not deleted.",
            next="Call the tool again: it plans with the keys that are there now.",
        )
    await _delete(step, key)
    return {"gone": True}


def _has_fingerprint(key: PrivateKey, wanted: str) -> bool:
    public = public_key_of(key.public_key)
    return public is not None and fingerprint_of(public) == wanted


async def _there(step: CoolifyStep, name: str) -> PrivateKey | None:
    keys = await step.coolify.private_keys()
    return next((key for key in keys if key.name == name and step.marker in key.description.split()), None)


async def _delete(step: CoolifyStep, key: PrivateKey) -> None:
    try:
        await step.coolify.delete_private_key(key.uuid)
    except NotFound:
        return
    except Rejected as error:
        raise _failed(
            f"Coolify does not delete the key {key.name}: {error.failed}", done="It was not deleted.", next=error.next
        ) from error
    except LOST as error:
        step.call.say(f"Coolify gave no good answer ({error.code}); looking whether the key is gone")
        if any(other.uuid == key.uuid for other in await step.coolify.private_keys()):
            raise


def _not_shown(name: str) -> PrivateKey:
    raise _failed(
        f"Coolify took the key {name}, and does not list it.",
        done="The key may be in Coolify.",
        next="Look for it in Coolify under Keys & Tokens; the same call goes on with it.",
    )


def _failed(failed: str, *, done: str, next: str) -> StepFailed:
    return StepFailed(failed, done=done, next=next, stage="coolify_key")
