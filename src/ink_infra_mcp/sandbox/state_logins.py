"""Who may log in to a pretend server and how: sshd's settings, root's keys and password, and its first boot."""

from ink_infra_mcp.sandbox.part import Part

DEFAULTS: dict[str, str] = {
    "port": "22",
    "addressfamily": "any",
    "permitrootlogin": "without-password",
    "pubkeyauthentication": "yes",
    "passwordauthentication": "yes",
    "kbdinteractiveauthentication": "no",
    "permitemptypasswords": "no",
    "hostbasedauthentication": "no",
    "ignorerhosts": "yes",
    "permituserenvironment": "no",
    "strictmodes": "yes",
    "x11forwarding": "yes",
    "allowagentforwarding": "yes",
    "usepam": "yes",
    "maxauthtries": "6",
    "maxsessions": "10",
    "logingracetime": "120",
    "authorizedkeysfile": ".ssh/authorized_keys .ssh/authorized_keys2",
    "hostkey": "/etc/ssh/ssh_host_ed25519_key",
    "kexalgorithms": "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com,curve25519-sha256,"
    "curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
    "diffie-hellman-group-exchange-sha256,diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
    "diffie-hellman-group14-sha256",
    "ciphers": "chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr,aes128-gcm@openssh.com,"
    "aes256-gcm@openssh.com",
    "macs": "umac-64-etm@openssh.com,umac-128-etm@openssh.com,hmac-sha2-256-etm@openssh.com,"
    "hmac-sha2-512-etm@openssh.com,hmac-sha1-etm@openssh.com,umac-64@openssh.com,umac-128@openssh.com,hmac-sha2-256,"
    "hmac-sha2-512,hmac-sha1",
    "hostkeyalgorithms": "ssh-ed25519-cert-v01@openssh.com,ecdsa-sha2-nistp256-cert-v01@openssh.com,"
    "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com,ssh-ed25519,ecdsa-sha2-nistp256,"
    "ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256",
}
"""What OpenSSH 9.2 of Debian 12 says with the file that Debian ships (`sshd -T`), as far as anybody here asks."""
CONFIG = (
    "Include /etc/ssh/sshd_config.d/*.conf",
    "KbdInteractiveAuthentication no",
    "UsePAM yes",
    "X11Forwarding yes",
    "PrintMotd no",
    "AcceptEnv LANG LC_*",
    "Subsystem\tsftp\t/usr/lib/openssh/sftp-server",
)
"""That file, without its comments."""


class SshdChange(Part):
    """A change of sshd's settings on probation until `until`, kept, or reverted, with what was there before it."""

    state: str = "armed"
    until: float = 0.0
    drop_in_before: str = ""
    first_line_before: bool = False


class HostKeyPair(Part):
    """A host key that was made and does not serve yet, or serves no more."""

    private: str
    public: str


class Logins(Part):
    """sshd and the accounts of one server. `settings` are those of a file among the drop-ins that somebody wrote.

    `drop_in` and `first_line` are what a change of ours writes. `keys` are the lines of root's authorized_keys:
    None stands for the one line with the world's own login key. `password` is root's; empty: none.
    """

    file: str = "50-cloud-init.conf"
    settings: list[str] = []
    drop_in: str = ""
    first_line: bool = False
    keys: list[str] | None = None
    password: str = ""
    changes: dict[str, SshdChange] = {}
    made_keys: dict[str, HostKeyPair] = {}
    earlier_keys: dict[str, HostKeyPair] = {}
    cloud_init: str = "done"
    """What `cloud-init status` says: done, running, error, disabled; empty where there is none."""
    boot_until: float = 0.0
    """Until then its first boot goes on: cloud-init runs, and apt holds its lock."""

    def settle(self, now: float) -> None:
        """Let the switches fire whose time has come."""
        for change in self.changes.values():
            if change.state == "armed" and change.until <= now:
                self.put_back(change)

    def put_back(self, change: SshdChange) -> None:
        """Set what was set before a change."""
        self.drop_in, self.first_line, change.state = change.drop_in_before, change.first_line_before, "reverted"

    def files(self) -> list[tuple[str, list[str]]]:
        """Return the drop-ins with their lines, in the order in which sshd includes them."""
        found = [(self.file, self.settings)] if self.settings else []
        ours = [("00-ink-infra.conf", self.drop_in.splitlines())] if self.drop_in else []
        return sorted([*found, *ours])

    def says(self, *, trial: str | None = None, bare: bool = False) -> dict[str, str]:
        """Return what `sshd -T` says: of each setting the first value counts, and a Match block holds for nobody here.

        `trial` is read before all else; `bare` is a file without any line.
        """
        lines = [] if bare else [*(trial or "").splitlines(), *self._lines()]
        said: dict[str, str] = {}
        for line in lines:
            keyword, _, value = line.strip().partition(" ")
            if line.strip() and not line.startswith("#") and keyword.lower() in DEFAULTS:
                said.setdefault(keyword.lower(), _as_said(value.strip()))
        return {**DEFAULTS, **said}

    def _lines(self) -> list[str]:
        first = self.drop_in.splitlines() if self.first_line else []
        included = [line for _, lines in self.files() for line in _global(lines)]
        return [*first, *included, *CONFIG[1:]]


def _global(lines: list[str]) -> list[str]:
    """Return the lines before the first Match, which ends with its file."""
    matches = [at for at, line in enumerate(lines) if line.strip().lower().startswith("match ")]
    return lines[: matches[0]] if matches else lines


def _as_said(value: str) -> str:
    return {"prohibit-password": "without-password"}.get(value, value)
