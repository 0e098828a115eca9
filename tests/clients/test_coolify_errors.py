"""Every error shape of Coolify becomes the right error, in clean sentences."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from ink_infra_mcp.clients.answers import Answer
from ink_infra_mcp.clients.coolify.errors import classify_coolify, domain_conflicts, flatten_errors
from ink_infra_mcp.clients.coolify.models import DomainConflict
from ink_infra_mcp.core import errors
from ink_infra_mcp.core.redact import mask
from tests.clients.coolify_wire import APP, coolify, refusal
from tests.clients.ordered import TOKEN, Call

DOCS = "https://coolify.io/docs"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)


@dataclass(frozen=True)
class Shape:
    """One answer of Coolify, and what must become of it."""

    name: str
    answer: Answer
    kind: type[errors.VendorError]
    code: str | None
    failed: str


SHAPES = (
    Shape(
        "a token without a team",
        refusal(400, {"message": "Invalid token.", "docs": DOCS}),
        errors.Unauthorized,
        "invalid_token",
        "Coolify does not accept the token: Invalid token.",
    ),
    Shape(
        "a wrong token",
        refusal(401, {"message": "Unauthenticated."}),
        errors.Unauthorized,
        "invalid_token",
        "Coolify does not accept the token: Unauthenticated.",
    ),
    Shape(
        "an empty body",
        refusal(400, {"message": "Invalid request.", "error": "Empty JSON."}, method="PATCH"),
        errors.Rejected,
        "refused",
        "Coolify answered 400 to PATCH /applications/x: Invalid request. Empty JSON.",
    ),
    Shape(
        "an app that does not run",
        refusal(400, {"message": "Application is not running."}),
        errors.Rejected,
        "not_running",
        "Coolify answered 400 to GET /applications/x: Application is not running.",
    ),
    Shape(
        "a deployment that has ended",
        refusal(400, {"message": "Deployment cannot be cancelled. Current status: finished"}, method="POST"),
        errors.Rejected,
        "not_cancellable",
        "Coolify answered 400 to POST /applications/x: Deployment cannot be cancelled. Current status: finished.",
    ),
    Shape(
        "a closed API",
        refusal(403, {"success": True, "message": "API is disabled."}),
        errors.Forbidden,
        "api_disabled",
        "Coolify's API is switched off.",
    ),
    Shape(
        "an address that is not on the list",
        refusal(403, {"success": True, "message": "You are not allowed to access the API."}),
        errors.Forbidden,
        "address_not_allowed",
        "Coolify does not let this machine's address use its API.",
    ),
    Shape(
        "a missing ability",
        refusal(403, {"message": "Missing required permissions: write"}, method="POST"),
        errors.Forbidden,
        "missing_ability",
        "The Coolify token lacks the ability write.",
    ),
    Shape(
        "a member with a strong token",
        refusal(403, {"message": "Missing required team role."}),
        errors.Forbidden,
        "role",
        "The Coolify token has more abilities than its user's role allows: Missing required team role.",
    ),
    Shape(
        "a policy",
        refusal(403, {"message": "You are not authorized to perform this action.", "error": "Unauthorized"}),
        errors.Forbidden,
        "policy",
        "Coolify does not let the token's user do this: You are not authorized to perform this action.",
    ),
    Shape(
        "a missing app, without its full stop",
        refusal(404, {"message": "Application not found"}),
        errors.NotFound,
        "not_found",
        "Coolify answered 404 to GET /applications/x: Application not found.",
    ),
    Shape(
        "the catch-all for unknown paths",
        refusal(404, {"message": "Not found.", "docs": DOCS}),
        errors.Rejected,
        "unknown_endpoint",
        "This Coolify has no endpoint GET /applications/x.",
    ),
    Shape(
        "a proxy without Coolify behind it",
        refusal(404, None, text="404 page not found\n"),
        errors.Unavailable,
        "no_backend",
        "A proxy answered GET /applications/x, but there is no Coolify behind it.",
    ),
    Shape(
        "a stub that wants POST",
        refusal(405, {"message": "This endpoint has changed to a POST request."}),
        errors.Rejected,
        "post_required",
        "Coolify answered 405 to GET /applications/x: This endpoint has changed to a POST request.",
    ),
    Shape(
        "a variable that exists",
        refusal(409, {"message": "Environment variable already exists. Use PATCH request to update it."}),
        errors.Conflict,
        "exists",
        "Coolify answered 409 to GET /applications/x: Environment variable already exists. "
        "Use PATCH request to update it.",
    ),
    Shape(
        "field errors as lists",
        refusal(422, {"message": "Validation failed.", "errors": {"x": ["This field is not allowed."]}}),
        errors.Rejected,
        "unknown_field",
        "Coolify answered 422 to GET /applications/x: Validation failed. x: This field is not allowed.",
    ),
    Shape(
        "field errors as texts",
        refusal(422, {"message": "Validation failed.", "errors": {"domains": "No domains here."}}),
        errors.Rejected,
        "validation",
        "Coolify answered 422 to GET /applications/x: Validation failed. domains: No domains here.",
    ),
    Shape(
        "field errors as a bare list",
        refusal(422, {"message": "Validation failed.", "errors": ["Invalid URL: a", "Invalid URL: b"]}),
        errors.Rejected,
        "validation",
        "Coolify answered 422 to GET /applications/x: Validation failed. Invalid URL: a; Invalid URL: b.",
    ),
    Shape(
        "no field errors",
        refusal(422, {"message": "Invalid private key."}),
        errors.Rejected,
        "validation",
        "Coolify answered 422 to GET /applications/x: Invalid private key.",
    ),
    Shape(
        "a full queue",
        refusal(429, {"message": "Deployment queue is full. Please wait for existing deployments to complete."}),
        errors.RateLimited,
        "queue_full",
        "Coolify answered 429 to GET /applications/x: Deployment queue is full. "
        "Please wait for existing deployments to complete.",
    ),
    Shape(
        "too many requests",
        refusal(429, {"message": "Too Many Attempts."}),
        errors.RateLimited,
        "rate_limited",
        "Coolify answered 429 to GET /applications/x: Too Many Attempts.",
    ),
    Shape(
        "a login page",
        refusal(403, None, text="<!DOCTYPE html><title>Sign in</title>", html=True),
        errors.BadAnswer,
        None,
        "What answers for Coolify at /applications/x is not its API: status 403, text/html.",
    ),
    Shape(
        "a missing page of a proxy",
        refusal(404, None, text="<html>gone</html>", html=True),
        errors.BadAnswer,
        None,
        "What answers for Coolify at /applications/x is not its API: status 404, text/html.",
    ),
    Shape(
        "a crash",
        refusal(500, {"message": "Server Error"}, method="PATCH"),
        errors.Unavailable,
        None,
        "Coolify answered 500 to PATCH /applications/x: Server Error.",
    ),
)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_shape_becomes_its_error(shape: Shape) -> None:
    """Each error shape of Coolify has one kind, one code and one sentence."""
    error = classify_coolify("Coolify", shape.answer)
    assert (type(error), error.vendor_code, error.failed, error.status) == (
        shape.kind,
        shape.code,
        shape.failed,
        shape.answer.status,
    )


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_only_a_failed_write_on_their_side_may_have_happened(shape: Shape) -> None:
    """A refusal says that nothing was changed; a 5xx to a write says that nobody knows."""
    unsure = shape.answer.status >= 500 and shape.answer.method != "GET"
    expected = "It is not known whether the change happened." if unsure else "Nothing was changed."
    assert classify_coolify("Coolify", shape.answer).done == expected


def test_a_closed_door_says_where_its_switch_is() -> None:
    """The two 403 with `success: true` name the setting in Coolify that mends them."""
    advice = [
        classify_coolify("Coolify", refusal(403, {"success": True, "message": message})).next
        for message in ("API is disabled.", "You are not allowed to access the API.")
    ]
    assert advice == [
        "Switch it on in Coolify: Settings > Advanced > API Access.",
        "Add the address in Coolify: Settings > Advanced > Allowed IPs for API access.",
    ]


def test_a_domain_conflict_names_the_owner_and_keeps_the_rows() -> None:
    """A taken domain says who has it, in the sentence and as values in the error's body."""
    body: JsonValue = {
        "message": "Domain conflicts detected. Use force_domain_override=true to proceed.",
        "warning": "Routing conflicts.",
        "conflicts": [
            {
                "domain": "https://shop.example.com",
                "resource_name": "shop",
                "resource_uuid": APP,
                "resource_type": "application",
                "message": "Domain is in use",
            },
            {"domain": "https://coolify.example.com", "resource_name": "Coolify", "resource_type": "instance"},
            "not a row",
        ],
    }
    error = classify_coolify("Coolify", refusal(409, body, method="POST"))
    assert (error.vendor_code, error.failed) == (
        "domain_conflict",
        "Coolify refused the domain: https://shop.example.com belongs to application 'shop' "
        f"({APP}); https://coolify.example.com belongs to instance 'Coolify'.",
    )
    assert error.body == (
        DomainConflict(domain="https://shop.example.com", resource_name="shop", resource_uuid=APP, type="application"),
        DomainConflict(domain="https://coolify.example.com", resource_name="Coolify", type="instance"),
    )


@pytest.mark.anyio
async def test_a_rate_limit_is_waited_for_as_long_as_it_says() -> None:
    """A 429 with Retry-After is asked again after those seconds."""
    limited = Call("GET", "/projects", status=429, answer={"message": "Too Many"}, headers={"retry-after": "17"})
    with coolify(limited, Call("GET", "/projects", answer=[])) as it:
        assert await it.look.projects() == ()
        assert it.clock.slept == [17.0]


@pytest.mark.anyio
async def test_a_wrong_token_is_named_and_not_retried() -> None:
    """A 401 ends the call at the first try, says how to get a new token, and does not show the old one."""
    with (
        coolify(Call("GET", "/projects", status=401, answer={"message": f"bad {TOKEN}"})) as it,
        pytest.raises(errors.Unauthorized) as caught,
    ):
        await it.look.projects()
    assert TOKEN not in str(caught.value)
    assert str(caught.value) == (
        f"Coolify does not accept the token: bad {mask(len(TOKEN))}. Nothing was changed. Make a new token in Coolify "
        "(Security > API Tokens; by default it expires after 30 days) and store it; "
        "`ink-infra-mcp doctor` shows which one is used."
    )


@pytest.mark.parametrize(
    ("shape", "texts"),
    [
        ({"a": ["one", "two"], "b": "three"}, ("a: one", "a: two", "b: three")),
        (["one", "two", "one"], ("one", "two")),
        ({"0": "one", "1": ["two"]}, ("one", "two")),
        ({"domains": {"0": "one"}}, ("domains: one",)),
        ("one", ("one",)),
        (None, ()),
        ({"a": []}, ()),
        ({"a": "\x1b[31mred\u202e\x00"}, ("a: <U+001B>[31mred<U+202E><U+0000>",)),
    ],
)
def test_field_errors_of_any_shape_are_flat_texts(shape: JsonValue, texts: tuple[str, ...]) -> None:
    """Texts, lists, bare lists and nested ones end as one list of clean texts."""
    assert flatten_errors(shape) == texts


@given(JSON)
def test_no_shape_of_field_errors_breaks_the_classifier(shape: JsonValue) -> None:
    """Whatever stands in `errors`, the answer is a Rejected in clean, bounded text."""
    error = classify_coolify("Coolify", refusal(422, {"message": "Validation failed.", "errors": shape}))
    assert isinstance(error, errors.Rejected)
    assert error.failed.isprintable()
    assert len(error.failed) < 2_500


@given(st.integers(400, 599), JSON, st.booleans())
def test_no_answer_breaks_the_classifier(status: int, body: JsonValue, html: bool) -> None:
    """Every status with every JSON becomes some VendorError that keeps the status."""
    assert classify_coolify("Coolify", refusal(status, body, html=html)).status == status


@given(st.dictionaries(st.just("conflicts"), JSON))
def test_no_list_of_conflicts_breaks_its_reader(body: dict[str, JsonValue]) -> None:
    """Rows of another shape are left out, never raised."""
    assert all(isinstance(row, DomainConflict) for row in domain_conflicts(body))
