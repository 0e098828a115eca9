"""Secrets: where they come from, in which order, and what is refused."""

import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError, SecretMissing, UnknownName
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.settings.keychain import KeyringLike
from ink_infra_mcp.settings.secret_names import NAMES, referenced, secret_name
from ink_infra_mcp.settings.secrets import Secrets, file_fault, read_secret_file
from tests.settings.keyrings import ForgetfulKeyring, MemoryKeyring, StuckKeyring

posix_only = pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX promise")


def secrets(environ: Mapping[str, str], store: KeyringLike | None = None, redact: Redactor | None = None) -> Secrets:
    """Return secrets over an environment and a key store in memory."""
    keyring = store or MemoryKeyring()
    return Secrets(environ, redact=redact or Redactor(), open_keyring=lambda: keyring, timeout_s=5.0)


def private_file(folder: Path, text: str | bytes, mode: int = 0o600) -> Path:
    """Write a file that only its owner can read."""
    path = folder / "secret"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_the_environment_comes_first_then_a_file_then_the_key_store(tmp_path: Path) -> None:
    """The order is fixed, an empty variable counts as absent, and each value says where it is from."""
    path = private_file(tmp_path, "from-file\n")
    store = MemoryKeyring(coolify_token="from-keyring")
    both = {"INK_COOLIFY_TOKEN": "from-environment", "INK_COOLIFY_TOKEN_FILE": str(path)}
    found = [
        secrets(environ, store).get("coolify_token")
        for environ in (both, {**both, "INK_COOLIFY_TOKEN": ""}, {"INK_COOLIFY_TOKEN_FILE": ""}, {})
    ]
    assert [(secret.reveal(), secret.source) for secret in found if secret] == [
        ("from-environment", "environment INK_COOLIFY_TOKEN"),
        ("from-file", f"file {path}"),
        ("from-keyring", "keyring"),
        ("from-keyring", "keyring"),
    ]


def test_the_key_store_is_not_asked_where_the_environment_has_the_value() -> None:
    """A person is not asked to unlock a store for a value that is there already."""
    store = MemoryKeyring()
    assert secrets({"INK_GITHUB_TOKEN": "abcdef"}, store).get("github_token") == Secret("abcdef")
    assert store.asked == []


def test_every_value_that_is_read_is_masked_from_then_on(tmp_path: Path) -> None:
    """The redactor knows a value as soon as it was read, from wherever it came, or was set."""
    redact = Redactor()
    path = private_file(tmp_path, "value-of-file")
    environ = {"INK_GITHUB_TOKEN": "value-of-environment", "INK_HETZNER_ROBOT_PASSWORD_FILE": str(path)}
    known = secrets(environ, MemoryKeyring(ssh_key="value-of-keyring"), redact)
    for name in ("github_token", "hetzner_robot_password", "ssh_key"):
        known.get(name)
    known.set("cloudflare_token", Secret("value-of-call"))
    text = "value-of-environment value-of-file value-of-keyring value-of-call"
    assert redact(text) == " ".join(f"({len(value)} characters hidden)" for value in text.split())
    assert redact.names_in(text) == ("cloudflare_token", "github_token", "hetzner_robot_password", "ssh_key")


def test_a_missing_secret_says_how_to_set_it() -> None:
    """`get` gives None, `need` names both variables and the command."""
    known = secrets({})
    assert known.get("hetzner_cloud_token") is None
    with pytest.raises(SecretMissing) as caught:
        known.need("hetzner_cloud_token")
    assert str(caught.value) == (
        "The secret hetzner_cloud_token is needed and is not set. Nothing was changed. Set INK_HETZNER_CLOUD_TOKEN or "
        "INK_HETZNER_CLOUD_TOKEN_FILE, or run `ink-infra-mcp secret set hetzner_cloud_token`."
    )


def test_a_stuck_key_store_neither_hangs_nor_hides_the_environment() -> None:
    """Values of the environment are there although the store is stuck; others are missing, with the reason."""
    release = threading.Event()
    store = StuckKeyring(release)
    known = Secrets({"INK_COOLIFY_TOKEN": "abcdef"}, redact=Redactor(), open_keyring=lambda: store, timeout_s=0.05)
    try:
        assert known.need("coolify_token").reveal() == "abcdef"
        with pytest.raises(SecretMissing, match="The key store could not help: it did not answer within"):
            known.need("github_token")
        assert known.need("coolify_token").reveal() == "abcdef"
    finally:
        release.set()


def test_the_trouble_of_the_key_store_is_told_until_it_answers() -> None:
    """`keyring_trouble` says why the last question failed, and is empty again after a good one."""
    answers: list[KeyringLike] = [MemoryKeyring()]

    def opening() -> KeyringLike:
        return answers.pop()

    known = Secrets({}, redact=Redactor(), open_keyring=opening, timeout_s=5.0)
    assert (known.get("github_token"), known.keyring_trouble) == (None, "")
    assert (known.get("github_token"), known.keyring_trouble) == (None, "it failed with IndexError")


@pytest.mark.parametrize("value", ["${TOKEN}", "${env:TOKEN}", "${input:token}", "$TOKEN", "%TOKEN%", "${T:-x}"])
def test_a_value_that_nothing_expanded_is_refused(value: str) -> None:
    """A client that does not expand variables passes their names, which no vendor would ever accept."""
    with pytest.raises(ConfigError, match="INK_COOLIFY_TOKEN is the name of a variable that nothing has expanded"):
        secrets({"INK_COOLIFY_TOKEN": value}).get("coolify_token")
    with pytest.raises(ConfigError, match="INK_SSH_KEY_FILE is the name of a variable that nothing has expanded"):
        secrets({"INK_SSH_KEY_FILE": value}).get("ssh_key")


@pytest.mark.parametrize("value", ["pa$$word", "$ecret", "a${b}c", "100%sure%", "with space"])
def test_a_password_may_look_odd(value: str) -> None:
    """Only a whole value that is a variable's name is refused; a password may hold anything."""
    assert secrets({"INK_HETZNER_ROBOT_PASSWORD": value}).need("hetzner_robot_password").reveal() == value


@pytest.mark.parametrize("value", ["abc def", "abc\n", " abc", "abc\u00a0", "“abc”"])
def test_a_token_that_was_copied_badly_is_refused(value: str) -> None:
    """Spaces, line breaks and curly quotes in a token are named before a vendor says no; the value is not shown."""
    with pytest.raises(ConfigError) as caught:
        secrets({"INK_COOLIFY_TOKEN": value}).get("coolify_token")
    assert str(caught.value) == (
        "The secret coolify_token from INK_COOLIFY_TOKEN has a space, a line break or a character that no token has. "
        "Nothing was changed. Copy the token again, without anything around it."
    )


@pytest.mark.parametrize(
    ("text", "value"), [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), ("a\nb\n\n", "a\nb\n"), (" a ", " a ")]
)
def test_one_new_line_at_the_end_of_a_file_is_dropped(text: str, value: str, tmp_path: Path) -> None:
    """Editors end a file with a new line; everything else in it belongs to the value."""
    assert read_secret_file(private_file(tmp_path, text), "INK_SSH_KEY_FILE") == value


def test_a_file_may_hold_64_kib(tmp_path: Path) -> None:
    """The largest file that is read is 65,536 bytes, which holds any key."""
    assert read_secret_file(private_file(tmp_path, "x" * 65_536), "INK_SSH_KEY_FILE") == "x" * 65_536


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\n", "The secret ssh_key from the file of INK_SSH_KEY_FILE is empty or no text."),
        (b"a\0b", "The secret ssh_key from the file of INK_SSH_KEY_FILE is empty or no text."),
        (b"\xff", "cannot be used: it is not UTF-8 text."),
        (b"x" * 65_537, "cannot be used: it is larger than 64 KiB."),
    ],
)
def test_a_file_without_a_usable_value_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    """Empty files, bytes that are no text and files that are no secret are named by their variable."""
    environ = {"INK_SSH_KEY_FILE": str(private_file(tmp_path, content))}
    with pytest.raises(ConfigError) as caught:
        secrets(environ).get("ssh_key")
    assert told in caught.value.failed


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """A missing file, a folder and a pipe that nobody writes to are refused at once."""
    with pytest.raises(ConfigError, match="no such file or directory"):
        read_secret_file(tmp_path / "missing", "INK_SSH_KEY_FILE")
    with pytest.raises(ConfigError, match="it is not a regular file"):
        read_secret_file(tmp_path, "INK_SSH_KEY_FILE")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe", 0o600)
        with pytest.raises(ConfigError, match="it is not a regular file"):
            read_secret_file(tmp_path / "pipe", "INK_SSH_KEY_FILE")


@posix_only
@pytest.mark.parametrize(("mode", "told"), [(0o644, "everybody can read it"), (0o602, "everybody can write it")])
def test_a_file_that_everybody_can_read_or_write_is_refused(mode: int, told: str, tmp_path: Path) -> None:
    """A secret that others can read is none, and one that others can write is not ours."""
    path = private_file(tmp_path, "abc", mode)
    with pytest.raises(ConfigError, match=f"{told}; run `chmod 600 {path}`"):
        secrets({"INK_SSH_KEY_FILE": str(path)}).get("ssh_key")


@posix_only
def test_a_mounted_secret_keeps_the_mode_of_its_runtime() -> None:
    """Docker mounts secrets below /run/secrets as 0444, which is fine there; a group may read anywhere."""
    world, group = (os.stat_result((stat.S_IFREG | mode, *([0] * 9))) for mode in (0o444, 0o440))
    assert [
        file_fault(Path("/run/secrets/token"), world),
        file_fault(Path("/var/run/secrets/ink/token"), world),
        file_fault(Path("/srv/token"), group),
    ] == ["", "", ""]
    assert file_fault(Path("/run/secretsX/token"), world).startswith("everybody can read it")


def test_an_app_secret_comes_from_its_own_variables(tmp_path: Path) -> None:
    """`app:NAME` is INK_APP_SECRET_NAME, a file named by INK_APP_SECRET_NAME_FILE, or the key store."""
    environ = {
        "INK_APP_SECRET_ONE": "value one",
        "INK_APP_SECRET_TWO_FILE": str(private_file(tmp_path, "value two\n")),
    }
    known = secrets(environ, MemoryKeyring(**{"app:THREE": "value three"}))
    assert [known.need(f"app:{name}").reveal() for name in ("ONE", "TWO", "THREE")] == [
        "value one",
        "value two",
        "value three",
    ]


@pytest.mark.parametrize("name", ["app:", "app:lower", "app:1X", "app:X_FILE", "app:A-B", f"app:{'X' * 65}", "app:A B"])
def test_a_name_that_cannot_be_a_variable_is_no_app_secret(name: str) -> None:
    """Names that would not fit a variable, or would be taken for the file of another one, are refused."""
    with pytest.raises(UnknownName, match="is no name for an app's secret"):
        secret_name(name)


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    """An unknown name is an error, never an absent secret."""
    with pytest.raises(UnknownName, match="no secret called `coolify_tokn`; did you mean `coolify_token`"):
        secrets({}).get("coolify_tokn")


def test_an_apps_variable_can_refer_to_a_secret() -> None:
    """`secret:NAME` names `app:NAME`, a plain value nothing, and a bad name is an error."""
    assert (referenced("secret:DATABASE_URL"), referenced("postgres://db"), referenced("")) == (
        "app:DATABASE_URL",
        None,
        None,
    )
    with pytest.raises(UnknownName):
        referenced("secret:../etc")


def test_sources_list_every_name_without_values(tmp_path: Path) -> None:
    """Our own names and the app secrets that are somewhere are listed with where they come from."""
    path = private_file(tmp_path, "abcdef")
    environ = {
        "INK_COOLIFY_TOKEN": "abcdef",
        "INK_SSH_KEY_FILE": str(path),
        "INK_APP_SECRET_B": "abcdef",
        "INK_APP_SECRET_lower": "no name",
        "INK_APP_SECRET_": "no name",
    }
    known = secrets(environ)
    known.set("app:A", Secret("abcdef"))
    assert known.sources() == [
        ("coolify_token", "environment INK_COOLIFY_TOKEN"),
        ("hetzner_cloud_token", None),
        ("github_token", None),
        ("cloudflare_token", None),
        ("hetzner_robot_user", None),
        ("hetzner_robot_password", None),
        ("ssh_key", f"file {path}"),
        ("app:A", "keyring"),
        ("app:B", "environment INK_APP_SECRET_B"),
    ]


def test_a_value_is_set_and_removed_in_the_key_store() -> None:
    """Setting and removing act on the store alone, and an app's secret is listed as long as it is there."""
    store = MemoryKeyring()
    known = secrets({}, store)
    for name in ("github_token", "app:ONE", "app:TWO"):
        known.set(name, Secret("abcdef"))
    assert known.names() == (*NAMES, "app:ONE", "app:TWO")
    for name in ("github_token", "app:ONE"):
        known.remove(name)
    assert (known.names(), known.get("app:ONE")) == ((*NAMES, "app:TWO"), None)
    known.remove("app:TWO")
    assert (known.names(), store.entries) == (NAMES, {})


def test_a_machine_without_a_key_store_is_told_the_other_way() -> None:
    """Where nothing can be kept, the error names the variables to use, and nothing pretends to be set."""
    known = secrets({}, ForgetfulKeyring())
    for name, variable in (("github_token", "INK_GITHUB_TOKEN"), ("app:ONE", "INK_APP_SECRET_ONE")):
        with pytest.raises(ConfigError) as caught:
            known.set(name, Secret("abcdef"))
        assert str(caught.value) == (
            f"The secret {name} was not kept in the key store of this machine: it did not keep the value. Nothing was "
            f"changed. Write it into a file of mode 600 and set {variable}_FILE to the path of that file, or set "
            f"{variable}."
        )
    with pytest.raises(ConfigError, match="was not removed in the key store"):
        secrets({}, MemoryKeyring()).remove("github_token")


@pytest.mark.parametrize("value", ["", "  ", "${TOKEN}", "two words"])
def test_a_value_that_cannot_be_the_secret_is_not_set(value: str) -> None:
    """What would be refused when it is read is refused when it is set."""
    store = MemoryKeyring()
    with pytest.raises(ConfigError, match="the given value"):
        secrets({}, store).set("github_token", Secret(value))
    assert store.entries == {}
