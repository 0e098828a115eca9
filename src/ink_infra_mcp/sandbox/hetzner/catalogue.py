"""What can be had and at what price: server types, locations, images, pricing."""

from decimal import Decimal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.hetzner.call import ApiError, Call, JsonObject, Reply, Route, invalid, not_found, stamp
from ink_infra_mcp.sandbox.hetzner.listing import listing
from ink_infra_mcp.sandbox.hetzner.things import find
from ink_infra_mcp.sandbox.state_hetzner import HetznerState, Image, Location, Offer, Server, ServerType

TB = 10**12
VAT = Decimal("0.19")


def location_named(project: HetznerState, key: str) -> Location | None:
    """Return the location with that name or id."""
    return next((place for place in project.locations if key in {place.name, str(place.id)}), None)


def location_asked(project: HetznerState, key: str) -> Location:
    """Return the location with that name or id, which a request body names.

    Raises:
        ApiError: 422 invalid_input.
    """
    place = location_named(project, key)
    if place is None:
        raise invalid({"location": "location not found"})
    return place


def server_type_named(project: HetznerState, key: str) -> ServerType | None:
    """Return the server type with that name or id."""
    return next((kind for kind in project.server_types if key in {kind.name, str(kind.id)}), None)


def location_of(project: HetznerState, name: str) -> Location:
    """Return the location of something that is there."""
    return next(place for place in project.locations if place.name == name)


def server_type_of(project: HetznerState, server: Server) -> ServerType:
    """Return the type of a server that is there."""
    return next(kind for kind in project.server_types if kind.name == server.server_type)


def image_named(project: HetznerState, key: str, *, arm: bool) -> Image | None:
    """Return the image with that id, or with that name for the architecture."""
    return next((i for i in project.images if key == str(i.id) or (key == i.name and i.arm == arm)), None)


def price(net: str) -> JsonObject:
    """Return a price as the API writes it: two decimal strings."""
    return {"net": f"{Decimal(net):.10f}", "gross": f"{Decimal(net) * (1 + VAT):.16f}"}


def show_location(place: Location) -> JsonObject:
    """Return a location as JSON."""
    return {
        "id": place.id,
        "name": place.name,
        "description": f"{place.city} DC Park 1",
        "country": place.country,
        "city": place.city,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "network_zone": place.network_zone,
    }


def show_server_type(project: HetznerState, kind: ServerType) -> JsonObject:
    """Return a server type as JSON; only `locations` says where it can be had and until when."""
    category, cpu_type = ("General Purpose", "dedicated") if kind.dedicated else ("Cost-Optimized", "shared")
    prices: list[JsonValue] = [_offer_price(offer) for offer in kind.offers]
    locations: list[JsonValue] = [_offer(project, offer) for offer in kind.offers]
    return {
        "id": kind.id,
        "name": kind.name,
        "description": kind.name.upper(),
        "category": category,
        "cores": kind.cores,
        "memory": kind.memory,
        "disk": kind.disk,
        "deprecated": False,
        "deprecation": None,
        "prices": prices,
        "storage_type": "local",
        "cpu_type": cpu_type,
        "architecture": "arm" if kind.arm else "x86",
        "locations": locations,
    }


def show_image(image: Image) -> JsonObject:
    """Return a system image as JSON."""
    return {
        "id": image.id,
        "type": "system",
        "status": "available",
        "name": image.name,
        "description": f"{image.flavor.capitalize()} {image.version}",
        "image_size": None,
        "disk_size": 5,
        "created": "2025-09-01T06:00:00Z",
        "created_from": None,
        "bound_to": None,
        "os_flavor": image.flavor,
        "os_version": image.version,
        "rapid_deploy": True,
        "protection": {"delete": False},
        "deprecated": None,
        "deleted": None,
        "labels": {},
        "architecture": "arm" if image.arm else "x86",
    }


def _offer_price(offer: Offer) -> JsonObject:
    return {
        "location": offer.location,
        "price_hourly": price(offer.hourly),
        "price_monthly": price(offer.monthly),
        "included_traffic": (1 if offer.location == "ash" else 20) * TB,
        "price_per_tb_traffic": price("1"),
    }


def _offer(project: HetznerState, offer: Offer) -> JsonObject:
    going = offer.announced_at is not None and offer.unavailable_at is not None
    return {
        "id": location_of(project, offer.location).id,
        "name": offer.location,
        "deprecation": {
            "announced": stamp(offer.announced_at or 0),
            "unavailable_after": stamp(offer.unavailable_at or 0),
        }
        if going
        else None,
        "recommended": offer.recommended,
        "available": offer.available,
    }


def _locations(call: Call) -> Reply:
    return listing(call, "locations", [show_location(p) for p in call.project.locations], filters=("name",))


def _location(call: Call) -> Reply:
    place = location_named(call.project, call.parts["id"])
    if place is None:
        raise not_found("location", call.id)
    return Reply(200, {"location": show_location(place)})


def _server_types(call: Call) -> Reply:
    items = [show_server_type(call.project, kind) for kind in call.project.server_types]
    return listing(call, "server_types", items, filters=("name",))


def _server_type(call: Call) -> Reply:
    kind = server_type_named(call.project, call.parts["id"])
    if kind is None:
        raise not_found("server type", call.id)
    return Reply(200, {"server_type": show_server_type(call.project, kind)})


def _images(call: Call) -> Reply:
    items = [show_image(image) for image in call.project.images]
    return listing(call, "images", items, filters=("name", "type", "status", "architecture"))


def _image(call: Call) -> Reply:
    return Reply(200, {"image": show_image(find(call.project.images, call.id, "image"))})


def _pricing(call: Call) -> Reply:
    places = [place.name for place in call.project.locations]
    primary: list[JsonValue] = [_address_prices("ipv4", "0.0008", "0.5000", places)]
    primary.append(_address_prices("ipv6", "0", "0", places))
    floating: list[JsonValue] = [_address_prices("ipv4", None, "3.0000", places)]
    floating.append(_address_prices("ipv6", None, "1.0000", places))
    types: list[JsonValue] = [
        {"id": kind.id, "name": kind.name, "prices": [_offer_price(offer) for offer in kind.offers]}
        for kind in call.project.server_types
    ]
    return Reply(
        200,
        {
            "pricing": {
                "currency": "EUR",
                "vat_rate": f"{VAT * 100:.6f}",
                "primary_ips": primary,
                "floating_ips": floating,
                "floating_ip": {"price_monthly": price("3.0000")},
                "image": {"price_per_gb_month": price("0.0110")},
                "volume": {"price_per_gb_month": price("0.0440")},
                "server_backup": {"percentage": "20.0000000000"},
                "server_types": types,
                "load_balancer_types": [],
            }
        },
    )


def _address_prices(kind: str, hourly: str | None, monthly: str, places: list[str]) -> JsonObject:
    prices: list[JsonValue] = []
    for place in places:
        one: JsonObject = {"location": place, "price_monthly": price(monthly)}
        prices.append(one if hourly is None else {**one, "price_hourly": price(hourly)})
    return {"type": kind, "prices": prices}


def _datacenters(_: Call) -> Reply:
    """Gone since 1 October 2026."""
    raise ApiError(
        410,
        "deprecated_api_endpoint",
        "this endpoint was removed",
        {"announcement": "https://docs.hetzner.cloud/changelog"},
    )


ROUTES = (
    Route("GET", "/locations", _locations),
    Route("GET", "/locations/{id}", _location),
    Route("GET", "/server_types", _server_types),
    Route("GET", "/server_types/{id}", _server_type),
    Route("GET", "/images", _images),
    Route("GET", "/images/{id}", _image),
    Route("GET", "/pricing", _pricing),
    Route("GET", "/datacenters", _datacenters),
    Route("GET", "/datacenters/{id}", _datacenters),
)
