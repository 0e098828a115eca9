"""The names of secrets: ours, and those that users give to secrets of their apps."""

import re
from dataclasses import dataclass
from typing import Final

from ink_infra_mcp.core.errors import UnknownName
from ink_infra_mcp.core.untrusted import clean_name
from ink_infra_mcp.settings.toml_file import nearest

NAMES: Final = (
    "coolify_token",
    "hetzner_cloud_token",
    "github_token",
    "cloudflare_token",
    "hetzner_robot_user",
    "hetzner_robot_password",
    "ssh_key",
)
APP_PREFIX: Final = "app:"
APP_VARIABLE: Final = "INK_APP_SECRET_"
REFERENCE_PREFIX: Final = "secret:"
_FILE_ENDING: Final = "_FILE"
_APP_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class SecretName:
    """A checked name, and the environment variables it can come from."""

    name: str
    variable: str

    @property
    def file_variable(self) -> str:
        """Return the variable that names a file with the value."""
        return f"{self.variable}{_FILE_ENDING}"

    @property
    def is_token(self) -> bool:
        """Return whether it is an API token: one word without spaces."""
        return self.name.endswith("_token")


def secret_name(name: str) -> SecretName:
    """Return the checked name.

    Raises:
        UnknownName: it is neither one of ours nor `app:` and an upper-case name.
    """
    if name in NAMES:
        return SecretName(name, f"INK_{name.upper()}")
    app = name.removeprefix(APP_PREFIX)
    if app != name and _is_app_name(app):
        return SecretName(name, f"{APP_VARIABLE}{app}")
    if app != name:
        raise UnknownName(
            f"`{clean_name(name)}` is no name for an app's secret.",
            next="Write app: and 1-64 capitals, digits and _, not ending in _FILE, such as app:DATABASE_URL.",
        )
    raise UnknownName(
        f"There is no secret called `{clean_name(name)}`; {nearest(name, NAMES)}.", next="Or use app:NAME."
    )


def is_app_variable(variable: str) -> bool:
    """Return whether an environment variable holds an app's secret, or names a file that does."""
    name = variable.removeprefix(APP_VARIABLE)
    return name != variable and _is_app_name(name.removesuffix(_FILE_ENDING))


def referenced(value: str) -> str | None:
    """Return the secret that an app's variable refers to: `secret:NAME` is `app:NAME`; None for a plain value.

    Raises:
        UnknownName: what follows `secret:` is no name.
    """
    if not value.startswith(REFERENCE_PREFIX):
        return None
    return secret_name(f"{APP_PREFIX}{value.removeprefix(REFERENCE_PREFIX)}").name


def _is_app_name(name: str) -> bool:
    return bool(_APP_NAME.fullmatch(name)) and not name.endswith(_FILE_ENDING)
