"""Makes the file of answers that are given ahead: the SDK's server is asked, and what it writes is kept as it is."""

import json
from collections.abc import Iterator, Sequence
from importlib import metadata
from typing import Any, NoReturn

import anyio
from mcp import types
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from ink_infra_mcp.server.ahead import (
    CAPABILITIES,
    DISCOVER,
    GREETED,
    GREETING,
    INFO,
    LISTS,
    VERSION,
    WORDED_BY,
    variant,
)
from ink_infra_mcp.server.build import ServerSettings, build_server
from ink_infra_mcp.server.catalogue import narrowed
from ink_infra_mcp.server.contracts import Contract
from ink_infra_mcp.server.prompts import instructions

_CLIENT = {"name": "client", "version": "1"}
_LIMIT_S = 60.0


def made(contracts: Sequence[Contract]) -> str:
    """Return the text of the file: the answers of each kind of server to each version, and what worded them."""
    every = {
        variant(read_only=read_only, configured=configured): anyio.run(_asked, contracts, read_only, configured)
        for read_only in (False, True)
        for configured in (True, False)
    }
    texts = [*dict.fromkeys(text for found in every.values() for text in found.values())]
    places = {text: number for number, text in enumerate(texts)}
    answers = {name: {about: places[text] for about, text in found.items()} for name, found in every.items()}
    worded = {name: metadata.version(name) for name in WORDED_BY}
    return json.dumps({"with": worded, "answers": answers, "texts": texts}, indent=1, ensure_ascii=False) + "\n"


async def _asked(contracts: Sequence[Contract], read_only: bool, configured: bool) -> dict[str, str]:
    settings = ServerSettings(
        catalogue=narrowed(contracts, toolsets=frozenset(), read_only=read_only),
        open=_nothing,
        principal="nobody",
        instructions=instructions(configured=configured),
    )
    found: dict[str, str] = {}
    for version in HANDSHAKE_PROTOCOL_VERSIONS:
        found |= await _answers(settings, version, [*_greeting(version), *({"method": name} for name in LISTS)])
    for version in MODERN_PROTOCOL_VERSIONS:
        params = {"_meta": {VERSION: version, INFO: _CLIENT, CAPABILITIES: dict[str, Any]()}}
        found |= await _answers(settings, version, [{"method": name, "params": params} for name in (DISCOVER, *LISTS)])
    return found


def _greeting(version: str) -> Iterator[dict[str, Any]]:
    params = {"protocolVersion": version, "capabilities": dict[str, Any](), "clientInfo": _CLIENT}
    yield {"method": GREETING, "params": params}
    yield {"method": GREETED}


async def _answers(settings: ServerSettings, version: str, asked: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Ask one server one thing after the other, and return its results as it writes them."""
    server, found = build_server(settings), dict[str, str]()
    to_server, reads = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    writes, said = anyio.create_memory_object_stream[SessionMessage](0)
    with anyio.fail_after(_LIMIT_S):
        async with anyio.create_task_group() as serving, to_server, said:
            serving.start_soon(server.run, reads, writes, server.create_initialization_options())
            for message in asked:
                is_request = message["method"] != GREETED
                whole = {"jsonrpc": "2.0", **({"id": 1} if is_request else {}), **message}
                await to_server.send(SessionMessage(jsonrpc_message_adapter.validate_python(whole, by_name=False)))
                if is_request:
                    found[f"{message['method']} {version}"] = _result((await said.receive()).message)
            serving.cancel_scope.cancel()
    return found


def _result(message: types.JSONRPCMessage) -> str:
    """Return the text of a result, as the SDK's own way to standard output writes it."""
    text = message.model_dump_json(by_alias=True, exclude_unset=True)
    before, _, result = text.partition('"result":')
    if before != '{"jsonrpc":"2.0","id":1,':
        raise ValueError(f"the SDK answers in another form: {text[:120]}")
    return result.removesuffix("}")


async def _nothing() -> NoReturn:
    raise RuntimeError("no list opens anything")
