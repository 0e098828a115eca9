"""Labels that a proxy or Coolify reads: what Coolify writes for an app's own domains passes, all else is named."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ink_infra_mcp.core.routing import Proxy, Routes, is_own, is_read, may_lead, odd_labels, riddles_in, routes_in

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "coolify_labels.json").read_text())
APP: str = RECORDED["app"]
CASES: dict[str, list[str]] = RECORDED["cases"]
OWN = Routes(APP, frozenset({"shop.example.com", "www.shop.example.com"}), ("coolify",))
OTHER = Routes("zyxwvutsrqponmlkjihgfedc", frozenset({"other.example.com"}), ("coolify",))
ROUTER = f"traefik.http.routers.https-0-{APP}"
SHARED = frozenset(
    {
        *("traefik.enable=true", "traefik.http.middlewares.gzip.compress=true", "caddy_ingress_network=coolify"),
        "traefik.http.middlewares.redirect-to-https.redirectscheme.scheme=https",
    }
)
"""What every app defines in the same way."""


def labels(case: str) -> dict[str, str]:
    """Return the labels of a case as Docker has them: of several lines with one name the last."""
    return {name: value for name, _, value in (line.partition("=") for line in CASES[case])}


@pytest.mark.parametrize("case", CASES)
def test_what_coolify_writes_for_an_app_passes(case: str) -> None:
    """Recorded from Coolify's own functions (4.3.11): paths, ports, www, passwords, Ghost, robots."""
    assert list(odd_labels(labels(case), OWN)) == []
    assert list(odd_labels(labels(case), Routes(APP, None, ("coolify",)))) == []


@pytest.mark.parametrize("case", CASES)
def test_what_coolify_writes_for_an_app_is_wrong_at_another(case: str) -> None:
    """Whatever has a name or a host of its own in it is the other's, though its shape is right."""
    taken = {name: value for name, value in labels(case).items() if is_own(name, value, OTHER)}
    shared = {f"{name}={value}" for name, value in taken.items() if name.startswith("traefik") or name in SHARED}
    assert shared <= SHARED
    assert not any("example.com" in value for value in taken.values())


LED = {
    "a path": "shop.example.com/api",
    "no gzip, no strip": "shop.example.com/api",
    "ghost": "shop.example.com/blog",
    "from www": "www.shop.example.com/",
    "two domains, one with a port": "www.shop.example.com/x",
}


@pytest.mark.parametrize("proxy", ["traefik", "caddy"])
@pytest.mark.parametrize("case", CASES)
def test_what_coolify_writes_tells_which_urls_lead_to_the_app(case: str, proxy: Proxy) -> None:
    """Host and path, for the proxy that is there; one that is not known reads nothing."""
    plain = case.removesuffix(", not for compose")
    assert LED.get(plain, "shop.example.com/") in routes_in(labels(case), proxy)
    assert routes_in(labels(case), "") == frozenset()


RULES = {
    "Host(`shop.example.com`)": {"shop.example.com/"},
    "Host(`Shop.Example.com`) || Host(`b.example.com`) && PathPrefix(`/x`)": {"shop.example.com/", "b.example.com/x"},
    "!Host(`shop.example.com`)": set[str](),
    "Host(`shop.example.com`) && !PathPrefix(`/`)": set[str](),
    "Host(`shop.example.com`) && ClientIP(`192.0.2.1`)": set[str](),
    "(Host(`shop.example.com`) || Host(`b.example.com`)) && Method(`POST`)": set[str](),
    "HostRegexp(`.*`)": set[str](),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_of_another_form_leads_to_nothing_that_is_known(rule: str) -> None:
    """Nobody is led by half a rule, nor by a container that Traefik does not read."""
    router = {"traefik.http.routers.own.rule": rule}
    assert routes_in({**router, "traefik.enable": "true"}, "traefik") == RULES[rule]
    assert routes_in(router, "traefik") == frozenset()


CLAIMS = {
    "another's host": (f"{ROUTER}.rule", "Host(`other.example.com`)"),
    "any host": (f"{ROUTER}.rule", "HostRegexp(`.*`)"),
    "a host beside its own": (f"{ROUTER}.rule", "Host(`shop.example.com`) || Host(`other.example.com`)"),
    "two hosts in one": (f"{ROUTER}.rule", "Host(`shop.example.com`, `other.example.com`)"),
    "a path only": (f"{ROUTER}.rule", "PathPrefix(`/`)"),
    "a router of nobody": ("traefik.http.routers.x.rule", "Host(`shop.example.com`)"),
    "a priority": (f"{ROUTER}.priority", "100000"),
    "Traefik itself": (f"{ROUTER}.service", "api@internal"),
    "a service elsewhere": (f"traefik.http.services.https-0-{APP}.loadbalancer.server.url", "http://192.0.2.1"),
    "the middleware of everybody": ("traefik.http.middlewares.gzip.headers.customrequestheaders.X", "1"),
    "the middleware of everybody, another value": ("traefik.http.middlewares.gzip.compress", "false"),
    "a network of another": ("traefik.docker.network", "zyxwvutsrqponmlkjihgfedc"),
    "a TCP router": ("traefik.tcp.routers.x.rule", "HostSNI(`*`)"),
    "capitals": ("Traefik.HTTP.Routers.x.Rule", "Host(`other.example.com`)"),
    "capitals in what is allowed": ("TRAEFIK.enable", "true"),
    "another's site": ("caddy_7", "https://other.example.com"),
    "a site for all": ("caddy", ":80"),
    "another's site beside its own": ("caddy_0", "https://shop.example.com, https://other.example.com"),
    "the proxy's own files": ("caddy_0.file_server", "browse"),
    "the proxy's own socket": ("caddy_0.handle_path.0_reverse_proxy", "unix//var/run/docker.sock"),
    "a snippet": ("caddy_0.header", "-Server\n import /etc/passwd"),
    "a line more": ("caddy_0.encode", "zstd gzip\n"),
    "Caddy's servers": ("caddy_controlled_server", ""),
    "the proxy's name": ("coolify.proxy", "true"),
    "a database": ("coolify.databaseId", "1"),
    "below what Coolify reads": ("com.docker.compose.service.x", "1"),
    "above what Coolify reads": ("com.docker", "1"),
    "all that Coolify reads": ("coolify", "1"),
    "a login": ("traefik.http.middlewares.auth.basicauth.users", "admin:$apr1$H6uskkkW$IgXLP6ewTrSuBkTrqE8wj/"),
    "a header": ("traefik.http.middlewares.auth.headers.customrequestheaders.X-Api-Key", "s3cr3tKey0123456789"),
    "what Coolify may come to read": ("coolify.more", "1"),
}


SECRETS = frozenset(
    {
        *(
            "a service elsewhere",
            "the middleware of everybody",
            "the middleware of everybody, another value",
            "a login",
        ),
        *("the proxy's own files", "the proxy's own socket", "a snippet", "a line more", "Caddy's servers", "a header"),
        *("the proxy's name", "a database", "what Coolify may come to read", "below what Coolify reads"),
        *("above what Coolify reads", "all that Coolify reads"),
    }
)
"""Claims whose values may be secrets, as far as the name tells."""


@pytest.mark.parametrize("claim", CLAIMS)
def test_what_an_image_or_a_person_adds_is_named(claim: str) -> None:
    """A LABEL of a Dockerfile is a label of the container: the proxy does not know who wrote it."""
    name, value = CLAIMS[claim]
    found = list(odd_labels({**labels("plain"), name: value}, OWN))
    reader = next((full for full in ("Traefik", "Caddy") if name.lower().startswith(full.lower())), "Coolify")
    said = "has a value of its own" if claim in SECRETS else f"is {value}"
    assert found == [f"its label {name} {said}, which the app may not have: {reader} reads it"]


def test_an_application_is_not_a_service_too() -> None:
    """By the two numbers Coolify finds the containers that it stops: an image may not make it stop another's."""
    both = {**labels("plain"), "coolify.serviceId": "3"}
    assert list(odd_labels(both, OWN)) == ["its labels say that it is an application and a service of Coolify's"]


@pytest.mark.parametrize(
    "name", ["org.opencontainers.image.title", "maintainer", "com.docker.compose.project", "com.docker.x", "x"]
)
def test_what_nobody_on_a_muscle_reads_passes(name: str) -> None:
    """Images have labels of all kinds."""
    assert list(odd_labels({name: "Host(`other.example.com`)"}, OWN)) == []


@given(
    st.sampled_from(("traefik.", "caddy", "coolify.", "TRAEFIK.", "Caddy_")), st.text(max_size=30), st.text(max_size=9)
)
def test_a_name_that_nobody_knows_never_passes(start: str, rest: str, value: str) -> None:
    """The list is one of what Coolify writes: whatever else a reader may come to know is named."""
    name = f"{start}{rest}"
    assert is_read(name)
    known = name in labels("plain") or name in ("traefik.enable", "traefik.docker.network", "coolify.slug")
    assert known or list(odd_labels({name: value}, OWN)) != []


def test_a_preview_has_names_below_the_app_s_own() -> None:
    """Coolify calls them `{{pr_id}}.{{domain}}`; no other container of the app may have them, and no preview others."""
    claims = {f"traefik.http.routers.https-0-{APP}-pr-7.rule": "Host(`7.shop.example.com`) && PathPrefix(`/`)"}
    other = {name: value.replace("shop.", "") for name, value in claims.items()}
    preview = Routes(APP, frozenset({"shop.example.com"}), ("coolify",), is_preview=True)
    assert list(odd_labels(claims, preview)) == []
    assert len(list(odd_labels(other, preview))) == 1
    assert len(list(odd_labels(claims, OWN))) == 1


@pytest.mark.parametrize(
    ("name", "value", "hosts"),
    [
        ("caddy_0.basicauth.admin@example.com", '"$2y$10$aaaa"', ("shop.example.com",)),
        (f"{ROUTER}.rule", "Host(`shop.example.com`) && PathPrefix(`/@app/a%20b/c++:x`)", ("shop.example.com",)),
        (f"{ROUTER}.rule", "Host(`[2001:db8::1]`) && PathPrefix(`/`)", ("2001:db8::1",)),
        (f"{ROUTER}.rule", "Host(`X.Example.com`) && PathPrefix(`/`)", ("x.example.com",)),
        ("caddy_0.redir", "https://aexample.com{uri}", ("www.awww.example.com",)),
    ],
)
def test_what_coolify_writes_of_odd_settings_passes(name: str, value: str, hosts: tuple[str, ...]) -> None:
    """Run with Coolify's own functions: a login with a dot, paths with signs, an address, capitals, www inside."""
    assert list(odd_labels({name: value}, Routes(APP, frozenset(hosts), ("coolify",)))) == []


@pytest.mark.parametrize(
    ("rule", "leads"),
    [
        ("Host(`a.example.com`)", True),
        ("Host(`A.example.com`) && Path(`/x`)", True),
        ("Host(`b.example.com`)", False),
        ("Host(`b.example.com`) && Path(`/x`)", False),
        ("Host(`b.example.com`) || Host(`c.example.com`)", False),
        ("Host(`b.example.com`) || PathPrefix(`/`)", True),
        ("Host(`b.example.com`) && (Path(`/x`) || Host(`a.example.com`))", True),
        ("Host(`b.example.com`, `a.example.com`)", True),
        ("!Host(`b.example.com`)", True),
        ("HostRegexp(`.+`)", True),
        ("HostSNI(`*`)", True),
        ("", True),
    ],
)
def test_a_rule_may_lead_wherever_it_does_not_plainly_lead_elsewhere(rule: str, leads: bool) -> None:
    """Only a way that begins with one other host is known not to lead there."""
    assert may_lead(rule, "a.example.com") is leads


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ({"traefik.enable": "true", "traefik.http.routers.x.rule": "Host(`a.example.com`)"}, set[str]()),
        ({"traefik.enable": "false", "traefik.http.routers.x.rule": "PathPrefix(`/`)"}, set[str]()),
        ({"traefik.enable": "true", "traefik.http.routers.x.rule": "PathPrefix(`/`)"}, {"PathPrefix(`/`)"}),
        ({"Traefik.Enable": "T", "Traefik.Http.Routers.x.Rule": "Host(`a`)"}, {"Host(`a`)"}),
        (
            {
                "traefik.enable": "true",
                "traefik.http.routers.x.rule": "Host(`a`)",
                "traefik.http.routers.x.priority": "9",
            },
            {"Host(`a`)"},
        ),
        ({"traefik.crowd": ""}, {"more than 300 labels"}),
    ],
)
def test_rules_that_are_not_read_as_traefik_reads_them_are_told(labels: dict[str, str], found: set[str]) -> None:
    """Letters of any case, a priority, or too many labels: what they lead where is not known here."""
    assert riddles_in(labels, "traefik") == found
    assert riddles_in(labels, "caddy") == set()
