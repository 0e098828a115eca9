"""What a pretend server's next boot loads, as the script says it that tries this in an empty network namespace."""

import json
from collections.abc import Iterator

from ink_infra_mcp.sandbox.hosts.nft_text import Json, as_json, read_tables
from ink_infra_mcp.sandbox.hosts.ufw_rules import ufw_chains, ufw_rules
from ink_infra_mcp.sandbox.state_hosts import HostFirewall, HostState, Ufw

_POLICIES = (":FORWARD DROP [0:0]", ":OUTPUT ACCEPT [0:0]")


def boot_answer(host: HostState) -> str:
    """Return the parts that the script prints: ufw where it is on, and our own table where it lies on the disk."""
    return "\n".join(_parts(host))


def _parts(host: HostState) -> Iterator[str]:
    ufw = host.firewall.ufw
    yield from _units(host.firewall)
    yield from _loaded(ufw if ufw and ufw.active else None, host.firewall.file)
    yield from ("== others 0", "")
    yield from _stored(ufw) if ufw and not ufw.active else ()


def _stored(ufw: Ufw) -> Iterator[str]:
    """Yield what a ufw that is off would load, where it holds any rule."""
    if ufw.rules4 or ufw.rules6:
        yield from ("== load_stored 0", "")
        yield from ("== stored_iptables 0", *_saved(ufw, v4=True), "== stored_ip6tables 0", *_saved(ufw, v4=False))


def _units(firewall: HostFirewall) -> Iterator[str]:
    """Yield what systemctl says of each service: firewalld runs where somebody started it, and is not enabled."""
    yield from ("== units 0", "nftables disabled", f"ufw {'enabled' if firewall.ufw else 'missing'}")
    yield from ("netfilter-persistent missing", f"firewalld {'disabled' if firewall.firewalld else 'missing'}")
    yield f"ink-infra-firewall {'enabled' if firewall.file else 'missing'}"


def _loaded(ufw: Ufw | None, file: str) -> Iterator[str]:
    yield from ("== load_ufw 0", "") if ufw else ()
    yield from ("== load_ink 0", "") if file else ()
    yield from ("== iptables 0", *_saved(ufw, v4=True), "== ip6tables 0", *_saved(ufw, v4=False))
    yield from ("== nft 0", json.dumps({"nftables": list(_ruleset(file))})) if file else ()


def _saved(ufw: Ufw | None, *, v4: bool) -> tuple[str, ...]:
    if ufw is None:
        return ("",)
    return ("*filter", f":INPUT {ufw.default} [0:0]", *_POLICIES, *ufw_chains(v4=v4), *ufw_rules(ufw, v4=v4), "COMMIT")


def _ruleset(text: str) -> Iterator[Json]:
    yield {"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5", "json_schema_version": 1}}
    for number, table in enumerate(read_tables(text), 1):
        yield from as_json(table, handle=number)
