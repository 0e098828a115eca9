"""Reads `custom_docker_run_options` as Coolify does: a silent allow-list, and values that end at a hyphen.

Source: convertDockerRunToCompose in bootstrap/helpers/docker.php at v4.3.11, and in the fork (pull request 8113 of
coollabsio/coolify at ec170b10dd), which adds `--runtime` and knows neither `--dns` nor `--ip6`. No known version keeps
`--pids-limit`: the emulated fork does, because the isolation that is planned for apps says it.
"""

import re
from collections.abc import Mapping

OPTION = re.compile(r"(--\w+(?:-\w+)*)(?:\s|=)?([^\s-]+)?")
MAPPED = {
    "--cap-add": "cap_add",
    "--cap-drop": "cap_drop",
    "--security-opt": "security_opt",
    "--sysctl": "sysctls",
    "--device": "devices",
    "--init": "init",
    "--ulimit": "ulimits",
    "--privileged": "privileged",
    "--ip": "ip",
    "--ip6": "ip6",
    "--shm-size": "shm_size",
    "--dns": "dns",
    "--gpus": "gpus",
    "--hostname": "hostname",
    "--entrypoint": "entrypoint",
}
FORK = {"--runtime": "runtime", "--pids-limit": "pids_limit"}
NOT_IN_FORK = frozenset({"--dns", "--ip6"})
WHOLE = {"--runtime": "runtime", "--hostname": "hostname"}
"""Options whose value is taken whole, hyphens included, and from where the option stands first."""
ComposeOptions = dict[str, list[str] | bool]


def compose_options(text: str, *, fork: bool) -> ComposeOptions:
    """Return the compose keys that `text` ends up as; an option that is not in the list is dropped without a word.

    An option with a value gives a list without duplicates, one without gives True. `fork` adds and takes away.
    """
    mapped = {name: key for name, key in MAPPED.items() if name not in NOT_IN_FORK} | FORK if fork else MAPPED
    options: ComposeOptions = {}
    for option, value in OPTION.findall(text):
        if option in mapped and option not in WHOLE:
            _put(options, mapped[option], value)
    return {**options, **_whole_options(text, mapped)}


def _whole_options(text: str, mapped: Mapping[str, str]) -> ComposeOptions:
    options: ComposeOptions = {}
    for option, key in WHOLE.items():
        if option in mapped and (found := re.search(rf"{option}(?:=|\s+)(\S+)", text)):
            options[key] = [found[1]]
    return options


def refused_options(options: ComposeOptions) -> str:
    """Return why Docker Compose would refuse the file with these options, or nothing (seen with Compose 2.26)."""
    for limit in values(options, "ulimits"):
        name, _, value = limit.partition("=")
        if value.count(":") != 1:
            return f"services.app.ulimits.{name} hard is required"
    size = first(options, "shm_size", "")
    if size and not re.fullmatch(r"\d+(?:\.\d+)?(?:[bkmgt]b?)?", size, re.IGNORECASE):
        return f"services.app.shm_size: invalid size: '{size}'"
    return ""


def values(options: ComposeOptions, key: str) -> list[str]:
    """Return the values of an option; none when it is absent or was given without one."""
    value = options.get(key)
    return value if isinstance(value, list) else []


def first(options: ComposeOptions, key: str, default: str) -> str:
    """Return the first value of an option."""
    return next(iter(values(options, key)), default)


def _put(options: ComposeOptions, key: str, value: str) -> None:
    if not value:
        options[key] = True
        return
    already = values(options, key)
    options[key] = already if value in already else [*already, value]
