"""What a server says of its sshd, for tests: that of Debian 13, and what differs from it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ink_infra_mcp.core.login.policy import SshdPolicy
from ink_infra_mcp.core.login.sshd import DROP_IN, MAIN, SshdSeen, read_files
from ink_infra_mcp.settings.policy_files import load_sshd

POLICY: SshdPolicy = load_sshd()
SAYS: Mapping[str, tuple[str, ...]] = {
    "passwordauthentication": ("yes",),
    "kbdinteractiveauthentication": ("no",),
    "permitemptypasswords": ("no",),
    "permitrootlogin": ("without-password",),
    "pubkeyauthentication": ("yes",),
    "hostbasedauthentication": ("no",),
    "ignorerhosts": ("yes",),
    "permituserenvironment": ("no",),
    "strictmodes": ("yes",),
    "x11forwarding": ("yes",),
    "allowagentforwarding": ("yes",),
    "maxauthtries": ("6",),
    "logingracetime": ("120",),
    "kexalgorithms": ("curve25519-sha256,ecdh-sha2-nistp256",),
    "ciphers": ("aes256-gcm@openssh.com",),
    "macs": ("umac-64-etm@openssh.com,hmac-sha2-256-etm@openssh.com",),
    "hostkeyalgorithms": ("ssh-ed25519,ecdsa-sha2-nistp256",),
}
INCLUDE = "Include /etc/ssh/sshd_config.d/*.conf"
BARE = SshdSeen(
    host="muscle-1",
    uid=0,
    came_from="198.51.100.7 50000 192.0.2.11 22",
    has=frozenset(),
    says=SAYS,
    says_us=SAYS,
    knows={name: tuple(SAYS[name][0].split(",")) for name in ("kexalgorithms", "ciphers", "macs", "hostkeyalgorithms")},
    directives=(),
    unread=(),
    runs=("/usr/sbin/sshd -D ",),
    units={"ssh.service": "active"},
    changes={},
)


def events(main: Sequence[str], files: Mapping[str, Sequence[str]]) -> list[tuple[str, str]]:
    """Return what is read of sshd_config and of drop-ins, which are included where a line says so, sorted by name."""
    told = [("in", MAIN)]
    for line in main:
        told.append(("at", line))
        if line == INCLUDE:
            for name in sorted(files):
                folder = DROP_IN.rpartition("/")[0]
                told += [("in", f"{folder}/{name}.conf"), *(("at", text) for text in files[name]), ("out", "")]
    return [*told, ("out", "")]


def seen(
    main: Sequence[str] = (INCLUDE,),
    *,
    says: Mapping[str, str] | None = None,
    files: Mapping[str, Sequence[str]] | None = None,
) -> SshdSeen:
    """Return a server with these files, whose sshd says these settings otherwise than Debian's."""
    directives, unread = read_files(events(main, files or {}))
    told = {**SAYS, **{name: (value,) for name, value in (says or {}).items()}}
    return replace(BARE, directives=directives, unread=unread, says=told, says_us=told)
