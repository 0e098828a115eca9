"""The system's key store behind a time limit: it may be absent, broken or waiting for a person, and we never hang."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

SERVICE = "ink-infra-mcp"
T = TypeVar("T")


class KeyringLike(Protocol):
    """What we need of a `keyring` backend."""

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return the stored value, or None."""
        ...

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Store a value."""
        ...

    def delete_password(self, service: str, username: str, /) -> None:
        """Forget a value."""
        ...


OpenKeyring = Callable[[], KeyringLike]


class KeychainTrouble(Exception):
    """The key store did not do what was asked; the text says why and never holds a value."""


def system_keyring() -> KeyringLike:
    """Return the platform's key store. `keyring` is imported here, because finding a backend can take a second."""
    import keyring

    return keyring


def no_keyring() -> KeyringLike:
    """Stand for a key store that nobody may ask, as in the sandbox, which must not see real secrets.

    Raises:
        KeychainTrouble: always.
    """
    raise KeychainTrouble("it is not used here")


class Keychain:
    """Our entries in the key store. Every call ends within `timeout_s` seconds.

    A call that the store does not answer (a locked store that asks a person, a dead D-Bus) goes on in a thread of its
    own that cannot hold up the process; until it ends, further calls fail at once.
    """

    def __init__(self, open_keyring: OpenKeyring, *, timeout_s: float) -> None:
        self._open = open_keyring
        self._timeout_s = timeout_s
        self._pending: threading.Thread | None = None

    def get(self, name: str) -> str | None:
        """Return the value called `name`, or None.

        Raises:
            KeychainTrouble: the store is absent, broken or does not answer.
        """
        return self._within_limit(lambda keyring: keyring.get_password(SERVICE, name))

    def set(self, name: str, value: str) -> None:
        """Store a value and read it back.

        Raises:
            KeychainTrouble: the store is absent, broken, does not answer or did not keep the value.
        """
        self._within_limit(lambda keyring: keyring.set_password(SERVICE, name, value))
        if self.get(name) != value:
            raise KeychainTrouble("it did not keep the value")

    def remove(self, name: str) -> None:
        """Forget the value called `name`.

        Raises:
            KeychainTrouble: the store is absent, broken, does not answer or still has the value.
        """
        self._within_limit(lambda keyring: keyring.delete_password(SERVICE, name))
        if self.get(name) is not None:
            raise KeychainTrouble("it still has the value")

    def _within_limit(self, act: Callable[[KeyringLike], T]) -> T:
        if self._pending is not None and self._pending.is_alive():
            raise KeychainTrouble("it still waits with an earlier question; is it locked?")
        call = _Call(self._open, act)
        thread = threading.Thread(target=call.run, name="key store", daemon=True)
        self._pending = thread
        thread.start()
        thread.join(self._timeout_s)
        if thread.is_alive():
            raise KeychainTrouble(f"it did not answer within {self._timeout_s:g} s; is it locked?")
        return call.result()


class _Call(Generic[T]):
    """One question to the store, and how it ended."""

    def __init__(self, open_keyring: OpenKeyring, act: Callable[[KeyringLike], T]) -> None:
        self._open = open_keyring
        self._act = act
        self._found: list[T] = []
        self._trouble = "it gave no answer"

    def run(self) -> None:
        """Ask, and keep the answer or what went wrong."""
        try:
            self._found.append(self._act(self._open()))
        except KeychainTrouble as trouble:
            self._trouble = str(trouble)
        except Exception as error:  # noqa: BLE001 - a backend is a plug-in and raises what it likes
            self._trouble = _told(error)

    def result(self) -> T:
        """Return the answer.

        Raises:
            KeychainTrouble: there is none.
        """
        if not self._found:
            raise KeychainTrouble(self._trouble)
        return self._found[0]


def _told(error: Exception) -> str:
    """Return what went wrong by the error's kind alone: its text might repeat a value."""
    kind = type(error).__name__
    if kind == "NoKeyringError":
        return "this machine has none"
    if kind == "KeyringLocked":
        return "it is locked"
    if kind == "PasswordDeleteError":
        return "it has no such value"
    return f"it failed with {kind}"
