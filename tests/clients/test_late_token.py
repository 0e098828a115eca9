"""A token that is not there yet keeps a door from asking, and nothing else; once it is there it is shown."""

import httpx2
import pytest

from ink_infra_mcp.clients.http import Http, HttpSettings
from ink_infra_mcp.clients.reading import Reads
from ink_infra_mcp.core.errors import SecretMissing
from ink_infra_mcp.core.redact import Redactor
from ink_infra_mcp.core.secret import Secret
from tests.clock import FakeClock

pytestmark = pytest.mark.anyio


async def test_nothing_is_sent_without_the_token_and_the_next_request_has_it() -> None:
    """A person who stores it while the server runs need not start it anew; it is asked for only until it is found."""
    kept: list[Secret] = []
    asked: list[str] = []
    shown: list[str] = []

    def find() -> Secret:
        asked.append("the token")
        if not kept:
            raise SecretMissing("The secret coolify_token is needed and is not set.", next="Set it.")
        return kept[0]

    def answer(request: httpx2.Request) -> httpx2.Response:
        shown.append(request.headers["authorization"])
        return httpx2.Response(200, json=[])

    settings = HttpSettings(
        service="Example", base_url="https://api.example.com/", reads=Reads("/apps"), find_token=find
    )
    transport = httpx2.MockTransport(answer)
    async with Http(settings, clock=FakeClock(), redact=Redactor(), transport=transport) as http:
        with pytest.raises(SecretMissing):
            await http.get("apps")
        assert (shown, asked) == ([], ["the token"])
        kept.append(Secret("1|a-token-of-the-test"))
        await http.get("apps")
        await http.get("apps")
    assert (shown, asked) == (["Bearer 1|a-token-of-the-test"] * 2, ["the token"] * 2)
