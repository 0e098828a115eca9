"""The script that gives a backup encrypted: whole or refused with its reason, and never in the clear."""

from pathlib import Path

import pytest

from tests.hosts.pretend_root import Root, Said, root_at

KEPT = "data/coolify/backups/ink"
KEY = "age1pguvd5gg3gnxxh2ru589xy3qkk28cezwllumayf7eg5xtevdxskqje8qs0"
AGE = '[ "$1 $#" = "-r 2" ] && echo "sealed for $2" && cat'
"""In place of age: it says for whom, and hands on what it would encrypt, so that a test can look."""


def factory(folder: Path, shell: str = "sh") -> Root:
    """Return a Factory with one backup, and with a program that stands for age."""
    root = root_at(folder, shell=shell)
    root.programs({"age": AGE})
    root.write(f"{KEPT}/op-1/manifest.json", "{}\n")
    root.write(f"{KEPT}/op-1/coolify.dump", "PGDMP of coolify")
    return root


def sealed(root: Root, *words: str) -> Said:
    """Run the script as it is sent."""
    return root.run("factory/seal.sh", "ink-seal", *words)


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_the_whole_folder_goes_through_age_and_nowhere_else(tmp_path: Path, shell: str) -> None:
    """For the key that is given, with every file below the backup's own name; nothing is left on the disk."""
    root = factory(tmp_path, shell)
    said = sealed(root, "send", "op-1", KEY)
    assert (said.status, said.words) == (0, "")
    assert said.facts.startswith(f"sealed for {KEY}\n")
    assert all(text in said.facts for text in ("op-1/manifest.json", "op-1/coolify.dump", "PGDMP of coolify"))
    left = sorted(str(path.relative_to(root.folder / KEPT)) for path in (root.folder / KEPT).rglob("*"))
    assert left == ["op-1", "op-1/coolify.dump", "op-1/manifest.json"]


@pytest.mark.parametrize("shell", ["sh", "bash", "busybox"])
@pytest.mark.parametrize("link", ["op-1", "op-1/coolify.dump", "op-1/secrets", "op-1/secrets/.env", "op-1/none\n$(x)"])
def test_a_link_is_no_backup_and_no_part_of_one(tmp_path: Path, link: str, shell: str) -> None:
    """It would be archived as a link, which leads nowhere on the machine where the copy is wanted; nothing goes out."""
    root = factory(tmp_path, shell)
    at, moved = root.folder / KEPT / link, root.folder / "moved"
    root.write(f"{KEPT}/op-1/secrets/.env", "APP_KEY=x\n")
    if at.exists():
        at.rename(moved)
    at.symlink_to(moved)
    said = sealed(root, "send", "op-1", KEY)
    told = f"/{KEPT}/{link}".replace("\n$(x)", "")
    assert said == Said(3, "", f"ink-seal copy_backup neither a file nor a folder, such as a link: {told}\n")


@pytest.mark.parametrize(
    ("programs", "words", "reason"),
    [
        ({}, ("send", "op-2", KEY), "copy_backup there is no backup op-2"),
        ({}, ("send", "../op-1", KEY), "copy_call a word of the command is not one"),
        ({}, ("send", "op-1", "age1short"), "copy_call a word of the command is not one"),
        ({}, ("send", "op-1", f"{KEY} -o /etc/x"), "copy_call a word of the command is not one"),
        ({}, ("send", "op-1"), "copy_call this is not how it is called"),
        ({}, ("take", "op-1", KEY), "copy_call this is not how it is called"),
        ({"find": "exit 1"}, ("send", "op-1", KEY), "copy_backup the backup op-1 cannot be read"),
        ({"id": "echo 1000"}, ("send", "op-1", KEY), "copy_call it takes root"),
        ({"tar": 'real "$@"; exit 2'}, ("send", "op-1", KEY), "copy_seal the archive is not whole: tar 2 age 0 "),
        ({"tar": "echo half; exit 0", "age": "exit 1"}, ("send", "op-1", KEY), "copy_seal the archive is not whole"),
        ({"timeout": 'case $* in *age*) exit 124 ;; esac; real "$@"'}, ("send", "op-1", KEY), "copy_seal"),
    ],
)
def test_what_is_not_whole_is_refused_with_its_reason(
    tmp_path: Path, programs: dict[str, str], words: tuple[str, ...], reason: str
) -> None:
    """Either program may fail, and a pipe alone would tell of the last one only."""
    root = factory(tmp_path)
    root.programs(programs)
    said = sealed(root, *words)
    assert (said.status, reason in said.words.rstrip("\n").split("\n")[-1] + " ") == (3, True), said.words


def test_where_age_does_not_run_nothing_is_given(tmp_path: Path) -> None:
    """No byte of the backup goes out in the clear."""
    root = factory(tmp_path)
    root.programs({"age": "exit 127"})
    said = sealed(root, "send", "op-1", KEY)
    assert (said.status, said.facts) == (3, "")
