"""Robot's door: one request at a time, and no login is tried again after one was refused."""

import base64
from collections.abc import Awaitable, Callable
from functools import cache

import anyio

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.hetzner_robot.errors import classify
from ink_infra_mcp.clients.hetzner_robot.models import error_of
from ink_infra_mcp.clients.http import Form, Http, HttpSettings
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.effects import Clock
from ink_infra_mcp.core.errors import Unauthorized
from ink_infra_mcp.core.permit import Permit
from ink_infra_mcp.core.secret import Secret

BASE_URL = "https://robot-ws.your-server.de"
READS = Reads(
    "/server",
    "/server/{number}",
    "/server/{number}/cancellation",
    "/firewall/{number}",
    "/firewall/template",
    "/firewall/template/{number}",
    "/boot/{number}",
    "/boot/{number}/linux/last",
    "/boot/{number}/rescue/last",
    "/reset/{number}",
    "/key",
    "/vswitch",
    "/vswitch/{number}",
    "/order/server_market/product",
)
"""No GET of this API changes anything. What /boot answers has root's password: it is read into values without it."""
BLOCK_S = 600.0
"""Robot blocks an address for 10 minutes after 3 failed logins (documentation)."""


def robot_settings(user: Secret, password: Secret, *, base_url: str = BASE_URL, read_s: float = 30.0) -> HttpSettings:
    """Return how to reach Robot with a webservice user: HTTP Basic, over which nothing but this user is known."""
    pair = f"{user.reveal()}:{password.reveal()}".encode()
    login = Secret(base64.b64encode(pair).decode(), source=password.source)
    return HttpSettings(
        service="Hetzner Robot",
        base_url=f"{base_url}/",
        reads=READS,
        token=login,
        scheme="Basic",
        connect_s=5.0,
        read_s=read_s,
    )


class RobotDoor:
    """All requests to Robot of one process go through one of these, one after the other.

    So a wrong password costs one failed login, however many ask at once; for 10 minutes after it nothing is sent.
    `http` is called at the first request: most processes never speak to Robot.
    """

    def __init__(self, http: Callable[[], Http], *, clock: Clock) -> None:
        self.clock = clock
        self._http = cache(http)
        self._lock = anyio.Lock()
        self._refused: tuple[float, Unauthorized] | None = None

    async def get(self, path: str) -> Answer:
        """Return a good answer to a read.

        Raises:
            VendorError: the subclass says what kind of trouble; Unauthorized also without asking.
        """
        return await self._through(lambda: self._http().get(path))

    async def send(self, method: str, path: str, *, permit: Permit, form: Form | None = None) -> Answer:
        """Return a good answer to a write, sent once.

        Raises:
            WriteRefused: the permit has ended. VendorError: as for `get`; `done` says what is known of the change.
        """
        return await self._through(lambda: self._http().send(method, path, permit=permit, form=form))

    async def _through(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._lock:
            self._stay_out()
            try:
                answer = await ask()
            except Unauthorized as error:
                self._refused = (self.clock.monotonic() + BLOCK_S, error)
                raise
        if error_of(answer.json) is not None:
            raise classify(self._http().service, answer)
        return answer

    def _stay_out(self) -> None:
        if self._refused is None:
            return
        until, error = self._refused
        left_s = until - self.clock.monotonic()
        if left_s > 0:
            raise Unauthorized(
                f"{error.service} was not asked: it refused our login, and another try could block this address.",
                service=error.service,
                status=error.status,
                next=f"{error.next} The next try is possible in {left_s:.0f} s.",
                vendor_code=error.vendor_code,
            )
        self._refused = None
