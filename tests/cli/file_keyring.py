"""A key store in a file, which PYTHON_KEYRING_BACKEND can name: what one command keeps, the next one finds."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.compat import properties

VARIABLE = "INK_TEST_KEYRING"


class Keyring(KeyringBackend):
    """Keeps values as JSON in the file that the environment names."""

    @properties.classproperty
    def priority(self) -> float:
        """Return a priority, without which no backend is taken."""
        return 1.0

    def get_password(self, service: str, username: str) -> str | None:
        """Return a value."""
        return self._entries().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep a value."""
        self._write({**self._entries(), f"{service}/{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        """Forget a value."""
        entries = self._entries()
        del entries[f"{service}/{username}"]
        self._write(entries)

    def _entries(self) -> dict[str, str]:
        file = Path(os.environ[VARIABLE])
        return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}

    def _write(self, entries: dict[str, str]) -> None:
        Path(os.environ[VARIABLE]).write_text(json.dumps(entries), encoding="utf-8")
