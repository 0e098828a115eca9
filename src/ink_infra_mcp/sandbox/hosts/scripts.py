"""Finds in a command line the calls of scripts that the world answers itself, since no pretend command could."""

import re
import shlex

_EXEC = re.compile(r"(?:^|; )exec (?P<line>(?:sh|bash) -s -- .*)$", re.DOTALL)
_FIREWALL = "ink-firewall"
_READS = ("ink-machine", "ink-audit")
_OF_FACTORY = tuple(
    f"ink-{name}" for name in ("coolify", "backup", "swap", "weigh", "build", "disk", "install", "seal")
)
_CHANGE = "ink-change"
_INSIDE = "ink-inside"
_LOGIN, _READY = "ink-login", "ink-ready"
_REBOOT = "ink-reboot"
_PATCH = "ink-patch"
_VOLUME = "ink-volume"
_RECEIVE = "ink-receive"
_VLAN = "ink-vlan"
_WHOLE = re.compile(r"(?:^|; )exec (?P<line>sh -c .*)$", re.DOTALL)


def firewall_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that changes the firewall, its mark first; none of another command."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] == (_FIREWALL,) else ()


def login_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that looks after logins or the first boot, its mark first."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] in ((_LOGIN,), (_READY,)) else ()


def machine_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of a script that reads or changes what a server is made of."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] and words[0] in (*_READS, _CHANGE) else ()


def reboot_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that reboots, its mark first; none of another command."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] == (_REBOOT,) else ()


def patch_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that installs updates, its mark first; none of another command."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] == (_PATCH,) else ()


def vlan_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script for VLANs, its mark first; none of another command."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] == (_VLAN,) else ()


def factory_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of a script that is about Coolify on the Factory, its mark first."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] and words[0] in _OF_FACTORY else ()


def knock_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that tries connects: the seconds, then addresses and ports in turn."""
    shell, words = _called(command)
    numbers = all(word.isdigit() for word in (*words[:1], *words[2::2]))
    return words if shell == "bash" and len(words) % 2 and numbers else ()


def inside_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that tries connects from inside a server's networks, its mark first."""
    shell, words = _called(command)
    return words if shell == "bash" and words[:1] == (_INSIDE,) else ()


def volume_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script for volumes, its mark first; none of another command."""
    shell, words = _called(command)
    return words if shell == "sh" and words[:1] == (_VOLUME,) else ()


def receive_words(command: str) -> tuple[str, ...]:
    """Return the words of a call of the script that fills a volume, its mark first; none of another command."""
    found = _WHOLE.search(command) if _RECEIVE in command else None
    words = tuple(shlex.split(found["line"])) if found else ()
    return words[4:] if words[4:5] == (_RECEIVE,) else ()


def _called(command: str) -> tuple[str, tuple[str, ...]]:
    found = _EXEC.search(command)
    if found is None:
        return "", ()
    words = shlex.split(found["line"])
    return words[0], tuple(words[3:])
