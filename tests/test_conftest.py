"""The ground under the tests: the machine's own settings and keys stay out, and nothing is left running."""

import os
import subprocess
from pathlib import Path

import keyring

from tests.conftest import running_children


def test_the_home_is_private_and_empty(private_environment: Path) -> None:
    """A test finds no configuration, state or key of whoever runs it."""
    assert Path.home() == private_environment
    assert list(private_environment.iterdir()) == []
    assert [name for name in os.environ if name.startswith(("INK_", "HCLOUD_", "COOLIFY_"))] in ([], ["INK_SPECS_DIR"])


def test_the_key_store_of_the_machine_is_out_of_reach() -> None:
    """No test reads or writes a key store of the person who runs it."""
    keyring.set_password("ink-infra-mcp", "a", "b")
    assert keyring.get_password("ink-infra-mcp", "a") is None


def test_a_running_child_is_noticed() -> None:
    """A process that was started is seen until it has ended."""
    before = running_children()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        assert running_children() - before == {child.pid}
    assert running_children() - before == set()
