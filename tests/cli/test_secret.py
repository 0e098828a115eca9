"""Secrets on the command line: set without being seen, listed without their values."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.file_keyring import VARIABLE
from tests.cli.terminals import at_terminal, command, inside

ROOT = Path(__file__).parents[2]
UNEXPANDED = "is the name of a variable that nothing has expanded."
VALUE = "1|aSecretThatNobodySees"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment with a key store that keeps what it is given."""
    return {
        "PYTHON_KEYRING_BACKEND": "tests.cli.file_keyring.Keyring",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        VARIABLE: str(tmp_path / "keys.json"),
    }


def kept(environ: dict[str, str]) -> dict[str, str]:
    """Return what lies in the key store."""
    return json.loads(Path(environ[VARIABLE]).read_text(encoding="utf-8"))


def test_a_piped_value_loses_one_new_line(environ: dict[str, str]) -> None:
    """What comes through a pipe is kept as it is, apart from the one new line that `echo` adds."""
    ended = command("secret", "set", "ssh_key", stdin="line one\nline two\n\n", environ=environ)
    assert (ended.status, ended.out) == (0, "ssh_key is kept in the key store of this machine.\n")
    assert kept(environ) == {"ink-infra-mcp/ssh_key": "line one\nline two\n"}


def test_a_typed_value_is_not_echoed(environ: dict[str, str]) -> None:
    """At a terminal the value is asked for and not shown while it is typed."""
    with at_terminal("secret", "set", "coolify_token", environ=environ) as person:
        person.expect("Value of coolify_token: ")
        person.type(VALUE)
        person.expect("coolify_token is kept in the key store of this machine.")
        assert person.end() == 0
    assert VALUE not in person.seen
    assert kept(environ) == {"ink-infra-mcp/coolify_token": VALUE}


def test_a_key_of_several_lines_is_not_asked_for(environ: dict[str, str]) -> None:
    """A private key cannot be typed on one line, so the way that works is named."""
    with at_terminal("secret", "set", "ssh_key", environ=environ) as person:
        person.expect("ink-infra-mcp secret set ssh_key < FILE")
        assert person.end() == 1


def test_the_list_has_sources_and_no_values(environ: dict[str, str], tmp_path: Path) -> None:
    """Every name is listed with where it comes from, those of apps too; no value is."""
    command("secret", "set", "app:DATABASE_URL", stdin=VALUE, environ=environ)
    file = tmp_path / "token"
    file.write_text(VALUE, encoding="utf-8")
    file.chmod(0o600)
    more = {"INK_COOLIFY_TOKEN": VALUE, "INK_GITHUB_TOKEN_FILE": str(file), "INK_CLOUDFLARE_TOKEN": "${CF}"}
    ended = command("secret", "list", environ=environ | more)
    lines = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert (ended.status, VALUE in ended.out + ended.err) == (1, False)
    assert lines == {
        "secret": "comes from",
        "coolify_token": "environment INK_COOLIFY_TOKEN",
        "hetzner_cloud_token": "-",
        "github_token": f"file {file}",
        "cloudflare_token": f"cannot be used: What comes from INK_CLOUDFLARE_TOKEN {UNEXPANDED}",
        "hetzner_robot_user": "-",
        "hetzner_robot_password": "-",
        "ssh_key": "-",
        "app:DATABASE_URL": "keyring",
    }


def test_a_missing_key_store_is_told_with_the_list() -> None:
    """Where there is no key store the list says so, and why is not a secret."""
    environ = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    ended = command("secret", "list", environ=environ)
    assert (ended.status, ended.out.splitlines()[-1]) == (
        0,
        "The key store of this machine cannot be asked: this machine has none.",
    )


def test_without_a_key_store_the_variables_are_named() -> None:
    """A value that cannot be kept is an error that says what to set instead."""
    ended = command("secret", "set", "coolify_token", stdin=VALUE)
    assert (ended.status, ended.out, VALUE in ended.err) == (1, "", False)
    assert "set INK_COOLIFY_TOKEN_FILE to the path of that file" in ended.err


def test_a_value_that_is_hidden_by_the_environment_is_told(environ: dict[str, str]) -> None:
    """The environment comes before the key store, so that setting a value there changes nothing: it is said."""
    more = {"INK_COOLIFY_TOKEN": "2|fromTheEnvironment"}
    ended = command("secret", "set", "coolify_token", stdin=VALUE, environ=environ | more)
    assert ended.err == "Note: environment INK_COOLIFY_TOKEN has it too, and is used before the key store.\n"


def test_a_removed_secret_is_gone(environ: dict[str, str]) -> None:
    """Removing takes the value out of the key store; a second time there is nothing to remove."""
    command("secret", "set", "coolify_token", stdin=VALUE, environ=environ)
    first = command("secret", "remove", "coolify_token", environ=environ)
    again = command("secret", "remove", "coolify_token", environ=environ)
    assert (first.status, again.status, kept(environ)) == (0, 1, {})


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("set",), "[invalid_input] `secret set` needs a name."),
        (("remove",), "[invalid_input] `secret remove` needs a name."),
        (
            ("set", "colify_token"),
            "[unknown_name] There is no secret called `colify_token`; did you mean `coolify_token`?",
        ),
        (("set", "app:lower"), "[unknown_name] `app:lower` is no name for an app's secret."),
    ],
)
def test_a_wrong_name_is_refused_before_any_value_is_read(
    words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing or unknown name is named, and nothing is kept."""
    ended = inside(capsys, "secret", *words)
    assert (ended.status, ended.err.startswith(why)) == (1, True)


def test_a_value_beyond_all_measure_is_refused(environ: dict[str, str]) -> None:
    """A file that cannot be a secret is not read to its end."""
    ended = command("secret", "set", "ssh_key", stdin="x" * 70_000, environ=environ)
    assert (ended.status, "larger than 64 KiB" in ended.err) == (1, True)


def test_secrets_are_told_as_one_document(environ: dict[str, str]) -> None:
    """--json has names and sources, and no value."""
    kept_ = command("secret", "set", "coolify_token", "--json", stdin=VALUE, environ=environ)
    listed = command("secret", "list", "--json", environ=environ)
    told = json.loads(listed.out)
    assert (json.loads(kept_.out), VALUE in listed.out) == ({"secret": "coolify_token", "kept": True}, False)
    assert told["secrets"][0] == {"secret": "coolify_token", "comes_from": "keyring"}
    assert told["key_store_trouble"] == ""
