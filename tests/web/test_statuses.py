"""The status of every operation that succeeds, and that the description of the API names the same."""

import pytest

from keyturn.core.types import Subject
from keyturn.flows.accounts import set_admin
from keyturn.flows.drive import drive
from keyturn.web.routes import ROUTES, match
from web.browser import EMAIL, PASSWORD, SERVICE_TOKEN, Browser, document, text

OPERATIONS = {
    "POST /auth/signup": 201,
    "POST /auth/login": 200,
    "POST /auth/token": 200,
    "POST /auth/logout": 200,
    "POST /auth/logout-all": 200,
    "POST /auth/logout-others": 200,
    "GET /auth/session": 200,
    "GET /auth/sessions": 200,
    "DELETE /auth/sessions/{sid}": 200,
    "POST /auth/sessions/{sid}": 200,
    "POST /auth/password": 200,
    "POST /auth/step-up": 200,
    "POST /auth/accounts/disable": 200,
    "POST /auth/accounts/enable": 200,
    "POST /auth/revoke": 200,
    "POST /auth/introspect": 200,
    "GET /auth/revocations": 200,
    "GET /auth/client.js": 200,
    "GET /.well-known/jwks.json": 200,
    "GET /.well-known/oauth-authorization-server": 200,
    "GET /.well-known/openid-configuration": 200,
    "GET /openapi.json": 200,
    "GET /docs/errors": 200,
}
JSON: dict[str, object] = {
    "/auth/signup": {"email": "bob@example.com", "password": PASSWORD},
    "/auth/login": {"email": EMAIL, "password": PASSWORD},
    "/auth/password": {"current_password": PASSWORD, "new_password": "another gravel thistle moss"},
    "/auth/step-up": {"password": PASSWORD},
    "/auth/accounts/disable": {"email": "bob@example.com"},
    "/auth/accounts/enable": {"email": "bob@example.com"},
}


def perform(browser: Browser, method: str, path: str, refresh: str) -> int:
    """Send a valid request for one operation; ``refresh`` is a refresh token. Return the status of the reply."""
    forms = {
        "/auth/token": {"grant_type": "refresh_token", "refresh_token": refresh},
        "/auth/revoke": {"token": refresh},
        "/auth/introspect": {"token": refresh},
    }
    if path in forms:
        return browser.form(path, forms[path], SERVICE_TOKEN if path == "/auth/introspect" else None).status
    if method == "POST":
        return browser.post(path, JSON.get(path)).status
    token = [(b"authorization", f"Bearer {SERVICE_TOKEN}".encode())] if path == "/auth/revocations" else []
    return browser.send(method, path, headers=token).status


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_successful_operation_has_the_documented_status(browser: Browser, operation: str) -> None:
    issued = document(browser.signup("cookie"))
    sid = str(issued["sid"])
    if "accounts" in operation:
        browser.other().signup("cookie", "bob@example.com")
        drive(set_admin(Subject(str(issued["subject"])), True, browser.now, browser.site.issuer_config), browser.ports)
    refresh = text(browser.other().login("tokens"), "refresh_token")
    method, path = operation.replace("{sid}", sid).split(" ")
    assert perform(browser, method, path, refresh) == OPERATIONS[operation] == match(method, path).status


def test_every_operation_is_listed() -> None:
    assert [f"{each.method} {each.path}" for each in ROUTES] == list(OPERATIONS)
