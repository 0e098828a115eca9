"""Which variables the programs obey that build and start an app, and which only look like them."""

import pytest

from ink_infra_mcp.core.steering import steers


@pytest.mark.parametrize(
    "name",
    ["COMPOSE_FILE", "docker_buildkit", "GIT_CONFIG_KEY_0", "LD_PRELOAD", "PATH", "BASH_ENV", "https_proxy", "IFS"],
)
def test_what_a_program_of_the_server_obeys_steers(name: str) -> None:
    """In any case of letters: some of them are read in small ones."""
    assert steers(name)


@pytest.mark.parametrize(
    "name", ["GREETING", "MY_PATH", "PATHS", "LDAP_URL", "GITHUB_TOKEN", "PORT", "DATABASE_URL", ""]
)
def test_a_variable_of_an_app_does_not(name: str) -> None:
    """A part of such a name is none."""
    assert not steers(name)
