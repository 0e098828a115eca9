"""`init`: the questions, their answers, and the file that comes out, against the sandbox."""

import argparse
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ink_infra_mcp.cli import init, init_questions
from ink_infra_mcp.cli.discovery import fingerprint
from ink_infra_mcp.cli.init_questions import Setup
from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.fleet import CoolifySettings, Domains, Fleet, Host, Muscle
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.sandbox.running import tokens
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.secrets import Secrets
from tests.cli.people import Said, Scripted
from tests.cli.sandboxes import Running, secrets_of
from tests.cli.terminals import at_terminal, command
from tests.settings.keyrings import MemoryKeyring

Script = list[tuple[str, Said | None]]
TOKEN, CLOUD_TOKEN = tokens()["coolify_token"], tokens()["hetzner_cloud_token"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return where the file is to be written; its folder is not there yet."""
    return tmp_path / "config" / "fleet.toml"


def login_key(world: Running, folder: Path) -> Path:
    """Return a file with the private key that the servers let in."""
    file = folder / "login"
    file.write_text(world.ends.login_key, encoding="utf-8")
    file.chmod(0o600)
    return file


def tokens_script(world: Running, key: Path) -> Script:
    """Return the answers of a person who has everything, as far as the tokens go."""
    return [
        ("Coolify's address", f"{world.ends.coolify_url}/api/v1/"),
        ("Coolify API token", TOKEN),
        ("Have you a Hetzner Cloud token?", True),
        ("Hetzner Cloud API token", CLOUD_TOKEN),
        ("File with the private SSH key", str(key)),
    ]


SERVERS: Script = [
    ("Domain for apps on any Muscle", None),
    ("Who serves your DNS zones", None),
    ("Addresses or networks that admins come from", None),
    ("The Factory, which runs Coolify: name", None),
    ("The Factory, which runs Coolify: address", "192.0.2.10"),
    ("Is muscle-1 (192.0.2.11) a Muscle", None),
    ("Muscle muscle-1: name", None),
    ("Muscle muscle-1: address", None),
    ("Muscle muscle-1: apps get <app>.", None),
    ("Is muscle-2 (192.0.2.12) a Muscle", None),
    ("Muscle muscle-2: name", "spare"),
    ("Muscle muscle-2: address", None),
    ("Muscle spare: apps get <app>.", "-"),
]


def prepared(world: Running, person: Scripted, keyring: MemoryKeyring, **environ: str) -> Setup:
    """Return what `init` works with."""
    redact = Redactor()
    secrets = secrets_of(redact, environ, keyring=keyring)
    return Setup(ask=person, secrets=secrets, redact=redact, places=world.places)


def test_answers_become_a_fleet(world: Running, config: Path, tmp_path: Path) -> None:
    """Accepting what was found gives a whole fleet.toml: servers, owners, domains, and keys that a person recognised.

    Coolify's address is cleaned of what people copy with it, and every secret goes to the key store.
    """
    keys = world.ends.host_keys
    end: Script = [
        (f"factory (192.0.2.10) shows {fingerprint(keys['factory'])}", True),
        (f"muscle-1 (192.0.2.11) shows {fingerprint(keys['muscle-1'])}", True),
        ("spare (192.0.2.12) shows", None),
        (f"Write this to {config}?", None),
    ]
    person = Scripted([*tokens_script(world, login_key(world, tmp_path)), *SERVERS, *end])
    keyring = MemoryKeyring()
    assert init.create(prepared(world, person, keyring), config, force=False) is True
    state = {server.name: str(server.id) for server in world.world.read().hetzner.servers}
    assert load_fleet(config) == Fleet(
        coolify=CoolifySettings(url=world.ends.coolify_url),
        factory=Host(
            name="factory",
            address="192.0.2.10",
            host_key=keys["factory"],
            provider="hetzner_cloud",
            provider_id=state["factory"],
        ),
        muscles=(
            Muscle(
                name="muscle-1",
                address="192.0.2.11",
                host_key=keys["muscle-1"],
                provider="hetzner_cloud",
                provider_id=state["muscle-1"],
                wildcard_domain="s1.example.com",
            ),
            Muscle(name="spare", address="192.0.2.12", provider="hetzner_cloud", provider_id=state["muscle-2"]),
        ),
        domains=Domains(fleet="example.com", dns="hetzner"),
    )
    assert keyring.entries == {
        "coolify_token": TOKEN,
        "hetzner_cloud_token": CLOUD_TOKEN,
        "ssh_key": world.ends.login_key.removesuffix("\n"),
    }
    assert (person.left, "No key is recorded for spare" in person.heard) == ([], True)
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert [file.name for file in config.parent.iterdir()] == ["fleet.toml"]
    assert not any(secret in config.read_text(encoding="utf-8") for secret in (TOKEN, CLOUD_TOKEN))


def test_what_is_there_already_is_not_asked_for(world: Running, config: Path, tmp_path: Path) -> None:
    """Secrets of the environment are used and named, and a Muscle's domain is made from the fleet's and its number."""
    with world.world.change() as state:
        state.coolify.servers[1].settings.wildcard_domain = None
        del state.coolify.servers[2:]
    person = Scripted(
        [
            ("Coolify's address", world.ends.coolify_url),
            ("Domain for apps on any Muscle", "apps.example.org"),
            ("Who serves your DNS zones", "route53"),
            ("Who serves your DNS zones", "cloudflare"),
            *SERVERS[2:9],
            ("factory (192.0.2.10)", True),
            ("muscle-1 (192.0.2.11)", True),
            ("Write this", None),
        ]
    )
    file = login_key(world, tmp_path)
    known = {"INK_COOLIFY_TOKEN": TOKEN, "INK_HETZNER_CLOUD_TOKEN": CLOUD_TOKEN, "INK_SSH_KEY_FILE": str(file)}
    keyring = MemoryKeyring()
    init.create(prepared(world, person, keyring, **known), config, force=False)
    fleet = load_fleet(config)
    assert (fleet.muscles[0].wildcard_domain, fleet.domains) == (
        "s1.apps.example.org",
        Domains(fleet="apps.example.org", dns="cloudflare"),
    )
    assert keyring.entries == {}
    for words in ("coolify_token is there already: environment", f"SSH key for the servers: from file {file}"):
        assert words in person.heard


def test_wrong_answers_are_asked_for_again(world: Running) -> None:
    """An address that is none, one where nobody answers, and one of something else are each told and asked again."""
    world.breaks("coolify", "GET /api/health", kind="html", times=1)
    person = Scripted(
        [
            ("Coolify's address", "https://coolify.example.com/login"),
            ("Coolify's address", "http://anna:pw@127.0.0.1:1"),
            ("Coolify's address", "http://127.0.0.1:1"),
            ("Coolify's address", world.ends.coolify_url),
            ("Coolify's address", world.ends.coolify_url),
        ]
    )
    assert init_questions.coolify_url(prepared(world, person, MemoryKeyring())) == world.ends.coolify_url
    told = [line.strip()[:40] for line in person.told]
    assert told == [
        "write scheme and host only, such as http",
        "write scheme and host only, such as http",
        "Coolify did not answer at http://127.0.0",
        "What answers for Coolify at /health is n",
    ]


def test_an_unencrypted_address_is_agreed_to(world: Running) -> None:
    """A token goes over plain HTTP beyond private networks only when the person says so; no is the default."""
    person = Scripted(
        [
            ("Coolify's address", "http://coolify.example.com"),
            ("The token would travel unencrypted", None),
            ("Coolify's address", world.ends.coolify_url),
        ]
    )
    assert init_questions.coolify_url(prepared(world, person, MemoryKeyring())) == world.ends.coolify_url


def test_a_refused_token_is_asked_for_again(world: Running) -> None:
    """A token that Coolify does not accept is told, never kept, and never shown."""
    wrong = "9|aTokenThatNobodyMadeEver"
    keyring = MemoryKeyring()
    person = Scripted([("Coolify API token", ""), ("Coolify API token", wrong), ("Coolify API token", TOKEN)])
    token = init_questions.coolify_token(prepared(world, person, keyring), world.ends.coolify_url)
    assert (token.reveal(), keyring.entries) == (TOKEN, {"coolify_token": TOKEN})
    assert ("does not accept the token" in person.heard, wrong in person.heard) == (True, False)


def test_without_a_key_store_the_variable_is_named(world: Running) -> None:
    """A token that cannot be kept is used all the same, and the person is told which variable to set."""
    person = Scripted([("Coolify API token", TOKEN)])
    redact = Redactor()

    def none() -> MemoryKeyring:
        raise OSError("no bus")

    setup = Setup(ask=person, secrets=Secrets({}, redact=redact, open_keyring=none), redact=redact)
    assert init_questions.coolify_token(setup, world.ends.coolify_url).reveal() == TOKEN
    assert "Write it into a file of mode 600 and set INK_COOLIFY_TOKEN_FILE to the path of that file" in person.heard
    assert "secret set" not in person.heard
    # who answers again need not type it again, though nothing keeps it
    assert init_questions.coolify_token(setup, world.ends.coolify_url).reveal() == TOKEN


def test_a_key_path_that_is_not_there_is_asked_for_again(world: Running, tmp_path: Path) -> None:
    """A mistyped path is told with the reason, and the right one is then kept."""
    file, keyring = login_key(world, tmp_path), MemoryKeyring()
    question = "File with the private SSH key"
    person = Scripted([(question, str(tmp_path / "none")), (question, str(file))])
    setup = prepared(world, person, keyring)
    init_questions.ssh_key(setup)
    assert (list(keyring.entries), setup.kept, "no such file" in person.heard) == (["ssh_key"], ["ssh_key"], True)


def test_the_whole_internet_is_no_admin_unless_somebody_insists(world: Running) -> None:
    """A network that is everybody is asked about, with no as the default; a wrong one is asked for again."""
    question, warned = "networks that admins come from", "0.0.0.0/0 is the whole internet"
    person = Scripted(
        [
            (question, "everywhere"),
            (question, "0.0.0.0/0"),
            (warned, None),
            (question, "192.0.2.7, 198.51.100.0/24"),
            (question, "0.0.0.0/0"),
            (warned, True),
        ]
    )
    setup = prepared(world, person, MemoryKeyring())
    assert init_questions.admins(setup) == ("192.0.2.7/32", "198.51.100.0/24")
    assert init_questions.admins(setup) == ("0.0.0.0/0",)


def test_the_address_that_one_comes_from_is_proposed(world: Running) -> None:
    """Who came over SSH gets that address as the answer of enter."""
    person = Scripted([("networks that admins come from", None)])
    setup = replace(prepared(world, person, MemoryKeyring()), came_from="192.0.2.7")
    assert init_questions.admins(setup) == ("192.0.2.7/32",)


def test_answers_can_be_given_again(world: Running, config: Path, tmp_path: Path) -> None:
    """After a no, enter keeps each answer and another one replaces it; a secret is not asked for again."""
    keys: Script = [("factory", True), ("muscle-1", True), ("spare", True)]
    first: Script = [*tokens_script(world, login_key(world, tmp_path)), *SERVERS, *keys]
    again: Script = [(question, None) for question, _ in [("Coolify's address", None), *SERVERS]]
    again[3] = (SERVERS[2][0], "192.0.2.7")
    keep: Script = [(question, None) for question, _ in keys]
    person = Scripted([*first, ("Write this", False), ("Answer again", True), *again, *keep, ("Write this", None)])
    assert init.create(prepared(world, person, MemoryKeyring()), config, force=False) is True
    fleet = load_fleet(config)
    assert ([host.name for host in fleet.hosts], fleet.access.admin) == (
        ["factory", "muscle-1", "spare"],
        ("192.0.2.7/32",),
    )
    assert all(host.host_key for host in fleet.hosts)


def test_stopping_says_what_was_written(config: Path) -> None:
    """Ctrl-C ends it at any question with what was and was not done, and no trace."""
    with at_terminal("init", "--config", str(config)) as person:
        person.expect("Coolify's address")
        person.type("\x03")
        person.expect(f"Stopped. {config} was not written. Nothing was changed on any server.")
        assert person.end() == 130
    assert (config.exists(), "Traceback" in person.seen) == (False, False)


def test_a_key_file_that_others_can_read_is_not_taken(world: Running, tmp_path: Path) -> None:
    """A private key that everybody can read is refused with the reason and asked for again; a dash goes on without."""
    file = login_key(world, tmp_path)
    file.chmod(0o644)
    keyring = MemoryKeyring()
    person = Scripted([("File with the private SSH key", str(file)), ("File with the private SSH key", "-")])
    init_questions.ssh_key(prepared(world, person, keyring))
    assert (keyring.entries, "everybody can read it" in person.heard, person.left) == ({}, True, [])


def test_a_server_that_shows_no_key_is_told(world: Running, config: Path, tmp_path: Path) -> None:
    """A server that cannot be reached stays in the file without a key, so that nothing is ever sent to it blindly."""
    unreachable: Script = [*SERVERS[:4], ("The Factory, which runs Coolify: address", "127.0.0.1"), *SERVERS[5:]]
    with world.world.change() as state:
        state.coolify.servers[0].port = 1
    end: Script = [("muscle-1", True), ("spare", True), ("Write this", True)]
    person = Scripted([*tokens_script(world, login_key(world, tmp_path)), *unreachable, *end])
    init.create(prepared(world, person, MemoryKeyring()), config, force=False)
    assert (load_fleet(config).factory.host_key, "No key is recorded for factory" in person.heard) == ("", True)


def test_a_server_that_coolify_cannot_use_is_no_muscle_unless_somebody_says_so(
    world: Running, config: Path, tmp_path: Path
) -> None:
    """The reason stands in the question, and enter means no."""
    with world.world.change() as state:
        spare = next(server for server in state.coolify.servers if server.ip == "192.0.2.12")
        spare.settings.is_usable = False
    asked = ("Coolify reaches it and cannot use it: validate it there. Is muscle-2 (192.0.2.12) a Muscle", None)
    end: Script = [("factory", True), ("muscle-1", True), ("Write this", None)]
    person = Scripted([*tokens_script(world, login_key(world, tmp_path)), *SERVERS[:9], asked, *end])
    assert init.create(prepared(world, person, MemoryKeyring()), config, force=False) is True
    assert [muscle.name for muscle in load_fleet(config).muscles] == ["muscle-1"]


def test_doubled_answers_are_refused(world: Running, config: Path, tmp_path: Path) -> None:
    """Servers that got the same name write no file, and the person is told which and may answer again."""
    doubled: Script = [*SERVERS[:10], ("Muscle muscle-2: name", "muscle-1"), SERVERS[11], ("apps get", "-")]
    end: Script = [("factory", False), ("muscle-1", False), ("muscle-1", False), ("Answer again", None)]
    person = Scripted([*tokens_script(world, login_key(world, tmp_path)), *doubled, *end])
    assert init.create(prepared(world, person, MemoryKeyring()), config, force=False) is False
    assert "muscles[1].name `muscle-1` is the name of another server too" in person.heard
    assert not config.exists()


def test_a_no_writes_nothing(world: Running, config: Path, tmp_path: Path) -> None:
    """The text is shown before it is written, and the person may still say no."""
    end: Script = [
        ("factory", True),
        ("muscle-1", True),
        ("spare", True),
        ("Write this", False),
        ("Answer again", None),
    ]
    person = Scripted([*tokens_script(world, login_key(world, tmp_path)), *SERVERS, *end])
    assert init.create(prepared(world, person, MemoryKeyring()), config, force=False) is False
    assert (config.exists(), '[[muscles]]\nname = "muscle-1"' in person.heard) == (False, True)


def test_an_existing_file_is_not_replaced(config: Path) -> None:
    """Without --force nothing is even asked; with it the old file stays beside the new one."""
    config.parent.mkdir()
    config.write_text("old", encoding="utf-8")
    with pytest.raises(ConfigError, match="exists"):
        init.run(argparse.Namespace(config=config, force=False))
    init.write_private(config, "new", force=True)
    backup = config.with_name("fleet.toml.bak")
    assert (config.read_text(encoding="utf-8"), backup.read_text(encoding="utf-8")) == ("new", "old")


def test_a_file_made_meanwhile_is_not_replaced(config: Path) -> None:
    """Whoever was faster keeps the file, and no draft stays behind."""
    config.parent.mkdir()
    config.write_text("theirs", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        init.write_private(config, "ours", force=False)
    assert (config.read_text(encoding="utf-8"), os.listdir(config.parent)) == ("theirs", ["fleet.toml"])


def test_questions_need_a_person(config: Path) -> None:
    """Without a terminal nothing is asked and nothing is written."""
    ended = command("init", "--config", str(config), stdin="https://coolify.example.com\n")
    assert (ended.status, ended.out, ended.err.startswith("[invalid_config] `init` asks questions.")) == (1, "", True)
    assert not config.exists()


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("https://coolify.example.com", "https://coolify.example.com"),
        ("https://coolify.example.com/api/v1/", "https://coolify.example.com"),
        (" coolify.example.com ", "https://coolify.example.com"),
        ("http://192.0.2.10:8000/api", "http://192.0.2.10:8000"),
    ],
)
def test_addresses_are_tidied(typed: str, url: str) -> None:
    """What people copy around an address does not end up in it."""
    assert init_questions.tidy_url(typed) == url


@pytest.mark.parametrize("typed", ["", "https://", "ftp://coolify.example.com", "https://a@b.example.com", "http:///x"])
def test_what_is_no_address_is_refused(typed: str) -> None:
    """Another scheme, no host, a user name or a path are no address of Coolify."""
    with pytest.raises(ValueError, match="write scheme and host only"):
        init_questions.tidy_url(typed)
