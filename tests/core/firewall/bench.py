"""What judging a fleet costs: `python -m tests.core.firewall.bench`; 1,000 hosts should take less than a second."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

from ink_infra_mcp.areas.ports.boot_findings import boot_findings
from ink_infra_mcp.areas.ports.findings import Ground, findings_of, rows_of
from ink_infra_mcp.areas.ports.lines import lines_of
from ink_infra_mcp.core.firewall.addresses import V4, V6
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.boot import NextBoot, with_docker
from ink_infra_mcp.core.firewall.cloud import Attachment, CloudFirewall, CloudRule, cloud_gates
from ink_infra_mcp.core.firewall.docker import read_containers
from ink_infra_mcp.core.firewall.exposure import HostFacts, SourceClass, WayIn, exposures, ports_that_matter
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.interfaces import read_interfaces
from ink_infra_mcp.core.firewall.sockets import read_sockets
from tests.areas.ports.test_ground import ground
from tests.core.firewall.recorded import situation

HOSTS = 1_000
GROUND = ground("docker_user")
POLICY = (
    ("tcp", 22),
    ("tcp", 80),
    ("tcp", 443),
    ("udp", 443),
    ("tcp", 8000),
    ("tcp", 6001),
    ("tcp", 6002),
    ("tcp", 8080),
)
CLASSES = (
    SourceClass("internet", V4.parse("198.51.100.0/24"), V6.parse("2001:db8:1::/48"), "public"),
    SourceClass("admin", V4.parse("203.0.113.66"), V6.parse("2001:db8::66"), "public"),
    SourceClass("factory", V4.parse("203.0.113.2"), V6.parse("2001:db8::2"), "public"),
    SourceClass("fleet", V4.parse("10.214.0.0/24"), V6(), "private"),
)
RULES = tuple(
    CloudRule(direction="in", protocol="tcp", port=port, remote=remote)
    for port, remote in (("22", ("203.0.113.66/32",)), ("80", ("0.0.0.0/0", "::/0")), ("443", ("0.0.0.0/0", "::/0")))
)


def answers(number: int) -> dict[str, Answer]:
    """Return what one host said: a real one, with an address of its own in its rules so that no two are the same."""
    said = situation("docker_user")
    own = f"172.17.{number // 250}.{number % 250 + 2}"
    names = ("iptables", "ip6tables", "nft", "addresses", "ss", "docker")
    return {name: Answer(said.answer(name).text.replace("172.17.0.2", own)) for name in names}


def read(number: int, said: dict[str, Answer]) -> HostFacts:
    """Return the facts of one host from what it said."""
    gates = cloud_gates([CloudFirewall(id=1, name="fw", rules=RULES)], [Attachment(1, applied=True)])
    return HostFacts(
        name=f"muscle-{number}",
        provider=gates,
        v4=read_filters(V4, iptables=said["iptables"], legacy=None, nft=said["nft"]),
        v6=read_filters(V6, iptables=said["ip6tables"], legacy=None, nft=said["nft"]),
        interfaces=read_interfaces(said["addresses"]),
        sockets=read_sockets(said["ss"]),
        containers=read_containers(said["docker"]),
        ways=(
            WayIn("public", ("203.0.113.11", "2001:db8::11"), "eth0"),
            WayIn("private", ("10.214.0.11",), "eth0", gated=False),
        ),
    )


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the seconds of CPU that some work took."""
    began = time.process_time()
    work()
    return time.process_time() - began


def judged(fleet: list[HostFacts]) -> int:
    """Judge every port that matters of every host; return how many results there are."""
    return sum(len(exposures(host, CLASSES, ports_that_matter(host, POLICY))) for host in fleet)


def ground_like(host: HostFacts) -> Ground:
    """Return what check_firewall judges such a host by; its next boot brings Docker's rules and no others."""
    assert not isinstance(host.v4, Unreadable)
    assert not isinstance(host.v6, Unreadable)
    boot = NextBoot(with_docker(host.v4, ()), with_docker(host.v6, ()))
    return replace(GROUND, facts=host, boot=boot)


def found(ground: Ground) -> int:
    """Do what check_firewall does with the facts of a host; return how much there is to say."""
    rows = rows_of(ground)
    return len(findings_of(ground, rows)) + len(boot_findings(ground, rows)) + len(lines_of(rows))


def main() -> None:
    """Print what reading and judging a fleet cost."""
    said = [answers(number) for number in range(HOSTS)]
    fleet: list[HostFacts] = []
    reading = cpu_seconds(lambda: fleet.extend(read(number, each) for number, each in enumerate(said)))
    results = 0

    def judge() -> None:
        nonlocal results
        results = judged(fleet)

    judging = cpu_seconds(judge)
    grounds = [*map(ground_like, fleet)]
    finding = cpu_seconds(lambda: [*map(found, grounds)])
    ports = len(ports_that_matter(fleet[0], POLICY))
    sys.stdout.write(
        f"{HOSTS} hosts, {ports} ports each, {results} results\n"
        f"reading what they said: {reading:.2f} s of CPU\njudging them:           {judging:.2f} s of CPU\n"
        f"all of check_firewall:  {finding:.2f} s of CPU, with eleven ports of policy, the next boot and what is said\n"
    )


if __name__ == "__main__":
    main()
