"""What check_firewall says of the next boot: who is locked out, what opens, and what nobody can tell."""

from dataclasses import replace

import pytest

from ink_infra_mcp.areas.ports.boot_findings import boot_findings, lasting_trouble
from ink_infra_mcp.areas.ports.findings import Finding, Ground, findings_of, rows_of
from ink_infra_mcp.core.firewall.addresses import V4
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.boot import NextBoot, Stored
from ink_infra_mcp.core.firewall.iptables import read_iptables
from ink_infra_mcp.core.firewall.rules import Tables
from tests.areas.ports.test_ground import ground


def tables(*rules: str) -> Tables[V4]:
    """Return the filters that such rules for INPUT make."""
    lines = ("*filter", ":INPUT ACCEPT [0:0]", *(f"-A INPUT {rule}" for rule in rules), "COMMIT")
    found = read_iptables(Answer("\n".join(lines)), V4)
    assert not isinstance(found, Unreadable)
    return found.tables


DROPS_SSH = tables("-p tcp -m tcp --dport 22 -j DROP")
DROPS_STORE = tables("-p tcp -m tcp --dport 5432 -j DROP", "-p tcp -m tcp --dport 6000 -j DROP")
DROPS_WEB = tables("-p tcp -m tcp --dport 80 -j DROP")


def judged(now: Tables[V4] = (), then: NextBoot | Unreadable | None = None, *, ufw: bool = False) -> Ground:
    """Return a server with SSH, a web server and a database, and its filters of now and of its next boot."""
    of = ground("nft_only", ufw=ufw)
    return replace(of, facts=replace(of.facts, v4=now, v6=()), boot=then)


def said(of: Ground) -> list[tuple[str, str]]:
    """Return severity and code of what is found of the next boot, in order."""
    return [(found.severity, found.code) for found in boot_findings(of, rows_of(of))]


def test_who_will_be_locked_out_is_named_with_the_rule_and_what_loads_it() -> None:
    """Closing SSH is critical; what stands in the way is a rule that ours cannot take away, which a plan warns of."""
    of = judged((), NextBoot(DROPS_SSH, (), loads=("netfilter-persistent",)))
    (found,) = boot_findings(of, rows_of(of))
    assert found == Finding(
        server="muscle-1",
        severity="critical",
        code="will_lock_out",
        what="after the next boot SSH (22/tcp) is closed for admin, factory",
        evidence="loaded at boot: netfilter-persistent; iptables filter: -A INPUT -p tcp -m tcp --dport 22 -j DROP",
        mend="correct what is loaded at boot: /etc/iptables/rules.v4 and rules.v6"
        " (or `systemctl disable netfilter-persistent`); then check_firewall again.",
    )
    assert lasting_trouble(of, rows_of(of)) == (f"{found.what}, and this change does not mend that: {found.mend}",)
    active = replace(of, ufw=True)
    assert lasting_trouble(active, rows_of(active)) == ()


def test_what_is_written_down_nowhere_is_lost_and_a_database_then_is_critical() -> None:
    """One finding names all ports; apply_firewall's own rules last, unless ufw keeps them and is not started."""
    of = judged(DROPS_STORE, NextBoot((), ()))
    (found,) = boot_findings(of, rows_of(of))
    assert (found.severity, found.code) == ("critical", "lost_at_boot")
    assert "5432/tcp, 6000/tcp" in found.what
    assert found.evidence.endswith("no service that is known to load rules is started at boot")
    assert found.mend == "apply_firewall server=muscle-1"
    (with_ufw,) = boot_findings(replace(of, ufw=True), rows_of(of))
    assert "systemctl enable ufw" in with_ufw.mend


@pytest.mark.parametrize(
    ("now", "then", "codes"),
    [
        (DROPS_STORE, NextBoot(DROPS_STORE, ()), []),
        ((), NextBoot(DROPS_STORE, ()), []),
        (DROPS_SSH, NextBoot(DROPS_SSH, ()), []),
        (DROPS_SSH, NextBoot((), ()), [("high", "lost_at_boot")]),
        ((), NextBoot(DROPS_WEB, ()), [("high", "closed_at_boot")]),
        (DROPS_STORE, NextBoot((), (), others=("/etc/rc.local",)), [("warning", "boot_unknown")]),
        (DROPS_STORE, NextBoot(Unreadable("cut off"), ()), [("warning", "boot_unknown")]),
        (DROPS_STORE, Unreadable("no unshare there"), [("warning", "boot_unknown")]),
        ((), NextBoot((), (), stored=Stored(DROPS_SSH, ())), [("info", "ufw_would_lock_out")]),
        ((), NextBoot((), (), stored=Stored(DROPS_STORE, ())), []),
        (DROPS_STORE, None, []),
    ],
)
def test_a_boot_is_told_of_only_where_it_makes_something_worse(
    now: Tables[V4], then: NextBoot | Unreadable | None, codes: list[tuple[str, str]]
) -> None:
    """What stays, or comes nearer to policy, is no finding; what nobody can tell is one, and never a clean answer."""
    assert said(judged(now, then)) == codes


def test_a_layer_that_is_unread_now_is_told_once() -> None:
    """That the filters of now cannot be read is a finding of its own, with the same cause."""
    of = judged(then=Unreadable("cut off"))
    assert said(replace(of, facts=replace(of.facts, v4=Unreadable("cut off")))) == []


def test_the_factory_needs_the_way_that_it_uses() -> None:
    """A public way that is open does not help a Factory that comes by the private network, which a rule closes."""
    of = judged(tables("-s 10.214.0.10/32 -p tcp -m tcp --dport 22 -j DROP"))
    private = tuple(known for known in of.classes if (known.name, known.way) == ("factory", "private"))
    codes = {found.code for found in findings_of(of, rows_of(of))}
    used = replace(of, factory=private)
    assert {found.code for found in findings_of(used, rows_of(used))} - codes == {"factory_locked_out"}
