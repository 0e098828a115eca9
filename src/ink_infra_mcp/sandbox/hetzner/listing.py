"""Lists as the Cloud API gives them: filtered, sorted, cut into pages."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.call import Call, JsonObject, Reply, invalid
from ink_infra_mcp.sandbox.hetzner.labels import selector

PER_PAGE = 25
MAX_PER_PAGE = 50


def listing(
    call: Call,
    key: str,
    items: Sequence[JsonObject],
    *,
    filters: Sequence[str] = (),
    most: int = MAX_PER_PAGE,
) -> Reply:
    """Return one page of `items` under `key`, with the pagination in `meta`.

    `filters` are the query parameters that ask for an exact value of the field of the same name; a repeated
    parameter allows each of its values. `label_selector` and `sort` work on every list. A `per_page` above `most`
    counts as `most`.
    """
    test = selector(call.query.get("label_selector", [""])[-1])
    kept = [item for item in items if _passes(call, item, filters) and test(_labels(item))]
    for order in reversed(call.query.get("sort", ())):
        kept = _sorted(kept, order)
    return _page(call, key, kept, most)


def _passes(call: Call, item: JsonObject, filters: Sequence[str]) -> bool:
    return all(str(item[name]) in call.query[name] for name in filters if name in call.query)


def _labels(item: JsonObject) -> Mapping[str, str]:
    labels = item.get("labels")
    return {k: str(v) for k, v in labels.items()} if isinstance(labels, dict) else {}


def _sorted(items: list[JsonObject], order: str) -> list[JsonObject]:
    name, _, direction = order.partition(":")
    if direction not in {"", "asc", "desc"} or any(name not in item for item in items):
        raise invalid({"sort": f"cannot sort by {order}"})
    return sorted(items, key=lambda item: _rank(item[name]), reverse=direction == "desc")


def _rank(value: JsonValue) -> tuple[float, str]:
    return (float(value), "") if isinstance(value, int | float) else (0.0, str(value))


def _page(call: Call, key: str, items: Sequence[JsonObject], most: int) -> Reply:
    page, per_page = _number(call, "page", 1), min(_number(call, "per_page", PER_PAGE), most)
    last = max(1, -(-len(items) // per_page))
    shown: list[JsonValue] = list(items[(page - 1) * per_page : page * per_page])
    pagination: JsonObject = {
        "page": page,
        "per_page": per_page,
        "previous_page": page - 1 if page > 1 else None,
        "next_page": page + 1 if page < last else None,
        "last_page": last,
        "total_entries": len(items),
    }
    return Reply(200, {key: shown, "meta": {"pagination": pagination}})


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, [str(default)])[-1]
    if not text.isdigit() or int(text) < 1:
        raise invalid({name: "must be a number above 0"})
    return int(text)
