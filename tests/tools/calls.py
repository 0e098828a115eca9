"""Calling tools as an assistant does, and what the tests of tools look at in the answers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
from mcp import Client

from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.core.step import Handler, StepCall
from ink_infra_mcp.sandbox.running import open_world
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.sandbox.state_github import commit_sha
from ink_infra_mcp.sandbox.world import World
from tests.clock import FakeClock
from tests.ink import SPEED, Ink, data, text

MAKES = frozenset(
    {
        "coolify POST /api/v1/services",
        *(
            f"coolify POST /api/v1/applications/{source}"
            for source in ("public", "private-github-app", "private-deploy-key", "dockerfile", "dockerimage")
        ),
    }
)


ROLLOUT = ["note_deployments", "note_containers", "deploy", "prove_isolation"]
"""The ids of the steps that roll an app out."""
COMPOSE_ROLLOUT = ["settle", "judge", "note_containers", "deploy", "prove_isolation", "judge_started"]
"""A compose app has no deployments to note, but a file to judge."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a tool answered."""

    text: str
    data: dict[str, Any]
    is_error: bool

    @property
    def outcome(self) -> str:
        """Return the outcome of a mutation; empty for a query or an error."""
        return str(self.data.get("outcome", ""))

    @property
    def checks(self) -> dict[str, str]:
        """Return the proofs by name."""
        return {check["name"]: check["status"] for check in self.data.get("checks", ())}

    @property
    def problem(self) -> dict[str, Any]:
        """Return what went wrong in a step."""
        return dict(self.data.get("problem", {}))


class Before:
    """Changes the world in `folder` once, just before a step of that kind runs: what nobody could foresee.

    `clock` is the one that the world goes by, where it has one.
    """

    def __init__(
        self, folder: Path, kind: str, change: Callable[[WorldState], object], clock: FakeClock | None = None
    ) -> None:
        self._clock = clock
        self._folder = folder
        self._kind = kind
        self._change = change
        self._done = False

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Return the handler to run in place of another."""

        async def changed(call: StepCall) -> JsonObject:
            return await self.run(handler, call)

        return changed if kind == self._kind else handler

    async def run(self, handler: Handler, call: StepCall) -> JsonObject:
        """Change the world, then run the step."""
        self.change()
        return await handler(call)

    def change(self) -> None:
        """Change the world, the first time."""
        if not self._done:
            self._done = True
            with self._world().change() as state:
                self._change(state)

    def _world(self) -> World:
        path, clock = self._folder / "world.db", self._clock
        if clock is None:
            return open_world(path, speed=SPEED)
        return open_world(path, real_now=lambda: clock.now().timestamp())


class After(Before):
    """Changes the world once, just after a step of that kind has run."""

    async def run(self, handler: Handler, call: StepCall) -> JsonObject:
        """Run the step, then change the world."""
        result = await handler(call)
        self.change()
        return result


class Held:
    """Holds the first step of a kind until the test lets it `go`; `begun` says that it is there."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.begun = anyio.Event()
        self.go = anyio.Event()

    def __call__(self, kind: str, handler: Handler) -> Handler:
        """Return the handler to run in place of another."""

        async def held(call: StepCall) -> JsonObject:
            self.begun.set()
            await self.go.wait()
            return await handler(call)

        return held if kind == self._kind else handler


async def call(client: Client, tool: str, /, **arguments: object) -> Said:
    """Call a tool and return what it answered."""
    result = await client.call_tool(tool, arguments)
    return Said(text=text(result), data=data(result), is_error=bool(result.is_error))


async def deploy(client: Client, /, **arguments: object) -> Said:
    """Call deploy_app and wait for its end."""
    return await call(client, "deploy_app", **{"wait_s": 60, **arguments})


def fault(it: Ink, match: str, kind: str = "status", *, system: str = "coolify", **more: Any) -> None:
    """Script trouble in the world."""
    with it.world.change() as state:
        state.faults.append(Fault(system=system, match=match, kind=kind, **more))


def app_named(state: WorldState, name: str) -> Application:
    """Return the application of that name as Coolify has it."""
    return next(app for app in state.coolify.applications if app.text("name") == name)


def push(state: WorldState, name: str = "example/hello") -> str:
    """Put a new commit on main of a repository and return it."""
    state.github.repos[name].branches["main"] = commit_sha(f"{name} newer {len(state.journal)}")
    return state.github.repos[name].branches["main"]


def creations(it: Ink) -> list[str]:
    """Return the requests that made apps, in order."""
    return [entry for entry in it.journal if entry in MAKES]


def unknown(it: Ink) -> list[str]:
    """Return what the pretend world was asked and did not know: it must stay empty."""
    return [entry for entry in it.journal if "UNKNOWN" in entry]
