"""The auction of used servers: what is on offer at this moment. Nothing can be ordered in the pretend world."""

from decimal import Decimal

from pydantic import JsonValue

from ink_infra_mcp.sandbox.robot.call import Call, JsonObject, RobotError, Route
from ink_infra_mcp.sandbox.state_robot import MarketProduct

LIMIT = 500
VAT = Decimal("1.19")


def _gross(net: str) -> str:
    return f"{Decimal(net) * VAT:.4f}"


def _shown(product: MarketProduct) -> JsonObject:
    return {
        "id": product.id,
        "name": product.name,
        "description": [product.cpu, f"{product.drives} x {product.drive} GB", f"{product.memory} GB"],
        "traffic": "unlimited",
        "dist": ["Rescue system"],
        "arch": [64],
        "lang": ["en"],
        "cpu": product.cpu,
        "cpu_benchmark": product.benchmark,
        "memory_size": product.memory,
        "hdd_size": product.drive,
        "hdd_text": "ENT.HDD",
        "hdd_count": product.drives,
        "datacenter": product.datacenter,
        "network_speed": "1 Gbit/s",
        "price": product.price,
        "price_hourly": None,
        "price_setup": product.setup,
        "price_vat": _gross(product.price),
        "price_hourly_vat": None,
        "price_setup_vat": _gross(product.setup),
        "fixed_price": True,
        "next_reduce": 0,
        "next_reduce_date": "2026-11-30 12:00:00",
        "orderable_addons": [],
    }


def _products(call: Call) -> JsonValue:
    """An empty auction is an error, not an empty list."""
    if not call.account.market:
        raise RobotError(404, "NOT_FOUND", "No products found")
    return [{"product": _shown(product)} for product in call.account.market]


ROUTES = (Route("GET", "/order/server_market/product", _products, LIMIT),)
