"""Logging in with the keys of a real ssh-agent, when no key is stored."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from ink_infra_mcp.core.errors import ConfigError
from tests.programs import program
from tests.ssh.openssh import new_key
from tests.ssh.servers import NAME, far, look, pool_of

pytestmark = pytest.mark.anyio

LIMIT_S = 60


@contextmanager
def agent(folder: Path, *keys: str) -> Generator[str]:
    """Run an ssh-agent that holds these keys; give the path of its socket."""
    socket = folder / "agent"
    out = subprocess.run(
        [program("ssh-agent"), "-a", str(socket)], capture_output=True, text=True, check=True, timeout=10
    ).stdout
    pid = int(out.split("SSH_AGENT_PID=")[1].split(";")[0])
    try:
        for key in keys:
            environment = {**os.environ, "SSH_AUTH_SOCK": str(socket)}
            subprocess.run(["ssh-add", "-q", "-"], input=key, text=True, check=True, timeout=10, env=environment)
        yield str(socket)
    finally:
        os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("kind", ["sandbox", "openssh"])
async def test_without_a_stored_key_the_agent_signs(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person whose key never leaves the agent can work."""
    async with far(kind, tmp_path) as server:
        with agent(tmp_path, server.key) as socket:
            monkeypatch.setenv("SSH_AUTH_SOCK", socket)
            async with pool_of(server.host, key=lambda: None, connect_to=server.connect_to) as pool:
                with anyio.fail_after(LIMIT_S):
                    assert (await pool.run(NAME, look("cat", stdin=b"x"))).stdout == "x"


async def test_without_any_key_the_message_says_where_they_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No stored key, and no agent or an empty one: nothing is tried, least of all the keys in the home folder."""
    home = Path(os.environ["HOME"]) / ".ssh"
    home.mkdir()
    (home / "id_ed25519").write_text(new_key().export_private_key().decode(), encoding="utf-8")
    async with far("sandbox", tmp_path) as server:
        async with pool_of(server.host, key=lambda: None, connect_to=server.connect_to) as pool:
            with anyio.fail_after(LIMIT_S):
                with pytest.raises(ConfigError, match="no ssh-agent answers"):
                    await pool.run(NAME, look("true"))
                with agent(tmp_path) as socket:
                    monkeypatch.setenv("SSH_AUTH_SOCK", socket)
                    with pytest.raises(ConfigError, match="the ssh-agent holds none"):
                        await pool.run(NAME, look("true"))
        assert server.refusals() == 0
