"""The key store behind its time limit."""

import threading

import pytest
from keyring.backends import fail, null
from keyring.errors import KeyringLocked, PasswordDeleteError

from ink_infra_mcp.settings.keychain import Keychain, KeychainTrouble, no_keyring, system_keyring
from tests.settings.keyrings import ForgetfulKeyring, MemoryKeyring, StuckKeyring, broken

LIMIT_S = 5.0


def test_values_are_kept_read_and_forgotten() -> None:
    """What was set is got, what was removed is gone, under our own service name only."""
    store = MemoryKeyring()
    chain = Keychain(lambda: store, timeout_s=LIMIT_S)
    chain.set("github_token", "one")
    assert (chain.get("github_token"), store.entries) == ("one", {"github_token": "one"})
    chain.remove("github_token")
    assert chain.get("github_token") is None


def test_a_store_that_does_not_answer_is_given_up_in_time() -> None:
    """A stuck store costs one time limit, further questions fail at once, and once it wakes up it works again."""
    release = threading.Event()
    store = StuckKeyring(release)
    chain = Keychain(lambda: store, timeout_s=0.2)
    with pytest.raises(KeychainTrouble, match=r"did not answer within 0\.2 s"):
        chain.get("github_token")
    with pytest.raises(KeychainTrouble, match="still waits with an earlier question"):
        chain.get("coolify_token")
    release.set()
    for thread in threading.enumerate():
        if thread.name == "key store":
            thread.join(LIMIT_S)
    assert chain.get("github_token") == "ghp-stuck"
    assert store.asked == ["github_token", "github_token"]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("s3cr3t in the text"), "it failed with RuntimeError"),
        (ImportError("no dbus"), "it failed with ImportError"),
        (KeyError("x"), "it failed with KeyError"),
        (KeyringLocked("s3cr3t"), "it is locked"),
        (PasswordDeleteError("s3cr3t"), "it has no such value"),
    ],
)
def test_whatever_a_store_raises_is_trouble_without_its_text(error: Exception, told: str) -> None:
    """A backend may raise anything, and its text may repeat a value, so only the kind of error is told."""
    with pytest.raises(KeychainTrouble) as caught:
        Keychain(broken(error), timeout_s=LIMIT_S).get("github_token")
    assert str(caught.value) == told


def test_a_machine_without_a_store_says_so() -> None:
    """The backend that `keyring` falls back to is told as what it is: no key store."""
    with pytest.raises(KeychainTrouble, match=r"^this machine has none$"):
        Keychain(fail.Keyring, timeout_s=LIMIT_S).get("github_token")


@pytest.mark.parametrize("opening", [null.Keyring, ForgetfulKeyring])
def test_a_store_that_keeps_nothing_is_noticed(opening: type[null.Keyring] | type[ForgetfulKeyring]) -> None:
    """A value that cannot be read back was not kept, whatever the store says."""
    with pytest.raises(KeychainTrouble, match=r"^it did not keep the value$"):
        Keychain(opening, timeout_s=LIMIT_S).set("github_token", "one")


def test_a_store_that_forgets_nothing_is_noticed() -> None:
    """A value that is still there was not removed."""
    store = ForgetfulKeyring(github_token="one")
    with pytest.raises(KeychainTrouble, match=r"^it still has the value$"):
        Keychain(lambda: store, timeout_s=LIMIT_S).remove("github_token")


def test_the_systems_store_is_the_one_that_keyring_chooses() -> None:
    """The real opening works: the test's environment chooses the backend that holds nothing."""
    assert Keychain(system_keyring, timeout_s=LIMIT_S).get("github_token") is None


def test_no_keyring_is_never_asked() -> None:
    """Where the key store must not be used, every question ends with that sentence."""
    with pytest.raises(KeychainTrouble, match=r"^it is not used here$"):
        Keychain(no_keyring, timeout_s=LIMIT_S).get("github_token")
