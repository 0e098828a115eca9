"""Coolify's installer at a tag: what it fetches is known, and nothing that it publishes is for the world."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.areas.factory.installer import helper_in, loopback
from ink_infra_mcp.areas.factory.ways_in import is_local, name_of, tunnel
from ink_infra_mcp.core.compose.override import with_image, without_image
from ink_infra_mcp.core.compose.reading import read_compose, read_override
from ink_infra_mcp.core.errors import InputError
from ink_infra_mcp.core.fleet import CoolifySettings, Fleet, Host

PORTS = ("8000", "0.0.0.0:8000:8080", "8000:8080/udp", "8000-8010:8000-8010", "${PORT}:80", "[::]:1:1")
BASE = "services:\n  coolify:\n    container_name: coolify\n"
PROD = """\
services:
  coolify:
    image: coolify:4
    ports:
      - "${APP_PORT:-8000}:8080"
  soketi:
    ports:
      - "${SOKETI_PORT:-6001}:6001"
      - "6002:6002"
"""


def test_each_published_port_is_published_on_the_loopback_in_place_of_everywhere() -> None:
    """Compose adds lists to each other: only `!override` takes the other one away."""
    text = loopback(BASE, PROD)
    assert read_override(text) == {
        "services": {
            "coolify": {"ports": ["127.0.0.1:${APP_PORT:-8000}:8080"]},
            "soketi": {"ports": ["127.0.0.1:${SOKETI_PORT:-6001}:6001", "127.0.0.1:6002:6002"]},
        }
    }
    assert text.count("ports: !override") == 2


@pytest.mark.parametrize("port", PORTS)
def test_a_port_in_a_form_that_is_not_known_is_refused(port: str) -> None:
    """What would be open in another way is not guessed."""
    with pytest.raises(InputError, match="no form that is known"):
        loopback(BASE, f'services:\n  web:\n    ports:\n      - "{port}"\n')


def test_a_release_that_publishes_nothing_is_none_that_is_known() -> None:
    """Nobody could get in to it."""
    with pytest.raises(InputError, match="publish nothing"):
        loopback(BASE, BASE)


def test_our_override_takes_an_image_and_gives_it_back() -> None:
    """rotate_fork_image writes its image into the same file, and going back takes it out again."""
    text = loopback(BASE, PROD)
    image = f"registry.example.com/ink/coolify@sha256:{'f' * 64}"
    forked = with_image(text, "coolify", image)
    assert image in forked
    assert forked.count("!override") == 2
    assert without_image(forked, "coolify") == text


@pytest.mark.parametrize(
    "text",
    [
        "services: !override\n  web:\n    image: a\n",
        "services:\n  web: !override\n    image: a\n",
        "services:\n  web:\n    image: !override a\n",
        "services:\n  web:\n    ports: !reset []\n",
        "services:\n  web:\n    ports: !mine [a]\n",
    ],
)
def test_only_lists_may_stand_in_place_of_others(text: str) -> None:
    """A mapping or a word that replaces what other files say would change what a reader of one file sees."""
    with pytest.raises(InputError, match="tag"):
        read_override(text)


def test_what_users_write_has_no_tag_of_composes_own() -> None:
    """Coolify reads users' files, too, and does not know it."""
    with pytest.raises(InputError, match="tag"):
        read_compose("services:\n  web:\n    ports: !override [a]\n")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"coolify": {"v4": {"version": "4.3.9"}, "helper": {"version": "1.0.15"}}}),
        json.dumps({"coolify": {"v4": {"version": "4.3.10"}, "helper": {"version": "latest; reboot"}}}),
        json.dumps({"coolify": {"v4": {"version": "4.3.10"}}}),
    ],
)
def test_versions_of_another_release_are_refused(text: str) -> None:
    """The installer takes the helper's version out of that file by the places of its words."""
    with pytest.raises(InputError):
        helper_in(text, "4.3.10")


@pytest.mark.parametrize(
    ("url", "local", "name"),
    [
        ("http://127.0.0.1:8000", True, ""),
        ("http://localhost:8000", True, ""),
        ("http://[::1]:8000", True, ""),
        ("https://coolify.example.com", False, "coolify.example.com"),
        ("https://192.0.2.10", False, ""),
        ("http://192.0.2.10:8000", False, ""),
        ("http://127.0.0.1.example.com", False, ""),
    ],
)
def test_whom_a_url_is_for_is_known(url: str, local: bool, name: str) -> None:
    """A name that begins like the loopback is not it."""
    assert (is_local(url), name_of(url)) == (local, name)


@given(st.text())
def test_whatever_a_file_says_it_is_read_or_refused(text: str) -> None:
    """Nothing that GitHub gives is an error without words."""
    with suppress(InputError):
        helper_in(text, "4.3.10")
    with suppress(InputError):
        loopback(BASE, text)


def test_the_way_in_goes_through_the_bastion_and_to_the_port_that_the_factory_has() -> None:
    """The command works as it is said."""
    jump = Host(name="jump", address="192.0.2.5", ssh_port=2222, ssh_user="ops")
    factory = Host(name="factory", address="192.0.2.10", ssh_port=22022, bastion="jump")
    fleet = Fleet(coolify=CoolifySettings(url="https://c.example.com"), factory=factory, bastions=(jump,))
    assert tunnel(fleet) == (
        "ssh -N -L 8000:127.0.0.1:8000 -L 6001:127.0.0.1:6001 -L 6002:127.0.0.1:6002 "
        "-J ops@192.0.2.5:2222 -p 22022 root@192.0.2.10"
    )
