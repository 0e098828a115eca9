"""What the doctor's checks stand on: the configuration as far as it can be read, and the secrets, read once."""

import argparse
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ink_infra_mcp.app import Places, Wiring
from ink_infra_mcp.cli.doctor_report import Finding, Section
from ink_infra_mcp.cli.opening import Opener
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import ConfigError, NotConfigured
from ink_infra_mcp.core.fleet import Fleet
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.systems import CONFIGURATION, TOKEN
from ink_infra_mcp.settings.loading import STATE_FILE
from ink_infra_mcp.settings.paths import private_folder, state_folder, this_machine
from ink_infra_mcp.settings.secret_names import NAMES, secret_name
from ink_infra_mcp.settings.secrets import Secrets
from ink_infra_mcp.settings.system import SystemClock

_REFERENCE = re.compile(r"\$\{[^}]*\}")
_OURS = "INK_"
KEYRING_S = 4.0


@dataclass(frozen=True, slots=True)
class Ground:
    """`fleet` is None and `trouble` says why when the configuration cannot be used; the rest is there all the same."""

    state_url: str
    secrets: Mapping[str, Secret]
    redact: Redactor
    section: Section
    """What there is to say about the configuration itself."""
    fleet: Fleet | None = None
    runtime: str = "runsc"
    sandbox: bool = False
    places: Places = field(default_factory=Places)
    clock: Clock = field(default_factory=SystemClock)
    keyring_trouble: str = ""
    """Why the key store of this machine is of no use; empty: it answers."""
    state_trouble: ConfigError | None = None
    """Why it is not known where the state store is, or why its folder cannot be used; `state_url` is empty then."""

    @property
    def unusable(self) -> str:
        """Return why nothing of the fleet can be asked; empty when it can."""
        return self.section.lacks.get(CONFIGURATION, "")


def ground_of(arguments: argparse.Namespace, opener: Opener) -> Ground:
    """Return what can be known without asking any system, and without an App, whose secrets may be missing."""
    try:
        return ground_of_wiring(opener.wiring(), os.environ)
    except ConfigError as error:
        redact = Redactor()
        keyring = Secrets(os.environ, redact=redact, timeout_s=KEYRING_S)
        secrets, findings = _read(keyring, os.environ)
        broken = Finding(level="failed", text=error.failed, next=error.next)
        url, trouble = (arguments.state, None) if arguments.state else _usual_state(error)
        return Ground(
            state_url=url,
            secrets=secrets,
            redact=redact,
            section=_section((broken, *findings), secrets, {CONFIGURATION: _briefly(error)}),
            keyring_trouble=keyring.keyring_trouble,
            state_trouble=trouble,
        )


def ground_of_wiring(wiring: Wiring, environ: Mapping[str, str]) -> Ground:
    """Return the ground of an application whose configuration is whole."""
    settings = wiring.settings
    secrets, findings = _read(wiring.secrets, {} if settings.sandbox else environ)
    fleet = settings.fleet
    where = "the sandbox's own fleet" if settings.sandbox else str(settings.config_path)
    good = Finding(level="ok", text=f"{where}: {fleet.factory.name} and {len(fleet.muscles)} Muscles.")
    overrides = (*wiring.policy.overrides, *wiring.secrecy.overrides)
    loose = tuple(Finding(level="note", text=f"policy override in force: {words}") for words in overrides)
    return Ground(
        state_url=settings.state_url,
        secrets=secrets,
        redact=wiring.redact,
        section=_section((good, *_open_to_all(fleet), *loose, *findings), secrets, {}),
        fleet=fleet,
        runtime=wiring.isolation.runtime,
        sandbox=settings.sandbox,
        places=wiring.places,
        keyring_trouble="" if settings.sandbox else wiring.secrets.keyring_trouble,
        clock=wiring.clock,
    )


def _open_to_all(fleet: Fleet) -> list[Finding]:
    said = "the whole internet may reach what is for admins alone, SSH among it."
    next_ = "Name the addresses that admins come from."
    wide = (network for network in fleet.access.admin if network.endswith("/0"))
    return [Finding(level="warning", text=f"[access] admin has {one}: {said}", next=next_) for one in wide]


def _briefly(error: ConfigError) -> str:
    """The whole reason stands at the top of the report already."""
    return "there is none yet" if isinstance(error, NotConfigured) else "it cannot be used"


def _section(findings: tuple[Finding, ...], secrets: Mapping[str, Secret], lacks: dict[str, str]) -> Section:
    if "coolify_token" not in secrets:
        lacks = lacks | {TOKEN: "the secret coolify_token is not set, or cannot be used"}
    return Section(name="configuration", findings=findings, lacks=lacks)


def _read(secrets: Secrets, environ: Mapping[str, str]) -> tuple[dict[str, Secret], list[Finding]]:
    """Return the secrets that can be used, and what is wrong with the others and with the environment."""
    unexpanded = sorted(name for name, value in environ.items() if name.startswith(_OURS) and _REFERENCE.search(value))
    looked = {name: _one(secrets, name) for name in NAMES}
    findings = [_unexpanded(name) for name in unexpanded] + _unusable(looked, told=frozenset(unexpanded))
    if trouble := secrets.keyring_trouble:
        findings.append(
            Finding(
                level="note",
                text=f"the key store of this machine gives nothing: {trouble}.",
                next="Secrets come from variables, or from files of mode 600 that variables name, such as "
                "INK_COOLIFY_TOKEN_FILE.",
            )
        )
    return {name: secret for name, secret in looked.items() if isinstance(secret, Secret)}, findings


def _unusable(looked: Mapping[str, Secret | ConfigError | None], *, told: frozenset[str]) -> list[Finding]:
    """Return what is wrong with secrets, but for those whose variables have been told already."""
    return [
        Finding(level="failed", text=error.failed, next=error.next)
        for name, error in looked.items()
        if isinstance(error, ConfigError) and not _variables(name) & told
    ]


def _one(secrets: Secrets, name: str) -> Secret | ConfigError | None:
    try:
        return secrets.get(name)
    except ConfigError as error:
        return error


def _variables(name: str) -> set[str]:
    known = secret_name(name)
    return {known.variable, known.file_variable}


def _unexpanded(variable: str) -> Finding:
    return Finding(
        level="failed",
        text=f"{variable} in the environment holds a ${{...}} that nothing has expanded.",
        next="Put the value itself there, or start the server from something that expands variables.",
    )


def _usual_state(why: ConfigError) -> tuple[str, ConfigError | None]:
    """Return where the store is without a configuration; one that cannot be read may name another store."""
    if not isinstance(why, NotConfigured):
        failed = "not asked: which store is used is not known without the configuration."
        return "", ConfigError(failed, next="Mend the configuration first.")
    try:
        return f"sqlite:///{(private_folder(state_folder(this_machine())) / STATE_FILE).as_posix()}", None
    except ConfigError as error:
        return "", error
