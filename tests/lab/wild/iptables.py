"""Random rules of iptables, in both kinds, with many matches and targets, as commands for a shell."""

from collections.abc import Iterator

from tests.lab.wild.dice import SOURCES4, SOURCES6, Dice

_TOOLS = ("iptables", "iptables", "iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy")
_PLACES = (
    *[("filter", "INPUT")] * 5,
    ("mangle", "PREROUTING"),
    ("mangle", "INPUT"),
    ("raw", "PREROUTING"),
    ("filter", "FORWARD"),
    ("filter", "OUTPUT"),
    ("mangle", "POSTROUTING"),
    ("security", "INPUT"),
)
_REPLIES = frozenset({"OUTPUT", "POSTROUTING"})
_ODD = (
    "-i eth0",
    "! -i eth0",
    "-i eth+",
    "-i lo",
    "-m conntrack --ctstate NEW",
    "-m conntrack --ctstate ESTABLISHED,RELATED",
    "-m conntrack ! --ctstate NEW",
    "-m conntrack --ctstate UNTRACKED",
    "-m conntrack --ctstate DNAT",
    "-m conntrack --ctstatus SEEN_REPLY",
    "-m conntrack --ctproto tcp",
    "-m conntrack --ctdir ORIGINAL",
    "-m state --state NEW",
    "-m state --state INVALID",
    "-m mark --mark 1",
    "-m mark ! --mark 1",
    "-m mark --mark 0x1/0xff",
    "-m connmark --mark 1",
    "-m addrtype --dst-type LOCAL",
    "-m addrtype ! --dst-type LOCAL",
    "-m addrtype --src-type UNICAST",
    "-m addrtype --dst-type LOCAL --limit-iface-in",
    "-m limit --limit 1000/second",
    "-m hashlimit --hashlimit-above 1000/sec --hashlimit-name a --hashlimit-mode srcip",
    "-m hashlimit --hashlimit-upto 1000/sec --hashlimit-name b",
    "-m recent --name r --rcheck",
    "-m recent --name r --set",
    "-m recent --name r ! --rcheck --seconds 60",
    "-m connlimit --connlimit-above 1000",
    "-m connlimit --connlimit-upto 1000",
    "-m time --timestart 00:00 --timestop 23:59",
    "-m time --weekdays Mon,Tue,Wed,Thu,Fri,Sat,Sun",
    "-m string --algo bm --string nosuch",
    "-m length --length 0:200",
    "-m ttl --ttl-gt 1",
    "-m hl --hl-gt 1",
    "-m tos --tos 0",
    "-m dscp --dscp 0",
    "-m pkttype --pkt-type unicast",
    "-m mac --mac-source 02:00:00:00:00:01",
    "-m mac ! --mac-source 02:00:00:00:00:01",
    "-m statistic --mode random --probability 0.5",
    "-m statistic --mode nth --every 2",
    "-m u32 --u32 '0>>28=4'",
    "-m socket",
    "-m socket --transparent",
    "-m rpfilter",
    "-m rpfilter --invert",
    "-m devgroup --src-group 0",
    "-m cpu --cpu 0",
    "-m quota --quota 1000000",
    "-m quota --quota 60",
    "-m limit --limit 1/hour --limit-burst 1",
    "-m hashlimit --hashlimit-above 1/hour --hashlimit-burst 1 --hashlimit-name c --hashlimit-mode srcip",
    "-m connlimit --connlimit-above 0",
    "-m connlimit --connlimit-upto 0",
    "-m connbytes --connbytes 0:1000 --connbytes-dir both --connbytes-mode packets",
    "-m recent --name r --update --hitcount 3",
    "-m nfacct --nfacct-name none",
    "-m bpf --bytecode '1,6 0 0 1'",
    "-m realm --realm 0",
    "-m cgroup --cgroup 0",
    "-m osf --genre Linux",
    "-m ecn --ecn-ip-ect 0",
    "-m cluster --cluster-total-nodes 2 --cluster-local-node 1 --cluster-hash-seed 1",
    "-m connlabel --label 1",
    "-m ipv6header --soft --header none",
    "-m time --datestart 2020-01-01",
    "-m conntrack --ctexpire 1:100",
    "-m owner --uid-owner 0",
    "-m policy --dir in --pol none",
    "-m physdev --physdev-in eth0",
    "-m tcpmss --mss 500:9000",
    "-m multiport --sports 1024:65535",
    "-m comment --comment 'a word'",
    "-m comment --comment 'dport 22 -j DROP'",
    "-m set --match-set known src",
    "-m set ! --match-set known src",
    "-m set --match-set timed src",
    "-m set --match-set ports dst",
    "-m set --match-set nets src,dst",
    "--syn",
    "! --syn",
    "--tcp-flags SYN,ACK SYN",
    "--tcp-flags ALL NONE",
    "--tcp-option 2",
    "--sport 1024:",
    "! --sport 1:1023",
    "-f",
)
_LINES = (
    "x\n-A INPUT -p tcp --dport 9100 -j DROP",
    "x\n:INPUT DROP [0:0]",
    'x"\n-A INPUT -p tcp -j DROP -m comment --comment "y',
    "x\nCOMMIT\n*filter\n:INPUT DROP [0:0]\nCOMMIT",
    "x\\\n-A INPUT -j DROP",
)
"""Comments that hold what reads like rules."""


def door_match(dice: Dice) -> str:
    """Return what asks for the destination port; it is never true of SSH."""
    port, other = dice.door(), dice.door()
    return dice.one(
        *[f"--dport {port}"] * 6,
        f"--dport {min(port, other)}:{max(port, other)}",
        f"-m multiport --dports {port},{other}",
        f"-m multiport --dports {port},9000:9200",
        f"-m multiport ! --dports 22,{port}",
        f"-m multiport --ports {port},{other}",
        "! --dport 22",
        f"-m conntrack --ctorigdstport {port}",
    )


def source_match(dice: Dice, six: bool) -> str:
    """Return what asks for the source."""
    source = dice.six() if six else dice.four()
    return (
        dice.one(f"-s {source}", f"! -s {source}")
        if six or dice.chance(80)
        else dice.one(
            "-m iprange --src-range 10.0.0.1-198.51.100.255",
            "-m iprange ! --src-range 10.0.0.1-198.51.100.255",
            f"-m conntrack --ctorigsrc {dice.one(*SOURCES4)}",
        )
    )


def matches(dice: Dice, *, six: bool, reply: bool) -> str:
    """Return what a rule asks."""
    if not reply and dice.chance(6):
        alone = dice.one("$OUTSIDE6", "$FLEET6") if six else dice.one("$OUTSIDE4", "$FLEET4")
        return dice.one(f"-s {alone}", f"! -p udp -s {alone}", f"-p tcp -s {alone}")
    door = f"--sport {dice.to()}" if reply else door_match(dice)
    daddr = (
        dice.one("-d $PUBLIC6", "! -d $PUBLIC6", "-d $SECOND6")
        if six
        else (dice.one("-d $PUBLIC4", "! -d $PUBLIC4", "-d $SECOND4", "-d $HELD4", "-m conntrack --ctorigdst $PUBLIC4"))
    )
    source = source_match(dice, six)
    if reply:
        source, daddr = source.replace("-s ", "-d ").replace("src-range", "dst-range"), ""
    more = [*dice.maybe(30, source), *dice.maybe(10, daddr), *dice.maybe(30, *_ODD)]
    return f"-p tcp {door} {dice.mixed(more)}"


def target(dice: Dice, jumps: list[str]) -> str:
    """Return what a rule does."""
    return dice.one(
        *["-j DROP"] * 5,
        *["-j ACCEPT"] * 4,
        *[f"{word} {jump}" for jump in jumps for word in ("-j", "-g")],
        "-j REJECT",
        "-j REJECT --reject-with tcp-reset",
        "-j RETURN",
        "-j LOG",
        "",
        "-j MARK --set-mark 1",
        "-j MARK --set-xmark 0x1/0x1",
        "-j CONNMARK --save-mark",
        "-j CONNMARK --restore-mark",
        "-j CONNMARK --set-mark 1",
        "-j NFLOG",
        "-j TRACE",
        "-j NFQUEUE --queue-num 1 --queue-bypass",
        "-j NFQUEUE --queue-num 1",
        "-j SET --add-set known src",
        "-j AUDIT --type drop",
        "-j TCPMSS --set-mss 1000",
        "-j TTL --ttl-set 64",
        "-j DSCP --set-dscp 1",
        "-j CLASSIFY --set-class 1:1",
        "-j NOTRACK",
        "-j CT --notrack",
        "-j CT --zone 5",
        "-j TEE --gateway $FACTORY4",
        "-j TPROXY --on-port 9100 --tproxy-mark 1",
        "-j IDLETIMER --timeout 60 --label t",
        "-j CHECKSUM --checksum-fill",
        "-j SYNPROXY --mss 1460",
    )


def rules(dice: Dice) -> Iterator[str]:
    """Yield rules in the tables of one of the tools."""
    tool = dice.one(*_TOOLS)
    six = tool.startswith("ip6")
    jumps: list[str] = []
    if dice.chance(35):
        jump = dice.name("MORE")
        jumps.append(jump)
        yield f"{tool} -N {jump}"
        for _ in range(dice.random.randint(1, 2)):
            yield f"{tool} -A {jump} {matches(dice, six=six, reply=False)} {target(dice, [])}"
    for _ in range(dice.random.randint(1, 5)):
        inside, chain = dice.one(*_PLACES)
        asked = matches(dice, six=six, reply=chain in _REPLIES)
        done = target(dice, jumps if (inside, chain) == ("filter", "INPUT") else [])
        yield f"{tool} -t {inside} {dice.one('-A', '-A', '-I')} {chain} {asked} {done}"
    if dice.chance(25):
        yield from _closed(dice, tool)


def _closed(dice: Dice, tool: str) -> Iterator[str]:
    icmp = "ipv6-icmp" if tool.startswith("ip6") else "icmp"
    guard = f"{tool} -I INPUT -p tcp --dport 22 -j ACCEPT && {tool} -I INPUT -p {icmp} -j ACCEPT"
    yield f"{tool} -A INPUT -p tcp --dport {dice.to()} -j ACCEPT"
    if dice.chance(70):
        yield f"{tool} -I INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
    last = dice.one(f"{tool} -P INPUT DROP", f"{tool} -A INPUT -j DROP", f"{tool} -A INPUT -j REJECT")
    yield f"{guard} && {last}"


def translations(dice: Dice) -> Iterator[str]:
    """Yield rules that send connections elsewhere."""
    tool = dice.one("iptables", "iptables", "iptables", "ip6tables", "iptables-legacy")
    six = tool.startswith("ip6")
    for _ in range(dice.random.randint(1, 2)):
        port = dice.to()
        at = (
            dice.one("[$PUBLIC6]", "[$SECOND6]", "[::1]")
            if six
            else (dice.one("$PUBLIC4", "$SECOND4", "$INNER4", "127.0.0.1", "127.0.0.2", "$ANYHOST4", "$GUEST4"))
        )
        done = dice.one(
            *[f"REDIRECT --to-ports {port}"] * 2,
            f"REDIRECT --to-ports {port}-{port + 1}",
            "REDIRECT",
            *[f"DNAT --to-destination {at}:{port}"] * 3,
            f"DNAT --to-destination {at}",
            f"DNAT --to-destination :{port}",
            "NETMAP --to $PUBLIC4/32" if not six else f"REDIRECT --to-ports {port}",
            "ACCEPT",
            "RETURN",
        )
        asked = matches(dice, six=six, reply=False)
        yield f"{tool} -t nat {dice.one('-A', '-I')} PREROUTING {asked} -j {done}"


def synproxy(dice: Dice) -> Iterator[str]:
    """Yield what answers the first packets itself, whoever listens, and then perhaps lets the connection through."""
    tool, port = dice.one("iptables", "ip6tables", "iptables-legacy"), dice.door()
    yield f"{tool} -t raw -A PREROUTING -p tcp --dport {port} --syn -j CT --notrack"
    yield (
        f"{tool} -A INPUT -p tcp --dport {port} -m conntrack --ctstate INVALID,UNTRACKED -j SYNPROXY --sack-perm"
        " --timestamp --wscale 7 --mss 1460"
    )
    yield f"{tool} -A INPUT -p tcp --dport {port} {dice.one('-m conntrack --ctstate INVALID', '')} -j DROP"


def prefixes(dice: Dice) -> Iterator[str]:
    """Yield IPv6 prefixes that are swapped without conntrack."""
    of, to = dice.one(("$PUBLIC6", "$INNER6"), ("$INNER6", "$PUBLIC6"), ("$PUBLIC6", "$HELD6"))
    asked = f"-p tcp --dport {dice.door()} -d {of}"
    yield f"ip6tables -t mangle -A PREROUTING {asked} -j DNPT --src-pfx {of}/64 --dst-pfx {to}/64"
    yield f"ip6tables -t mangle -A POSTROUTING -p tcp -s {to} -j SNPT --src-pfx {to}/64 --dst-pfx {of}/64"


def comments(dice: Dice) -> Iterator[str]:
    """Yield a rule with a comment that reads like another one."""
    tool = dice.one("iptables", "ip6tables", "iptables-legacy")
    said = dice.one(*_LINES).replace("9100", str(dice.door())).replace("\\", "\\\\").replace('"', '\\"')
    done = dice.one("ACCEPT", "DROP")
    yield f'{tool} {dice.one("-A", "-I")} INPUT -p tcp --dport {dice.door()} -m comment --comment "{said}" -j {done}'


def sets(dice: Dice) -> Iterator[str]:
    """Yield sets of ipset by the names that rules ask for."""
    family, members = dice.one(("inet", SOURCES4), ("inet", SOURCES4), ("inet6", SOURCES6))
    kind = dice.one("hash:ip", "hash:net", "hash:ip counters comment", "hash:ip netmask 24")
    yield f"ipset create known {kind} family {family}"
    yield f"ipset create timed hash:net timeout 3600 family {family}"
    yield "ipset create ports bitmap:port range 0-65535"
    yield "ipset create nets hash:net,port"
    yield f"ipset add known {dice.one(*members)}"
    yield f"ipset add timed {dice.one(*members)} timeout {dice.one(600, 0)}"
    if dice.chance(30):
        yield f"ipset add timed {dice.one(*members)} nomatch"
    yield f"ipset add ports {dice.door()}"
    tool = "iptables" if family == "inet" else "ip6tables"
    for _ in range(dice.random.randint(1, 2)):
        asked = dice.one("known src", "timed src", "ports dst")
        negated = "! " * dice.chance(30)
        yield f"{tool} -A INPUT -p tcp ! --dport 22 -m set {negated}--match-set {asked} -j {dice.one('DROP', 'ACCEPT')}"
