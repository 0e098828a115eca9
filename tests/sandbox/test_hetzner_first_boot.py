"""A server that is bought in the pretend world comes up in it: with its host key, for the keys it was made with."""

import json
from pathlib import Path

import anyio
import asyncssh
import httpx2
import pytest

from ink_infra_mcp.sandbox.running import LOOPBACK, Endpoints, Sandbox, open_world
from ink_infra_mcp.sandbox.state_hetzner import HETZNER_TOKEN
from tests.sandbox.worlds import FakeTime
from tests.ssh.openssh import new_key

pytestmark = pytest.mark.anyio
LIMIT_S = 90


def _line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


async def _address(api: httpx2.AsyncClient, server: int) -> str:
    now = (await api.get(f"servers/{server}")).json()["server"]
    assert now["status"] == "running"
    return str(now["public_net"]["ipv4"]["ip"])


async def _run(ends: Endpoints, address: str, host: asyncssh.SSHKey, login: asyncssh.SSHKey) -> str:
    port = ends.connect_to[address, 22][1]
    trusted = asyncssh.import_known_hosts(f"[{LOOPBACK}]:{port} {_line(host)}\n")
    async with asyncssh.connect(
        LOOPBACK, port, username="root", client_keys=[login], known_hosts=trusted, config=None
    ) as connection:
        return str((await connection.run("uname -r")).stdout).strip()


async def test_a_bought_server_is_reached_with_its_keys_and_is_gone_when_it_is_deleted(tmp_path: Path) -> None:
    """It shows the host key of its user_data, lets in the keys of its creation and no other, and goes with it."""
    login, host, time = new_key(), new_key(), FakeTime()
    keys = {"ed25519_private": host.export_private_key().decode(), "ed25519_public": _line(host)}
    with anyio.fail_after(LIMIT_S), Sandbox(open_world(tmp_path / "world.db", real_now=time)) as sandbox:
        ends = sandbox.start()
        headers = {"Authorization": f"Bearer {HETZNER_TOKEN}"}
        async with httpx2.AsyncClient(base_url=f"{ends.hetzner_url}/", headers=headers) as api:
            await api.post("ssh_keys", json={"name": "ink", "public_key": _line(login)})
            wanted = {"name": "muscle-3", "server_type": "ccx33", "image": "debian-13", "ssh_keys": ["ink"]}
            wanted["user_data"] = "#cloud-config\n" + json.dumps({"ssh_keys": keys})
            made = (await api.post("servers", json=wanted)).json()["server"]["id"]
            time.advance(60)
            address = await _address(api, made)
            assert await _run(ends, address, host, login) == "6.12.48+deb13-amd64"
            with pytest.raises(asyncssh.PermissionDenied):
                await _run(ends, address, host, new_key())
            assert (address, 443) in ends.connect_to
            await api.delete(f"servers/{made}")
            time.advance(60)
            assert (await api.get(f"servers/{made}")).status_code == 404
            with pytest.raises((OSError, asyncssh.Error)):
                await _run(ends, address, host, login)
