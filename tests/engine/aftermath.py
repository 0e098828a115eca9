"""What is left when a killed operation was finished by another process: in the world, and in the state store."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import Application
from ink_infra_mcp.state import audit, locks, operations
from ink_infra_mcp.state.records import Operation
from ink_infra_mcp.state.store import Connection, Store
from tests.engine.killing import ENVIRONMENT, PROJECT

T = TypeVar("T")
ENV = {"GREETING": "hi", "LEVEL": "2"}
NAME = "hello"
DEPLOY = {"name": NAME, "repository": "https://github.com/example/hello", "env": ENV}
CREATIONS = ("/projects", "/environments", "/applications/public", "/deploy")


@dataclass(frozen=True, slots=True)
class Made:
    """How often each thing is there; variables by name, own and preview copies apart."""

    projects: int
    environments: int
    apps: int
    deployments: int
    containers: int
    variables: Counter[tuple[str, bool]]
    creations: Counter[str]


# Coolify itself adds the version of Node to what it builds with nixpacks
ONCE = Made(
    projects=1,
    environments=1,
    apps=1,
    deployments=1,
    containers=1,
    variables=Counter((name, preview) for name in (*ENV, "NIXPACKS_NODE_VERSION") for preview in (False, True)),
    creations=Counter(CREATIONS),
)


def made(state: WorldState) -> Made:
    """Return what deploy_app has made of the app called hello, counted in the world and not in any answer."""
    coolify = state.coolify
    projects = [project for project in coolify.projects if project.name == PROJECT]
    environments = [e for project in projects for e in project.environments if e.name == ENVIRONMENT]
    apps = [app for app in coolify.applications if app.text("name") == NAME]
    uuids = {app.uuid for app in apps}
    return Made(
        projects=len(projects),
        environments=len(environments),
        apps=len(apps),
        deployments=sum(deployment.application_uuid in uuids for deployment in coolify.deployments),
        containers=sum(name.startswith(uuid) for name in _running(state) for uuid in uuids),
        variables=Counter((variable.key, variable.is_preview) for app in apps for variable in app.envs),
        creations=Counter(
            end for line in state.journal for end in CREATIONS if line.endswith(end) and " POST " in line
        ),
    )


def app_named(state: WorldState, name: str) -> Application | None:
    """Return the application of that name, or None."""
    return next((app for app in state.coolify.applications if app.text("name") == name), None)


def _running(state: WorldState) -> list[str]:
    return [c.name for host in state.hosts.values() for c in host.containers if c.state == "running"]


@dataclass(frozen=True, slots=True)
class Kept:
    """What the state store says of one operation: events of the audit by name, and what still holds its targets."""

    outcome: str
    checks: frozenset[str]
    events: Counter[str]
    approval: str
    held: int


def once(*, resumed: int = 1) -> Kept:
    """Return what the store says of an operation that was applied, after so many processes took it over."""
    events = +Counter({"begin": 1, "resumed": resumed, "end": 1})
    return Kept(outcome="applied", checks=frozenset({"passed"}), events=events, approval="consumed", held=0)


def kept(folder: Path) -> list[Kept]:
    """Return what the store says of each operation, the newest first; the chain of the audit is verified on the way."""

    def work(connection: Connection) -> list[Kept]:
        audit.verify(connection)
        return [_kept(connection, operation) for operation in operations.newest(connection)]

    return _read(folder, work)


def approvals(folder: Path) -> list[str]:
    """Return the state of each approval."""
    return _read(folder, lambda c: [*c.exec_driver_sql("select state from ink_approvals").scalars()])


def workflows(folder: Path) -> list[str]:
    """Return the status of each of the engine's workflows, read past the engine."""
    return _read(folder, lambda c: [*c.exec_driver_sql("select status from workflow_status").scalars()])


def _read(folder: Path, work: Callable[[Connection], T]) -> T:
    store = Store(f"sqlite:///{folder / 'state' / 'state.sqlite3'}")
    try:
        return store.run_sync(work)
    finally:
        store.close()


def _kept(connection: Connection, operation: Operation) -> Kept:
    """Steps are left out of the events: one that ran twice is told twice."""
    lines = audit.read(connection, operation_id=operation.id, limit=1000)
    receipt = operation.receipt
    query = "select state from ink_approvals where operation_id = ?"
    return Kept(
        outcome=receipt.outcome if receipt else operation.state,
        checks=frozenset(check.status for check in receipt.checks) if receipt else frozenset(),
        events=Counter(line.event for line in lines if line.event not in {"step", "undo"}),
        approval=" ".join(connection.exec_driver_sql(query, (operation.id,)).scalars()),
        held=len(locks.holders(connection, operation.plan.locks)),
    )
