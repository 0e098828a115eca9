"""The pretend world that commands are tried on: emulators that run once for a module, and as seeded for each test."""

from collections.abc import Iterator

import pytest

from tests.cli.sandboxes import Running, put_back, running


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the emulators for this module."""
    with running(tmp_path_factory.mktemp("world")) as found:
        yield found


@pytest.fixture
def world(sandbox: Running) -> Iterator[Running]:
    """Give the emulators, and put their world back afterwards."""
    with put_back(sandbox.world):
        yield sandbox
