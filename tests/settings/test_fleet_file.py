"""fleet.toml: what is wrong is named by file, line and key, and nothing wrong is let through."""

from pathlib import Path

import pytest
from hypothesis import given

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.fleet import CoolifySettings, Domains, Fleet, Host, Muscle
from ink_infra_mcp.settings.fleet_file import load_fleet
from ink_infra_mcp.settings.fleet_text import dump_fleet, toml_value
from tests.settings.fleets import SMALLEST, fleets, written

MUSCLES = """\
[[muscles]]
name = "s1"
address = "192.0.2.21"
[[muscles]]
name = "s2"
address = "192.0.2.22"
"""
KEY = f"ssh-ed25519 {'A' * 43}="
AGE_KEY = "age1pguvd5gg3gnxxh2ru589xy3qkk28cezwllumayf7eg5xtevdxskqje8qs0"


PLACE = f"""\
[backups]
address = "box.example.com"
ssh_user = "box"
host_key = "{KEY}"
recipient = "{AGE_KEY}"
"""


def told(folder: Path, text: str) -> list[str]:
    """Return the faults that loading the text names, without the frame around them."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_fleet(path)
    assert (caught.value.done, caught.value.next) == ("Nothing was changed.", "Mend the file and start again.")
    assert caught.value.failed.startswith(f"{path} cannot be used: ")
    assert caught.value.failed.endswith(".")
    return caught.value.failed.removeprefix(f"{path} cannot be used: ")[:-1].split("; line ")


def test_the_smallest_file_is_a_fleet(tmp_path: Path) -> None:
    """Coolify's address and the Factory are enough; everything else has its default."""
    assert load_fleet(written(tmp_path, SMALLEST)) == Fleet(
        coolify=CoolifySettings(url="https://coolify.example.com"),
        factory=Host(name="factory", address="192.0.2.10"),
    )


def test_a_full_file_is_read_as_written(tmp_path: Path) -> None:
    """Lists of tables, host keys over several lines and Windows line ends are read."""
    text = (
        SMALLEST
        + MUSCLES
        + f'wildcard_domain = "s2.example.com"\nproduction = true\nhost_key = """\n{KEY}\n{KEY} x\n"""\n'
    )
    text += '[domains]\nfleet = "apps.example.com"\ndns = "hetzner"\n'
    fleet = load_fleet(written(tmp_path, "\ufeff" + text.replace("\n", "\r\n")))
    assert fleet.muscles == (
        Muscle(name="s1", address="192.0.2.21"),
        Muscle(
            name="s2",
            address="192.0.2.22",
            wildcard_domain="s2.example.com",
            production=True,
            host_key=f"{KEY}\n{KEY} x\n",
        ),
    )
    assert fleet.domains == Domains(fleet="apps.example.com", dns="hetzner")


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            SMALLEST + '[[muscles]]\nnmae = "s1"\naddress = "192.0.2.21"\n',
            [
                "line 7, key `muscles[0].name`: is missing",
                "8, key `muscles[0].nmae`: unknown key; did you mean `name`?",
            ],
        ),
        (
            SMALLEST + '[access]\nadmin = ["198.51.100.0/28", "198.51.100.1/28"]\n',
            [
                "line 8, key `access.admin[1]`: use a network such as 198.51.100.0/24 or 2001:db8::/48, "
                "with no bits after the prefix"
            ],
        ),
        (SMALLEST + "[defalts]\n", ["line 7, key `defalts`: unknown key; did you mean `defaults`?"]),
        (
            SMALLEST + "[state]\nzzz = 1\n",
            ["line 8, key `state.zzz`: unknown key; known here: url"],
        ),
        (SMALLEST + 'ssh_port = "22"\n', ["line 7, key `factory.ssh_port`: must be a whole number"]),
        (SMALLEST + "ssh_port = 22.0\n", ["line 7, key `factory.ssh_port`: must be a whole number"]),
        (SMALLEST + "ssh_port = 0\n", ["line 7, key `factory.ssh_port`: must be at least 1"]),
        (SMALLEST + "host_key = 7\n", ["line 7, key `factory.host_key`: must be text in quotes"]),
        (
            SMALLEST + MUSCLES + "production = 1\n",
            ["line 13, key `muscles[1].production`: must be true or false"],
        ),
        (
            SMALLEST + "[muscles]\nname = 's1'\n",
            ["line 7, key `muscles`: must be a list; a list of tables has [[two]] brackets"],
        ),
        (
            SMALLEST + "[[domains]]\n",
            ["line 7, key `domains`: must be one table, in [single] brackets"],
        ),
        (
            SMALLEST + '[domains]\ndns = "route53"\n',
            ["line 8, key `domains.dns`: must be `hetzner`, `cloudflare` or `none`"],
        ),
        (
            SMALLEST + '[domains]\nfleet = "*.example.com"\n',
            ["line 8, key `domains.fleet`: use a bare domain such as s1.example.com: no scheme, no *, no port"],
        ),
        (
            SMALLEST + 'ssh_user = "Root"\n',
            ["line 7, key `factory.ssh_user`: write a Unix user name, such as root"],
        ),
        (
            SMALLEST + '[fork]\nupstream_pull_request = "8113"\n',
            ["line 8, key `fork.upstream_pull_request`: write it as owner/repo#number"],
        ),
        (
            SMALLEST + '[fork]\nrepository = "git@github.com:a/b"\n',
            [
                "line 8, key `fork.repository`: write it as https://github.com/owner/repo, without .git and without a"
                " login"
            ],
        ),
        (
            SMALLEST + '[backups]\naddress = "192.0.2.10"\nssh_user = "box"\n',
            [
                "line 7, key `backups.host_key`: is needed for copies off the host",
                "7, key `backups.recipient`: is needed for copies off the host",
                "8, key `backups.address`: is factory: a copy in the fleet itself burns with it",
            ],
        ),
        (
            SMALLEST.replace("coolify.example.com", "192.0.2.10:8000") + f"{PLACE}",
            ["line 7, key `backups.fleet`: is needed for copies off the host: coolify.url has no domain for it"],
        ),
        (
            SMALLEST + f'{PLACE}fleet = "acme_1"\n',
            [
                "line 12, key `backups.fleet`: "
                "write a domain or a word of small letters, digits, `-` and `.`, such as `acme`"
            ],
        ),
        (
            SMALLEST + '[backups]\nrecipient = "AGE-SECRET-KEY-1ABC"\n',
            [
                "line 8, key `backups.recipient`: use a public key as `age-keygen` prints it, `age1` and 58 letters "
                "and digits"
            ],
        ),
        (
            SMALLEST.replace('"factory"', '"backup-place"'),
            ["line 5, key `factory.name`: is what the place of backups is called"],
        ),
        (
            SMALLEST + '[fork]\nbranch = "runtime"\n',
            [
                "line 7, key `fork.image`: is needed to build the fork",
                "7, key `fork.repository`: is needed to build the fork",
            ],
        ),
        (
            SMALLEST + "[state]\nurl = 2024-01-01\n",
            ["line 8, key `state.url`: is a date or a time; no key here takes one"],
        ),
        ("", ["line 1, key `coolify`: is missing", "1, key `factory`: is missing"]),
        (
            SMALLEST + "host_key = 'factory.example.com ssh-ed25519 AAAA'\n",
            [
                "line 7, key `factory.host_key`: "
                "write OpenSSH public key lines, such as `ssh-ed25519 AAAA...`, without a host name"
            ],
        ),
        (
            SMALLEST + "[state]\nurl = 'sqlite:///relative.db'\n",
            ["line 8, key `state.url`: write sqlite:////absolute/path, or postgresql://user@host/database"],
        ),
    ],
)
def test_each_fault_is_named_by_line_and_key(text: str, faults: list[str], tmp_path: Path) -> None:
    """Unknown keys, missing ones, wrong types and wrong values say where they are and what would be right."""
    assert told(tmp_path, text) == faults


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://coolify.example.com/api/v1",
            "coolify.example.com",
            "https://coolify.example.com/",
            "ftp://x.example",
        ),
        *(
            "https://coolify.example.com?x=1",
            "https://me@coolify.example.com",
            "https://x:port",
            "https://",
            "http://[::1",
        ),
    ],
)
def test_an_address_that_would_double_the_path_is_refused(url: str, tmp_path: Path) -> None:
    """Coolify's address is scheme and host; a path, a query, a user or a bad port is refused with the right form."""
    assert told(tmp_path, SMALLEST.replace("https://coolify.example.com", url)) == [
        "line 2, key `coolify.url`: "
        "write scheme and host only, such as https://coolify.example.com; /api/v1 is added by itself"
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (SMALLEST + 'token = "abc"\n', "line 7, key `factory.token`: secrets never go in this file"),
        (
            SMALLEST + '[coolify.api]\napi_key = ""\n',
            "line 8, key `coolify.api.api_key`: secrets never go in this file",
        ),
        (
            SMALLEST + '[state]\nurl = "postgresql://ink:hunter22@db/ink"\n',
            "line 8, key `state.url`: looks like a secret; secrets never go in this file",
        ),
        (
            SMALLEST + f'provider_id = "ghp_{"a" * 36}"\n',
            "line 7, key `factory.provider_id`: looks like a secret; secrets never go in this file",
        ),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(text: str, fault: str, tmp_path: Path) -> None:
    """Keys and values that look like secrets are refused with where secrets go, and the message never shows them."""
    assert told(tmp_path, text) == [f"{fault}; use `ink-infra-mcp secret set NAME`"]


def test_a_variable_that_nothing_expands_is_refused(tmp_path: Path) -> None:
    """A `${VAR}` would otherwise be used as it stands."""
    text = SMALLEST.replace("https://coolify.example.com", "https://${COOLIFY}")
    assert told(tmp_path, text) == [
        "line 2, key `coolify.url`: holds a `${...}` that nothing expands; write the value itself"
    ]


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        (
            SMALLEST + MUSCLES.replace("s2", "factory"),
            ["line 11, key `muscles[1].name`: `factory` is the name of another server too"],
        ),
        (
            SMALLEST + MUSCLES.replace("192.0.2.22", "192.0.2.10"),
            ["line 12, key `muscles[1].address`: is the address of another server too"],
        ),
        (
            SMALLEST + 'private_address = "198.51.100.1"\n' + MUSCLES + 'private_address = "198.51.100.1"\n',
            ["line 14, key `muscles[1].private_address`: is the private address of another server too"],
        ),
        (
            SMALLEST + MUSCLES + 'bastion = "s3"\n',
            ["line 13, key `muscles[1].bastion`: no server has that name; known here: factory, s1, s2"],
        ),
        (
            SMALLEST + '[access]\nproof_from = "facory"\n',
            ["line 8, key `access.proof_from`: no server has that name; did you mean `factory`?"],
        ),
        (
            SMALLEST + MUSCLES + 'access = "private"\n',
            ["line 13, key `muscles[1].access`: `private` needs a private_address of s2 and factory"],
        ),
        (
            SMALLEST + 'bastion = "factory"\n',
            ["line 7, key `factory.bastion`: leads back to itself: factory -> factory"],
        ),
        (
            SMALLEST + 'bastion = "s2"\n' + MUSCLES + 'bastion = "factory"\n',
            [
                "line 7, key `factory.bastion`: leads back to itself: factory -> s2 -> factory",
                "14, key `muscles[1].bastion`: leads back to itself: s2 -> factory -> s2",
            ],
        ),
        (
            SMALLEST
            + MUSCLES.replace('21"\n', '21"\nwildcard_domain = "a.example.com"\n')
            + 'wildcard_domain = "a.example.com"\n',
            ["line 14, key `muscles[1].wildcard_domain`: is the domain of another Muscle too"],
        ),
        (
            SMALLEST + MUSCLES + 'wildcard_domain = "a.example.com"\n[domains]\nfleet = "a.example.com"\n',
            ["line 13, key `muscles[1].wildcard_domain`: is the domain of the whole fleet too"],
        ),
    ],
)
def test_servers_that_do_not_fit_together_are_refused(text: str, faults: list[str], tmp_path: Path) -> None:
    """Doubled names, addresses and domains and bastions that lead nowhere are found across the whole file."""
    assert told(tmp_path, text) == faults


def test_a_way_through_a_loop_elsewhere_is_blamed_on_the_loop(tmp_path: Path) -> None:
    """A server whose bastion stands in a loop is not itself the fault."""
    text = SMALLEST + 'bastion = "s1"\n' + MUSCLES.replace('21"\n', '21"\nbastion = "s2"\n') + 'bastion = "s1"\n'
    assert told(tmp_path, text) == [
        "line 11, key `muscles[0].bastion`: leads back to itself: s1 -> s2 -> s1",
        "15, key `muscles[1].bastion`: leads back to itself: s2 -> s1 -> s2",
    ]


def test_two_servers_may_share_an_address_behind_other_ports(tmp_path: Path) -> None:
    """Two servers behind one translated address differ by port, and that is no fault."""
    text = SMALLEST + MUSCLES.replace("192.0.2.22", "192.0.2.21") + "ssh_port = 2222\n"
    assert [muscle.ssh_port for muscle in load_fleet(written(tmp_path, text)).muscles] == [22, 2222]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[coolify\n", ", line 1: not valid TOML: Expected ']' at the end of a table declaration."),
        (SMALLEST + 'name = "again"\n', ", line 7: not valid TOML: Cannot overwrite a value."),
        ("a = [1,\n2", ", line 2: not valid TOML: Unclosed array."),
        ("a = " + "[" * 20_000, ", line 1: not valid TOML: maximum recursion depth exceeded."),
        ("#" * (2**20 + 1), " is larger than 1 MiB."),
    ],
)
def test_what_is_no_toml_names_the_line(text: str, fault: str, tmp_path: Path) -> None:
    """A syntax error is a configuration error with its line, not a traceback."""
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_fleet(path)
    assert caught.value.failed.startswith(f"{path}{fault[:-1]}")


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    """A missing file, a folder and bytes that are no UTF-8 are configuration errors that say what to do."""
    with pytest.raises(ConfigError, match=r"There is no file .*Write it, or name another one with --config"):
        load_fleet(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_fleet(tmp_path)
    (tmp_path / "fleet.toml").write_bytes(b"# ok\n\xff\n")
    with pytest.raises(ConfigError, match="line 2: not UTF-8"):
        load_fleet(tmp_path / "fleet.toml")


def test_a_file_full_of_faults_is_told_in_one_message(tmp_path: Path) -> None:
    """Ten faults are told and the rest are counted, so that the message can be read."""
    text = SMALLEST + "".join(f"zz{number} = 1\n" for number in range(25))
    faults = told(tmp_path, text)
    assert (len(faults), faults[-1].endswith("; and 15 more")) == (10, True)


@given(fleets())
def test_a_written_fleet_is_read_back_equal(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet) -> None:
    """Whatever the fleet, the commented file that we write holds exactly it."""
    assert load_fleet(written(tmp_path_factory.mktemp("fleet"), dump_fleet(fleet))) == fleet


def test_a_written_fleet_explains_its_keys() -> None:
    """The first block of each kind says what every key means, with the defaults as comments; later ones are short."""
    host = Host(name="factory", address="192.0.2.10")
    muscles = (Muscle(name="s1", address="192.0.2.21"), Muscle(name="s2", address="192.0.2.22", production=True))
    fleet = Fleet(coolify=CoolifySettings(url="https://coolify.example.com"), factory=host, muscles=muscles)
    text = dump_fleet(fleet)
    assert text.splitlines()[:6] == [
        "# The fleet of ink-infra-mcp. Secrets are never in this file: `ink-infra-mcp secret set NAME` keeps them.",
        "",
        "# Where Coolify answers, and where apps go by default.",
        "[coolify]",
        'url = "https://coolify.example.com"  # Coolify\'s address, without /api/v1.',
        '# project = "apps"  # The Coolify project for apps that name none.',
    ]
    assert '\n[[muscles]]\nname = "s2"\naddress = "192.0.2.22"\nproduction = true\n\n' in text
    assert "\n# [[bastions]]\n" in text


def test_only_plain_values_can_be_written() -> None:
    """A value of another kind is a bug of ours, and is not written as something else."""
    with pytest.raises(TypeError, match="no TOML for list"):
        toml_value([])
