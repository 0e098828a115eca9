"""The proof of variables: what an app's containers were given, by digest, against what was approved."""

from collections.abc import Collection, Mapping, Sequence

from ink_infra_mcp.areas.apps.env_values import (
    Digests,
    agrees,
    digest,
    is_generated,
    own_rows,
    readable,
    rows_of,
    running_digests,
    seen_of,
    wanted_digest,
)
from ink_infra_mcp.areas.look import Look
from ink_infra_mcp.clients.coolify.models import EnvVar
from ink_infra_mcp.core.dotenv import arrived
from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.core.operation import Check, Results
from ink_infra_mcp.core.plan import Plan, Step
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.shapes import items, table
from ink_infra_mcp.hosts.docker.rollouts import promise_of

NAME = "variables"
BUILD_ONLY = ("NIXPACKS_", "RAILPACK_")
"""Beginnings of names that go to the build and to no container (Application::runtime_environment_variables)."""
_COOLIFYS = ("COOLIFY_", "SERVICE_")
_BOTH = frozenset({"HOST", "PORT"})
"""What Coolify fills in by itself, or may have in more than one way."""


async def variables(look: Look, plan: Plan, results: Results) -> Check:
    """Return whether the variables that a plan sets are there, and those that it removes are not; and where it rolls
    the app out, whether its containers were given the approved values. A random one must be what Coolify has.

    Those of the plan must be right in every container that has them, and reach one; the others as Coolify has them, as
    far as the token may read them and their flags tell what arrives. Names only, never values.
    """
    prove = _step(plan, "prove_isolation")
    uuid, service = _app_of(plan, results)
    own = own_rows(await rows_of(look, uuid, service=service))
    wrong = _names_wrong(plan, own)
    if prove is None:
        return _check(wrong, "the names are as asked for")
    muscle = str(prove.params["muscle"])
    promise = promise_of(uuid, prove.params, results)
    try:
        found = await running_digests(look, muscle, uuid, without=promise.noted)
    except HostError as error:
        return _check([*wrong, f"the containers' were not seen: {error.failed}"], "")
    wanted = _expected(look, plan, own)
    others = _others(own, wanted)
    wrong += [f"{name} in {muscle}'s containers" for name in _differing(found, wanted, others, service=service)]
    count = len(wanted) + len(others)
    if count + len(wrong) == 0:
        return _nothing_compared(own)
    return _check(wrong, f"docker inspect on {muscle}: {count} compared by digest, as approved")


def _expected(look: Look, plan: Plan, own: Mapping[str, EnvVar]) -> dict[str, str]:
    wanted = {key: value for key, value in _wanted(plan).items() if not is_generated(value)}
    return {key: wanted_digest(look, value) for key, value in wanted.items() if _reaches(key, own.get(key))}


def _nothing_compared(own: Mapping[str, EnvVar]) -> Check:
    hidden = [key for key, row in own.items() if _is_theirs(key, row) and key not in readable(own)]
    if hidden:
        return Check(name=NAME, status="skipped", evidence="Coolify does not show their values to this token")
    return Check(name=NAME, status="passed", evidence="it has none whose value is known before it runs")


def _names_wrong(plan: Plan, own: Mapping[str, EnvVar]) -> list[str]:
    return [
        *(f"{name} is missing in Coolify" for name in sorted(_wanted(plan).keys() - own.keys())),
        *(f"{name} is still in Coolify" for name in sorted(_removed(plan) & own.keys())),
    ]


def _check(wrong: Sequence[str], right: str) -> Check:
    if wrong:
        return Check(name=NAME, status="failed", evidence=f"not as approved: {'; '.join(wrong)}")
    return Check(name=NAME, status="passed", evidence=right)


def _differing(found: Sequence[Digests], wanted: Digests, others: Digests, *, service: bool) -> list[str]:
    """A compose file may give a variable another value in some of its services, or give it to none."""
    wrong = [name for name, value in wanted.items() if not agrees(found, name, value)]
    wrong += [name for name, value in others.items() if _is_lost(value, seen_of(found, name), service=service)]
    return sorted(wrong)


def _is_lost(value: str, seen: Collection[str], *, service: bool) -> bool:
    """Return whether no container has the value, though one has another, or one of the app had to have it."""
    return value not in seen and (bool(seen) or not service)


def _others(own: Mapping[str, EnvVar], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return name -> digest of what should arrive of the variables that the plan does not set."""
    found: dict[str, str] = {}
    for key, value in readable(own).items():
        row = own[key]
        text = _arriving(value, row)
        if text is not None and key not in wanted and _is_theirs(key, row):
            found[key] = digest(text)
    return found


def _arriving(value: Secret, row: EnvVar) -> str | None:
    return arrived(value.reveal(), literal=row.is_literal or row.is_multiline)


def _is_theirs(key: str, row: EnvVar) -> bool:
    """Return whether a variable reaches containers and is nothing that Coolify fills in by itself."""
    return _reaches(key, row) and key not in _BOTH and not key.startswith(_COOLIFYS)


def _reaches(key: str, row: EnvVar | None) -> bool:
    return not key.startswith(BUILD_ONLY) and (row is None or row.is_runtime)


def _wanted(plan: Plan) -> dict[str, str]:
    step = _step(plan, "set_env")
    return {name: str(value) for name, value in table(step.params["variables"]).items()} if step else {}


def _removed(plan: Plan) -> set[str]:
    step = _step(plan, "delete_env")
    return {str(name) for name in items(step.params["names"])} if step else set()


def _app_of(plan: Plan, results: Results) -> tuple[str, bool]:
    """Return the app's uuid and whether it is a compose app, from a step that names both."""
    step = next(
        s for name in ("deploy", "set_env", "delete_env", "prove_isolation") if (s := _step(plan, name)) is not None
    )
    app = step.params["app"]
    if isinstance(app, dict):
        app = results.get(str(app["step"]), {}).get(str(app["field"]), "")
    return str(app), step.params.get("service") is True


def _step(plan: Plan, step_id: str) -> Step | None:
    return next((step for step in plan.steps if step.id == step_id), None)
