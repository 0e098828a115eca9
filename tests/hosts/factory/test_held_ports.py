"""Ports of Coolify's containers that somebody else holds, as the script on the Factory finds them; sockets are real."""

import socket
from collections.abc import Generator
from pathlib import Path

import pytest

from ink_infra_mcp.hosts.factory.looking import CUSTOM, PROD
from ink_infra_mcp.hosts.factory.swapping import read_ready
from tests.hosts.pretend_root import root_at

SOURCE = "data/coolify/source"
DOCKER = """
case "$*" in
  *PortBindings*' coolify') echo '8080/tcp=8000 ' ;;
  *PortBindings*' coolify-realtime') echo '6001/tcp=PORT 6001/tcp=PORT 6002/udp=PORT ' ;;
  *PortBindings*) exit 1 ;;
  'ps --filter publish=8000/tcp '*) printf 'coolify\\n' ;;
  'ps --filter publish=PORT/tcp '*) printf 'HOLDER' ;;
  'ps --filter '*) ;;
  *) exit 1 ;;
esac
"""


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"])
def port(request: pytest.FixtureRequest) -> Generator[int]:
    """Give a port at which somebody listens."""
    family, address = request.param
    with socket.create_server((address, 0), family=family) as listening:
        yield listening.getsockname()[1]


def held(folder: Path, port: int, *, holder: str = "", env: str = "") -> tuple[str, ...]:
    """Return who holds what, where Docker says that a container holds the port."""
    folder.mkdir(exist_ok=True)
    root = root_at(folder)
    docker = DOCKER.replace("PORT/", f"{port}/").replace("=PORT", f"={port}").replace("HOLDER", holder)
    root.programs({"docker": docker, "systemctl": "exit 0", "pgrep": "exit 1"})
    for name in ("docker-compose.yml", PROD, CUSTOM):
        root.write(f"{SOURCE}/{name}", "")
    root.write(f"{SOURCE}/.env", env)
    said = root.run("factory/swap.sh", "ink-swap", "ready", "any")
    parted = (line.partition(" ") for line in said.facts.splitlines())
    return read_ready("factory", [(first, rest) for first, _, rest in parted]).held


def test_a_program_that_listens_where_a_container_shall_is_found(tmp_path: Path, port: int) -> None:
    """The container's own ports are looked at, each once, and whatever listens there."""
    assert held(tmp_path, port) == (f"{port}=?",)


def test_another_container_is_named_and_its_own_is_no_other(tmp_path: Path, port: int) -> None:
    """Docker knows who publishes a port."""
    assert held(tmp_path / "a", port, holder="web\\n") == (f"{port}=web",)
    assert held(tmp_path / "b", port, holder="coolify-realtime\\n") == ()


def test_the_port_that_env_names_for_the_next_start_is_looked_at_too(tmp_path: Path, port: int) -> None:
    """It is another than the one that the container has, and somebody has it."""
    assert held(tmp_path, port, holder="coolify-realtime\\n", env=f"APP_PORT={port}\n") == (f"{port}=coolify-realtime",)


def test_a_port_at_which_nobody_listens_is_nobodys(tmp_path: Path) -> None:
    """A container that has ended can start again."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        number = gone.getsockname()[1]
    assert held(tmp_path, number) == ()
