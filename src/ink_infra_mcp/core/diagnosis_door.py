"""Why a proxy gets nothing from an app that runs, where the app's container was asked itself, too."""

from ink_infra_mcp.core.diagnosis_facts import Seen
from ink_infra_mcp.core.diagnosis_found import Found, found, read_log, visit
from ink_infra_mcp.core.diagnosis_pages import Answer, Page

NO_SERVER, BAD_GATEWAY = 503, 502


def at_its_door(seen: Seen, page: Page, answer: Answer) -> Found | None:
    """Return what is wrong between the proxy and the container, None where nobody asked, or nothing tells.

    503 is of a proxy that asks no container, since none is healthy.
    """
    if page.inside is None or answer.status == NO_SERVER:
        return None
    if page.deaf:
        return _deaf(seen, page, answer)
    if page.inside.status is None:
        return _mute(seen, page, answer)
    return _unreached(seen, page, answer) if _met_proxy(page, answer) else None


def _met_proxy(page: Page, answer: Answer) -> bool:
    """A visit that got no answer at all may have ended before the proxy, unless TLS began, or no way leads on."""
    return answer.status is not None or isinstance(page.certificate, str) or bool(page.apart)


def _deaf(seen: Seen, page: Page, answer: Answer) -> Found:
    port = page.inside_at.rpartition(":")[2]
    if page.listens:
        what = f"it listens on port {page.listens}, and the proxy asks port {port}"
        return _found("port", what, page, answer, f"deploy_app name={seen.name} port={page.listens}")
    what = (
        f"nothing listens on its port {port} for the proxy: only on 127.0.0.1 in its container, elsewhere, or not yet"
    )
    mend = (
        f"get_app_logs app={seen.name} may say where it listens; let it listen on 0.0.0.0 (often set_app_env "
        "HOST=0.0.0.0), or deploy_app with another port"
    )
    return _found("port", what, page, answer, mend)


def _mute(seen: Seen, page: Page, answer: Answer) -> Found:
    what = "it takes connections at its port and answers nothing: it hangs, or speaks no plain HTTP there"
    code = "gateway_timeout" if answer.status != BAD_GATEWAY else "port"
    return _found(code, what, page, answer, read_log(seen))


def _unreached(seen: Seen, page: Page, answer: Answer) -> Found:
    restart = f"restart the proxy of {seen.muscle} in Coolify (Servers, Proxy)"
    if page.apart:
        what = "it answers its own server, and the proxy is in none of its networks"
        mend = f"{restart}, which connects it to them; then look again"
        return _found("unreached", f"{what}: {page.apart}", page, answer, mend)
    what = "it answers its own server, and not the proxy: between them is a firewall, or the proxy has an old address"
    mend = f"check_firewall server={seen.muscle}; control_app app={seen.name} action=restart, or {restart}"
    return _found("unreached", what, page, answer, mend)


def _found(code: str, what: str, page: Page, answer: Answer, mend: str) -> Found:
    return found(code, what, visit(page, answer), mend, url=page.url)
