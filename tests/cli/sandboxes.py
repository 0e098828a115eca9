"""A sandbox that runs for all tests of a module, put back after each of them."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from ink_infra_mcp.app import Places
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.sandbox.running import Endpoints, Sandbox, open_world
from ink_infra_mcp.sandbox.state import Fault, WorldState
from ink_infra_mcp.sandbox.world import World
from ink_infra_mcp.settings.secrets import Secrets
from tests import ink
from tests.settings.keyrings import MemoryKeyring


@dataclass(frozen=True, slots=True)
class Running:
    """The emulators and their world."""

    world: World
    ends: Endpoints

    @property
    def places(self) -> Places:
        """Return where they answer."""
        return ink.places(self.ends)

    def breaks(self, system: str, match: str, *, kind: str = "status", **fields: JsonValue) -> None:
        """Make every matching request fail from now on."""
        fault = Fault.model_validate({"system": system, "match": match, "kind": kind, "times": 99, **fields})
        with self.world.change() as state:
            state.faults.append(fault)


@contextmanager
def running(folder: Path) -> Generator[Running]:
    """Run the emulators over a new world."""
    world = open_world(folder / "world.db")
    with Sandbox(world) as sandbox:
        yield Running(world, sandbox.start())


@contextmanager
def put_back(world: World) -> Generator[None]:
    """Let somebody change the world, and put everything back at the end."""
    before = world.read().model_dump_json()
    yield
    after = WorldState.model_validate_json(before)
    with world.change() as state:
        for name in WorldState.model_fields:
            setattr(state, name, getattr(after, name))


def secrets_of(redact: Redactor, environ: Mapping[str, str], *, keyring: MemoryKeyring | None = None) -> Secrets:
    """Return the secrets of a machine with this key store and these variables."""
    store = keyring or MemoryKeyring()
    return Secrets(environ, redact=redact, open_keyring=lambda: store)
