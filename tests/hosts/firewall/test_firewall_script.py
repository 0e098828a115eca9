"""The script that changes a firewall: how it is sent, and that a part of it does nothing."""

import subprocess
from importlib.resources import files

import pytest

from ink_infra_mcp.core.host_firewall import ufw
from ink_infra_mcp.core.host_firewall.model import HostFirewall, HostRule
from ink_infra_mcp.core.host_firewall.nftables import render
from ink_infra_mcp.hosts.firewall.changes import command, payload
from tests.programs import program

SCRIPT = files("ink_infra_mcp.hosts.firewall").joinpath("firewall.sh").read_text(encoding="utf-8")
SSH = HostRule(protocol="tcp", ports="22", sources=("203.0.113.0/24",), why="SSH")


def test_the_script_goes_through_standard_input_with_its_data_behind_it() -> None:
    """As a here-document in which no shell expands anything; without data it reads nothing."""
    asked = command(("keep", "op-1", "0123"), as_root=True, changes=True, timeout_s=60)
    assert asked.words == ("sh", "-s", "--", "ink-firewall", "keep", "op-1", "0123")
    assert asked.stdin_bytes().decode() == f"{SCRIPT.rstrip()} </dev/null\n"
    data = "$(id) `id` 'x'\n"
    asked = command(("save", "op-1"), as_root=True, changes=True, timeout_s=60, data=data)
    said = subprocess.run(
        ["sh", "-s"],
        input=asked.stdin_bytes().replace(SCRIPT.rstrip().encode(), b"cat"),
        capture_output=True,
        check=True,
    )
    assert said.stdout.decode() == data


def test_another_user_becomes_root_and_keeps_where_the_session_comes_from() -> None:
    """sudo clears the environment, and never waits for a password."""
    asked = command(("look",), as_root=False, changes=False, timeout_s=60)
    assert asked.words[:2] == ("sh", "-c")
    assert asked.words[2] == 'exec sudo -n env SSH_CONNECTION="${SSH_CONNECTION:-}" sh -s -- "$@"'
    assert asked.words[3:] == ("sh", "ink-firewall", "look")


def test_data_that_would_end_itself_is_not_sent() -> None:
    """The line that ends the here-document is not in any of our texts, and is refused if it ever were."""
    with pytest.raises(ValueError, match="ends itself"):
        command(("x",), as_root=True, changes=True, timeout_s=60, data="a\nINK-FIREWALL-END-OF-DATA\nb\n")


def test_the_data_holds_each_part_under_its_name() -> None:
    """The table as it is rendered, a command of ufw on each line, rich rules only where firewalld keeps the rules."""
    firewall = HostFirewall(manager="ufw", rules=(SSH,))
    told = ufw.UfwChanges(opens=(("allow", "x y"),), closes=(("delete", "allow", "22"),))
    assert payload(firewall, told) == (
        f"== table\n{render(firewall)}== ufw_open\nallow\tx y\n== ufw_close\ndelete\tallow\t22\n== firewalld\n"
    )
    beside = HostFirewall(manager="firewalld", rules=(SSH,))
    assert payload(beside, ufw.UfwChanges()).endswith(
        '== firewalld\nrule family="ipv4" source address="203.0.113.0/24" port port="22" protocol="tcp" accept\n'
    )


@pytest.mark.parametrize("word", ["a\tb", "a\nb"])
def test_a_word_that_would_become_two_is_not_sent(word: str) -> None:
    """Names of ufw's application profiles come from the server."""
    with pytest.raises(ValueError, match="a tab or the end of a line"):
        payload(HostFirewall(manager="ufw", rules=(SSH,)), ufw.UfwChanges(closes=(("delete", word),)))


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8, 0.999])
def test_a_script_that_arrives_only_in_part_does_nothing(shell: str, part: float) -> None:
    """The shell has read all of it before the first command, whichever shell it is."""
    words = [program(shell), *(["sh"] if shell == "busybox" else []), "-s", "--", "ink-firewall", "look"]
    cut = SCRIPT[: int(len(SCRIPT) * part)]
    assert not subprocess.run(words, input=cut.encode(), capture_output=True, timeout=30, check=False).stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("look",),
        ("ink-firewall",),
        ("ink-firewall", "burn"),
        ("ink-firewall", "save", "-x"),
        ("ink-firewall", "set", "op-1", "ufw", "60", "0", "a;b"),
    ],
)
def test_a_call_that_is_none_is_refused(words: tuple[str, ...]) -> None:
    """Before it looks at anything: it says that nothing was changed, by its status."""
    said = subprocess.run(
        ["sh", "-s", "--", *words], input=SCRIPT.encode(), capture_output=True, timeout=30, check=False
    )
    assert (said.returncode, said.stdout) == (3, b"")
    assert said.stderr.startswith(b"ink-firewall: ")
