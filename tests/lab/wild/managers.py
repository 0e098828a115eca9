"""Random settings of ufw, firewalld and Docker, as commands for a shell."""

from collections.abc import Iterator

from tests.lab.wild.dice import SOURCES4, Dice

WEB = "registry.lab:5000/library/web:1"


def ufw(dice: Dice) -> Iterator[str]:
    """Yield a firewall of ufw; SSH is allowed before anything else."""
    yield "ufw allow 22/tcp"
    if dice.chance(10):
        yield "sed -i s/^IPV6=yes/IPV6=no/ /etc/default/ufw"
    if dice.chance(30):
        yield f"ufw default {dice.one('allow', 'deny', 'reject')} incoming"
    for _ in range(dice.random.randint(1, 5)):
        port, source = dice.door(), dice.four()
        word = dice.one("allow", "allow", "deny", "reject", "limit")
        yield dice.one(
            f"ufw {word} {port}/tcp",
            f"ufw {word} {port}",
            f"ufw {word} proto tcp from {source} to any port {port}",
            f"ufw {word} in on eth0 to any port {port} proto tcp",
            f"ufw {word} proto tcp from any to $PUBLIC4 port {port}",
            f"ufw insert 1 {word} {port}/tcp",
            f"ufw route {word} proto tcp from any to any port {port}",
            f"ufw {word} proto tcp from {dice.six()} to any port {port}",
        )
    yield "ufw --force enable"


def firewalld(dice: Dice) -> Iterator[str]:
    """Yield a firewall of firewalld, which lets SSH in by itself."""
    yield "systemctl start firewalld"
    for _ in range(dice.random.randint(1, 4)):
        port, source = dice.door(), dice.one(*SOURCES4, "10.0.0.0/8")
        rich = f"rule family=ipv4 source address={source} port port={port} protocol=tcp"
        yield "firewall-cmd -q " + dice.one(
            f"--add-port={port}/tcp",
            f"--add-port={port}/tcp",
            f'--add-rich-rule="{rich} {dice.one("accept", "drop", "reject")}"',
            f"--zone=trusted --add-source={source}",
            f"--zone=drop --add-source={dice.one(SOURCES4[0], SOURCES4[3])}",
            f"--add-forward-port=port={port}:proto=tcp:toport={dice.to()}",
            "--add-service=http",
            "--set-default-zone=public",
        )


def docker(dice: Dice) -> Iterator[str]:
    """Yield containers with published ports, in networks of several kinds."""
    network = ""
    kind = dice.one("", "", "user", "named", "macvlan", "host")
    if kind == "user":
        network = "--network usernet"
        yield "docker network create usernet"
    if kind == "named":
        network = "--network coolnet"
        yield "docker network create -o com.docker.network.bridge.name=coolnet coolnet"
    if kind == "macvlan":
        yield "docker network create -d macvlan --subnet $NET4 -o parent=eth0 beside"
        yield f"docker run -d -q --name beside --network beside --ip $SECOND4 {WEB}"
    if kind == "host":
        yield f"docker run -d -q --name onhost --network host {WEB}"
    for number in range(dice.random.randint(1, 2)):
        published = dice.one(
            f"{dice.door()}:8080",
            f"{dice.door()}:8080",
            f"$PUBLIC4:{dice.door()}:8080",
            f"127.0.0.1:{dice.door()}:8080",
            f"[::]:{dice.door()}:8080",
            f"{dice.door()}:81",
            "8080-8081:8080-8081",
        )
        yield f"docker run -d -q --name p{number} {network} -p {published} {WEB}"
    if dice.chance(15):
        yield "docker pause p0"
    if dice.chance(50):
        asked = dice.one("--dport 8080", f"-m conntrack --ctorigdstport {dice.door()}", f"--dport {dice.door()}")
        source = dice.one("", "", f"-s {dice.four()}", f"! -s {dice.one(*SOURCES4)}")
        done = dice.one("DROP", "RETURN")
        yield f"iptables -I DOCKER-USER {dice.one('-i eth0', '')} {source} -p tcp {asked} -j {done}"
