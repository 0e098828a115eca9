"""Key stores for tests: one in memory, and ones that fail in the ways that real ones do."""

import threading
from collections.abc import Callable

from ink_infra_mcp.settings.keychain import SERVICE, KeyringLike


class MemoryKeyring:
    """A key store in memory; `entries` maps a name to its value."""

    def __init__(self, **entries: str) -> None:
        self.entries = dict(entries)
        self.asked: list[str] = []

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return the entry, if it is of our service."""
        self.asked.append(username)
        return self.entries.get(username) if service == SERVICE else None

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep the entry."""
        if service == SERVICE:
            self.entries[username] = password

    def delete_password(self, service: str, username: str, /) -> None:
        """Forget the entry."""
        del self.entries[username]


class ForgetfulKeyring(MemoryKeyring):
    """A key store that keeps nothing and says nothing, like `keyring.backends.null`."""

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Keep nothing."""

    def delete_password(self, service: str, username: str, /) -> None:
        """Forget nothing."""


class StuckKeyring(MemoryKeyring):
    """A key store that waits for a person until `release` is set."""

    def __init__(self, release: threading.Event) -> None:
        super().__init__(github_token="ghp-stuck")
        self._release = release

    def get_password(self, service: str, username: str, /) -> str | None:
        """Wait, then answer."""
        self._release.wait(30)
        return super().get_password(service, username)


def broken(error: Exception) -> Callable[[], KeyringLike]:
    """Return what opens a key store and fails with the error."""

    def opening() -> KeyringLike:
        raise error

    return opening
