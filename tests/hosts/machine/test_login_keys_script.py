"""Who may log in stays able to: a file of keys that cannot be read is not an empty one; no host key is passed over."""

import hashlib
from pathlib import Path

import pytest

from tests.hosts.pretend_root import Root, Said, root_at

KEYS = "/root/.ssh/authorized_keys"
BLOB, OTHER = "A" * 68, "B" * 68
OURS = f"ssh-ed25519 {BLOB} ink-x"
THEIRS = f"# people\nssh-ed25519 {OTHER} somebody@example.com\n\nssh-rsa {OTHER}C no ink-x here"
BROKEN = 'case $* in *authorized_keys) exit 1 ;; esac; real "$@"'
SSHD = """
case $* in *-T*) echo "authorizedkeysfile .ssh/authorized_keys"; cat "$ROOT/etc/hostkeys" 2>/dev/null; exit 0 ;; esac
"""


def login_at(folder: Path, keys: str | None = THEIRS) -> Root:
    """Return a server on which people have their keys."""
    root = root_at(folder)
    root.programs({"sshd": SSHD, "getent": 'echo "root:x:0:0::$ROOT/root:/bin/sh"', "systemctl": "exit 0"})
    root.programs(
        {"systemd-run": "exit 0", "ssh-keygen": 'for at; do :; done; echo k >"$at"; echo "ssh-rsa AAAA" >"$at.pub"'}
    )
    (folder / "root/.ssh").mkdir(parents=True)
    if keys is not None:
        root.write(KEYS, keys)
    return root


def admitted(root: Root) -> Said:
    """Admit our key."""
    digest = hashlib.sha256(f"{OURS}\n".encode()).hexdigest()
    return root.run("machine/login.sh", "ink-login", "admit", "root", "ink-x", digest, data=f"{OURS}\n")


@pytest.mark.parametrize("keys", [THEIRS, f"{THEIRS}\n", f"{THEIRS}\nssh-rsa CCCC ink-x\n", ""])
def test_our_key_comes_and_goes_and_the_others_stay(tmp_path: Path, keys: str) -> None:
    """Also behind a line without an end, and in the place of an older one of ours."""
    root = login_at(tmp_path, keys)
    left = f"{THEIRS}\n" if keys else ""
    assert admitted(root) == Said(0, f"key added\nfile {KEYS}\ndone\n", "")
    assert root.read(KEYS) == f"{left}{OURS}\n"
    assert admitted(root).facts == f"key there\nfile {KEYS}\ndone\n"
    removed = root.run("machine/login.sh", "ink-login", "remove", "root", "ink-x")
    assert removed == Said(0, f"key removed\nfile {KEYS}\ndone\n", "")
    assert root.read(KEYS) == left
    assert root.run("machine/login.sh", "ink-login", "remove", "root", "ink-x").facts.startswith("key absent\n")


def moved(root: Root, verb: str, network: str = "10.250.0.2/32") -> Said:
    """Let the key with our marker in from a network, too, or no more."""
    digest = hashlib.sha256(f"{network}\n".encode()).hexdigest()
    return root.run("machine/login.sh", "ink-login", verb, "root", "ink-x", digest, data=f"{network}\n")


def test_a_limited_key_gets_one_network_more_and_loses_it_again(tmp_path: Path) -> None:
    """The others' lines, the key's own networks and its options stay, and twice is as good as once."""
    limited = f'from="192.0.2.10/32",restrict ssh-ed25519 {BLOB} ink-x'
    wider = limited.replace('"192', '"10.250.0.2/32,192')
    root = login_at(tmp_path, f"{THEIRS}\n{limited}\n")
    steps = [("widen", "added", wider), ("widen", "there", wider), ("narrow", "removed", limited)]
    for verb, state, line in [*steps, ("narrow", "absent", limited)]:
        assert moved(root, verb) == Said(0, f"key {state}\nfile {KEYS}\ndone\n", "")
        assert root.read(KEYS) == f"{THEIRS}\n{line}\n"


def test_a_key_never_gets_wider_than_it_was_by_losing_a_network(tmp_path: Path) -> None:
    """One that would let in from everywhere, and one that is not limited or not there, is left as it is."""
    only = f'from="10.250.0.2/32" ssh-ed25519 {BLOB} ink-x'
    root = login_at(tmp_path, f"{only}\n")
    assert (moved(root, "narrow").status, root.read(KEYS)) == (3, f"{only}\n")
    for text in (f"{OURS}\n", f"{THEIRS}\n"):
        root.write(KEYS, text)
        assert (moved(root, "widen").facts, root.read(KEYS)) == (f"key open\nfile {KEYS}\ndone\n", text)


@pytest.mark.parametrize("network", ['10.0.0.0/8" ssh-ed25519', "", "10.0.0.0/8\nssh-rsa x", "!10.0.0.0/8", "*"])
def test_what_is_no_network_is_not_written(tmp_path: Path, network: str) -> None:
    """It would become an option, a pattern or a line of its own."""
    limited = f'from="192.0.2.10/32" ssh-ed25519 {BLOB} ink-x\n'
    root = login_at(tmp_path, limited)
    assert (moved(root, "widen", network).status, root.read(KEYS)) == (3, limited)


def test_a_file_of_keys_that_cannot_be_read_is_left_alone(tmp_path: Path) -> None:
    """Taken for empty, it would be written anew with our key alone, and everybody else locked out."""
    root = login_at(tmp_path)
    root.programs({"cat": BROKEN, "sed": BROKEN, "grep": BROKEN})
    said = admitted(root)
    assert (said.status, said.words) == (3, f"ink-login: {KEYS} could not be read\n")
    assert root.read(KEYS) == THEIRS


def test_a_key_in_a_file_that_cannot_be_read_is_not_called_absent(tmp_path: Path) -> None:
    """It may still let in."""
    root = login_at(tmp_path, f"{OURS}\n")
    root.programs({"cat": BROKEN, "grep": 'case $* in *authorized_keys) exit 2 ;; esac; real "$@"'})
    said = root.run("machine/login.sh", "ink-login", "remove", "root", "ink-x")
    assert (said.status, said.facts, said.words) == (3, "", f"ink-login: {KEYS} could not be read\n")


def host_keys(root: Root) -> Said:
    """Make new host keys beside those in use."""
    return root.run("machine/login.sh", "ink-login", "make-keys", "op-1")


def test_a_host_key_whose_public_part_is_missing_is_not_passed_over(tmp_path: Path) -> None:
    """It would stay in use, and the new keys be called all that there are."""
    root = login_at(tmp_path)
    (tmp_path / "etc/hostkeys").write_text(f"hostkey {tmp_path}/etc/a_key\nhostkey {tmp_path}/etc/none_key\n")
    root.write("/etc/a_key", "private")
    said = host_keys(root)
    assert (said.status, "the host key /etc/a_key would stay" in said.words) == (3, True)
    root.write("/etc/a_key.pub", "ssh-rsa AAAA root@example.com\n")
    assert host_keys(root).facts.endswith("done\n")


def test_an_sshd_that_does_not_say_its_keys_has_no_new_ones_made(tmp_path: Path) -> None:
    """It may show a certificate, which new keys would not fit."""
    root = login_at(tmp_path)
    root.programs({"sshd": "exit 255"})
    said = host_keys(root)
    assert (said.status, said.words) == (3, "ink-login: sshd does not say which host keys it has\n")
