"""Where each secret comes from: the environment, a file named there, or the system's key store; nothing else."""

import contextlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ink_infra_mcp.core.errors import ConfigError, SecretMissing
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.settings.keychain import Keychain, KeychainTrouble, OpenKeyring, system_keyring
from ink_infra_mcp.settings.paths import expanded
from ink_infra_mcp.settings.secret_names import (
    APP_PREFIX,
    APP_VARIABLE,
    NAMES,
    SecretName,
    is_app_variable,
    secret_name,
)

MAX_BYTES = 64 * 2**10
KEYRING_TIMEOUT_S = 10.0
_FILE_WAY = "Write it into a file of mode 600 and set {variable} to the path of that file"
_INDEX = "app secrets"
_UNEXPANDED = re.compile(r"\$\{[^{}]*\}|\$[A-Z_][A-Z0-9_]*|%[A-Z_][A-Z0-9_]*%")
_TOKEN = re.compile(r"[!-~]+")
_MOUNTED_BY_CONTAINERS = (PurePosixPath("/run/secrets"), PurePosixPath("/var/run/secrets"))


class Secrets:
    """Reads secrets by name, fresh at each call, and makes each value known to the redactor.

    The order is INK_<NAME>, then the file named by INK_<NAME>_FILE, then the key store. An empty variable counts as
    absent. The key store is asked only when the environment has nothing, and never for longer than `timeout_s`.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        redact: Redactor,
        open_keyring: OpenKeyring = system_keyring,
        timeout_s: float = KEYRING_TIMEOUT_S,
    ) -> None:
        self._environ = environ
        self._redact = redact
        self._keychain = Keychain(open_keyring, timeout_s=timeout_s)
        self.keyring_trouble = ""
        """Why the key store gave nothing when it was last asked, in words; empty: it answered."""

    def get(self, name: str) -> Secret | None:
        """Return the secret, or None where it is nowhere or the key store cannot be asked.

        Raises:
            ConfigError: a variable or file is there, but what it holds cannot be the secret. UnknownName: no such name.
        """
        known = secret_name(name)
        found = self._from_environment(known) or self._from_keyring(known)
        return None if found is None else self._redact.add(found, name=name)

    def need(self, name: str) -> Secret:
        """Return the secret.

        Raises:
            SecretMissing: it is nowhere; the message says how to set it. ConfigError, UnknownName: as for `get`.
        """
        if (found := self.get(name)) is not None:
            return found
        trouble = f" The key store could not help: {self.keyring_trouble}." if self.keyring_trouble else ""
        raise SecretMissing(
            f"The secret {name} is needed and is not set.{trouble}",
            next=how_to_keep(name, trouble=self.keyring_trouble),
        )

    def sources(self) -> list[tuple[str, str | None]]:
        """Return every known name with where its value would come from (None: nowhere), never a value.

        Raises:
            ConfigError: as for `get`.
        """
        found = [(name, self.get(name)) for name in self.names()]
        return [(name, None if secret is None else secret.source) for name, secret in found]

    def names(self) -> tuple[str, ...]:
        """Return our own names, then those of the app secrets that the environment or the key store has."""
        here = {key.removeprefix(APP_VARIABLE).removesuffix("_FILE") for key in self._environ if is_app_variable(key)}
        return (*NAMES, *sorted(self._indexed() | {f"{APP_PREFIX}{name}" for name in here}))

    def learn(self) -> None:
        """Read every secret that there is, so that the redactor knows it; one that cannot be read is left out."""
        for name in self.names():
            with contextlib.suppress(ConfigError):
                self.get(name)

    def set(self, name: str, value: Secret) -> None:
        """Keep a value in the key store.

        Raises:
            ConfigError: there is no usable key store, or the value cannot be that secret. UnknownName: no such name.
        """
        known = secret_name(name)
        _check(value.reveal(), known, "the given value")
        self._redact.add(value, name=name)
        try:
            if name.startswith(APP_PREFIX):
                self._write_index(self._indexed() | {name})
            self._keychain.set(name, value.reveal())
        except KeychainTrouble as trouble:
            raise _no_keyring(f"The secret {name} was not kept", trouble, known) from None

    def remove(self, name: str) -> None:
        """Forget a value in the key store; variables and files are not ours to change.

        Raises:
            ConfigError: there is no usable key store, or it has no such value. UnknownName: no such name.
        """
        known = secret_name(name)
        try:
            self._keychain.remove(name)
            if name.startswith(APP_PREFIX):
                self._write_index(self._indexed() - {name})
        except KeychainTrouble as trouble:
            raise _no_keyring(f"The secret {name} was not removed", trouble, known) from None

    def _from_environment(self, known: SecretName) -> Secret | None:
        if value := self._environ.get(known.variable):
            return Secret(_check(value, known, known.variable), source=f"environment {known.variable}")
        if path := self._environ.get(known.file_variable):
            _refuse_unexpanded(path, known.file_variable)
            value = read_secret_file(expanded(Path(path), known.file_variable), known.file_variable)
            return Secret(_check(value, known, f"the file of {known.file_variable}"), source=f"file {path}")
        return None

    def _from_keyring(self, known: SecretName) -> Secret | None:
        value = self._asked(known.name)
        return Secret(_check(value, known, "the key store"), source="keyring") if value else None

    def _asked(self, name: str) -> str | None:
        try:
            value = self._keychain.get(name)
        except KeychainTrouble as trouble:
            self.keyring_trouble = str(trouble)
            return None
        self.keyring_trouble = ""
        return value

    def _indexed(self) -> frozenset[str]:
        """Return the app secrets in the key store: stores cannot list, so one entry holds the names."""
        return frozenset((self._asked(_INDEX) or "").split())

    def _write_index(self, names: frozenset[str]) -> None:
        if names:
            self._keychain.set(_INDEX, " ".join(sorted(names)))
        else:
            self._keychain.remove(_INDEX)


def how_to_keep(name: str, *, trouble: str = "") -> str:
    """Return how a person gives us a secret on this machine; with `trouble` its key store is no way."""
    known = secret_name(name)
    if trouble:
        return f"{_FILE_WAY.format(variable=known.file_variable)}, or set {known.variable}."
    return f"Set {known.variable} or {known.file_variable}, or run `ink-infra-mcp secret set {name}`."


def read_secret_file(path: Path, variable: str) -> str:
    """Return the text of a secret's file without one new line at its end.

    The file must be a regular one of at most 64 KiB that only its owner and group can read. Files that a container
    runtime mounts under /run/secrets have a mode of the runtime's making, and are taken as they are.

    Raises:
        ConfigError: it is not so, or cannot be read; `variable` is named as where the path came from.
    """
    try:
        data = _read_trusted(path, variable)
    except OSError as error:
        raise _bad_file(path, variable, (error.strerror or "it cannot be read").lower()) from None
    if len(data) > MAX_BYTES:
        raise _bad_file(path, variable, "it is larger than 64 KiB")
    try:
        return data.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise _bad_file(path, variable, "it is not UTF-8 text") from None


def _read_trusted(path: Path, variable: str) -> bytes:
    """Return what the file holds; it is judged and read through one descriptor, so that nobody can swap it between."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if fault := file_fault(path, os.fstat(descriptor)):
            raise _bad_file(path, variable, fault)
        return os.read(descriptor, MAX_BYTES + 1)
    finally:
        os.close(descriptor)


def file_fault(path: Path, found: os.stat_result) -> str:
    """Return why a file with that status cannot be trusted with a secret, or an empty text."""
    if not stat.S_ISREG(found.st_mode):
        return "it is not a regular file"
    return _mode_fault(path, found.st_mode) if os.name == "posix" else ""


def _mode_fault(path: Path, mode: int) -> str:
    if mode & stat.S_IWOTH:
        return f"everybody can write it; run `chmod 600 {path}`"
    is_mounted = any(PurePosixPath(path).is_relative_to(folder) for folder in _MOUNTED_BY_CONTAINERS)
    if mode & stat.S_IROTH and not is_mounted:
        return f"everybody can read it; run `chmod 600 {path}`, or set the mode of the mounted secret to 0400"
    return ""


def _check(value: str, known: SecretName, where: str) -> str:
    _refuse_unexpanded(value, where)
    if not value.strip() or "\0" in value:
        raise ConfigError(f"The secret {known.name} from {where} is empty or no text.", next="Set its value.")
    if known.is_token and not _TOKEN.fullmatch(value):
        raise ConfigError(
            f"The secret {known.name} from {where} has a space, a line break or a character that no token has.",
            next="Copy the token again, without anything around it.",
        )
    return value


def _refuse_unexpanded(value: str, where: str) -> None:
    if _UNEXPANDED.fullmatch(value):
        raise ConfigError(
            f"What comes from {where} is the name of a variable that nothing has expanded.",
            next="Put the value itself there, or start the server from something that expands variables.",
        )


def _bad_file(path: Path, variable: str, fault: str) -> ConfigError:
    return ConfigError(f"The file {path} that {variable} names cannot be used: {fault}.", next="Mend it and try again.")


def _no_keyring(failed: str, trouble: KeychainTrouble, known: SecretName) -> ConfigError:
    return ConfigError(
        f"{failed} in the key store of this machine: {trouble}.",
        next=how_to_keep(known.name, trouble=str(trouble)),
    )
