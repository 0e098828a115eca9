"""A server of the lab that nobody knows yet, and the steps of its first login, run as the engine runs them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import anyio

from ink_infra_mcp.core.login.judging import Judgement, judge
from ink_infra_mcp.core.login.policy import SshdPolicy
from ink_infra_mcp.core.plan import JsonObject, Step, Undo
from ink_infra_mcp.core.secret import Secret
from ink_infra_mcp.core.step import StepCall
from ink_infra_mcp.hosts.machine import logins
from ink_infra_mcp.hosts.machine.booting import BootSteps
from ink_infra_mcp.hosts.machine.login_steps import LoginSteps
from ink_infra_mcp.hosts.machine.newcomers import Newcomers
from ink_infra_mcp.settings.policy_files import load_sshd
from ink_infra_mcp.settings.system import SystemClock
from ink_infra_mcp.ssh.pool import HostPool
from tests.lab.bed import Bed
from tests.lab.ground.hosts import Server
from tests.permits import permit_here

NAME = "muscle-2"
FUTURE = "muscle-9"
PASSWORD = "a-password-of-the-lab"
LIMIT_S = 270
POLICY = load_sshd()
Meddle = Callable[[], Awaitable[object]]


@dataclass
class FirstLogin:
    """One operation on one server that the pool does not know by name."""

    server: Server
    pool: HostPool
    policy: SshdPolicy = field(default_factory=lambda: POLICY)
    id: str = "op-1"
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    said: list[str] = field(default_factory=list[str])
    password: str = PASSWORD

    def newcomer(self, **changes: object) -> JsonObject:
        """Return the parameter that describes it."""
        about = {"name": FUTURE, "address": self.server.machine.ipv4, "host_key": self.server.host_key}
        return {**about, **changes}  # pyright: ignore[reportReturnType] - texts

    async def run(self, step: Step | Undo, *, id_: str = "undo", limit_s: float = LIMIT_S) -> JsonObject:
        """Run a step, and keep what it returns for those that follow."""
        id_ = step.id if isinstance(step, Step) else id_
        permit = permit_here(self.id, step.kind)
        call = StepCall(
            self.id, id_, step.kind, step.target, step.params, self.results, permit, SystemClock(), self.said.append
        )
        makers = (BootSteps(self.pool), LoginSteps(self.pool))
        handlers = {kind: handler for maker in makers for kind, handler in maker.handlers().items()}
        newcomers = Newcomers(self.pool, lambda name: Secret(self.password, source=name))
        with anyio.fail_after(limit_s):
            self.results[id_] = await newcomers.wrap(handlers)[step.kind](call)
        return self.results[id_]

    async def judged(self, newcomer: JsonObject) -> Judgement:
        """Look at its sshd, as a tool does, and judge it."""
        guest = Newcomers(self.pool, lambda name: Secret(self.password, source=name)).guest(newcomer, self.results)
        with self.pool.knowing(guest), anyio.fail_after(LIMIT_S):
            return judge(await logins.look(self.pool, FUTURE), self.policy)

    def says(self, *options: str) -> Mapping[str, str]:
        """Return what sshd on the server says of itself."""
        lines = self.server.say("/usr/sbin/sshd", "-T", *options).splitlines()
        return {key: value for key, _, value in (line.partition(" ") for line in lines)}

    def state(self) -> str:
        """Return where the operation's change of sshd is, as its folder on the server says."""
        said = self.server.say(
            "sh", "-c", f"cd /var/lib/ink-infra/login/{self.id} && ls armed kept reverted 2>/dev/null; :"
        )
        return said.strip()


def strange_pool(bed: Bed) -> HostPool:
    """Return a pool that knows the Factory only."""
    return bed.pool(bed.host("factory"))


def with_password(server: Server) -> None:
    """Make it a server that was bought without a key: root comes in with a password."""
    server.say("chpasswd", stdin=f"root:{PASSWORD}\n")
    server.write("/root/.ssh/authorized_keys", "")
    configure(server, "PermitRootLogin yes\nPersourcePenalties no\n")


def configure(server: Server, text: str, *, file: str = "lab.conf") -> None:
    """Give sshd other settings, which hold from now on."""
    server.write(f"/etc/ssh/sshd_config.d/{file}", text)
    server.say("systemctl", "restart", "ssh")
