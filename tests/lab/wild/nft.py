"""Random tables of nft, as commands for a shell; what nft does not take is not there, which is no harm."""

from collections.abc import Iterator

from tests.lab.wild.dice import SOURCES4, SOURCES6, Dice
from tests.lab.wild.nft_words import ALONE, CARDS, ODD, REACH, REACH6

_HOOKS = ("prerouting", "input", "input", "input", "forward", "output", "postrouting")
_PRIORITIES = (-350, -300, -200, -150, -110, -100, -100, -90, -1, 0, 0, 0, 0, 10, 50, 100)
_GUARD = (
    "tcp dport 22 accept; tcp sport 22 accept; meta l4proto { icmp, ipv6-icmp } accept; iif lo accept;"
    " ct state established,related accept"
)
"""What every chain that drops begins with: SSH, neighbours, and answers."""


def nft(command: str) -> str:
    """Return a call of nft; addresses in it are variables of the shell."""
    quoted = command.replace('"', '\\"')
    return f'nft "{quoted}"'


def door_match(dice: Dice) -> str:
    """Return what asks for the destination port; it is never true of SSH."""
    port, other = dice.door(), dice.door()
    low, high = min(port, other), max(port, other)
    return dice.one(
        *[f"tcp dport {port}"] * 6,
        f"tcp dport {{ {port}, {other} }}",
        f"tcp dport {low}-{high}",
        f"tcp dport {{ {port}, 9000-9200 }}",
        "tcp dport != 22",
        "tcp dport > 79",
        f"tcp dport != {{ 22, {port} }}",
        f"th dport {port}",
        f"meta l4proto tcp th dport {port}",
        f"meta l4proto . th dport {{ tcp . {port}, udp . {other} }}",
        f"@th,16,16 {port}",
        f"tcp dport & 0xffff == {port}",
        f"ct original proto-dst {port}",
    )


def source_match(dice: Dice) -> str:
    """Return what asks for the source."""
    four, six, more = dice.four(), dice.six(), dice.one(*SOURCES4)
    return dice.one(
        f"ip saddr {four}",
        f"ip6 saddr {six}",
        f"ip saddr != {four}",
        f"ip6 saddr != {six}",
        f"ip saddr {{ {dice.one(*SOURCES4)}, 192.0.2.0/24 }}",
        f"ip saddr != {{ {more}, 192.0.2.7 }}",
        "ip saddr 10.0.0.1-198.51.100.255",
        f"ip saddr & 255.0.0.0 == {more} & 255.0.0.0",
        f"ip6 saddr & ffff:: == {dice.one(*SOURCES6)} & ffff::",
        f"ct original ip saddr {more}",
        f"ip saddr . tcp dport {{ {more} . {dice.door()}, 192.0.2.0/24 . 1-1000 }}",
    )


def destination_match(dice: Dice) -> str:
    """Return what asks for the destination address."""
    return dice.one(
        f"ip daddr {dice.one(*REACH)}",
        f"ip daddr != {dice.one(*REACH)}",
        f"ip6 daddr {dice.one(*REACH6)}",
        f"ip daddr {{ {dice.one(*REACH)}, 192.0.2.1 }}",
        f"ct original ip daddr {dice.one(*REACH)}",
    )


def matches(dice: Dice, *, reply: bool = False) -> str:
    """Return what a rule asks: always of a port, so that nothing is ever asked of SSH, and a little more."""
    door = door_match(dice)
    if reply:
        door = f"tcp sport {dice.to()}" if dice.chance(80) else "tcp sport != 22"
    if not reply and dice.chance(8):
        return dice.mixed([dice.one(*ALONE), *dice.maybe(30, *CARDS)])
    more = [
        *dice.maybe(30, source_match(dice)),
        *dice.maybe(12, destination_match(dice)),
        *dice.maybe(15, *CARDS),
        *dice.maybe(25, *ODD),
    ]
    if reply:
        more = [each.replace("saddr", "daddr") for each in more]
    return dice.mixed([door, *more])


def verdict(dice: Dice, jumps: list[str]) -> str:
    """Return what a filter rule does."""
    onward = [f"{word} {name}" for name in jumps for word in ("jump", "goto")]
    return dice.one(
        *["accept"] * 4,
        *["drop"] * 5,
        *onward * 2,
        "reject",
        "reject with tcp reset",
        "return",
        "continue",
        "counter",
        "meta mark set 0x1",
        "meta mark set meta mark or 0x1",
        "ct mark set 0x1",
        "meta mark set ct mark",
        f"tcp dport vmap {{ {dice.door()} : accept, {dice.door()} : drop }}",
        f"ip saddr vmap {{ {dice.one(*SOURCES4)} : accept, 0.0.0.0/1 : drop }}",
        "limit rate 1/hour burst 2 packets accept",
        "limit rate over 1/hour burst 2 packets drop",
        f"jump {{ ip saddr {dice.one(*SOURCES4)} accept; drop; }}",
        f"goto {{ ip6 saddr {dice.one(*SOURCES6)} drop; }}",
        f"ip saddr . tcp dport vmap {{ {dice.one(*SOURCES4)} . {dice.door()} : drop, 192.0.2.0/24 . 1-99 : accept }}",
        f"ip saddr vmap {{ {dice.one(*SOURCES4)} : drop, * : accept }}",
        "numgen random mod 2 vmap { 0 : accept, 1 : drop }",
        "ct state vmap { new : drop, established : accept }",
        'iifname vmap { "eth0" : drop, "lo" : accept }',
        "synproxy mss 1460 wscale 7 timestamp sack-perm",
        'counter log prefix "y" accept',
        "log drop",
        "notrack accept",
        "notrack",
        "meta nftrace set 1",
        "meta priority set 1:1",
        "ip dscp set cs1",
    )


def changing(dice: Dice) -> str:
    """Return what a rule does that sends packets elsewhere."""
    port = dice.to()
    at4 = dice.one("$PUBLIC4", "$SECOND4", "$INNER4", "127.0.0.1", "127.0.0.2", "$ANYHOST4", "$GUEST4")
    at6 = dice.one("$PUBLIC6", "$SECOND6", "$INNER6", "::1")
    return dice.one(
        *[f"redirect to :{port}"] * 4,
        f"redirect to :{port}-{port + 1}",
        "redirect",
        f"dnat to {at4}:{port}",
        f"dnat to {at4}",
        f"dnat ip to {at4}:{port}",
        f"dnat ip6 to [{at6}]:{port}",
        f"dnat to [{at6}]:{port}",
        f"dnat to :{port}",
        f"dnat ip to ip saddr map {{ {dice.one(*SOURCES4)} : {at4} }}",
        f"dnat to tcp dport map {{ {dice.door()} : {at4}, {dice.door()} : $PUBLIC4 }}",
        f"dnat ip addr . port to tcp dport map {{ {dice.door()} : {at4} . {port} }}",
        f"dnat to {at4}-{at4}:{port}",
    )


def rewriting(dice: Dice) -> str:
    """Return what a rule does to a packet without translation."""
    port = dice.to()
    return dice.one(
        f"tcp dport set {port} notrack",
        f"tcp dport set {port}",
        f"@th,16,16 set {port} notrack",
        "ip daddr set $PUBLIC4",
        "ip6 daddr set $PUBLIC6",
        f"tproxy ip to 127.0.0.1:{port} meta mark set 1 accept",
        f"tproxy to :{port} meta mark set 1 accept",
        "notrack",
        "ct zone set 7",
        "meta mark set tcp dport",
        "dup to $FACTORY4",
        "meta pkttype set host",
    )


def table(dice: Dice) -> Iterator[str]:
    """Yield the commands that make one table with its sets, chains and rules."""
    family, name = dice.one("inet", "inet", "ip", "ip6"), dice.name("own")
    flags = " { flags dormant; }" if dice.chance(8) else ""
    yield nft(f"add table {family} {name}{flags}")
    where = f"{family} {name}"
    sets = list(_sets(dice, where))
    yield from sets
    jumps = [dice.name("more") for _ in range(dice.random.randrange(3))]
    for jump in jumps:
        yield nft(f"add chain {where} {jump}")
        for _ in range(dice.random.randint(1, 2)):
            yield nft(f"add rule {where} {jump} {matches(dice)} {verdict(dice, [])}")
    for _ in range(dice.random.randint(1, 2)):
        yield from _base(dice, where, jumps, has_sets=bool(sets))
    if dice.chance(4):
        yield nft(f"add table {where} {{ flags dormant; }}")


def _sets(dice: Dice, where: str) -> Iterator[str]:
    if dice.chance(35):
        flags = dice.one(
            "", "flags interval;", "flags timeout; timeout 1h;", "flags dynamic,timeout; timeout 1h;", "size 100;"
        )
        yield nft(f"add set {where} bad {{ type ipv4_addr; {flags} }}")
        yield nft(f"add element {where} bad {{ {dice.one(*SOURCES4)}, 192.0.2.7 }}")
    if dice.chance(15):
        yield nft(f"add set {where} pairs {{ type ipv4_addr . inet_service; flags interval; }}")
        yield nft(f"add element {where} pairs {{ {dice.four()} . {dice.door()} }}")
    if dice.chance(20):
        yield nft(f"add limit {where} slow {{ rate 1/hour burst 1 packets; }}")
        yield nft(f"add quota {where} little {{ over 60 bytes; }}")
    if dice.chance(15):
        yield nft(f"add map {where} ways {{ type inet_service : verdict; }}")
        yield nft(f"add element {where} ways {{ {dice.door()} : {dice.one('drop', 'accept')} }}")


def _base(dice: Dice, where: str, jumps: list[str], *, has_sets: bool) -> Iterator[str]:
    chain = dice.name("base")
    if dice.chance(22):
        yield from _translating(dice, where, chain)
        return
    hook, priority = dice.one(*_HOOKS), dice.one(*_PRIORITIES)
    policy = "drop" if hook in ("input", "prerouting", "forward") and dice.chance(30) else "accept"
    yield nft(f"add chain {where} {chain} {{ type filter hook {hook} priority {priority}; policy accept; }}")
    if policy == "drop":
        yield from (nft(f"add rule {where} {chain} {rule}") for rule in _GUARD.split("; ") if dice.chance(97))
        yield nft(f"add rule {where} {chain} tcp dport {dice.to()} accept")
    reply = hook in ("output", "postrouting")
    if hook == "output" and dice.chance(10):
        yield nft(f"add chain {where} {chain}r {{ type route hook output priority {priority}; }}")
    for _ in range(dice.random.randint(1, 4)):
        asked = matches(dice, reply=reply)
        if has_sets and not reply and dice.chance(40):
            asked = dice.mixed([door_match(dice), _of_set(dice)])
        done = rewriting(dice) if dice.chance(12) and not reply else verdict(dice, [] if reply else jumps)
        # continue, counter and the like leave the decision to others
        yield (
            nft(f"{dice.one('add', 'add', 'insert')} rule {where} {chain} {asked} {done}")
            if policy != "drop"
            else (nft(f"add rule {where} {chain} {asked} {done}"))
        )
    if policy == "drop":
        yield f"nft \"list chain {where} {chain}\" | grep -q 'dport 22 accept' && " + nft(
            f"add chain {where} {chain} {{ policy drop; }}"
        )


def _of_set(dice: Dice) -> str:
    return dice.one(
        "ip saddr @bad",
        "ip saddr != @bad",
        "ip saddr . tcp dport @pairs",
        "tcp dport vmap @ways",
        "add @bad { ip saddr }",
        "update @bad { ip saddr timeout 1h }",
        "delete @bad { ip saddr }",
    )


def _translating(dice: Dice, where: str, chain: str) -> Iterator[str]:
    hook = dice.one("prerouting", "prerouting", "prerouting", "postrouting", "input")
    priority = dice.one(-110, -100, -100, -90, -300, 0)
    yield nft(f"add chain {where} {chain} {{ type nat hook {hook} priority {priority}; }}")
    for _ in range(dice.random.randint(1, 2)):
        done = dice.one("masquerade", "accept", "snat to $PUBLIC4") if hook != "prerouting" else changing(dice)
        yield nft(f"add rule {where} {chain} {matches(dice)} {done}")


def ingress(dice: Dice) -> Iterator[str]:
    """Yield what filters, or sends away, what comes in by the card, before all else."""
    family, name = dice.one("netdev", "inet"), dice.name("card")
    chain = f"{family} {name} in"
    yield nft(f"add table {family} {name}")
    yield nft(f"add chain {chain} {{ type filter hook ingress device eth0 priority {dice.one(-500, 0)}; }}")
    for _ in range(dice.random.randint(1, 3)):
        done = dice.one("drop", "accept", f"tcp dport set {dice.to()}", "fwd to v0", "dup to v0", "meta mark set 1")
        yield nft(f"add rule {chain} {matches(dice)} {done}")


def into_iptables(dice: Dice) -> Iterator[str]:
    """Yield rules put with nft into tables that iptables-nft made, and base chains of one's own in them."""
    family, tool = dice.one(("ip", "iptables"), ("ip", "iptables"), ("ip6", "ip6tables"))
    yield f"{tool} -S >/dev/null; {tool} -t nat -S >/dev/null; {tool} -t mangle -S >/dev/null"
    # iptables makes a chain of its own with its first rule
    yield f"{tool} -A INPUT -p tcp --dport {dice.door()} -m comment --comment known -j {dice.one('ACCEPT', 'DROP')}"
    for _ in range(dice.random.randint(1, 4)):
        chain = dice.one("INPUT", "INPUT", "INPUT", "FORWARD")
        if dice.chance(30):
            yield nft(f"add set {family} filter bad {{ type {'ipv4' if family == 'ip' else 'ipv6'}_addr; }}")
            yield nft(f"add element {family} filter bad {{ {dice.one(*(SOURCES4 if family == 'ip' else SOURCES6))} }}")
            asked = f"{family} saddr @bad {door_match(dice)}"
        else:
            asked = matches(dice)
        yield nft(f"{dice.one('insert', 'add')} rule {family} filter {chain} {asked} {verdict(dice, [])}")
    if dice.chance(50):
        yield from _own_chain(dice, family)


def _own_chain(dice: Dice, family: str) -> Iterator[str]:
    inside, chain = dice.one("nat", "filter", "mangle"), dice.name("early")
    where = f"{family} {inside} {chain}"
    if inside == "nat":
        tool = "iptables" if family == "ip" else "ip6tables"
        yield f"{tool} -t nat -A PREROUTING -p tcp --dport {dice.door()} -j REDIRECT --to-ports {dice.to()}"
        yield nft(f"add chain {where} {{ type nat hook prerouting priority {dice.one(-110, -100, -90)}; }}")
        yield nft(f"add rule {where} tcp dport {dice.door()} redirect to :{dice.to()}")
        return
    hook, priority = dice.one("input", "prerouting"), dice.one(-150, -1, 5)
    yield nft(f"add chain {where} {{ type filter hook {hook} priority {priority}; }}")
    yield nft(f"add rule {where} {matches(dice)} {verdict(dice, [])}")
