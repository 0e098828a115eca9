"""Docker's settings: what the baseline wants of them, merged key by key into what somebody else wrote."""

import json
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, ip_network

from pydantic import JsonValue

from ink_infra_mcp.core.baseline.policy import Baseline
from ink_infra_mcp.core.plan import Change, Frozen, JsonObject
from ink_infra_mcp.core.shapes import items, table

POOLS = "default-address-pools"
SHOWN = 200


class Merged(Frozen):
    """Settings with ours in them; `conflicts` name both where another value stands, and then nothing may be written."""

    settings: JsonObject = {}
    changes: tuple[Change, ...] = ()
    conflicts: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the file."""
        return json.dumps(self.settings, indent=2, ensure_ascii=False) + "\n"


def wanted_of(baseline: Baseline, *, gvisor: bool, taken: Iterable[str], more: Mapping[str, JsonValue]) -> JsonObject:
    """Return what the settings shall have: the policy's, `more`, a pool that overlaps nothing, gVisor's runtime.

    Raises:
        ValueError: every pool of the policy overlaps a network that is `taken`.
    """
    wanted: JsonObject = {**baseline.settings(), **more}
    if POOLS not in wanted and baseline.pools:
        wanted[POOLS] = [*free_pools(baseline, taken)]
    if gvisor and (path := baseline.gvisor.get("path")):
        runtimes = table(wanted.get("runtimes", {}))
        wanted["runtimes"] = {**runtimes, "runsc": {"path": path.value}}
    return wanted


def free_pools(baseline: Baseline, taken: Iterable[str]) -> list[JsonValue]:
    """Return the policy's pools that overlap no network that is taken, as Docker writes them.

    Raises:
        ValueError: each of them does.
    """
    networks = [*_ipv4(taken)]
    free: list[JsonValue] = [
        {"base": base, "size": size}
        for base, size in baseline.networks()
        if not any(IPv4Network(base).overlaps(network) for network in networks)
    ]
    if not free:
        bases = ", ".join(base for base, _ in baseline.networks())
        raise ValueError(f"each pool of the baseline ({bases}) overlaps a network that the server or the fleet uses")
    return free


def merged(text: str, wanted: Mapping[str, JsonValue], *, taken: Iterable[str] = ()) -> Merged:
    """Return the settings in `text` with `wanted` in them; all that others wrote stays.

    Pools that stand there stay, whatever is wanted, unless they overlap a network that is `taken`.
    """
    try:
        there: JsonValue = json.loads(text, object_pairs_hook=_no_key_twice) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        return Merged(conflicts=(f"it is no JSON that can be merged ({error})",))
    if not isinstance(there, dict):
        return Merged(conflicts=("it is no table of settings",))
    settings: JsonObject = dict(there)
    left = dict(wanted)
    conflicts = [*_overlaps(settings, taken)]
    if POOLS in settings:
        left.pop(POOLS, None)
    changes, more = _into(settings, left, "")
    return Merged(settings=settings, changes=tuple(changes), conflicts=(*conflicts, *more))


def _no_key_twice(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    """Go keeps the last of two, as Python does; who wrote both meant one of them, and nobody knows which."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _into(settings: JsonObject, wanted: Mapping[str, JsonValue], path: str) -> tuple[list[Change], list[str]]:
    changes: list[Change] = []
    conflicts: list[str] = []
    for name, value in wanted.items():
        there, where = settings.get(name), f"{path}{name}"
        if name not in settings:
            settings[name] = value
            changes.append(Change(name=where, after=_shown(value)))
        elif isinstance(there, dict) and isinstance(value, dict):
            inner = dict(there)
            settings[name] = inner
            deeper = _into(inner, value, f"{where}.")
            changes += deeper[0]
            conflicts += deeper[1]
        elif there != value or isinstance(there, bool) is not isinstance(value, bool):
            conflicts.append(f"{where} is {_shown(there)} there, and {_shown(value)} by the baseline")
    return changes, conflicts


def _overlaps(settings: JsonObject, taken: Iterable[str]) -> Iterable[str]:
    networks = [*_ipv4(taken)]
    for pool in items(settings.get(POOLS, [])):
        base = str(table(pool).get("base", ""))
        for mine in _ipv4([base]):
            for network in networks:
                if mine.overlaps(network):
                    yield f"{POOLS} has {base} there, which overlaps {network}, a network that is in use"


def _ipv4(networks: Iterable[str]) -> Iterable[IPv4Network]:
    for text in networks:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            continue
        if isinstance(network, IPv4Network):
            yield network


def _shown(value: JsonValue) -> str:
    return json.dumps(value, ensure_ascii=False)[:SHOWN]
