"""Policy files: the packaged ones are whole, and an operator's are named by line when they are wrong."""

from pathlib import Path

import pytest

from ink_infra_mcp.core.errors import ConfigError
from ink_infra_mcp.core.plan import Risk
from ink_infra_mcp.core.policy import Need
from ink_infra_mcp.core.run_options import APPLIED_OPTIONS, lacking, run_options, weakening
from ink_infra_mcp.settings.paths import policy_folder
from ink_infra_mcp.settings.policy_files import load_isolation, load_policy, load_ports

DECLARED = {
    Risk.READ: ["coolify.note_deployments", "hosts.note_containers", "hosts.prove_isolation"],
    Risk.SAFE: ["coolify.create_project", "coolify.create_environment", "coolify.set_env_new"],
    Risk.COSTS_MONEY: ["coolify.create_application", "coolify.create_service", "coolify.first_deploy", "coolify.start"],
    Risk.DISRUPTIVE: [
        *("coolify.update_application", "coolify.set_env", "coolify.delete_env", "coolify.deploy", "coolify.stop"),
        *("coolify.restart", "coolify.rollback", "coolify.stop_application"),
        *("hetzner_cloud.set_firewall_rules", "hetzner_cloud.attach_firewall", "hetzner_cloud.detach_firewall"),
        *("hetzner_robot.set_firewall", "hetzner_robot.restore_firewall"),
    ],
    Risk.DESTRUCTIVE: ["coolify.delete_application"],
}


def overlay(folder: Path, name: str, text: str) -> Path:
    """Write one policy file of an operator; return its folder."""
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_packaged_policy_declares_the_risk_of_every_step_that_changes_apps() -> None:
    """Each kind of step has the risk that follows from what it can do to the users of an app."""
    kinds = load_policy().kinds
    assert {kind: kinds.get(kind) for kinds_of in DECLARED.values() for kind in kinds_of} == {
        kind: risk for risk, kinds_of in DECLARED.items() for kind in kinds_of
    }


def test_the_packaged_approvals_fail_closed() -> None:
    """Nothing that costs, disturbs or destroys runs without a person; the top class needs a ticket."""
    policy = load_policy()
    assert policy.approval == {
        Risk.READ: Need.NONE,
        Risk.SAFE: Need.NONE,
        Risk.COSTS_MONEY: Need.PERSON,
        Risk.DISRUPTIVE: Need.PERSON,
        Risk.DESTRUCTIVE: Need.TYPED,
        Risk.CRITICAL: Need.TICKET,
    }
    assert (policy.freeze, policy.protected, policy.overrides) == ("", (), ())


def test_the_packaged_isolation_isolates() -> None:
    """Apps run under gVisor with a process limit and few capabilities, and what it says to Coolify holds against it."""
    isolation = load_isolation()
    text = run_options(isolation)
    assert text.startswith("--runtime=runsc --pids-limit=512 --cap-drop=ALL --cap-add=CHOWN ")
    assert (weakening(text, isolation), lacking(text, isolation)) == ((), ())
    assert isolation.allow_without is False
    assert {"--privileged", "--device", "--gpus", "--security-opt", "--sysctl", "--ip"} <= isolation.forbidden.keys()
    assert isolation.forbidden.keys() <= APPLIED_OPTIONS
    assert not {"SYS_ADMIN", "NET_ADMIN", "NET_RAW", "SYS_PTRACE", "MKNOD"} & set(isolation.cap_add)


def test_no_folder_means_the_packaged_policies(tmp_path: Path) -> None:
    """A folder that does not exist, or holds nothing, changes nothing."""
    assert load_policy(tmp_path / "policies") == load_policy(tmp_path) == load_policy()
    assert load_isolation(tmp_path / "policies") == load_isolation(tmp_path) == load_isolation()


def test_policies_lie_beside_fleet_toml() -> None:
    """The operator's folder follows the configuration file."""
    assert policy_folder(Path("/srv/ink/fleet.toml")) == Path("/srv/ink/policies")


def test_an_operators_file_changes_what_it_holds(tmp_path: Path) -> None:
    """Stricter entries hold, a looser one with its reason holds openly, and the rest is as packaged."""
    overlay(
        tmp_path,
        "risk.toml",
        "[kinds]\n"
        'coolify.restart = { risk = "destructive", why = "slow starters" }\n'
        'coolify.deploy = { risk = "safe", why = "nobody is there", override = "test fleet" }\n'
        "[freeze]\nactive = true\nreason = 'holidays'\n[protected]\ntargets = ['till']\n",
    )
    overlay(tmp_path, "isolation.toml", 'pids_limit = { value = 64, why = "small" }\n')
    base, policy = load_policy(), load_policy(tmp_path)
    assert policy == base.model_copy(
        update={
            "kinds": {**base.kinds, "coolify.restart": Risk.DESTRUCTIVE, "coolify.deploy": Risk.SAFE},
            "freeze": "holidays",
            "protected": ("till",),
            "overrides": ("kinds.coolify.deploy: disruptive -> safe (test fleet)",),
        }
    )
    assert load_isolation(tmp_path) == load_isolation().model_copy(update={"pids_limit": 64})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        (
            "risk.toml",
            '[kinds]\n\ncoolify.deploy = { risk = "safe", why = "w" }\n',
            "line 3, key `kinds.coolify.deploy`: loosens the packaged policy (disruptive -> safe); "
            'add override = "the reason"',
        ),
        (
            "risk.toml",
            '[kinds]\ncoolify.deplyo = { risk = "critical", why = "w" }\n',
            "line 2, key `kinds.coolify.deplyo`: no such rule; did you mean `coolify.deploy`?",
        ),
        (
            "risk.toml",
            '[kinds]\ncoolify.deploy = { risk = "huge", why = "w" }\n',
            "line 2, key `kinds.coolify.deploy.risk`: "
            "must be 'read', 'safe', 'costs_money', 'disruptive', 'destructive' or 'critical'",
        ),
        (
            "risk.toml",
            '[kinds]\ncoolify.deploy = { risk = "critical" }\n',
            "line 2, key `kinds.coolify.deploy.why`: is missing",
        ),
        (
            "risk.toml",
            '[approval]\nsafe = { need = "ticket", why = "w" }\n',
            "line 1, key `(top of the file)`: approval asks less for a higher risk than for a lower one",
        ),
        (
            "risk.toml",
            "[freeze]\nactive = true\n",
            "line 1, key `freeze`: an active freeze needs a reason",
        ),
        ("risk.toml", "[aproval]\n", "line 1, key `aproval`: unknown key; did you mean `approval`?"),
        (
            "isolation.toml",
            '[capabilities]\nSYS_ADMIN = { allowed = true, why = "w" }\n',
            "line 2, key `capabilities.SYS_ADMIN`: loosens the packaged policy (not allowed -> allowed); "
            'add override = "the reason"',
        ),
        (
            "isolation.toml",
            'runtime = { value = "runsc-kvm", why = "w" }\n',
            "line 1, key `runtime.value`: use letters, digits, _ and . only: "
            "Coolify cuts an option's value at a hyphen",
        ),
    ],
)
def test_a_wrong_policy_is_named_by_line_and_key(name: str, text: str, told: str, tmp_path: Path) -> None:
    """Loosening without a reason, unknown rules and wrong values say where they are; the policy is not loaded."""
    folder = overlay(tmp_path, name, text)
    load = load_policy if name == "risk.toml" else load_isolation
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert caught.value.failed == f"{folder / name} cannot be used: {told}."


@pytest.mark.parametrize("kind", ["a file", "a link to nowhere", "a link to itself"])
def test_policies_that_are_there_and_cannot_be_looked_into_are_never_taken_for_none(tmp_path: Path, kind: str) -> None:
    """What an operator has tightened would be gone without a word."""
    folder = tmp_path / "policies"
    if kind == "a file":
        folder.write_text("risk.toml\n", encoding="utf-8")
    else:
        folder.symlink_to(folder if kind == "a link to itself" else tmp_path / "away")
    with pytest.raises(ConfigError, match=f"The policies in {folder} cannot be read: "):
        load_policy(folder)


def test_a_policy_that_leads_nowhere_is_an_error(tmp_path: Path) -> None:
    """It has the name of a policy, so that somebody has wished for one."""
    (tmp_path / "risk.toml").symlink_to(tmp_path / "away")
    with pytest.raises(ConfigError, match=r"risk\.toml"):
        load_policy(tmp_path)


def test_a_file_that_is_no_policy_is_refused(tmp_path: Path) -> None:
    """A misspelt file name would be a policy without effect, so it is an error for every policy."""
    overlay(tmp_path, "riks.toml", "")
    for load in (load_policy, load_isolation):
        with pytest.raises(ConfigError, match=r"riks\.toml is no policy file; did you mean `risk\.toml`\?"):
            load(tmp_path)


OPENING = """\
[[open]]
name = "game"
role = "muscle"
protocol = "tcp"
ports = "{ports}"
allowed = ["internet"]
demand = "optional"
why = "a game"
override = "until March"
"""


def test_a_port_of_ones_own_is_opened_with_a_reason_and_a_forbidden_one_never(tmp_path: Path) -> None:
    """An opening is in force, and told with its reason; one that a rule forbids is refused with that rule's words."""
    (tmp_path / "ports.toml").write_text(OPENING.format(ports="27015"), encoding="utf-8")
    assert load_ports(tmp_path).overrides == ("ports.game: 27015/tcp of a muscle for internet (until March)",)
    assert ("tcp", 27015) in load_ports(tmp_path).policy.ports("muscle")
    (tmp_path / "ports.toml").write_text(OPENING.format(ports="8000-8100"), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_ports(tmp_path)
    assert "game: 8000/tcp is forbidden (muscle-coolify: " in caught.value.failed
    assert "game: 8080/tcp is forbidden (muscle-traefik: " in caught.value.failed


def test_a_rule_says_less_by_its_name_and_not_more(tmp_path: Path) -> None:
    """A rule may be shut or narrowed; a class that it does not allow, or a rule that is not there, is refused."""
    words = '[[tighten]]\nname = "{name}"\n{more}\nwhy = "ours"\n'
    (tmp_path / "ports.toml").write_text(
        words.format(name="muscle-http3", more='demand = "forbidden"'), encoding="utf-8"
    )
    assert [rule.demand for rule in load_ports(tmp_path).policy.rules if rule.name == "muscle-http3"] == ["forbidden"]
    for name, more in (("muscle-ssh", 'allowed = ["internet"]'), ("no-such-rule", "allowed = []")):
        (tmp_path / "ports.toml").write_text(words.format(name=name, more=more), encoding="utf-8")
        with pytest.raises(ConfigError, match=name):
            load_ports(tmp_path)


def test_a_domain_for_coolify_makes_its_own_ports_needless() -> None:
    """Without a domain the dashboard must be reachable for admins; with one, the web must be, and the dashboard may."""
    demands = {
        has: {rule.name: rule.demand.value for rule in load_ports().with_domain(has_domain=has).rules}
        for has in (True, False)
    }
    names = ("dashboard", "dashboard-sockets", "factory-web")
    assert {has: [rules[name] for name in names] for has, rules in demands.items()} == {
        False: ["required", "required", "optional"],
        True: ["optional", "optional", "required"],
    }
