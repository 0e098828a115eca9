"""The doctor's checks of servers: whether SSH lets us in, and whether apps can run isolated there."""

import os

from ink_infra_mcp.cli.doctor_clocks import clock_of
from ink_infra_mcp.cli.doctor_ground import Ground
from ink_infra_mcp.cli.doctor_report import Finding, Section
from ink_infra_mcp.core.errors import InkError
from ink_infra_mcp.core.fleet import Fleet, Host, Muscle
from ink_infra_mcp.core.systems import FACTORY, MUSCLE, OPTION, RUNTIME
from ink_infra_mcp.hosts.docker.proxies import proxy_problem
from ink_infra_mcp.hosts.factory.coolify_image import knows_runtime_option
from ink_infra_mcp.hosts.facts.gathering import HostFacts, gather
from ink_infra_mcp.hosts.readings import READINGS
from ink_infra_mcp.ssh.pool import HostPool

CONNECT_S = 6.0
_AREAS = ("system", "docker", "containers")


def pool_of(ground: Ground, fleet: Fleet) -> HostPool:
    """Return the way to the fleet's servers, with the login key that was read already."""
    return HostPool(
        {host.name: host for host in fleet.hosts},
        login=lambda: ground.secrets.get("ssh_key"),
        clock=ground.clock,
        redact=ground.redact,
        reads=READINGS,
        connect_to=ground.places.connect_to,
        connect_timeout_s=CONNECT_S,
    )


def abilities_of(host: Host, fleet: Fleet) -> tuple[str, ...]:
    """Return what tools lack when nothing can be had of that server."""
    if host.name == fleet.factory.name:
        return (FACTORY, OPTION)
    return (MUSCLE, RUNTIME) if isinstance(host, Muscle) else ()


async def check_host(ground: Ground, fleet: Fleet, pool: HostPool, host: Host) -> Section:
    """Return what the server says of itself; raises HostError, and ConfigError without a login key.

    A pretend world has a time of its own, so that its clocks are not compared.
    """
    asked_at = ground.clock.now().timestamp()
    facts = await gather(pool, host.name, areas=_AREAS)
    clock = clock_of(facts, asked_at=asked_at, heard_at=ground.clock.now().timestamp())
    found = await _abilities(ground, fleet, pool, host, facts)
    return found if ground.sandbox else found.model_copy(update={"findings": (*found.findings, clock)})


async def _abilities(ground: Ground, fleet: Fleet, pool: HostPool, host: Host, facts: HostFacts) -> Section:
    reached = Finding(
        level="ok", text=f"SSH as {host.ssh_user} at {host.address}, {login_of(ground)}; {_system(facts)}."
    )
    if host.name == fleet.factory.name:
        return await _factory(pool, host, reached)
    if isinstance(host, Muscle):
        return _muscle(ground, host, facts, reached)
    return Section(name=host.name, findings=(reached,))


async def _factory(pool: HostPool, host: Host, reached: Finding) -> Section:
    try:
        knows = await knows_runtime_option(pool, host.name)
    except InkError as error:
        unread = Finding(level="failed", text=error.failed, next=error.next)
        return Section(name=host.name, findings=(reached, unread), gives=(FACTORY,), lacks={OPTION: error.failed})
    if knows:
        good = Finding(level="ok", text="the Coolify image in service knows --runtime.")
        return Section(name=host.name, findings=(reached, good), gives=(FACTORY, OPTION))
    why = "the Coolify image in service drops --runtime"
    bad = Finding(
        level="warning",
        text=f"{why}: only compose apps can be isolated.",
        next="Put the fork's image into service.",
    )
    return Section(name=host.name, findings=(reached, bad), gives=(FACTORY,), lacks={OPTION: why})


def _muscle(ground: Ground, host: Host, facts: HostFacts, reached: Finding) -> Section:
    runtimes = facts.docker_runtimes
    if runtimes is None:
        why = f"Docker on {host.name} could not be asked: {facts.unknown.get('docker_runtimes', 'no reason given')}"
        bad = Finding(level="failed", text=f"{why}.", next="Look at Docker there.")
    elif ground.runtime not in runtimes:
        why = f"{host.name} has no runtime {ground.runtime}"
        bad = Finding(level="failed", text=f"{why}: no app can run isolated there.", next="Install gVisor there.")
    else:
        good = Finding(level="ok", text=f"Docker has the runtime {ground.runtime} ({facts.runsc_version or '?'}).")
        return Section(name=host.name, findings=(reached, good, *_proxy(host, facts)), gives=(MUSCLE, RUNTIME))
    return Section(name=host.name, findings=(reached, bad), gives=(MUSCLE,), lacks={RUNTIME: why})


def _proxy(host: Host, facts: HostFacts) -> tuple[Finding, ...]:
    problem = proxy_problem(facts.containers)
    if not problem:
        return ()
    text = f"{problem}: no app on {host.name} can be reached by its domain."
    return (Finding(level="warning", text=text, next="Start the proxy in Coolify; its log there says what failed."),)


def login_of(ground: Ground) -> str:
    """Return what servers are logged in to with, in words."""
    key = ground.secrets.get("ssh_key")
    if key is not None:
        return f"key from {key.source}"
    return "a key of the ssh-agent" if os.environ.get("SSH_AUTH_SOCK") else "no login key"


def _system(facts: HostFacts) -> str:
    docker = f"Docker {facts.docker_version}" if facts.docker_version else "Docker not known"
    return f"{facts.os_id or 'unknown system'} {facts.os_version or ''}".strip() + f", {docker}"
