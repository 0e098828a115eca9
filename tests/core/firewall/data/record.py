"""Records what a real Debian host says of its firewall in each situation, and what connects from outside see of it.

Needs root, and one lab host that can be thrown away. Set LAB_EXEC to the command that runs a command in it, LAB_RESET
to the one that makes it fresh (with its network, where rules stay), LAB_LINK to the interface that leads to it from
here, LAB_NET to the first three numbers of its address, and name the situations, or none for all of them:
`python record.py ufw_published`.
"""

import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NET = os.environ["LAB_NET"]
PRIVATE = f"{NET}.11"
FRONT = {"ipv4": "203.0.113.11", "ipv6": "2001:db8::11"}
FROM = {
    "stranger": {"ipv4": "203.0.113.1", "ipv6": "2001:db8::1"},
    "admin": {"ipv4": "203.0.113.66", "ipv6": "2001:db8::66"},
    "neighbour": {"ipv4": f"{NET}.1"},
}
COMMANDS = {
    "iptables": "iptables-save",
    "ip6tables": "ip6tables-save",
    "iptables_legacy": "iptables-legacy-save",
    "ip6tables_legacy": "ip6tables-legacy-save",
    "nft": "nft -j list ruleset",
    "ufw_status": "ufw status verbose",
    "ufw_rules": "cat /etc/ufw/user.rules",
    "ufw6_rules": "cat /etc/ufw/user6.rules",
    "firewalld": "systemctl is-active firewalld && firewall-cmd --list-all-zones",
    "ss": "ss -H -l -n -t -u -p",
    "queues": "cat /proc/net/netfilter/nfnetlink_queue",
    "addresses": "ip -j addr",
    "docker": "docker ps -aq --no-trunc | xargs -r docker inspect | jq -c "
    "'[.[] | {Id, Name, State: {Running: .State.Running}, HostConfig: {NetworkMode: .HostConfig.NetworkMode,"
    " PortBindings: .HostConfig.PortBindings}, NetworkSettings: {Ports: .NetworkSettings.Ports,"
    " Networks: .NetworkSettings.Networks}}]'",
}


def host(script: str, *, check: bool = True) -> tuple[int, str, str]:
    """Run a script in the lab host; return its status and what it said on both ways."""
    done = subprocess.run(
        [*shlex.split(os.environ["LAB_EXEC"]), "sh", "-c", script], capture_output=True, text=True, timeout=120
    )
    if check and done.returncode:
        sys.exit(f"in the host: {script}\nstatus {done.returncode}\n{done.stdout}{done.stderr}")
    return done.returncode, done.stdout, done.stderr


def connect(source: str, target: str, port: int) -> str:
    """Return `open`, `refused` or `silent`: what one connect with that source address sees."""
    try:
        with socket.create_connection((target, port), timeout=0.5, source_address=(source, 0)):
            return "open"
    except TimeoutError:
        return "silent"
    except OSError:
        return "refused"


def observed(ports: list[int]) -> list[dict[str, str | int]]:
    """Connect to each port from each source, over each family; the neighbour uses the private address."""
    return [
        {
            "from": name,
            "family": family,
            "port": port,
            "saw": connect(source, PRIVATE if name == "neighbour" else FRONT[family], port),
        }
        for port in ports
        for name, sources in FROM.items()
        for family, source in sources.items()
    ]


def addressed() -> None:
    """Give both ends documentation addresses."""
    link = os.environ["LAB_LINK"]
    for address in ("203.0.113.1/24", "203.0.113.66/24", "2001:db8::1/64", "2001:db8::66/64"):
        subprocess.run(["ip", "addr", "replace", address, "dev", link], check=True)
    host("ip addr replace 203.0.113.11/24 dev eth0; ip addr replace 2001:db8::11/64 dev eth0 nodad")
    for target in FRONT.values():
        way = subprocess.run(["ip", "route", "get", target], capture_output=True, text=True, check=True).stdout
        if f" dev {link} " not in way:
            sys.exit(f"{target} does not lead into the lab: {way}")


def record(name: str) -> None:
    """Make one situation on a fresh host and write what it says, and what was seen, to a file of that name."""
    setup = (HERE / "situations" / f"{name}.sh").read_text(encoding="utf-8")
    subprocess.run(shlex.split(os.environ["LAB_RESET"]), check=True, capture_output=True)
    addressed()
    host("systemctl disable --now firewalld fail2ban; ufw --force disable; systemctl stop ufw; nft flush ruleset")
    host("systemctl restart docker")
    host("for i in $(seq 100); do docker version >/dev/null 2>&1 && break; sleep 0.1; done")
    host(f"set -e\nexport HOST_NET={NET}\n{setup}")
    host("sleep 1")
    ports = [int(port) for port in setup.splitlines()[0].removeprefix("# ports:").split()]
    answers = {key: host(command, check=False) for key, command in COMMANDS.items()}
    said = {
        key: {"status": status, "text": text.splitlines(), "errors": errors.splitlines()[:3]}
        for key, (status, text, errors) in answers.items()
    }
    found = json.dumps({"answers": said, "observed": observed(ports)}, indent=1)
    (HERE / f"{name}.json").write_text(found + "\n", encoding="utf-8")
    sys.stdout.write(f"{name}: {len(found)} bytes\n")


if __name__ == "__main__":
    every = sorted(file.stem for file in (HERE / "situations").glob("*.sh"))
    for chosen in sys.argv[1:] or every:
        record(chosen)
