"""DNS records: reading, making, changing, deleting, and several of these in one batch."""

import ipaddress
from typing import Any

from ink_infra_mcp.sandbox.cloudflare.call import Call, CfError, Json, Reply, paged
from ink_infra_mcp.sandbox.state_cloudflare import CloudflareRecord, CloudflareZone

KNOWN_QUERY = {"name", "name.exact", "type", "content.exact", "page", "per_page"}
FIELDS = {"name", "type", "content", "ttl", "proxied", "comment", "tags", "settings", "priority"}
PROXIABLE = {"A", "AAAA", "CNAME"}
MAX_BATCH = 200
"""Changes in one batch on the free plan."""
MIN_TTL, MAX_TTL, AUTOMATIC = 60, 86_400, 1
ALONE = {"CNAME"}
BESIDE = {"A", "AAAA", "CNAME"}


def show(zone: CloudflareZone, record: CloudflareRecord) -> Json:
    """Return a record as JSON."""
    return {
        "id": record.id,
        "name": record.name,
        "type": record.type,
        "content": record.content,
        "proxiable": record.type in PROXIABLE,
        "proxied": record.proxied,
        "ttl": record.ttl,
        "settings": record.settings,
        "meta": {},
        "comment": record.comment,
        "tags": record.tags,
        "created_on": "2026-11-01T00:00:00Z",
        "modified_on": "2026-11-01T00:00:00Z",
        **({"priority": record.priority} if record.priority is not None else {}),
    }


def list_records(call: Call) -> Reply:
    """GET /zones/{zone}/dns_records: names are compared without regard to case."""
    if unknown := call.query.keys() - KNOWN_QUERY:
        raise CfError(400, 9207, f"the sandbox does not know the filters {sorted(unknown)}")
    name = call.query.get("name.exact", call.query.get("name", "")).lower()
    type_, content = call.query.get("type", ""), call.query.get("content.exact", "")
    rows = [
        show(call.zone, r)
        for r in call.zone.records
        if (not name or r.name == name) and (not type_ or r.type == type_) and (not content or r.content == content)
    ]
    return paged(call, rows, default=100, most=5_000_000)


def get_record(call: Call) -> Reply:
    """GET of one record."""
    return Reply(show(call.zone, _find(call.zone, call.parts["record"])))


def create_record(call: Call) -> Reply:
    """POST /zones/{zone}/dns_records."""
    return Reply(show(call.zone, _post(call, call.body)))


def edit_record(call: Call) -> Reply:
    """PATCH of one record: what is not given stays."""
    return Reply(show(call.zone, _patch(call, call.parts["record"], call.body)))


def replace_record(call: Call) -> Reply:
    """PUT of one record: what is not given is as it is by default."""
    return Reply(show(call.zone, _put(call, call.parts["record"], call.body)))


def delete_record(call: Call) -> Reply:
    """DELETE of one record."""
    return Reply({"id": _delete(call, call.parts["record"]).id})


def batch(call: Call) -> Reply:
    """POST /zones/{zone}/dns_records/batch: deletes, patches, puts, posts; all of them or none."""
    parts: dict[str, list[Json]] = {name: call.body.get(name) or [] for name in ("deletes", "patches", "puts", "posts")}
    if call.body.keys() - parts.keys() or not any(parts.values()):
        raise CfError(400, 9207, "Request body is invalid.")
    if sum(map(len, parts.values())) > MAX_BATCH:
        raise CfError(400, 81080, "Too many changes in one batch.")
    before = call.zone.model_copy(deep=True).records
    zone = call.zone
    try:
        result = {
            "deletes": [show(zone, _delete(call, str(each.get("id")))) for each in parts["deletes"]],
            "patches": [show(zone, _patch(call, str(each.get("id")), each)) for each in parts["patches"]],
            "puts": [show(zone, _put(call, str(each.get("id")), each)) for each in parts["puts"]],
            "posts": [show(zone, _post(call, each)) for each in parts["posts"]],
        }
    except CfError:
        zone.records = before
        raise
    return Reply(result)


def _find(zone: CloudflareZone, id: str) -> CloudflareRecord:
    for record in zone.records:
        if record.id == id:
            return record
    raise CfError(404, 81044, "Record does not exist.")


def _delete(call: Call, id: str) -> CloudflareRecord:
    record = _find(call.zone, id)
    call.zone.records.remove(record)
    return record


def _post(call: Call, body: Json) -> CloudflareRecord:
    record = _checked(call, {**_plain(), **body}, id=call.account.new_id())
    _check_beside(call.zone, record)
    call.zone.records.append(record)
    return record


def _patch(call: Call, id: str, body: Json) -> CloudflareRecord:
    return _changed(call, id, {**_own(_find(call.zone, id)), **body})


def _put(call: Call, id: str, body: Json) -> CloudflareRecord:
    return _changed(call, id, {**_plain(), **body})


def _changed(call: Call, id: str, body: Json) -> CloudflareRecord:
    old = _find(call.zone, id)
    record = _checked(call, {name: value for name, value in body.items() if name != "id"}, id=id)
    at = call.zone.records.index(old)
    call.zone.records.pop(at)
    _check_beside(call.zone, record)
    call.zone.records.insert(at, record)
    return record


def _plain() -> Json:
    return {"ttl": AUTOMATIC, "proxied": False, "comment": None, "tags": [], "settings": {}}


def _own(record: CloudflareRecord) -> Json:
    return {name: value for name, value in record.model_dump().items() if name in FIELDS}


def _checked(call: Call, body: Json, *, id: str) -> CloudflareRecord:
    if unknown := body.keys() - FIELDS:
        raise CfError(400, 9207, f"the sandbox does not know the fields {sorted(unknown)}")
    name, type_, content = (str(body.get(field) or "") for field in ("name", "type", "content"))
    name = name.lower().rstrip(".")
    if name != call.zone.name and not name.endswith(f".{call.zone.name}"):
        name = f"{name}.{call.zone.name}" if name != "@" else call.zone.name
    _check_content(type_, content)
    ttl, proxied = body["ttl"], bool(body["proxied"])
    if proxied and type_ not in PROXIABLE:
        raise CfError(400, 9004, "This record type cannot be proxied.")
    if ttl != AUTOMATIC and not MIN_TTL <= ttl <= MAX_TTL:
        raise CfError(400, 9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
    fields: dict[str, Any] = {**body, "name": name, "ttl": AUTOMATIC if proxied else ttl, "proxied": proxied}
    return CloudflareRecord(id=id, created=call.now, **fields)


def _check_content(type_: str, content: str) -> None:
    version = {"A": 4, "AAAA": 6}.get(type_)
    try:
        right = not version or ipaddress.ip_address(content).version == version
    except ValueError:
        right = False
    if not right:
        kind = "IPv4" if version == 4 else "IPv6"
        raise CfError(400, 9005, f"Content for {type_} record must be a valid {kind} address.")
    if not content or not type_:
        raise CfError(400, 9000, "DNS name, type and content are needed.")


def _check_beside(zone: CloudflareZone, record: CloudflareRecord) -> None:
    for other in zone.records:
        if other.name != record.name:
            continue
        if (other.type, other.content) == (record.type, record.content):
            raise CfError(400, 81058, "An identical record already exists.")
        if {other.type, record.type} & ALONE and {other.type, record.type} <= BESIDE:
            raise CfError(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")
