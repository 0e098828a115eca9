"""Cloudflare's emulator, driven by its own Python client; and our requests, held against the types of that client."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from ink_infra_mcp.core.dns.records import Record, RecordSet
from ink_infra_mcp.core.plan import JsonObject
from ink_infra_mcp.sandbox.state import WorldState
from ink_infra_mcp.sandbox.state_cloudflare import CLOUDFLARE_READ_TOKEN, CLOUDFLARE_TOKEN
from tests.clients.dns_beds import bed
from tests.clients.test_dns_records import CHANGES, Watch, change
from tests.vendor_clients.installing import FOLDER, Clients

pytestmark = [pytest.mark.timeout(360), pytest.mark.clients]

PATIENCE_S = 180
ZONE = "5a" * 16
NAME = "*.s9.example.org"
RECORD = {"zone_id": ZONE, "name": NAME, "type": "A", "ttl": 300}
Call = tuple[str, dict[str, Any]]


def asked(
    clients: Clients, calls: Sequence[Call] = (), bodies: Sequence[Any] = (), *, at: str = "", token: str = ""
) -> tuple[list[Any], list[list[str]]]:
    """Return what the calls were answered, and what the package's types have against each body of a batch."""
    wanted = {"base_url": at, "token": token or CLOUDFLARE_TOKEN, "calls": calls, "bodies": bodies}
    command = [clients.python, FOLDER / "cloudflare_calls.py"]
    done = subprocess.run(
        command, input=json.dumps(wanted), capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    answers, problems = json.loads(done.stdout)
    return answers, problems


def test_zones_and_records_are_understood(clients: Clients, cloudflare: str) -> None:
    """Records are made, read, listed over pages by their exact name, edited, replaced, batched and deleted."""
    first, second = ({"id": f"{number:032x}", "zone_id": ZONE} for number in (4, 5))
    ours = {"zone_id": ZONE, "name": {"exact": NAME}, "type": "A", "per_page": 1}
    answers, _ = asked(
        clients,
        [
            ("zones.list", {}),
            ("zones.list", {"name": "example.org"}),
            ("dns.records.create", {**RECORD, "content": "192.0.2.11", "proxied": False, "comment": "first"}),
            ("dns.records.create", {**RECORD, "content": "192.0.2.12"}),
            ("dns.records.list", ours),
            ("dns.records.edit", {**_by(first), "name": NAME, "type": "A", "ttl": 60}),
            ("dns.records.update", {**_by(second), "name": NAME, "type": "A", "ttl": 1, "content": "192.0.2.13"}),
            ("dns.records.get", _by(first)),
            (
                "dns.records.batch",
                {
                    "zone_id": ZONE,
                    "deletes": [{"id": second["id"]}],
                    "patches": [{"id": first["id"], "name": NAME, "type": "A", "ttl": 120, "proxied": False}],
                    "posts": [{"name": NAME, "type": "A", "ttl": 120, "content": "192.0.2.14"}],
                },
            ),
            ("dns.records.list", ours),
            ("dns.records.delete", _by(first)),
        ],
        at=cloudflare,
    )
    [zones, named, made, _, both, _, replaced, read, batch, left, gone] = answers
    assert zones == named
    assert [(zone["id"], zone["name"], zone["status"], zone["type"]) for zone in zones] == [
        (ZONE, "example.org", "active", "full")
    ]
    shown: dict[str, Any] = {
        "id": first["id"],
        "name": NAME,
        "type": "A",
        "content": "192.0.2.11",
        "ttl": 300,
        "proxied": False,
        "proxiable": True,
        "comment": "first",
        "tags": [],
        "settings": {},
        "meta": {},
        "created_on": made["created_on"],
        "modified_on": made["modified_on"],
    }
    assert made == shown
    assert [one["content"] for one in both] == ["192.0.2.11", "192.0.2.12"]
    assert (read, replaced["content"], replaced["ttl"]) == ({**shown, "ttl": 60}, "192.0.2.13", 1)
    assert {part: [one["content"] for one in batch[part]] for part in ("deletes", "patches", "posts")} == {
        "deletes": ["192.0.2.13"],
        "patches": ["192.0.2.11"],
        "posts": ["192.0.2.14"],
    }
    assert [(one["content"], one["ttl"]) for one in left] == [("192.0.2.11", 120), ("192.0.2.14", 120)]
    assert gone == {"id": first["id"]}


def _by(record: dict[str, str]) -> dict[str, str]:
    return {"dns_record_id": record["id"], "zone_id": record["zone_id"]}


def test_refusals_are_understood(clients: Clients, cloudflare: str) -> None:
    """Each has the class that the client gives its status, and the vendor's code."""
    nothing = {"dns_record_id": "0" * 32, "zone_id": ZONE}
    calls: list[Call] = [
        ("dns.records.get", nothing),
        ("zones.get", {"zone_id": "0" * 32}),
        ("dns.records.create", {**RECORD, "content": "no address"}),
        ("dns.records.create", {**RECORD, "content": "192.0.2.11", "ttl": 2}),
        ("dns.records.create", {**RECORD, "content": "192.0.2.11"}),
        ("dns.records.create", {**RECORD, "content": "192.0.2.11"}),
        ("dns.records.create", {**RECORD, "type": "CNAME", "content": "example.net"}),
    ]
    answers, _ = asked(clients, calls, at=cloudflare)
    assert [_refusal(answer) for answer in answers] == [
        ("NotFoundError", 404, [81044]),
        ("NotFoundError", 404, [1001]),
        ("BadRequestError", 400, [9005]),
        ("BadRequestError", 400, [9021]),
        None,
        ("BadRequestError", 400, [81058]),
        ("BadRequestError", 400, [81053]),
    ]
    reading, _ = asked(clients, calls[4:5], at=cloudflare, token=CLOUDFLARE_READ_TOKEN)
    unknown, _ = asked(clients, [("zones.list", {})], at=cloudflare, token="x" * 40)
    assert [_refusal(answer) for answer in (*reading, *unknown)] == [
        ("PermissionDeniedError", 403, [10000]),
        ("AuthenticationError", 401, [1000]),
    ]


def _refusal(answer: dict[str, Any]) -> tuple[str, int, list[int]] | None:
    return (answer["refused"], answer["status"], answer["codes"]) if "refused" in answer else None


@pytest.mark.anyio
async def test_every_change_that_we_send_is_one_that_cloudflare_describes(clients: Clients, tmp_path: Path) -> None:
    """Each kind of change and its undo, held against the types that Cloudflare makes of its API description."""
    watch = Watch()
    with anyio.fail_after(180):
        async with bed(tmp_path, "cloudflare", watched=watch) as made:
            for which in CHANGES:
                before, after = change(made, which)
                await made.set(before, after)
                await made.restore(before, after)
                made.arrange(_without_ours)
            rich = RecordSet(name=NAME, type="A", ttl=None, records=(_with_all(),))
            await made.restore(rich, None)
    bodies = [cast(dict[str, Any], body) for _, _, body in watch.seen]
    assert {part for body in bodies for part in body} == {"deletes", "patches", "posts"}
    assert asked(clients, bodies=bodies) == ([], [[]] * len(bodies))


def _without_ours(state: WorldState) -> None:
    zone = state.cloudflare.zones[0]
    zone.records = [record for record in zone.records if record.name != NAME]


def _with_all() -> Record:
    kept: JsonObject = {"ttl": 1, "tags": ["team:web"], "settings": {"ipv4_only": True}}
    return Record(value="192.0.2.13", comment="ours", proxied=True, kept=kept)


def test_the_types_find_what_is_wrong(clients: Clients) -> None:
    """The judge itself works: a field that is missing, or that Cloudflare does not know, is told."""
    wrong: dict[str, dict[str, Any]] = {
        "patches name: Field required": {"patches": [{"id": "a", "ttl": 60, "type": "A"}]},
        "deletes id: Field required": {"deletes": [{}]},
        "posts proxy: Extra inputs are not permitted": {
            "posts": [{"name": "a", "type": "TXT", "ttl": 60, "proxy": True}]
        },
        "drops is no part of a batch": {"drops": []},
    }
    assert asked(clients, bodies=[*wrong.values()]) == ([], [[problem] for problem in wrong])
