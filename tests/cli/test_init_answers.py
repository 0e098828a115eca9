"""What single questions of `init` take for an answer."""

import pytest

from ink_infra_mcp.cli import init_questions
from ink_infra_mcp.sandbox.running import tokens
from ink_infra_mcp.sandbox.state_coolify import Token
from tests.cli.people import Scripted
from tests.cli.sandboxes import Running
from tests.cli.test_init import Script, prepared
from tests.settings.keyrings import MemoryKeyring

TOKEN = tokens()["coolify_token"]


@pytest.mark.parametrize(
    ("text", "login"),
    [
        ("192.0.2.10", ("root", "192.0.2.10", 22)),
        ("deploy@factory.example.com:2222", ("deploy", "factory.example.com", 2222)),
        ("2001:db8::10", ("root", "2001:db8::10", 22)),
        ("ops@[2001:db8::10]:2200", ("ops", "2001:db8::10", 2200)),
    ],
)
def test_how_ssh_logs_in_is_one_answer_that_reads_as_it_is_written(text: str, login: tuple[str, str, int]) -> None:
    """User and port only where they are not root and 22; what is proposed is what is read back."""
    user, at, port = login
    assert (init_questions.ssh_login(text), init_questions.written_login(at, user, port)) == (login, text)


@pytest.mark.parametrize(
    "text", ["", "root@", "Root@192.0.2.10", "192.0.2.10:0", "192.0.2.10:65536", "a b@192.0.2.1", "-x@192.0.2.1"]
)
def test_what_is_no_login_is_asked_again(text: str) -> None:
    """Nothing else is taken for one."""
    with pytest.raises(ValueError, match=r"."):
        init_questions.ssh_login(text)


def test_a_token_that_may_not_write_is_kept_only_when_the_person_insists(world: Running) -> None:
    """What is missing is said at once, with what to tick, and another token can be given."""
    with world.world.change() as state:
        state.coolify.tokens.append(Token(id=77, secret="readonly", abilities=["read"]))
    script: Script = [
        ("Coolify API token", "77|readonly"),
        ("Go on with this one?", None),
        ("Coolify API token", TOKEN),
    ]
    person = Scripted(script)
    keyring = MemoryKeyring()
    setup = prepared(world, person, keyring)
    assert init_questions.coolify_token(setup, world.ends.coolify_url).reveal() == TOKEN
    assert (
        "Without write, deploy most tools cannot work: make a token with read, write and deploy ticked." in person.heard
    )
    assert (person.left, keyring.entries) == ([], {"coolify_token": TOKEN})
