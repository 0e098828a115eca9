"""The doctor over the sandbox: what it says when all is well, and for each thing that can be wrong."""

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Literal

import anyio
import pytest

from ink_infra_mcp.app import Wiring
from ink_infra_mcp.cli import doctor
from ink_infra_mcp.cli.doctor_coolify import skew_s
from ink_infra_mcp.cli.doctor_ground import Ground, ground_of, ground_of_wiring
from ink_infra_mcp.cli.doctor_report import Finding, Report, Section, ToolLine, as_json, as_text
from ink_infra_mcp.cli.opening import Opener
from ink_infra_mcp.cli.parser import parser
from ink_infra_mcp.core.fleet import Access, Fleet
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.sandbox.seed import READ_TOKEN
from ink_infra_mcp.sandbox.state_place import AGE_KEY, BOX, BOX_FLEET, BOX_USER
from ink_infra_mcp.settings.fleet_text import dump_fleet
from ink_infra_mcp.tools import ALL
from tests import ink
from tests.cli.sandboxes import Running, secrets_of
from tests.cli.terminals import command

Change = Callable[[Wiring], Wiring]


@pytest.fixture
def ground(world: Running, tmp_path: Path) -> Callable[..., Ground]:
    """Return what makes the ground for a doctor over the sandbox, with something about it changed."""

    def make(change: Change | None = None, *, environ: dict[str, str] | None = None, real: bool = False) -> Ground:
        wiring = ink.wired(tmp_path, world.world, world.ends)
        if real:
            wiring = replace(wiring, settings=wiring.settings.model_copy(update={"sandbox": False}))
        return ground_of_wiring(change(wiring) if change else wiring, environ or {})

    return make


def examined(found: Ground, *, limit_s: float = 8.0, services: Collection[str] = ()) -> Report:
    """Return the doctor's report: on everything, or on these services alone."""

    async def work() -> Report:
        with anyio.fail_after(60):
            if not services:
                return await doctor.examine(found, limit_s=limit_s)
            checks = [check for check in doctor.services(found) if check.name in services]
            return doctor.report_of(found, await doctor.look(checks, found, limit_s=limit_s))

    return anyio.run(work)


def coolify(found: Ground) -> Section:
    """Return what the doctor finds about Coolify."""
    return section(examined(found, services=["Coolify"]), "Coolify")


def section(report: Report, name: str) -> Section:
    """Return what was found about one system."""
    return next(section for section in report.sections if section.name == name)


def tool(report: Report, name: str) -> tuple[str, str]:
    """Return whether a tool works, and what is missing, as one text."""
    line = next(line for line in report.tools if line.tool == name)
    return line.works, "; ".join(line.why)


def with_secrets(world: Running, **values: str) -> Change:
    """Return a change by which the machine has these secrets, and the key for the servers."""

    known = {"INK_SSH_KEY": world.ends.login_key} | {f"INK_{name.upper()}": value for name, value in values.items()}

    def change(wiring: Wiring) -> Wiring:
        return replace(wiring, secrets=secrets_of(wiring.redact, known))

    return change


def with_fleet(change_fleet: Callable[[Fleet], Fleet]) -> Change:
    """Return a change of fleet.toml."""

    def change(wiring: Wiring) -> Wiring:
        fleet = change_fleet(wiring.settings.fleet)
        return replace(wiring, settings=wiring.settings.model_copy(update={"fleet": fleet}))

    return change


def at_coolify(url: str) -> Change:
    """Return a change by which Coolify is said to be elsewhere."""
    return with_fleet(lambda fleet: fleet.model_copy(update={"coolify": fleet.coolify.model_copy(update={"url": url})}))


def test_a_whole_platform_is_all_well(ground: Callable[..., Ground]) -> None:
    """Where nothing is wrong every system says what was seen and which secret was used, and every tool works."""
    report = examined(ground())
    assert (report.healthy, {line.works for line in report.tools}) == (True, {"yes"})
    assert [line.tool for line in report.tools] == [tool.name for tool in ALL]
    url = next(s for s in report.sections if s.name == "Coolify").findings[0].text.split()[-1]
    assert {found.name: [f.text for f in found.findings] for found in report.sections[2:]} == {
        "Coolify": [
            f"answers at {url}",
            "Coolify 4.3.10 is supported.",
            "token from environment INK_COOLIFY_TOKEN; it may: read yes, read:sensitive yes, write yes, deploy yes.",
        ],
        "Hetzner Cloud": [
            "answers; token from environment INK_HETZNER_CLOUD_TOKEN; reads 3 servers; "
            "whether it may write is not known."
        ],
        "Hetzner Robot": [
            "answers; user from environment INK_HETZNER_ROBOT_USER; reads 1 servers; its users may do everything there."
        ],
        "GitHub": ["answers; token from environment INK_GITHUB_TOKEN; 5000 requests left this hour."],
        "DNS": ["*.s1.example.com leads to 192.0.2.11.", "*.s2.example.com leads to 192.0.2.12."],
        "factory": [
            "SSH as root at 192.0.2.10, key from environment INK_SSH_KEY; debian 12, Docker 28.5.1.",
            "the Coolify image in service knows --runtime.",
        ],
        "muscle-1": [
            "SSH as root at 192.0.2.11, key from environment INK_SSH_KEY; debian 12, Docker 28.5.1.",
            "Docker has the runtime runsc (release-20261012.0).",
        ],
        "muscle-2": [
            "SSH as root at 192.0.2.12, key from environment INK_SSH_KEY; debian 12, Docker 28.5.1.",
            "Docker has the runtime runsc (release-20261012.0).",
        ],
        "backup place": [
            f"SFTP as {BOX_USER} at {BOX}:23, key from environment INK_SSH_KEY; its host key is one of fleet.toml.",
            f"copies are for {AGE_KEY}, whose checksum is right; whether somebody has its private key is not known.",
            f"its folder coolify is there (mode 700); whether {BOX_USER} may write was not tried.",
            "10.0 GiB are free there.",
            f"copies: 1 of {BOX_FLEET} there, by name and size.",
        ],
    }


def test_both_forms_say_the_same(ground: Callable[..., Ground]) -> None:
    """The text has every finding and tool of the object, and ends with the verdict."""
    report = examined(ground())
    text, told = as_text(report), as_json(report)
    assert json.loads(json.dumps(told)) == told
    for found in report.sections:
        assert all(f"{found.name}: {finding.text}" in text for finding in found.findings)
    assert text.endswith(("All well.", "Nothing failed; look at: state store."))
    assert (told["ok"], len(report.sections)) == (True, 11)


def test_a_read_only_token_is_a_warning(ground: Callable[..., Ground], world: Running) -> None:
    """A token that may only read is no failure, since --read-only wants just that; the tools that suffer are named."""
    report = examined(ground(with_secrets(world, coolify_token=READ_TOKEN)), services=["Coolify"])
    found = section(report, "Coolify")
    assert (found.level, report.healthy) == ("warning", True)
    assert found.findings[2].text.endswith("it may: read yes, read:sensitive yes, write no, deploy no.")
    assert tool(report, "deploy_app") == (
        "no",
        "needs Coolify: deploy: the Coolify token lacks the ability deploy",
    )
    assert tool(report, "get_app") == ("yes", "")


def test_a_token_that_reads_no_secrets_leaves_build_logs_out(ground: Callable[..., Ground], world: Running) -> None:
    """Without read:sensitive the logs tool works in part."""
    with world.world.change() as state:
        state.coolify.tokens[1].abilities = ["read"]
    report = examined(ground(with_secrets(world, coolify_token=READ_TOKEN)), services=["Coolify"])
    assert tool(report, "get_app_logs") == (
        "partly",
        "without Coolify: read:sensitive: the Coolify token lacks the ability read:sensitive",
    )
    assert tool(report, "set_app_env")[0] != "yes"
    assert "is set again by each call" in " ".join(f.text for f in section(report, "Coolify").findings)


def test_a_wrong_token_fails_and_is_not_shown(ground: Callable[..., Ground], world: Running) -> None:
    """A token that Coolify refuses stops every tool that asks it, and its value is nowhere in the report."""
    wrong = "7|aTokenThatCoolifyNeverMade"
    report = examined(ground(with_secrets(world, coolify_token=wrong)), services=["Coolify"])
    found = section(report, "Coolify")
    assert (found.level, report.healthy, wrong in as_text(report)) == ("failed", False, False)
    assert "does not accept the token" in found.findings[0].text
    assert tool(report, "list_apps")[0] == "no"
    assert tool(report, "list_operations")[0] == "yes"


def test_a_missing_token_stops_every_tool_that_asks_coolify(ground: Callable[..., Ground], world: Running) -> None:
    """A Factory without Coolify has no token yet, and is set up all the same; whether Coolify is there is asked."""
    report = examined(ground(with_secrets(world)), services=["Coolify"])
    assert [f.level for f in section(report, "Coolify").findings] == ["ok", "failed"]
    assert {name: tool(report, name)[0] for name in ("list_apps", "deploy_app", "get_audit")} == {
        "list_apps": "no",
        "deploy_app": "no",
        "get_audit": "yes",
    }
    assert "coolify_token is not set" in tool(report, "list_apps")[1]


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [
        ("", "Set INK_COOLIFY_TOKEN or INK_COOLIFY_TOKEN_FILE, or run `ink-infra-mcp secret set coolify_token`."),
        (
            "this machine has none",
            "Write it into a file of mode 600 and set INK_COOLIFY_TOKEN_FILE to the path of that file, or set "
            "INK_COOLIFY_TOKEN.",
        ),
    ],
)
def test_what_cannot_work_here_is_not_advised(
    ground: Callable[..., Ground], world: Running, trouble: str, advice: str
) -> None:
    """Without a key store a missing token is told with the way that this machine has, and only with that."""
    found = replace(ground(with_secrets(world)), keyring_trouble=trouble)
    assert [f.next for f in coolify(found).findings] == ["", advice]


def test_the_whole_internet_as_admin_is_a_warning(ground: Callable[..., Ground]) -> None:
    """Whoever opened the admins' ports to everybody is told so, each time."""

    def opened(fleet: Fleet) -> Fleet:
        return fleet.model_copy(update={"access": Access(admin=("192.0.2.7/32", "0.0.0.0/0", "::/0"))})

    warned = [
        f.text.partition(": the whole")[0] for f in ground(with_fleet(opened)).section.findings if f.level == "warning"
    ]
    assert warned == ["[access] admin has 0.0.0.0/0", "[access] admin has ::/0"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("disabled", "Coolify's API is switched off."),
        ("allow-list", "Coolify does not let this machine's address use its API."),
    ],
)
def test_a_closed_api_says_how_to_open_it(
    ground: Callable[..., Ground], world: Running, change: str, words: str
) -> None:
    """A switched-off API and an allow-list are told apart, with the place in Coolify's settings."""
    with world.world.change() as state:
        if change == "disabled":
            state.coolify.is_api_enabled = False
        else:
            state.coolify.allowed_ips = "198.51.100.1"
    finding = coolify(ground()).findings[0]
    assert (finding.level, finding.text, "Settings > Advanced" in finding.next) == ("failed", words, True)


@pytest.mark.parametrize(
    ("version", "level", "words"),
    [
        ("4.0.0-beta.400", "failed", "is not supported"),
        ("4.9.0", "warning", "is newer than"),
        ("nightly", "warning", "is no version"),
        ("4.1.0", "ok", "is supported."),
    ],
)
def test_the_version_is_judged(
    ground: Callable[..., Ground], world: Running, version: str, level: str, words: str
) -> None:
    """Too old fails, newer than what was checked warns, and what is between is fine."""
    world.breaks("coolify", "GET /api/v1/version", status=200, body=version)
    finding = next(f for f in coolify(ground()).findings if words in f.text)
    assert finding.level == level


def test_a_login_page_in_front_is_seen(ground: Callable[..., Ground], world: Running) -> None:
    """A proxy's web page where the API should be is told as that, and not as an odd answer of Coolify."""
    world.breaks("coolify", "GET /api", kind="html")
    finding = coolify(ground()).findings[0]
    assert (finding.level, "is not its API" in finding.text) == ("failed", True)
    assert "a login page or proxy may stand in front" in finding.next


def test_a_coolify_that_is_down_is_unreachable(ground: Callable[..., Ground]) -> None:
    """Where nobody answers it says so, and nothing else fails with it."""
    report = examined(ground(at_coolify("http://127.0.0.1:1")))
    assert [s.name for s in report.sections if s.level == "failed"] == ["Coolify"]
    assert "did not answer at http://127.0.0.1:1" in section(report, "Coolify").findings[0].text


def test_a_system_that_hangs_is_left_at_the_limit(ground: Callable[..., Ground], world: Running) -> None:
    """Each check has its own limit, so that one silent system delays nothing and is named."""
    world.breaks("hetzner", "GET", kind="hang", seconds=1.0)
    report = examined(ground(), limit_s=0.8, services=["Hetzner Cloud", "GitHub"])
    assert section(report, "Hetzner Cloud").findings[0] == Finding(
        level="failed", text="gave no answer within 0.8 s.", next="Check that it is up, and the way there."
    )
    assert section(report, "GitHub").level == "ok"


def test_clocks_that_differ_are_a_warning(ground: Callable[..., Ground], world: Running) -> None:
    """More than a minute between Coolify's clock and ours is told with the way it is off."""
    early = format_datetime(datetime.now(UTC) - timedelta(seconds=600), usegmt=True)
    world.breaks("coolify", "GET /api/v1/health", status=200, body="OK", headers={"date": early})
    finding = coolify(ground(real=True)).findings[0]
    assert (finding.level, "s behind this machine's." in finding.text) == ("warning", True)


def test_a_pretend_world_s_time_is_its_own(ground: Callable[..., Ground], world: Running) -> None:
    """In the sandbox time may run as fast as it likes, so clocks are not compared."""
    early = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    world.breaks("coolify", "GET /api/v1/health", status=200, body="OK", headers={"date": early})
    assert coolify(ground()).findings[0].level == "ok"


@pytest.mark.parametrize(
    ("date", "skew"),
    [("Fri, 02 Jan 2026 03:05:05 GMT", 60.0), ("Fri, 02 Jan 2026 04:03:05 +0100", -60.0), ("", None), ("soon", None)],
)
def test_skew_is_read_from_the_date(date: str, skew: float | None) -> None:
    """The header's own zone counts; a missing or odd header tells nothing."""
    assert skew_s(date, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == skew


def test_systems_that_nobody_configured_do_not_fail(ground: Callable[..., Ground], world: Running) -> None:
    """Without tokens Hetzner is left out, and a GitHub that cannot be reached is a warning."""
    world.breaks("github", "GET", kind="drop")
    machine = ground(with_secrets(world, coolify_token=ink.tokens()["coolify_token"]))
    report = examined(machine, services=["Coolify", "Hetzner Cloud", "GitHub"])
    levels = {s.name: s.level for s in report.sections if s.name in ("Hetzner Cloud", "GitHub")}
    assert (levels, report.healthy) == ({"Hetzner Cloud": "note", "GitHub": "warning"}, True)
    assert tool(report, "get_fleet") == ("partly", "without Hetzner Cloud: no Hetzner Cloud token is set")
    assert tool(report, "deploy_app")[0] == "partly"


def test_a_refused_vendor_token_fails(ground: Callable[..., Ground], world: Running) -> None:
    """A token that is set is meant to be used: one that is refused fails."""
    tokens = ink.tokens() | {"hetzner_cloud_token": "wrongHetznerToken", "github_token": "wrongGithubToken"}
    report = examined(ground(with_secrets(world, **tokens)), services=["Hetzner Cloud", "GitHub"])
    assert {s.name for s in report.sections if s.level == "failed"} == {"Hetzner Cloud", "GitHub"}


def test_a_wildcard_that_leads_elsewhere_is_seen(ground: Callable[..., Ground]) -> None:
    """Names below a Muscle's domain must lead to it; elsewhere, or nowhere, is a warning with the record to add."""

    def moved(fleet: Fleet) -> Fleet:
        first, second = fleet.muscles
        muscles = (
            first.model_copy(update={"wildcard_domain": "s2.example.com"}),
            second.model_copy(update={"wildcard_domain": "s9.example.com"}),
        )
        return fleet.model_copy(update={"muscles": muscles})

    found = section(examined(ground(with_fleet(moved)), services=["DNS"]), "DNS")
    assert [(f.level, f.text) for f in found.findings] == [
        ("warning", "*.s2.example.com leads to 192.0.2.12, not to muscle-1 (192.0.2.11)."),
        ("warning", "*.s9.example.com leads nowhere: apps get no address."),
    ]
    assert found.findings[1].next == "Add a record *.s9.example.com that leads to 192.0.2.12."


def test_dns_that_does_not_answer_fails(ground: Callable[..., Ground]) -> None:
    """Where no name server gives an answer, that is what is wrong, and not the records."""

    def deaf(wiring: Wiring) -> Wiring:
        return replace(wiring, places=replace(wiring.places, nameservers=()))

    report = examined(ground(deaf), services=["DNS"])
    assert [(f.level, f.text) for f in section(report, "DNS").findings] == [
        ("failed", "no name server answered about *.s1.example.com."),
        ("failed", "no name server answered about *.s2.example.com."),
    ]
    assert "without DNS: no name server answered" in tool(report, "control_app")[1]


def test_a_lost_muscle_takes_no_tool_while_another_is_up(ground: Callable[..., Ground]) -> None:
    """One server that cannot be reached is a failure of its own; apps still go to the other one."""

    def lost(fleet: Fleet) -> Fleet:
        first, *others = fleet.muscles
        gone = first.model_copy(update={"address": "127.0.0.1", "ssh_port": 1})
        return fleet.model_copy(update={"muscles": (gone, *others)})

    report = examined(ground(with_fleet(lost)))
    assert [s.name for s in report.sections if s.level == "failed"] == ["muscle-1"]
    assert tool(report, "control_app")[0] == "yes"


def test_a_changed_host_key_is_named(ground: Callable[..., Ground]) -> None:
    """A server that shows another key than the pinned one is never spoken to, and the doctor says just that."""

    def swapped(fleet: Fleet) -> Fleet:
        first, second = fleet.muscles
        return fleet.model_copy(update={"muscles": (first.model_copy(update={"host_key": second.host_key}), second)})

    finding = section(examined(ground(with_fleet(swapped))), "muscle-1").findings[0]
    assert (finding.level, "shows host key" in finding.text, "pinned" in finding.text) == ("failed", True, True)


def test_without_a_login_key_every_server_says_so(ground: Callable[..., Ground]) -> None:
    """No private key and no agent is one cause, named at each server, and takes the tools that need SSH."""
    token = {"INK_COOLIFY_TOKEN": ink.tokens()["coolify_token"]}

    def keyless(wiring: Wiring) -> Wiring:
        return replace(wiring, secrets=secrets_of(wiring.redact, token))

    report = examined(ground(keyless))
    assert "no usable SSH login key" in section(report, "factory").findings[0].text
    assert tool(report, "list_apps")[0] == "partly"
    assert tool(report, "deploy_app")[0] == "no"


@pytest.mark.parametrize(
    ("state", "words"),
    [(None, "it has no proxy"), ("exited", "its proxy does not run (exited)")],
    ids=["absent", "exited"],
)
def test_a_muscle_without_a_running_proxy_is_a_warning(
    ground: Callable[..., Ground], world: Running, state: Literal["exited"] | None, words: str
) -> None:
    """Apps start there and nobody reaches them; the tools work all the same."""
    with world.world.change() as now:
        host = now.hosts["muscle-1"]
        (proxy,) = [each for each in host.containers if each.name == "coolify-proxy"]
        if state is None:
            host.containers.remove(proxy)
        else:
            proxy.state = state
    report = examined(ground())
    told = section(report, "muscle-1").findings
    assert [(each.level, each.text) for each in told if "proxy" in each.text] == [
        ("warning", f"{words}: no app on muscle-1 can be reached by its domain.")
    ]
    assert not [each for each in section(report, "muscle-2").findings if "proxy" in each.text]
    assert tool(report, "deploy_app")[0] == "yes"


def test_isolation_that_is_not_there_is_told(ground: Callable[..., Ground], world: Running) -> None:
    """An image that drops --runtime leaves compose apps; Muscles without the runtime leave nothing to start."""
    with world.world.change() as state:
        state.coolify.supports_runtime_option = False
        state.hosts["muscle-1"].runtimes = ["runc"]
        state.hosts["muscle-2"].runtimes = ["runc"]
    report = examined(ground())
    assert section(report, "factory").findings[1].text.startswith("the Coolify image in service drops --runtime")
    assert section(report, "muscle-2").findings[1].text == (
        "muscle-2 has no runtime runsc: no app can run isolated there."
    )
    assert tool(report, "deploy_app") == (
        "no",
        "needs a Muscle with the isolating runtime: muscle-1 has no runtime runsc / muscle-2 has no runtime runsc",
    )
    assert tool(report, "rollback_app")[0] == "no"


def test_a_fleet_without_muscles_is_a_warning(ground: Callable[..., Ground]) -> None:
    """A platform on its first day has nowhere to run apps, which the tools that need it say."""
    report = examined(ground(with_fleet(lambda fleet: fleet.model_copy(update={"muscles": ()}))))
    assert (section(report, "Muscles").level, report.healthy) == ("warning", True)
    assert tool(report, "deploy_app")[0] == "no"


def test_a_store_that_cannot_be_used_stops_what_changes(ground: Callable[..., Ground], tmp_path: Path) -> None:
    """Without a store there is no audit, so that only reading works."""

    def broken(wiring: Wiring) -> Wiring:
        (tmp_path / "state.sqlite3").write_text("this is no database, whatever its name says " * 30, encoding="utf-8")
        url = f"sqlite:///{tmp_path / 'state.sqlite3'}"
        return replace(wiring, settings=wiring.settings.model_copy(update={"state_url": url}))

    report = examined(ground(broken), services=["state store"])
    assert section(report, "state store").level == "failed"
    assert (tool(report, "deploy_app")[0], tool(report, "list_apps")[0]) == ("no", "yes")


def test_a_variable_that_nothing_expanded_is_named(ground: Callable[..., Ground]) -> None:
    """A ${...} in one of our variables is told by the variable's name, without what is around it."""
    environ = {"INK_COOLIFY_TOKEN": "3|${COOLIFY}", "INK_INFRA_CONFIG": "${HOME}/fleet.toml", "OTHER": "${X}"}
    found = ground(environ=environ, real=True).section
    failed = [finding.text for finding in found.findings if finding.level == "failed"]
    assert failed == [
        f"{name} in the environment holds a ${{...}} that nothing has expanded."
        for name in ("INK_COOLIFY_TOKEN", "INK_INFRA_CONFIG")
    ]


def test_a_check_that_breaks_is_a_finding(ground: Callable[..., Ground]) -> None:
    """A fault of the doctor's own is told like any other trouble, with secrets masked, and the rest goes on."""

    class Broken(dict[str, Secret]):
        def __getitem__(self, key: str) -> Secret:
            raise KeyError("password=hunter2hunter2")

        def get(self, key: str, default: object = None) -> Secret:
            return self[key]

    report = examined(replace(ground(), secrets=Broken()), services=["GitHub", "DNS"])
    finding = section(report, "GitHub").findings[0]
    broke = "the check itself broke with KeyError" in finding.text
    assert (finding.level, broke, "hunter2" in finding.text) == ("failed", True, False)
    assert section(report, "DNS").level == "ok"


def ground_of_file(file: Path, world: Running) -> Ground:
    """Return the ground for a machine with this fleet.toml, whose internet is the sandbox."""
    arguments = parser().parse_args(["doctor", "--config", str(file)])
    return replace(ground_of(arguments, Opener(arguments)), places=world.places)


def test_a_missing_file_comes_first_and_stops_nothing(world: Running, tmp_path: Path) -> None:
    """Without fleet.toml the doctor says so at the top, and goes on with what needs no fleet."""
    file = tmp_path / "none.toml"
    report = examined(ground_of_file(file, world))
    lines = as_text(report).splitlines()
    assert (lines[2], report.healthy) == (
        f"FAILED   configuration: Nothing is configured yet: there is no file {file}.",
        False,
    )
    assert ("ink-infra-mcp init" in lines[3], "--sandbox" in lines[3]) == (True, True)
    levels = {found.name: found.level for found in report.sections[1:]}
    notes = dict.fromkeys(("Coolify", "Hetzner Cloud", "Hetzner Robot"), "note")
    assert levels == {"state store": "ok", **notes, "GitHub": "ok", "DNS": "failed"}
    assert {line.works for line in report.tools} == {"no"}
    tools = [f"NOT      all {len(ALL)} tools", "           -> needs configuration: there is none yet", ""]
    assert lines[lines.index("Tools:") + 1 :] == [*tools, "Failed: configuration, DNS."]


def test_a_name_that_exists_and_is_not_found_fails(world: Running, tmp_path: Path) -> None:
    """A machine whose name servers know no public name has no working DNS, however well they answer."""
    report = examined(ground_of_file(tmp_path / "none.toml", world), services=["DNS"])
    assert section(report, "DNS").findings == (
        Finding(
            level="failed",
            text="the name servers of this machine find no address of github.com.",
            next="Check that this machine has a network, and its DNS.",
        ),
    )


def test_a_state_folder_that_cannot_be_used_is_told_with_its_reason(
    world: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why there is no store is the system's own reason with what to do; nothing is said of other folders."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "state.sqlite3").touch()
    folder.chmod(0o755)
    monkeypatch.setenv("INK_INFRA_STATE", str(folder))
    report = examined(ground_of_file(tmp_path / "none.toml", world), services=["state store"])
    assert section(report, "state store").findings == (
        Finding(
            level="failed",
            text=f"Others can enter the state folder {folder} (mode 0755), and it holds files.",
            next=f"If it holds only our state, run `chmod 700 {folder}`; else set INK_INFRA_STATE to another folder.",
        ),
    )


def test_a_wrong_file_leaves_the_store_unknown(world: Running, tmp_path: Path) -> None:
    """A file that cannot be read may name another store: the usual one is not called well in its place."""
    file = tmp_path / "fleet.toml"
    file.write_text("[coolify]\n", encoding="utf-8")
    report = examined(ground_of_file(file, world), services=["state store"])
    assert [f.text for f in section(report, "state store").findings] == [
        "not asked: which store is used is not known without the configuration."
    ]
    assert tool(report, "deploy_app") == ("no", "needs configuration: it cannot be used")


def test_a_reason_is_told_once_for_all_tools_that_it_stops() -> None:
    """Tools of which the same is true stand on one line, those that work on another."""
    tools = [ToolLine(tool=name, works="no", why=("needs a store: it is full",)) for name in ("a", "b")]
    told = as_text(Report(sandbox=False, sections=(), tools=(*tools, ToolLine(tool="c", works="yes"))))
    assert told.splitlines()[3:] == [
        "Tools:",
        "NOT      a, b",
        "           -> needs a store: it is full",
        "works    c",
        "",
        "All well.",
    ]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://coolify.example.com/api/v1", "/api/v1 is added by itself"),
        ("${COOLIFY_URL}", "holds a `${...}` that nothing expands"),
    ],
)
def test_a_wrong_file_names_line_and_key(world: Running, tmp_path: Path, url: str, words: str) -> None:
    """A doubled /api/v1 and an unexpanded variable are told with the place in the file."""
    file = tmp_path / "fleet.toml"
    file.write_text(f'[coolify]\nurl = "{url}"\n[factory]\nname = "f"\naddress = "192.0.2.10"\n', encoding="utf-8")
    finding = ground_of_file(file, world).section.findings[0]
    assert finding.level == "failed"
    assert ("line 2, key `coolify.url`" in finding.text, words in finding.text) == (True, True)


def test_a_whole_file_is_read(world: Running, tmp_path: Path) -> None:
    """A good fleet.toml is told by its path, and the state store lies where the settings say."""
    file = tmp_path / "fleet.toml"
    fleet = ink.wired(tmp_path, world.world, world.ends).settings.fleet
    file.write_text(dump_fleet(fleet), encoding="utf-8")
    found = ground_of_file(file, world)
    assert (found.fleet, found.section.findings[0]) == (
        fleet,
        Finding(level="ok", text=f"{file}: factory and 2 Muscles."),
    )


def test_the_sandbox_is_well(tmp_path: Path) -> None:
    """`doctor --sandbox` checks the pretend world as it would the real one, and says that it is one."""
    environ = {"INK_INFRA_STATE": str(tmp_path / "state")}
    ended = command("doctor", "--sandbox", environ=environ)
    lines = ended.out.splitlines()
    assert (ended.status, ended.err, lines[-1]) == (0, "", "All well.")
    assert "(sandbox: a pretend world)" in lines[0]


def test_a_failure_is_exit_status_1(tmp_path: Path) -> None:
    """What failed is told as one JSON object too, and by the exit status."""
    environ = {"INK_INFRA_STATE": str(tmp_path / "state")}
    ended = command("doctor", "--sandbox", "--json", "--state", f"sqlite:///{tmp_path}", environ=environ)
    told = json.loads(ended.out)
    failed = [found["name"] for found in told["systems"] if found["level"] == "failed"]
    assert (ended.status, ended.err, told["ok"], failed) == (1, "", False, ["state store"])
