"""What the script of an installation says is read into facts, and whatever it is not sure of is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.errors import HostError
from ink_infra_mcp.hosts.factory.installing import (
    Installation,
    Instance,
    Orders,
    Site,
    read_installation,
    read_site,
)

TAG = "docker.io/coollabsio/coolify:4.3.10"
KINDS = ("os", "port", "route", "env", "file", "sshd", "room", "source", "image")
BARE = (("data", "folder"), ("daemon", "none "))


def site(*facts: tuple[str, str]) -> Site:
    """Return what is read of a bare server and these facts."""
    return read_site("factory", (*BARE, *facts))


def test_a_server_that_says_nothing_is_known_in_nothing() -> None:
    """No silence is taken for a server on which an installation may begin."""
    found = site()
    assert found == Site(missing=("?",), docker=None, container=None, volume=False, data="folder")
    assert (found.foreign_keys, found.free_kb, found.installed, found.systemd) == (None, None, None, False)


@pytest.mark.parametrize(
    ("facts", "seen"),
    [
        ((("docker", "none"), ("container", "none")), ("", "", "")),
        ((("docker", ""), ("container", "?"), ("volume", "?")), (None, None, "")),
        (
            (("docker", "28.5.1"), ("container", f"running {TAG}")),
            ("28.5.1", "running", TAG),
        ),
    ],
)
def test_docker_and_its_container_are_there_not_there_or_not_known(
    facts: tuple[tuple[str, str], ...], seen: tuple[str | None, str | None, str]
) -> None:
    """A Docker that does not answer is no server without Coolify."""
    found = site(*facts)
    assert (found.docker, found.container, found.image) == seen


@pytest.mark.parametrize(
    ("text", "instance"),
    [
        ("1|t|f|f", Instance(users=1, api=True, registration=False)),
        ("0|f|t|t", Instance(users=0, api=False, registration=True, limited=True)),
        ("", None),
        ("ERROR: relation does not exist", None),
        ("1|t|f", None),
        ("1|t|f|f\n2|t|f|f", None),
    ],
)
def test_what_its_database_says_is_known_only_as_it_says_it(text: str, instance: Instance | None) -> None:
    """Another number of columns, an error or nothing is no instance."""
    found = site(("published", ""), ("instance", text))
    assert found.installed is not None
    assert found.installed.instance == instance


@pytest.mark.parametrize(
    "facts",
    [
        (("data", "elsewhere"), ("daemon", "none ")),
        (("data", "folder"), ("daemon", "short ")),
        (("data", "folder"), ("daemon", f"{'a' * 64} not-base64")),
        (("data", "folder"), ("daemon", "none "), ("published", ""), ("digests", "{}")),
        (("daemon", "none "),),
    ],
)
def test_an_answer_of_another_form_is_not_understood(facts: tuple[tuple[str, str], ...]) -> None:
    """It is an error, and no plan is made of it."""
    with pytest.raises(HostError):
        read_site("factory", facts)


def test_an_installation_of_an_unknown_state_is_not_understood() -> None:
    """Nobody follows what nobody knows."""
    with pytest.raises(HostError):
        read_installation("factory", [("state", "half-way")])
    assert read_installation("factory", [("state", "")]) == Installation()


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.text()), max_size=8))
def test_whatever_a_server_says_it_is_read_or_refused_and_holds_no_control_character(
    facts: list[tuple[str, str]],
) -> None:
    """What goes into a plan that a person reads cannot move their cursor."""
    found = site(*facts)
    shown = found.model_dump_json(exclude={"daemon"})
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in shown)


@given(st.text(), st.text())
def test_whatever_the_texts_are_orders_are_lines_of_words_that_no_shell_reads(custom: str, daemon: str) -> None:
    """Texts go in base64, one word a line, so that none of them is a line of orders of its own."""
    lines = Orders(
        version="4.3.10",
        registry="docker.io",
        digest=f"sha256:{'d' * 64}",
        pool=("172.20.0.0/14", 24),
        files={"install.sh": custom},
        sums={"install.sh": "a" * 64},
        custom=custom,
        daemon=daemon,
        daemon_before="none",
        data="any",
    ).lines()
    keys = [line.partition(" ")[0] for line in lines.splitlines()]
    assert (len(keys), len(set(keys)), keys[-1]) == (14, 14, "end")
