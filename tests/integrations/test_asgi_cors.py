"""AuthMiddleware and CORS: preflights, readable refusals, and the cookies of app shells."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.middleware.cors import CORSMiddleware

from integrations.guarded_app import ISSUER, PASSWORD, Answer, GuardedIssuer, ask, bearer, cookie
from keyturn import Verifier
from keyturn.integrations.asgi import PRINCIPAL, AuthMiddleware

SITE, SHELL = b"https://app.example.com", b"tauri://localhost"
TRUSTED = (SITE.decode(), SHELL.decode())
ALLOW, METHOD = b"access-control-allow-origin", b"access-control-request-method"
PREFLIGHT = (METHOD, b"DELETE"), (b"access-control-request-headers", b"authorization")


def from_page(page: bytes, *headers: tuple[bytes, bytes]) -> tuple[tuple[bytes, bytes], ...]:
    return (b"origin", page), *headers


def test_a_preflight_of_a_trusted_page_is_answered_by_the_middleware(make: Callable[..., GuardedIssuer]) -> None:
    app = make(trusted_origins=TRUSTED)
    answer = app.ask(*from_page(SITE, *PREFLIGHT), method="OPTIONS")
    assert (answer.status, answer.headers[ALLOW], app.app.callers) == (204, SITE, [])
    assert answer.headers[b"access-control-allow-credentials"] == b"true"
    assert answer.headers[b"access-control-allow-methods"] == b"DELETE"
    assert answer.headers[b"access-control-allow-headers"] == b"authorization"


def test_a_true_preflight_of_another_page_passes_without_a_principal(issuer_app: GuardedIssuer) -> None:
    signed_in = cookie(issuer_app.login())
    assert issuer_app.ask(*from_page(SITE, signed_in, *PREFLIGHT), method="OPTIONS").status == 200
    assert issuer_app.app.callers == [None]


@pytest.mark.parametrize(
    "headers", [(), from_page(SITE), PREFLIGHT, from_page(SITE, (METHOD, b"")), from_page(SITE, *PREFLIGHT, *PREFLIGHT)]
)
def test_any_other_options_needs_a_credential(issuer_app: GuardedIssuer, headers: Any) -> None:
    assert issuer_app.ask(*headers, method="OPTIONS").status == 401
    assert issuer_app.app.callers == []


def test_a_preflight_with_another_method_is_no_preflight(issuer_app: GuardedIssuer) -> None:
    assert issuer_app.ask(*from_page(SITE, *PREFLIGHT), method="POST").status == 401


def test_refusals_and_responses_are_readable_for_a_trusted_page(make: Callable[..., GuardedIssuer]) -> None:
    app = make(trusted_origins=TRUSTED)
    signed_in = cookie(app.login())
    for headers, status in (
        (from_page(SITE), 401),
        (from_page(SITE, signed_in), 200),
        (from_page(SITE, signed_in), 200),
    ):
        answer = app.ask(*headers)
        assert (answer.status, answer.headers[ALLOW], answer.headers[b"vary"]) == (status, SITE, b"Origin")
        assert answer.headers[b"access-control-allow-credentials"] == b"true"
    for headers in (from_page(b"https://evil.example", signed_in), (signed_in,)):
        answer = app.ask(*headers)
        assert (answer.status, ALLOW in answer.headers, answer.headers[b"vary"]) == (200, False, b"Origin")


def test_the_cookies_of_an_app_shell_are_not_read_and_its_tokens_are(make: Callable[..., GuardedIssuer]) -> None:
    app = make(trusted_origins=TRUSTED)
    issued = app.login()
    assert app.ask(cookie(issued)).status == 200
    assert app.cached_cookies == 1
    for method in ("GET", "POST"):
        answer = app.ask(*from_page(SHELL, cookie(issued)), method=method)
        assert (answer.status, answer.headers[ALLOW]) == (401, SHELL)
        answer = app.ask(*from_page(SHELL, bearer(issued)), method=method)
        assert (answer.status, answer.headers[ALLOW]) == (200, SHELL)
        assert b"access-control-allow-credentials" not in answer.headers


def test_an_optional_guard_counts_the_cookies_of_an_app_shell_as_none(make: Callable[..., GuardedIssuer]) -> None:
    app = make(trusted_origins=TRUSTED, optional=True)
    assert app.ask(*from_page(SHELL, cookie(app.login()))).status == 200
    assert app.app.callers == [None]


def test_a_service_that_takes_no_cookies_allows_no_credentials(make: Callable[..., GuardedIssuer]) -> None:
    app = make()
    guard = AuthMiddleware(app.app, verifier=Verifier(ISSUER, "orders", revocation="none"), trusted_origins=TRUSTED)
    answer = ask(guard, *from_page(SITE))
    assert (answer.status, answer.headers[ALLOW]) == (401, SITE)
    assert b"access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("is_outside", [True, False])
def test_another_cors_layer_inside_or_outside_answers_once(
    make: Callable[..., GuardedIssuer], is_outside: bool
) -> None:
    app = make()
    issued = app.login()

    def cors(wrapped: Any) -> Any:
        return CORSMiddleware(wrapped, allow_origins=[SITE.decode()], allow_headers=["authorization"])

    stack = AuthMiddleware(cors(app.app), issuer=app.issuer) if is_outside else cors(app.guard)
    preflight = (METHOD, b"GET"), (b"access-control-request-headers", b"authorization")
    answers = [
        ask(stack, *from_page(SITE, *preflight), method="OPTIONS"),
        ask(stack, *from_page(SITE, bearer(issued))),
    ]
    for answer in answers:
        assert answer.status == 200
        assert [value for name, value in answer.sent[0]["headers"] if name == ALLOW] == [SITE]


def test_headers_of_a_cors_layer_inside_are_kept(make: Callable[..., GuardedIssuer]) -> None:
    async def open_to_all(scope: Any, receive: Any, send: Any) -> None:
        assert PRINCIPAL in scope
        await send({"type": "http.response.start", "status": 200, "headers": [(ALLOW, b"*")]})
        await send({"type": "http.response.body", "body": PASSWORD.encode()})

    app = make()
    guard = AuthMiddleware(open_to_all, issuer=app.issuer, trusted_origins=TRUSTED)
    answer: Answer = ask(guard, *from_page(SITE, bearer(app.login())))
    assert answer.sent[0]["headers"] == [(ALLOW, b"*")]
