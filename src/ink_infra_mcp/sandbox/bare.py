"""A world whose Factory is a bare server: neither Docker nor Coolify has ever been on it."""

from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_coolify import CoolifyState
from ink_infra_mcp.sandbox.state_factory import FactoryDisk, Storage


def make_bare(state: WorldState) -> None:
    """Take Coolify and Docker off the Factory, and all that Coolify knew; the Muscles stay machines with Docker."""
    factory, coolify = state.hosts["factory"], state.coolify
    factory.containers, factory.volumes, factory.images, factory.docker_version = [], [], [], ""
    factory.authorized_keys, factory.made.daemon = [], ""
    for host in state.hosts.values():
        host.containers = [] if host is factory else [c for c in host.containers if c.name == "coolify-proxy"]
    state.coolify = CoolifyState(
        version=coolify.version,
        installed=False,
        is_api_enabled=False,
        public_ipv4=coolify.public_ipv4,
        users=0,
        is_registration_enabled=True,
        factory=FactoryDisk(files={}, env={}, env_names=[], applied=[], database_bytes=0, storage=_empty()),
    )


def _empty() -> Storage:
    """Return disks of which nothing was ever used: a blank volume, no /data, and no settings of containerd's."""
    return Storage(data="absent", data_kb=0, data_entries=0, docker_kb=0, containerd="")


def first_account(state: WorldState, token: str) -> None:
    """Do what a person does at a new Coolify: make the first account, which ends registration, and a token.

    Raises:
        ValueError: somebody owns it already, or it is not there.
    """
    from ink_infra_mcp.sandbox.state_coolify import Token

    coolify = state.coolify
    if not coolify.installed or coolify.users or not coolify.is_registration_enabled:
        raise ValueError("nobody can register there")
    number, _, secret = token.partition("|")
    coolify.users, coolify.is_registration_enabled = 1, False
    coolify.tokens = [Token(id=int(number), secret=secret, name="operator")]
