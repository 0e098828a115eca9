"""What every test stands on: one event loop kind, a private home, and bounded random cases."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("default", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), max_examples=150, derandomize=True)
settings.register_profile("deep", parent=settings.get_profile("default"), max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

OURS = ("INK_", "HCLOUD_", "COOLIFY_", "CLOUDFLARE_", "GITHUB_", "SSH_AUTH_SOCK")
KEPT = frozenset({"INK_SPECS_DIR"})


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, which is what the product runs on."""
    return "asyncio"


@pytest.fixture(autouse=True)
def private_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hide the machine's configuration, secrets and key store from the test; return its empty home."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(OURS) and name not in KEPT:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in (("CONFIG", ".config"), ("STATE", ".local/state"), ("DATA", ".local/share")):
        monkeypatch.setenv(f"XDG_{variable}_HOME", str(home / folder))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return home
