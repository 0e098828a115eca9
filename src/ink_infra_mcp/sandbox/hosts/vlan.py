"""Answers the script that puts a VLAN on a card, from the world; it is never run here."""

from ink_infra_mcp.sandbox.state_hosts import HostState, Vlan

KNOWN = ("netplan", "networkd", "ifupdown")
MTU = 1400
UNCHANGED = 3
Said = tuple[int, str, str]


def answer_vlan(host: HostState, words: tuple[str, ...], *, now: float) -> Said:
    """Do what is asked and return the exit status, and what is said on both outputs."""
    settle_vlan(host, now)
    verb, rest = words[1], words[2:]
    if verb != "revert" and host.network_manager not in KNOWN:
        return _refused("who rules eth0 is not known: neither netplan, systemd-networkd nor ifupdown says that it does")
    if verb == "look":
        return _said("card eth0", f"manager {host.network_manager}")
    return {"set": _set, "keep": _keep, "revert": _revert}[verb](host, rest, now)


def settle_vlan(host: HostState, now: float) -> None:
    """Let the switch fire whose time has come."""
    if host.vlan is not None and not host.vlan.kept and host.vlan.until <= now:
        _gone(host)


def forget_vlan(host: HostState) -> None:
    """A boot makes what was written, and nothing else."""
    if host.vlan is not None and not host.vlan.kept:
        _gone(host)


def _gone(host: HostState) -> None:
    host.vlan, host.private_address, host.private_network = None, "", ""


def _set(host: HostState, words: tuple[str, ...], now: float) -> Said:
    name, number, address, network, _, window = words
    if host.vlan is not None and host.vlan.made_by != name:
        return _refused(f"eth0 has a link ink-v{number} already")
    host.vlan = host.vlan or Vlan(made_by=name, number=int(number), until=now + float(window))
    host.private_address, host.private_network, host.private_mtu = address.partition("/")[0], network, MTU
    return _said(f"link ink-v{number}", f"manager {host.network_manager}")


def _keep(host: HostState, words: tuple[str, ...], now: float) -> Said:
    if host.vlan is None:
        return _refused(f"ink-v{words[1]} has not {words[2]} any more: the server took it back")
    host.vlan.kept = True
    return _said(f"link ink-v{words[1]}", f"manager {host.network_manager}")


def _revert(host: HostState, words: tuple[str, ...], now: float) -> Said:
    if host.vlan is None or host.vlan.made_by != words[0]:
        return _said("link none", "manager none")
    _gone(host)
    return _said(f"link ink-v{words[1]}", "manager none")


def _said(*lines: str) -> Said:
    return 0, "".join(f"{line}\n" for line in (*lines, "done")), ""


def _refused(why: str) -> Said:
    return UNCHANGED, "", f"ink-vlan: {why}\n"
