"""Reads what `boot.sh` printed: the packet filters that a server's next boot loads, or why nobody can tell."""

import re
from collections.abc import Mapping

from ink_infra_mcp.core.firewall.addresses import V4, V6, A
from ink_infra_mcp.core.firewall.answer import Answer, Unreadable
from ink_infra_mcp.core.firewall.boot import NextBoot, Stored, with_docker
from ink_infra_mcp.core.firewall.firewalld import read_firewalld
from ink_infra_mcp.core.firewall.host import read_filters
from ink_infra_mcp.core.firewall.rules import Table, Tables
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.hosts.facts.sections import NOT_FOUND, OUT_OF_TIME, Section

_PART = re.compile(r"== (\w+) (\d{1,3})(?: (\S+))?")
_LAST = "others"
"""The part that always comes, and of what every boot loads the last."""
_ON = frozenset({"enabled", "generated"})
_OFF = frozenset({"disabled", "masked", "missing", "not-found", "enabled-runtime"})
"""What systemctl says of a unit that the next boot does not start."""
_LOADERS = {
    "load_nftables": "nftables.service",
    "load_ufw": "ufw",
    "load_persistent": "netfilter-persistent",
    "load_ink": "ink-infra-firewall",
}
_NAMES = {**_LOADERS, "firewalld_lasting": "firewalld"}
_FLUSHING = ("load_nftables", "load_ufw", "load_persistent")
"""Each may flush what another has loaded, and systemd starts them in no order."""
_ENDED = {NOT_FOUND: "unshare or timeout is not installed there", OUT_OF_TIME: "loading it took too long"}
Parts = Mapping[str, Section]


def read_boot(
    section: Section | None, v4: Tables[V4] | Unreadable, v6: Tables[V6] | Unreadable
) -> NextBoot | Unreadable:
    """Return the filters after the next boot; `v4` and `v6` are those of now, for what Docker has made."""
    if bad := _unanswered(section):
        return Unreadable(bad)
    found = _parts(section.text if section else "")
    if bad := _doubt(found):
        return Unreadable(bad)
    return _next_boot(found, v4, v6)


def _unanswered(section: Section | None) -> str:
    if section is None:
        return "the server's answer has no end of boot"
    if not section.status:
        return ""
    said = _ENDED.get(section.status, clean_name(section.text, limit=160) or f"status {section.status}")
    return f"what the next boot loads could not be tried: {said}"


def _next_boot(found: Parts, v4: Tables[V4] | Unreadable, v6: Tables[V6] | Unreadable) -> NextBoot:
    return NextBoot(
        v4=_after(found, V4, v4),
        v6=_after(found, V6, v6),
        loads=_loads(found),
        others=tuple(clean_name(line, limit=120) for line in found[_LAST].text.split("\n") if line),
        stored=_stored(found, v4, v6),
    )


def _loads(found: Parts) -> tuple[str, ...]:
    return tuple(name for part, name in _NAMES.items() if part in found)


def _parts(text: str) -> dict[str, Section]:
    """Return the parts; what has not the tag of the first line is no frame, but what somebody wrote into a rule."""
    found: dict[str, Section] = {}
    name, status, body = "", 0, list[str]()
    lines = text.split("\n")
    first = _PART.fullmatch(lines[0])
    tag = first[3] if first else None
    for line in (*lines, f"== end 0{f' {tag}' if tag else ''}"):
        begun = _PART.fullmatch(line)
        if begun and begun[3] == tag:
            found[name] = Section("\n".join(body), status)
            name, status, body = begun[1], int(begun[2]), []
        else:
            body.append(line)
    return found


def _doubt(found: Parts) -> str:
    """Return why the filters after a boot cannot be told, or nothing."""
    if _LAST not in found or "units" not in found:
        return "the server's answer of what its next boot loads is cut off"
    return _odd_unit(found["units"].text) or _failed(found) or _unordered(found)


def _odd_unit(text: str) -> str:
    for line in text.split("\n"):
        unit, _, word = line.partition(" ")
        if unit and word not in _ON | _OFF:
            return f"systemctl calls {clean_name(unit)} {clean_name(word) or 'nothing at all'}"
    return ""


def _failed(found: Parts) -> str:
    for part, name in _LOADERS.items():
        if part in found and found[part].status:
            said = clean_name(found[part].text, limit=160) or f"status {found[part].status}"
            return f"{name} is started at boot, and what it loads could not be: {said}"
    return ""


def _unordered(found: Parts) -> str:
    names = [_LOADERS[part] for part in _FLUSHING if part in found]
    if len(names) < 2:
        return ""
    return f"{' and '.join(names)} are started at boot in no order, and one may flush what the other has loaded"


def _after(found: Parts, kind: type[A], now: Tables[A] | Unreadable) -> Tables[A] | Unreadable:
    if isinstance(now, Unreadable):
        return now
    loaded = _filters(found, kind, "")
    zones = _zones_of(found, now) if _has_zones(found) else ()
    for layer in (loaded, zones):
        if isinstance(layer, Unreadable):
            return layer
    return with_docker(now, (*_tables(loaded), *_tables(zones)))


def _tables(layer: Tables[A] | Unreadable) -> Tables[A]:
    return () if isinstance(layer, Unreadable) else layer


def _stored(found: Parts, v4: Tables[V4] | Unreadable, v6: Tables[V6] | Unreadable) -> Stored | None:
    if "load_stored" not in found or found["load_stored"].status:
        return None
    return Stored(_switched_on(found, V4, v4), _switched_on(found, V6, v6))


def _switched_on(found: Parts, kind: type[A], now: Tables[A] | Unreadable) -> Tables[A] | Unreadable:
    loaded = _filters(found, kind, "stored_")
    if isinstance(now, Unreadable) or isinstance(loaded, Unreadable):
        return now if isinstance(now, Unreadable) else loaded
    return with_docker(now, loaded)


def _filters(found: Parts, kind: type[A], prefix: str) -> Tables[A] | Unreadable:
    saved = found.get(f"{prefix}{'iptables' if kind is V4 else 'ip6tables'}", Section("", NOT_FOUND))
    native = found.get(f"{prefix}nft", Section("", NOT_FOUND))
    return read_filters(
        kind,
        iptables=_answer(saved),
        legacy=None,
        nft=None if native.status == NOT_FOUND else _json(native),
        ipsets=_answer(found.get("ipsets")),
    )


def _answer(section: Section | None) -> Answer | None:
    return None if section is None or section.status == NOT_FOUND else Answer(section.text, section.status)


def _json(section: Section) -> Answer:
    lines = [line for line in section.text.split("\n") if section.status or line.startswith("{")]
    return Answer("\n".join(lines), section.status)


def _has_zones(found: Parts) -> bool:
    return "firewalld_lasting" in found


def _zones_of(found: Parts, now: Tables[A]) -> Tables[A] | Unreadable:
    """Return firewalld's own table of now, where it is the one that a boot would bring."""
    if bad := _differing(found):
        return Unreadable(bad)
    own = tuple(filter(_is_firewalld, now))
    return own or Unreadable("firewalld runs, and there is no table of nftables that is its own")


def _differing(found: Parts) -> str:
    """Return why what firewalld loads at boot is not what it has loaded, or nothing where it is."""
    runs, lasts = _zones(found["firewalld_now"]), _zones(found["firewalld_lasting"])
    if runs is None or lasts is None:
        return "firewalld is started at boot and does not run now: what it would load cannot be told"
    same = runs == lasts and _beside_zones(found, "now") == _beside_zones(found, "lasting")
    return "" if same else "firewalld's permanent configuration, which a boot loads, is not the one in force"


def _beside_zones(found: Parts, when: str) -> list[str]:
    """Return what firewalld loads beside its zones, such as policies and direct rules, in an order of ours."""
    said = found.get(f"firewalld_{when}_more", Section("", 0))
    return sorted(line.replace(" (active)", "") for line in said.text.split("\n"))


def _zones(section: Section) -> list[tuple[object, ...]] | None:
    found = read_firewalld(Answer(section.text, section.status))
    return None if isinstance(found, Unreadable) else [zone.lasting for zone in found]


def _is_firewalld(table: Table[A]) -> bool:
    return table.name.startswith("nft ") and table.name.endswith(" firewalld")
