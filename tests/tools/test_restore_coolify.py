"""restore_coolify: what is lost is named before, a copy is tried first, and what is not proved is taken back."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from ink_infra_mcp.sandbox.coolify.ids import uuid_of
from ink_infra_mcp.sandbox.hosts.restore import rows_of
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import Token
from ink_infra_mcp.sandbox.state_factory import CUSTOM, FactoryDisk, Rotation
from tests.clock import FakeClock
from tests.ink import ink
from tests.tools.arrivals import approved
from tests.tools.calls import Before, Said, call, unknown

pytestmark = pytest.mark.anyio
LIMIT_S = 180
RESTORE, OLD = "restore_coolify", "op-4w7hx2mnp9"
FOLDER = "/data/coolify/backups/burnt"
PROVED = {
    "database": "passed",
    "keys": "passed",
    "servers": "passed",
    "own_server": "passed",
    "api": "passed",
}
Change = Callable[[WorldState], None]


@dataclass(frozen=True)
class Held:
    """What Coolify's database holds, by name, and its own switch and keys."""

    applications: list[str]
    servers: list[str]
    tokens: list[str]
    applied: list[str]
    auto_update: bool
    env: dict[str, str]


def held(state: WorldState) -> Held:
    """Return what it holds now."""
    coolify = state.coolify
    return Held(
        applications=[app.text("name") for app in coolify.applications],
        servers=[server.name for server in coolify.servers],
        tokens=[token.name for token in coolify.tokens],
        applied=[*coolify.factory.applied],
        auto_update=coolify.factory.auto_update,
        env={**coolify.factory.env},
    )


def running(state: WorldState) -> list[str]:
    """Return the containers of apps on Muscles."""
    return [c.name for name in ("muscle-1", "muscle-2") for c in state.hosts[name].containers]


def disk(change: Callable[[FactoryDisk], object]) -> Change:
    """Return a change of the Factory's disk, after somebody has worked in Coolify."""

    def changed(state: WorldState) -> None:
        worked(state)
        change(state.coolify.factory)

    return changed


def worked(state: WorldState) -> None:
    """Let somebody have worked since the backup: an app of then is gone, and a new one is there."""
    coolify = state.coolify
    shop, *others = coolify.applications
    newer = shop.model_copy(
        update={"id": 9_000, "uuid": uuid_of("the newer app"), "columns": {**shop.columns, "name": "newer"}}
    )
    coolify.applications = [*others, newer]


def burnt(state: WorldState) -> None:
    """Let this be a new machine with an empty Coolify, and the old one's backup beside it."""
    coolify = state.coolify
    old = coolify.factory.kept[-1].model_copy(update={"folder": FOLDER, "foreign": True, "rows": rows_of(coolify)})
    coolify.applications, coolify.services, coolify.deployments = [], [], []
    coolify.servers = coolify.servers[:1]
    coolify.factory.kept = [old]


def kept(**fields: Any) -> Change:
    """Return a change of the backup."""
    return disk(lambda it: setattr(it, "kept", [it.kept[-1].model_copy(update=fields)]))


@dataclass(frozen=True)
class Ended:
    """A restore that came to its end."""

    said: Said
    before: Held
    after: Held
    ran_on: bool
    acts: list[str]


async def restored(folder: Path, change: Change = worked, *, wrap: Before | None = None, **arguments: object) -> Ended:
    """Return what came of a restore that a person said yes to."""
    given = arguments or {"backup": OLD}
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(folder, change_world=change, clock=FakeClock(datetime.now(UTC)), wrap_handler=wrap) as it,
            it.client() as client,
        ):
            before, ran = held(it.state), running(it.state)
            said = await approved(it, client, RESTORE, **given, wait_s=3600)
            assert unknown(it) == []
            acts = [" ".join(line.split()[2:4]) for line in it.journal if line.startswith("ssh factory ink-")]
            return Ended(said, before, held(it.state), running(it.state) == ran, acts)


def unwrapped(text: str) -> str:
    """Return what a person reads, without the breaks of its lines."""
    return re.sub(r"\n +\.\.\. ", " ", text)


async def asked(folder: Path, change: Change = worked, **arguments: object) -> Said:
    """Return what is said to a call before anybody has said yes; nothing is changed by it."""
    with anyio.fail_after(LIMIT_S):
        async with ink(folder, change_world=change, clock=FakeClock(datetime.now(UTC))) as it, it.client() as client:
            before = held(it.state)
            said = await call(client, RESTORE, **({"backup": OLD} | arguments))
            assert (held(it.state), it.journal, unknown(it)) == (before, [], [])
    return said


async def test_a_backup_is_rehearsed_restored_and_proved_and_the_same_call_asks_again(tmp_path: Path) -> None:
    """What was there then is there again, apps run on, and the Coolify of before is backed up.

    That nothing was changed since then nobody can prove, and who lost variables needs a second restore.
    """
    with anyio.fail_after(LIMIT_S):
        async with (
            ink(tmp_path, change_world=worked, clock=FakeClock(datetime.now(UTC))) as it,
            it.client() as client,
        ):
            before, ran = held(it.state), running(it.state)
            said = await approved(it, client, RESTORE, backup=OLD, wait_s=3600)
            after, again = held(it.state), await call(client, RESTORE, backup=OLD)
            acts = [" ".join(line.split()[2:4]) for line in it.journal if line.startswith("ssh factory ink-")]
            assert running(it.state) == ran
            assert len(it.state.coolify.factory.kept) == 2
    assert (said.outcome, said.checks, again.outcome) == ("applied", PROVED, "approval_required"), (
        said.text + again.text
    )
    assert "It is the backup that was restored last: it is restored once more" in unwrapped(again.text)
    assert "newer" in before.applications
    assert after == Held(
        ["shop", *before.applications[:-1]], before.servers, before.tokens, before.applied, False, before.env
    )
    assert acts == [
        "ink-backup make",
        "ink-backup rehearse",
        "ink-swap prepare",
        "ink-swap start",
        "ink-swap confirm",
    ]
    told = {name: said.data["result"][name] for name in ("downtime_ms", "keys", "unreached")}
    assert told == {"downtime_ms": 1840, "keys": 2, "unreached": []}


async def test_the_plan_names_what_is_lost_and_what_comes_back(tmp_path: Path) -> None:
    """By name, from the backup itself, before anything is restored; a token that ends is told."""

    def and_token(state: WorldState) -> None:
        worked(state)
        state.coolify.tokens.append(Token(id=77, secret="s" * 40, name="later"))
        state.coolify.factory.rotations["op-9"] = Rotation(orders={"kind": "restore"}, state="confirmed")

    said = await asked(tmp_path, and_token)
    assert said.outcome == "approval_required"
    for words in (
        "Lost, since it was made after the backup: API tokens: later; applications: newer.",
        "Comes back, though it was deleted since then: applications: shop.",
        "1 API tokens are newer than the backup",
        "if ours is one, the proof fails and the Factory goes back.",
        "The database ink_left of an earlier restore or way back goes for good (there is one)",
        "was made 20",
        "by Coolify 4.3.10",
        "3 days ago",
        "type: factory",
    ):
        assert words in unwrapped(said.text), said.text


async def test_a_token_that_ends_where_no_step_asks_the_api_is_a_persons_work(tmp_path: Path) -> None:
    """On another machine no server is validated, so that nothing goes back for it."""

    def and_token(state: WorldState) -> None:
        burnt(state)
        state.coolify.tokens.append(Token(id=77, secret="s" * 40, name="later"))

    said = await asked(tmp_path, and_token, backup=None, from_folder=FOLDER)
    told = "if ours is one, a person has to make one and store it: no step of this plan asks the API."
    assert (said.outcome, told in unwrapped(said.text)) == ("approval_required", True), said.text


async def test_a_call_without_a_name_tells_which_backups_there_are(tmp_path: Path) -> None:
    """Nobody has to log in there for a name."""
    said = await asked(tmp_path, backup=None)
    assert (said.is_error, OLD in said.text) == (True, True), said.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (disk(lambda it: setattr(it, "upgrading", True)), "an upgrade of Coolify's own runs"),
        (disk(lambda it: setattr(it, "left_over", ["0123456789ab_coolify"])), "containers are left of an earlier try"),
        (disk(lambda it: setattr(it, "free_kb", 200_000)), "its disks have 195 MiB left, and 296 are needed"),
        (disk(lambda it: it.broken.append("settings")), "whether Coolify updates itself is not known"),
        (disk(lambda it: it.files.pop(CUSTOM)), "its files name docker.io/coollabsio/coolify:4.3.10, and"),
        (kept(spoilt=True), "its files are not what its manifest says"),
        (kept(version="4.9.0"), "the backup is of Coolify 4.9.0, which is newer than the 4.3.10 that runs"),
        (kept(postgres="18.1"), "the backup is of PostgreSQL 18, which is newer than the 15 that runs"),
        (kept(version=""), "which Coolify made the backup, or which one runs, is not known"),
    ],
)
async def test_a_backup_or_a_factory_that_is_in_no_state_for_it_is_left_alone(
    tmp_path: Path, change: Change, reason: str
) -> None:
    """Each with its reason, before anybody is asked."""
    said = await asked(tmp_path, change)
    assert (said.is_error, reason in unwrapped(said.text)) == (True, True), said.text


async def test_a_deployment_that_runs_keeps_coolify_as_it_is(tmp_path: Path) -> None:
    """At once, and once more at the last moment by the unit itself."""

    def deploying(state: WorldState) -> None:
        last = state.coolify.deployments[-1].model_copy(update={"status": "in_progress", "ends_at": None})
        state.coolify.deployments.append(last)

    said = await asked(tmp_path / "1", deploying)
    assert "1 deployments run or wait" in said.text
    ended = await restored(tmp_path / "2", wrap=Before(tmp_path / "2", "factory.restore_backup", deploying))
    assert "1 deployments run or wait" in ended.said.text
    assert ended.after == ended.before


@pytest.mark.parametrize(
    ("change", "stage"),
    [
        (disk(lambda it: it.failing.append("pg_dump")), "backup_dump"),
        (disk(lambda it: it.failing.append("pg_restore")), "rehearsal_restore"),
        (disk(lambda it: setattr(it, "key_fits", False)), "rehearsal_secret"),
    ],
)
async def test_what_fails_before_anything_stops_touches_nothing(tmp_path: Path, change: Change, stage: str) -> None:
    """No backup of now, no restore on the copy, another key: the unit is never told."""
    ended = await restored(tmp_path, change)
    assert (ended.said.outcome, ended.said.problem["stage"]) == ("failed", stage), ended.said.text
    assert (ended.after, "ink-swap prepare" in ended.acts) == (ended.before, False)


@pytest.mark.parametrize(
    ("fails", "words"),
    [
        ("restored", "went back to the database from before"),
        ("decrypt", "Coolify decrypts 0 of 2 keys"),
        ("ssh", "no server lets Coolify in with its key"),
        ("horizon", "its queue (horizon) does not run"),
    ],
)
async def test_what_is_not_proved_is_taken_back(tmp_path: Path, fails: str, words: str) -> None:
    """It does not start, its keys do not decrypt, no server lets it in, or nothing would ever be deployed."""
    ended = await restored(tmp_path, disk(lambda it: it.failing.append(fails)))
    assert (ended.said.outcome, ended.said.problem["stage"][:5]) == ("undone", "resto"), ended.said.text
    assert words in ended.said.text
    assert (ended.after, ended.ran_on) == (ended.before, True)


async def test_a_server_that_the_restored_coolify_cannot_validate_takes_it_back(tmp_path: Path) -> None:
    """Coolify answers, and does not say that it reached it."""

    def away(state: WorldState) -> None:
        state.hosts["muscle-1"].up = False

    ended = await restored(tmp_path, wrap=Before(tmp_path, "coolify.validate_server", away))
    assert ended.said.outcome == "undone", ended.said.text
    assert ended.after == ended.before


async def test_a_burnt_factory_comes_back_on_a_new_machine(tmp_path: Path) -> None:
    """The old APP_KEY is kept among the earlier ones; what a person has to do besides is in the plan."""
    ended = await restored(tmp_path / "1", burnt, from_folder=FOLDER)
    assert (ended.said.outcome, ended.said.checks) == ("applied", PROVED), ended.said.text
    assert (ended.before.applications, ended.before.servers) == ([], ["localhost"])
    assert ended.after.applications == ["shop", "docs", "legacy"]
    assert ended.after.env == {**ended.before.env, "APP_PREVIOUS_KEYS": OLD}
    said = await asked(tmp_path / "2", burnt, backup=None, from_folder=FOLDER)
    for words in (
        "the old Factory must stay off",
        "coolify.example.com, the dashboard's name, still leads to the old machine: setup_factory with the part dns",
        "The backup was encrypted with another APP_KEY",
        "SSH_MUX_ENABLED",
    ):
        assert words in unwrapped(said.text), said.text


async def test_a_server_that_does_not_let_the_new_machine_in_is_named_and_is_no_success(tmp_path: Path) -> None:
    """One that does proves the keys; the other one's firewall knows the old address."""

    def shut(state: WorldState) -> None:
        burnt(state)
        state.coolify.factory.failing.append("ssh muscle-2")

    ended = await restored(tmp_path, shut, from_folder=FOLDER)
    assert ended.said.checks == {**PROVED, "servers": "failed"}, ended.said.text
    assert "2 servers let Coolify in with its key; not: muscle-2" in ended.said.text


async def test_a_factory_that_is_away_for_a_while_is_waited_for(tmp_path: Path) -> None:
    """It restores without us: a connection that breaks in the middle is no failure."""
    fault = Fault(system="ssh", match="ink-swap look", kind="drop_after", times=3)
    ended = await restored(
        tmp_path, wrap=Before(tmp_path, "factory.prove_backup", lambda state: state.faults.append(fault))
    )
    assert (ended.said.outcome, ended.said.checks) == ("applied", PROVED), ended.said.text
