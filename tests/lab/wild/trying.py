"""Hundreds of TCP connects at once from the places of the lab: those that are silent are waited for together."""

import errno
import os
import selectors
import socket
import time
from collections.abc import Iterable

from ink_infra_mcp.areas.ports.knocks import Knocked
from tests.lab.ground.places import Met, met_by, socket_at
from tests.lab.ground.site import Site


def tried(site: Site, wanted: Iterable[Knocked], *, limit_s: float) -> list[Knocked]:
    """Return what each connect comes to; one that has no answer within `limit_s` seconds is `silent`."""
    found: list[Knocked] = []
    with selectors.DefaultSelector() as waiting:
        for each in wanted:
            met = _begun(site, each, waiting)
            if met:
                found.append(each.model_copy(update={"answer": met}))
        end = time.monotonic() + limit_s
        while waiting.get_map() and (left := end - time.monotonic()) > 0:
            found += [_answered(waiting, key) for key, _ in waiting.select(left)]
        for key in list(waiting.get_map().values()):
            _closed(waiting, key)
            found.append(key.data.model_copy(update={"answer": "silent"}))
    return found


def _begun(site: Site, each: Knocked, waiting: selectors.BaseSelector) -> Met | None:
    """Begin a connect; return what it met at once, or None where it is waited for."""
    family = socket.AF_INET6 if ":" in each.address else socket.AF_INET
    caller = socket_at(site, each.origin, family)
    caller.setblocking(False)
    status = caller.connect_ex((each.address, each.port))
    if status == errno.EINPROGRESS:
        waiting.register(caller, selectors.EVENT_WRITE, each)
        return None
    caller.close()
    return _meaning(status)


def _answered(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> Knocked:
    status = _caller(key).getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    _closed(waiting, key)
    knocked: Knocked = key.data
    return knocked.model_copy(update={"answer": _meaning(status)})


def _meaning(status: int) -> Met:
    return met_by(OSError(status, os.strerror(status))) if status else "open"


def _closed(waiting: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    waiting.unregister(_caller(key))
    _caller(key).close()


def _caller(key: selectors.SelectorKey) -> socket.socket:
    caller = key.fileobj
    assert isinstance(caller, socket.socket)
    return caller
